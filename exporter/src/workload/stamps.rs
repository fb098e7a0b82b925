//! Times as logs write them, in UTC. By hand: this is half of what a generated line costs.

use std::io::Write;

use crate::event::Timestamp;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

struct Civil {
    year: i64,
    month: usize,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

/// The Gregorian date by the count of days since 0000-03-01, where leap days come last (Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms").
fn civil(at: Timestamp) -> Civil {
    let secs = at.secs();
    let (days, of_day) = (secs.div_euclid(86_400) + 719_468, secs.rem_euclid(86_400));
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    Civil {
        year: era * 400 + year_of_era + i64::from(month <= 2),
        month: month as usize,
        day: day_of_year - (153 * shifted + 2) / 5 + 1,
        hour: of_day / 3_600,
        minute: of_day % 3_600 / 60,
        second: of_day % 60,
    }
}

/// `21/Nov/2026:10:00:00 +0000`
pub(super) fn write_nginx(out: &mut Vec<u8>, at: Timestamp) {
    let Civil { year, month, day, hour, minute, second } = civil(at);
    // Writing to memory does not fail.
    write!(out, "{day:02}/{}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000", MONTHS[month - 1]).unwrap_or_default();
}

/// `2026-11-21 10:00:00,123`
pub(super) fn write_python(out: &mut Vec<u8>, at: Timestamp) {
    let Civil { year, month, day, hour, minute, second } = civil(at);
    let millis = at.micros().rem_euclid(1_000_000) / 1_000;
    write!(out, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02},{millis:03}").unwrap_or_default();
}

/// `2026-11-21T10:00:00.123456+00:00`, as rsyslog.
pub(super) fn write_rsyslog(out: &mut Vec<u8>, at: Timestamp) {
    let Civil { year, month, day, hour, minute, second } = civil(at);
    let micros = at.micros().rem_euclid(1_000_000);
    write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}+00:00").unwrap_or_default();
}

/// `2026/11/21 10:00:00`, as nginx's error log.
pub(super) fn write_nginx_error(out: &mut Vec<u8>, at: Timestamp) {
    let Civil { year, month, day, hour, minute, second } = civil(at);
    write!(out, "{year:04}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02}").unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        let write = |by: fn(&mut Vec<u8>, Timestamp), micros| {
            let mut out = Vec::new();
            by(&mut out, Timestamp::from_micros(micros));
            String::from_utf8(out).unwrap()
        };
        // date -u -d @951827696 and the like
        assert_eq!(write(write_nginx, 951_827_696_000_000), "29/Feb/2000:12:34:56 +0000");
        assert_eq!(write(write_nginx, 1_798_761_599_000_000), "31/Dec/2026:23:59:59 +0000");
        assert_eq!(write(write_nginx, 1_798_761_600_000_000), "01/Jan/2027:00:00:00 +0000");
        assert_eq!(write(write_python, 1_795_255_200_123_456), "2026-11-21 10:00:00,123");
        assert_eq!(write(write_rsyslog, 1_795_255_200_123_456), "2026-11-21T10:00:00.123456+00:00");
        assert_eq!(write(write_nginx_error, 1_795_255_200_123_456), "2026/11/21 10:00:00");
    }
}
