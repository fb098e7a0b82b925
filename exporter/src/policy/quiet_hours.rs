//! When people want to sleep: only what is critical is told then.

use jiff::tz::TimeZone;

use crate::event::Timestamp;

/// A part of each day, by a clock on the wall.
#[derive(Clone, Debug, PartialEq)]
pub struct QuietHours {
    /// Its first minute, counted from midnight.
    pub from: u16,
    /// The first minute after it; before `from`, it lies in the next day.
    pub until: u16,
    /// Where the clock hangs.
    pub zone: TimeZone,
}

impl QuietHours {
    /// Whether it is quiet then.
    pub fn contains(&self, at: Timestamp) -> bool {
        let Ok(at) = jiff::Timestamp::from_second(at.secs()) else { return false };
        let local = at.to_zoned(self.zone.clone());
        let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap_or(0);
        if self.from <= self.until { (self.from..self.until).contains(&minute) } else { minute >= self.from || minute < self.until }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nights_pass_midnight_and_change_with_the_season() {
        let zone = TimeZone::get("Europe/Madrid").unwrap();
        let night = QuietHours { from: 23 * 60, until: 7 * 60 + 30, zone: zone.clone() };
        let lunch = QuietHours { from: 14 * 60, until: 16 * 60, zone };
        let at = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
        for (time, is_night, is_lunch) in [
            ("2026-11-21T22:00:00Z", true, false),
            ("2026-11-21T21:59:59Z", false, false),
            ("2026-11-22T06:29:59Z", true, false),
            ("2026-11-22T06:30:00Z", false, false),
            ("2026-11-22T13:00:00Z", false, true),
            // In summer the clock is an hour further.
            ("2026-08-21T21:00:00Z", true, false),
            ("2026-08-21T12:00:00Z", false, true),
            ("2026-08-21T14:00:00Z", false, false),
        ] {
            assert_eq!((night.contains(at(time)), lunch.contains(at(time))), (is_night, is_lunch), "{time}");
        }
    }
}
