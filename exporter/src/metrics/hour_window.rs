//! Quantiles over the last hour: a ring of twelve five-minute sketches, bounded, with a relative error of at most 1 %.

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::event::Timestamp;

/// How much log time one slot covers, in seconds.
const SLOT_SECS: i64 = 300;
/// The same in microseconds.
const SLOT_MICROS: u64 = SLOT_SECS as u64 * 1_000_000;
/// Slots that make an hour.
const SLOTS: i64 = 12;
/// The longest duration told apart: one hour, in microseconds.
const HIGHEST_MICROS: u64 = 3_600_000_000;
/// Two significant digits: 256 sub-buckets, so that a value is off by less than 1/128.
const SIGNIFICANT_DIGITS: u8 = 2;

/// The quantiles that are shown, with their label text.
pub const QUANTILES: [(f64, &str); 3] = [(0.5, "0.5"), (0.95, "0.95"), (0.99, "0.99")];

/// Durations of the last hour, by the time in the log.
#[derive(Default)]
pub struct HourWindow {
    slots: Vec<Slot>,
    /// Where slots were saved that have been forgotten since.
    gone: Vec<i64>,
}

struct Slot {
    /// Its start, in units of [`SLOT_SECS`] since the epoch.
    number: i64,
    durations: Histogram<u32>,
    changed: bool,
}

impl Slot {
    /// Whether `at` falls into it. Without a division, since each request asks.
    fn covers(&self, at: Timestamp) -> bool {
        let start = self.number.wrapping_mul(SLOT_MICROS as i64);
        (at.micros().wrapping_sub(start) as u64) < SLOT_MICROS
    }

    /// Where it is saved.
    fn place(&self) -> i64 {
        self.number.rem_euclid(SLOTS)
    }
}

impl HourWindow {
    /// Counts a duration that ended at `at`; one from before the hour that the newest one began is left out.
    pub fn observe(&mut self, at: Timestamp, micros: u64) {
        // Logs are nearly in order: the newest slot stands last.
        let slot = match self.slots.last_mut() {
            Some(newest) if newest.covers(at) => newest,
            _ => match self.slot(at.secs().div_euclid(SLOT_SECS)) {
                Some(slot) => slot,
                None => return,
            },
        };
        slot.durations.saturating_record(micros);
        slot.changed = true;
    }

    /// Forgets what lies in the future: the clock was ahead, and what happens now would be older than an hour until it gets there.
    pub fn on_tick(&mut self, now: Timestamp) {
        // Records may be a little ahead of the clock.
        let newest = now.secs().div_euclid(SLOT_SECS) + 1;
        while let Some(slot) = self.slots.pop_if(|slot| slot.number > newest) {
            self.gone.push(slot.place());
        }
    }

    /// A slot that is not the newest one, or is new.
    #[cold]
    fn slot(&mut self, number: i64) -> Option<&mut Slot> {
        let index = match self.slots.iter().rposition(|slot| slot.number <= number) {
            Some(index) if self.slots[index].number == number => index,
            found => self.open_slot(found.map_or(0, |index| index + 1), number)?,
        };
        self.slots.get_mut(index)
    }

    fn open_slot(&mut self, index: usize, number: i64) -> Option<usize> {
        if self.slots.last().is_some_and(|newest| number <= newest.number - SLOTS) {
            return None;
        }
        let durations = Histogram::new_with_bounds(1, HIGHEST_MICROS, SIGNIFICANT_DIGITS).ok()?;
        self.slots.insert(index, Slot { number, durations, changed: true });
        let before = self.slots.len();
        let newest = self.slots.last()?.number;
        self.slots.retain(|slot| slot.number > newest - SLOTS);
        (index + self.slots.len()).checked_sub(before)
    }

    /// The quantiles in seconds over the hour before `now`, or nothing when nothing was seen in it.
    pub fn quantiles(&self, now: Timestamp) -> Option<[f64; 3]> {
        let oldest = now.secs().div_euclid(SLOT_SECS) - SLOTS;
        let mut all = Histogram::<u32>::new_with_bounds(1, HIGHEST_MICROS, SIGNIFICANT_DIGITS).ok()?;
        for slot in self.slots.iter().filter(|slot| slot.number > oldest) {
            all.add(&slot.durations).ok()?;
        }
        (!all.is_empty()).then(|| QUANTILES.map(|(quantile, _)| all.value_at_quantile(quantile) as f64 / 1e6))
    }

    /// The slots that changed since the last call, by the place each is saved at: at most twelve places, used in turn.
    pub fn save_changed(&mut self) -> Vec<(i64, Value)> {
        let gone = self.gone.drain(..).map(|place| (place, Value::Null));
        let changed = self.slots.iter_mut().filter(|slot| slot.changed).map(|slot| {
            slot.changed = false;
            let counts: Vec<_> = slot.durations.iter_recorded().map(|v| (v.value_iterated_to(), v.count_at_value())).collect();
            (slot.place(), json!({ "slot": slot.number, "counts": counts }))
        });
        gone.chain(changed).collect()
    }

