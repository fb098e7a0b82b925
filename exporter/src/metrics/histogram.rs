//! A classic histogram that can be saved exactly: counts per bucket, and the sum in whole microseconds, so that no order of adding
//! changes it.

use serde_json::{Value, json};

/// Upper bounds in microseconds, rising.
pub type Edges = &'static [u64];

/// Web requests: Prometheus' own default buckets (client libraries agree on them), 5 ms to 10 s.
pub const REQUEST_EDGES: Edges = &[5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000];

/// Bot replies: a person waits, so seconds matter; 5 s and 20 s are objectives and must be edges.
pub const REPLY_EDGES: Edges =
    &[250_000, 500_000, 1_000_000, 2_000_000, 3_000_000, 5_000_000, 8_000_000, 13_000_000, 20_000_000, 30_000_000, 60_000_000];

/// Saving the state: from a fast disk to one in trouble.
pub const COMMIT_EDGES: Edges = &[1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000];

/// A histogram of durations.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    edges: Edges,
    /// For each number of bits, how many edges are below all durations that have so many.
    below: [u8; 65],
    /// One count per edge and one beyond the last; not cumulative.
    counts: Vec<u64>,
    sum_micros: u64,
}

/// The most edges between two powers of two.
const EDGES_OF_A_LENGTH: usize = 2;

impl Histogram {
    /// An empty one.
    pub fn new(edges: Edges) -> Self {
        let least = |bits: usize| if bits == 0 { 0 } else { 1 << (bits - 1) };
        let below = std::array::from_fn(|bits| edges.iter().filter(|&&edge| edge < least(bits)).count() as u8);
        Self { edges, below, counts: vec![0; edges.len() + 1], sum_micros: 0 }
    }

    /// Counts a duration.
    pub fn observe(&mut self, micros: u64) {
        // Without branches: where it falls cannot be foreseen.
        let below = usize::from(self.below[(u64::BITS - micros.leading_zeros()) as usize]);
        let is_above = |edge: usize| self.edges.get(below + edge).is_some_and(|&edge| micros > edge);
        let bucket = below + (0..EDGES_OF_A_LENGTH).filter(|&edge| is_above(edge)).count();
        self.counts[bucket] += 1;
        self.sum_micros = self.sum_micros.saturating_add(micros);
    }

    /// All observations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum in seconds.
    pub fn sum_secs(&self) -> f64 {
        self.sum_micros as f64 / 1e6
    }

    /// Upper bound in seconds (the last is infinite) and count of each bucket, not cumulative.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = self.edges.iter().map(|&edge| edge as f64 / 1e6).chain([f64::INFINITY]);
        bounds.zip(self.counts.iter().copied()).collect()
    }

    /// For [`Histogram::load`]. The edges are saved too: counts under other edges would be wrong.
    pub fn save(&self) -> Value {
        json!({ "edges": self.edges, "counts": self.counts, "sum_micros": self.sum_micros })
    }

    /// Takes up saved counts; leaves this one as it is when they were made with other edges or are damaged.
    pub fn load(&mut self, saved: &Value) {
        let numbers = |key: &str| -> Option<Vec<u64>> { saved.get(key)?.as_array()?.iter().map(Value::as_u64).collect() };
        let (Some(edges), Some(counts), Some(sum)) = (numbers("edges"), numbers("counts"), saved.get("sum_micros").and_then(Value::as_u64))
        else {
            return;
        };
        if edges == self.edges && counts.len() == self.counts.len() {
            self.counts = counts;
            self.sum_micros = sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_belong_to_the_bucket_below() {
        let mut histogram = Histogram::new(REQUEST_EDGES);
        for micros in [0, 5_000, 5_001, 10_000_000, 10_000_001, u64::MAX] {
            histogram.observe(micros);
        }
        let buckets = histogram.buckets();
        assert_eq!((buckets[0], buckets[1]), ((0.005, 2), (0.01, 1)));
        assert_eq!((buckets[10], buckets[11]), ((10.0, 1), (f64::INFINITY, 2)));
        assert_eq!(histogram.count(), 6);
    }

    #[test]
    fn each_duration_finds_its_bucket() {
        for edges in [REQUEST_EDGES, REPLY_EDGES, COMMIT_EDGES] {
            let powers = (0..64).map(|bits| 1 << bits);
            for micros in edges.iter().copied().chain(powers).flat_map(|at: u64| [at - 1, at, at + 1]) {
                let mut histogram = Histogram::new(edges);
                histogram.observe(micros);
                let expected = edges.iter().position(|&edge| micros <= edge).unwrap_or(edges.len());
                assert_eq!(histogram.counts.iter().position(|&count| count == 1), Some(expected), "{micros}");
            }
        }
    }

    #[test]
    fn saved_is_loaded_exactly_and_only_under_the_same_edges() {
        let mut histogram = Histogram::new(REQUEST_EDGES);
        (0..1_000).for_each(|n| histogram.observe(n * 9_973));
        let saved = histogram.save();
        let mut again = Histogram::new(REQUEST_EDGES);
        again.load(&saved);
        assert_eq!(again, histogram);
        let mut other = Histogram::new(REPLY_EDGES);
        other.load(&saved);
        assert_eq!(other.count(), 0);
    }
}
