//! Remembers answers by the text they were for. Fixed in size and small, so that it stays near the processor: of a text only a fingerprint
//! is kept, of answers that are alike one. The fingerprint's seed is drawn at the start, so that nobody can aim at a slot; that two texts
//! are taken for one happens once in 10¹⁴ looks.

use std::hash::{BuildHasher, Hasher};

/// Slots that a text may stand in: a newcomer comes first, the others move back, and who is asked for again moves up by one.
const WAYS: usize = 4;
/// The most different answers: rules come in few combinations.
const ANSWERS: usize = 1 << ANSWER_BITS;
/// The lower bits of a slot, which hold the answer's place; the others are the fingerprint.
const ANSWER_BITS: u32 = 12;
/// Set in each fingerprint, so that an empty slot is none.
const TAKEN: u64 = 1 << 63;

/// Slots of which one text may take any. Half a line of the processor's cache, and never parts of two.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Set([u64; WAYS]);

/// Answers for texts.
pub(super) struct Cache<T> {
    sets: Vec<Set>,
    answers: Vec<T>,
    hasher: foldhash::quality::RandomState,
}

impl<T: Copy + PartialEq> Cache<T> {
    /// For `size` texts at most, rounded up to a power of two.
    pub(super) fn new(size: usize) -> Self {
        let sets = (size / WAYS).next_power_of_two();
        Self { sets: vec![Set([0; WAYS]); sets], answers: Vec::new(), hasher: Default::default() }
    }

    /// The answer for `text`; `ask` is called if it is not remembered. One text may have answers of several variants.
    #[inline]
    pub(super) fn get(&mut self, text: &[u8], variant: u8, ask: impl FnOnce() -> T) -> T {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(text);
        hasher.write_u8(variant);
        let hash = hasher.finish();
        // The set is chosen by the lower bits, which the fingerprint lacks.
        let at = hash as usize & (self.sets.len() - 1);
        let fingerprint = (hash | TAKEN) >> ANSWER_BITS;
        let Some(Set(set)) = self.sets.get_mut(at) else { return ask() };
        // Without a branch for each slot: which one it is cannot be foreseen.
        let is_there = |way: usize| set[way] >> ANSWER_BITS == fingerprint;
        let way = (0..WAYS).rev().fold(WAYS, |found, way| if is_there(way) { way } else { found });
        if let Some(slot) = set.get(way)
            && let Some(answer) = self.answers.get(*slot as usize & (ANSWERS - 1))
        {
            set.swap(way, way.saturating_sub(1));
            return *answer;
        }
        let answer = ask();
        let known = self.answers.iter().position(|known| *known == answer);
        let place = known.or_else(|| {
            let has_room = self.answers.len() < ANSWERS;
            has_room.then(|| {
                self.answers.push(answer);
                self.answers.len() - 1
            })
        });
        if let Some(place) = place {
            set.rotate_right(1);
            set[0] = fingerprint << ANSWER_BITS | place as u64;
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::Cache;

    #[test]
    fn each_text_has_its_own_answer_and_is_asked_for_once_while_it_stays() {
        let answer = |text: &str| text.len() * 1_000 + text.bytes().map(usize::from).sum::<usize>();
        let mut cache = Cache::<usize>::new(64);
        let mut asked = 0;
        let mut get = |text: &str, variant| {
            cache.get(text.as_bytes(), variant, || {
                asked += 1;
                answer(text) + usize::from(variant)
            })
        };
        for n in 0..2_000 {
            let (text, variant) = (format!("/{}", n * 7_919 % 500), (n % 2) as u8);
            assert_eq!(get(&text, variant), answer(&text) + usize::from(variant));
        }
        (0..10).for_each(|_| assert_eq!(get("/same", 0), answer("/same")));
        for text in ["", "a longer text than most"] {
            assert_eq!((get(text, 0), get(text, 1)), (answer(text), answer(text) + 1));
        }
        assert!((1_500..2_007).contains(&asked), "{asked}");
    }

    #[test]
    fn who_came_last_stays() {
        let mut cache = Cache::<u8>::new(4);
        let mut asked = String::new();
        for text in "abcd abcd ed abce".replace(' ', "").chars() {
            cache.get(text.to_string().as_bytes(), 0, || {
                asked.push(text);
                1
            });
        }
        // A newcomer takes the place of the one that was not asked for longest.
        assert_eq!(asked, "abcdeabce");
    }

    #[test]
    fn more_answers_than_there_is_room_for_are_given_all_the_same() {
        let mut cache = Cache::<usize>::new(64);
        for n in (0..10_000).chain(0..10) {
            assert_eq!(cache.get(n.to_string().as_bytes(), 0, || n), n);
        }
        assert_eq!(cache.answers.len(), super::ANSWERS);
    }
}