    /// Makes the next [`HourWindow::save_changed`] give every place: nobody knows what stands there.
    pub fn mark_all_changed(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.changed = true);
        let is_free = |place: &i64| self.slots.iter().all(|slot| slot.place() != *place);
        self.gone = (0..SLOTS).filter(is_free).collect();
    }

    /// Takes up one saved slot; leaves out what is damaged, and places of which nothing is left.
    pub fn load(&mut self, saved: &Value) {
        let Some(number) = saved.get("slot").and_then(Value::as_i64) else { return };
        let Some(counts) = saved.get("counts").and_then(Value::as_array) else { return };
        let Ok(mut durations) = Histogram::new_with_bounds(1, HIGHEST_MICROS, SIGNIFICANT_DIGITS) else { return };
        for pair in counts {
            if let (Some(value), Some(count)) = (pair.get(0).and_then(Value::as_u64), pair.get(1).and_then(Value::as_u64)) {
                durations.saturating_record_n(value, u32::try_from(count).unwrap_or(u32::MAX));
            }
        }
        self.slots.push(Slot { number, durations, changed: false });
        self.slots.sort_by_key(|slot| slot.number);
        self.slots.dedup_by_key(|slot| slot.number);
        let newest = self.slots.last().map_or(number, |slot| slot.number);
        self.slots.retain(|slot| slot.number > newest.saturating_sub(SLOTS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_775_253_600;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(START + secs)
    }

    #[test]
    fn the_relative_error_is_at_most_one_percent() {
        let mut window = HourWindow::default();
        let mut exact: Vec<u64> = (0..10_000_u64).map(|n| 1 + n * n * 29).collect();
        exact.iter().for_each(|&micros| window.observe(at(0), micros));
        exact.sort_unstable();
        for ((quantile, _), got) in QUANTILES.iter().zip(window.quantiles(at(1)).unwrap()) {
            let rank = (quantile * exact.len() as f64).ceil() as usize - 1;
            let want = exact[rank] as f64 / 1e6;
            assert!((got - want).abs() <= want * 0.01, "{quantile}: {got} for {want}");
        }
    }

    #[test]
    fn an_hour_later_it_is_forgotten() {
        let mut window = HourWindow::default();
        window.observe(at(0), 1_000_000);
        assert!(window.quantiles(at(3_000)).is_some());
        assert!(window.quantiles(at(3_600)).is_none());
    }

    #[test]
    fn late_and_early_records_find_their_slot() {
        let mut window = HourWindow::default();
        for secs in [1_200, 0, 600, 599, 7_200, 0, -100_000] {
            window.observe(at(secs), 1_000);
        }
        let numbers: Vec<_> = window.slots.iter().map(|slot| slot.number - at(0).secs().div_euclid(SLOT_SECS)).collect();
        assert_eq!(numbers, [24], "only the hour before the newest is kept");
        window.observe(at(7_200 - 3_300), 1_000);
        assert_eq!(window.slots.len(), 2);
    }

    #[test]
    fn a_clock_that_was_put_back_holds_nothing_back() {
        let mut window = HourWindow::default();
        let day = 86_400;
        let mut saved = std::collections::BTreeMap::new();
        window.observe(at(day), 9_000_000);
        window.observe(at(day + 300), 9_000_000);
        window.on_tick(at(day + 250));
        saved.extend(window.save_changed());
        assert_eq!(saved.len(), 2, "a little ahead of the clock is not the future");
        window.observe(at(0), 1_000_000);
        assert_eq!(window.quantiles(at(1)).map(|[p50, ..]| p50 > 8.0), Some(true));
        window.on_tick(at(1));
        window.observe(at(2), 1_000_000);
        let unsaved = window.save_changed();
        assert_eq!(unsaved.iter().filter(|(_, slot)| slot.is_null()).count(), 2);
        // That commit fails; the next one does not.
        window.mark_all_changed();
        saved.extend(window.save_changed());
        let mut again = HourWindow::default();
        saved.values().for_each(|saved| again.load(saved));
        for window in [window, again] {
            let [p50, _, p99] = window.quantiles(at(3)).unwrap();
            assert!(p50 > 0.99 && p99 < 1.01, "{p50} {p99}");
        }
    }

    #[test]
    fn saved_slots_give_the_same_quantiles() {
        let mut window = HourWindow::default();
        (0..5_000_u64).for_each(|n| window.observe(at((n % 3_000) as i64), n * 777));
        let mut again = HourWindow::default();
        window.save_changed().iter().for_each(|(_, saved)| again.load(saved));
        assert_eq!(again.quantiles(at(3_000)), window.quantiles(at(3_000)));
        assert!(window.save_changed().is_empty());
        window.observe(at(2_999), 5);
        assert_eq!(window.save_changed().len(), 1);
    }
}
