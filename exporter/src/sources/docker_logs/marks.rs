//! How far each stream of a container's log was read, by the times that Docker gives its lines.
//!
//! Several lines may share a time, so that they are counted. Within one stream a log is in the order of writing and its times do not
//! fall, unless the clock was set back; the streams overtake each other by microseconds, so that each has a mark of its own. The log can
//! only be asked for from a whole second on: what was read before comes again and is passed over here.

use crate::batch::StreamMark;

/// Lines are asked for from so many seconds before the last one read: the other stream may hold older ones that were written later.
const MARGIN_SECS: i64 = 5;
const NANOS: i64 = 1_000_000_000;

/// The marks, and how far a reading that began behind them has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    streams: [Option<StreamMark>; 2],
    /// Lines of the marks' own times that came again.
    again: [u64; 2],
    /// The marks were passed: all that comes is new.
    passed: [bool; 2],
}

impl Marks {
    /// As they were saved.
    pub(super) fn new(streams: [Option<StreamMark>; 2]) -> Self {
        Self { streams, ..Self::default() }
    }

    /// Marks that leave out what was written until now, in nanoseconds since the epoch.
    pub(super) fn from_now_on(now: i64) -> Self {
        Self::new([Some(StreamMark { at: now, count: 0, highest: now }); 2])
    }

    /// For saving.
    pub(super) fn streams(&self) -> [Option<StreamMark>; 2] {
        self.streams
    }

    /// A reading begins. Gives the second since the epoch from which on lines must be asked for; `None`: all of them.
    pub(super) fn begin(&mut self) -> Option<i64> {
        self.again = [0; 2];
        self.passed = self.streams.map(|mark| mark.is_none());
        let oldest = self.streams.iter().flatten().map(|mark| mark.at).min()?;
        Some(oldest.div_euclid(NANOS).saturating_sub(MARGIN_SECS).max(0))
    }

    /// Takes the next line of a reading. `false`: it was read before.
    pub(super) fn take(&mut self, stream: usize, at: i64) -> bool {
        let (Some(mark), Some(again), Some(passed)) =
            (self.streams.get_mut(stream), self.again.get_mut(stream), self.passed.get_mut(stream))
        else {
            return false;
        };
        if let Some(known) = mark.as_ref().filter(|_| !*passed) {
            if at == known.at && *again < known.count {
                *again += 1;
                *passed = *again == known.count;
                return false;
            }
            // Behind the latest time ever read everything is new, even if the line of the mark itself was rotated away.
            if at != known.at && at <= known.highest {
                return false;
            }
            *passed = true;
        }
        *mark = Some(match *mark {
            Some(known) if known.at == at => StreamMark { count: known.count.saturating_add(1), ..known },
            Some(known) => StreamMark { at, count: 1, highest: known.highest.max(at) },
            None => StreamMark { at, count: 1, highest: at },
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    /// SplitMix64: good enough to try many cases, and the same everywhere.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ mixed >> 31) % limit
        }
    }

    /// A log as Docker keeps it: stream and time of each line.
    type Log = Vec<(usize, i64)>;

    /// What Docker gives to who asks from this second on.
    fn since(log: &Log, second: Option<i64>) -> impl Iterator<Item = (usize, (usize, i64))> {
        let from = second.unwrap_or(0) * NANOS;
        log.iter().copied().enumerate().filter(move |(_, (_, at))| *at >= from)
    }

    /// Reads up to `most` answered lines and gives the new ones by their places.
    fn read(marks: &mut Marks, log: &Log, most: usize) -> Vec<usize> {
        let second = marks.begin();
        since(log, second).take(most).filter(|(_, (stream, at))| marks.take(*stream, *at)).map(|(place, _)| place).collect()
    }

    #[test]
    fn every_line_is_taken_once_whatever_the_cuts() {
        let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_121);
        for round in 0..3_000u64 {
            let mut random = Random(seed + round);
            let mut below = |limit: u64| random.below(limit);
            let (mut log, mut marks, mut seen) = (Log::new(), Marks::default(), Vec::new());
            let mut clocks = [1_000 * NANOS; 2];
            let mut set_back = false;
            for _ in 0..below(12) {
                for _ in 0..below(30) {
                    let stream = below(2) as usize;
                    // Equal times, a tick, a pause; a stream lags behind the other by less than the margin.
                    let step = [0, 0, 1, 1_000_000, NANOS][below(5) as usize];
                    let newest = clocks[0].max(clocks[1]);
                    clocks[stream] = clocks[stream].max(newest - 2 * NANOS) + step;
                    log.push((stream, clocks[stream]));
                }
                if below(8) == 0 && !set_back && !log.is_empty() {
                    // The clock is set back while somebody reads: all so far has been read.
                    seen.extend(read(&mut marks, &log, usize::MAX));
                    set_back = true;
                    // No line's time comes twice, to the nanosecond.
                    let back = below(20) as i64 * NANOS + 500_000;
                    let target = clocks[0].max(clocks[1]) - back;
                    let from = log.len();
                    // The reading goes on over the step, and gets at least a line of each stream.
                    for stream in [0, 1] {
                        clocks[stream] = target;
                        log.push((stream, target));
                        assert!(marks.take(stream, target), "seed {seed} round {round}");
                    }
                    seen.extend(from..log.len());
                }
                // A reading that may be cut off; the process may end behind it.
                seen.extend(read(&mut marks, &log, if below(3) == 0 { below(20) as usize } else { usize::MAX }));
                if below(2) == 0 {
                    marks = Marks::new(marks.streams());
                }
            }
            seen.extend(read(&mut marks, &log, usize::MAX));
            seen.sort_unstable();
            assert_eq!(seen, (0..log.len()).collect::<Vec<_>>(), "seed {seed} round {round}: {log:?}");
        }
    }

    #[test]
    fn rotation_takes_away_what_was_read_and_nothing_is_doubled() {
        let log: Log = (0..50).map(|number| (0, (1_000 + number / 3) * NANOS)).collect();
        let mut marks = Marks::default();
        assert_eq!(read(&mut marks, &log, 20).len(), 20);
        let rest: Log = log[30..].to_vec();
        assert_eq!(read(&mut marks, &rest, usize::MAX).len(), 20, "all that is left");
    }

    #[test]
    fn from_now_on_leaves_out_what_was_there() {
        let mut marks = Marks::from_now_on(1_000 * NANOS);
        assert_eq!(marks.begin(), Some(995));
        let taken = [(0, 999), (1, 1_000), (0, 1_001), (1, 998), (0, 1_001)].map(|(stream, at)| marks.take(stream, at * NANOS));
        assert_eq!(taken, [false, true, true, true, true]);
    }

    #[test]
    fn hostile_marks_and_streams_do_no_harm() {
        let wild = Some(StreamMark { at: i64::MIN, count: u64::MAX, highest: i64::MAX });
        let mut marks = Marks::new([wild, wild]);
        assert_eq!(marks.begin(), Some(0));
        assert!(!marks.take(0, i64::MIN) && !marks.take(1, 0) && !marks.take(2, 0));
    }
}
