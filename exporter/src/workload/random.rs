//! Repeatable chance. Good enough to look natural, and fast; not for secrets.

/// A generator: SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(mixed(seed))
    }

    pub(super) fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// Below `bound`, which is not 0. The bias of the multiplication does not show at our bounds.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.any()) * u128::from(bound)) >> 64) as u64
    }

    /// From 0 to below 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.any() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of `choices`, which is not empty.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// One of `choices` by the weights in front of them, which are not all 0.
    pub(super) fn weighted<T: Copy>(&mut self, choices: &[(u32, T)]) -> T {
        let mut left = self.below(choices.iter().map(|(weight, _)| u64::from(*weight)).sum());
        for &(weight, choice) in choices {
            match left.checked_sub(u64::from(weight)) {
                Some(rest) => left = rest,
                None => return choice,
            }
        }
        choices[0].1
    }

    /// Waiting times between events that know nothing of each other.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Around `median`, mostly within a factor of three, sometimes far above: how long answers take and how big they are.
    pub(super) fn skewed(&mut self, median: f64) -> f64 {
        let normal = (0..6).map(|_| self.unit()).sum::<f64>() - 3.0;
        median * (normal * 0.9).exp()
    }
}

/// Spreads neighbours far apart.
pub(super) const fn mixed(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// `length` characters of an identifier, as in links. Every third is a digit, so that none looks like a word.
pub(super) fn identifier(mut n: u64, length: usize, out: &mut String) {
    const LETTERS: &[u8; 24] = b"abcdefghijkmnpqrstuvwxyz";
    const DIGITS: &[u8; 8] = b"23456789";
    for place in 0..length {
        let alphabet: &[u8] = if place % 3 == 1 { DIGITS } else { LETTERS };
        out.push(char::from(alphabet[(n % alphabet.len() as u64) as usize]));
        n = mixed(n);
    }
}
