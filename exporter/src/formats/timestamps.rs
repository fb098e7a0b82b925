//! Log times to instants. Texts repeat within a second or a minute, so each clock remembers the one before.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::numbers;
use crate::event::Timestamp;

/// Reads the common log format's time: `04/Apr/2026:12:59:12 +0200`.
#[derive(Clone, Debug, Default)]
pub struct ClfClock {
    text: [u8; 26],
    at: Option<Timestamp>,
}

impl ClfClock {
    /// The instant, or nothing if `text` is not in this form or no such time exists.
    pub fn parse(&mut self, text: &[u8]) -> Option<Timestamp> {
        let text: &[u8; 26] = text.try_into().ok()?;
        if self.text == *text && self.at.is_some() {
            return self.at;
        }
        let at = clf(text)?;
        (self.text, self.at) = (*text, Some(at));
        self.at
    }
}

const MONTHS: [&[u8; 3]; 12] = [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

fn clf(text: &[u8; 26]) -> Option<Timestamp> {
    let [day @ .., b'/', m, o, n, b'/', y, e, a, r, b':', h, i, b':', t, u, b':', s, d, b' ', sign, oh, op, om, on] = text else {
        return None;
    };
    let month = MONTHS.iter().position(|month| *month == &[*m, *o, *n])?;
    let days = days(i16::try_from(number(&[*y, *e, *a, *r])?).ok()?, i8::try_from(month).ok()? + 1, number(day)?)?;
    let minutes = minutes(number(&[*h, *i])?, number(&[*t, *u])?)?;
    let second = number(&[*s, *d]).filter(|second| *second <= 60)?;
    let offset = offset(*sign, &[*oh, *op], &[*om, *on])?;
    Some(Timestamp::from_secs(days * 86_400 + minutes * 60 + second - offset))
}

/// Reads RFC 3339 and what is close to it: `2026-04-04T12:59:12.345+02:00`, `2026-04-04 12:59:12,345` as Python's logging writes it,
/// `2026/04/04 12:59:12.345` as Go's. A time without an offset is a wall clock's in the given zone; of a time that its zone skips or has twice, the reading is the one
/// that RFC 5545 takes ("compatible": the later side of a gap, the first pass of an overlap).
#[derive(Clone, Debug)]
pub struct IsoClock {
    zone: TimeZone,
    /// `2026-04-04 12:59`, as it was read last.
    text: [u8; MINUTE_BYTES],
    minute: Option<Minute>,
}

#[derive(Clone, Copy, Debug)]
struct Minute {
    /// The minute in seconds since the epoch, had it been told in UTC.
    civil: i64,
    /// The zone's offset then.
    offset: i64,
}

const MINUTE_BYTES: usize = "2026-04-04 12:59".len();

impl IsoClock {
    /// A clock for texts that mean `zone` when they name no offset.
    pub fn new(zone: TimeZone) -> Self {
        Self { zone, text: [0; MINUTE_BYTES], minute: None }
    }

    /// The instant that the whole of `text` tells.
    pub fn parse(&mut self, text: &[u8]) -> Option<Timestamp> {
        self.parse_prefix(text).filter(|(_, rest)| rest.is_empty()).map(|(at, _)| at)
    }

    /// The instant that `text` begins with, and what comes after it.
    pub fn parse_prefix<'a>(&mut self, text: &'a [u8]) -> Option<(Timestamp, &'a [u8])> {
        let (minute, rest) = text.split_first_chunk::<MINUTE_BYTES>()?;
        let minute = self.minute(minute)?;
        let [b':', tens @ b'0'..=b'6', ones @ b'0'..=b'9', rest @ ..] = rest else { return None };
        let second = i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
        if second > 60 {
            return None;
        }
        let (micros, rest) = fraction(rest);
        let (offset, rest) = match rest {
            [b'Z' | b'z', rest @ ..] => (0, rest),
            [sign @ (b'+' | b'-'), a, b, b':', c, d, rest @ ..]
            | [sign @ (b'+' | b'-'), a, b, c, d, rest @ ..]
            | [b' ', sign @ (b'+' | b'-'), a, b, c, d, rest @ ..]
                if [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()) =>
            {
                (offset(*sign, &[*a, *b], &[*c, *d])?, rest)
            }
            rest => (minute.offset, rest),
        };
        Some((Timestamp::from_micros((minute.civil + second - offset) * 1_000_000 + micros), rest))
    }

    fn minute(&mut self, text: &[u8; MINUTE_BYTES]) -> Option<Minute> {
        if self.text == *text && self.minute.is_some() {
            return self.minute;
        }
        let minute = minute(text, &self.zone)?;
        (self.text, self.minute) = (*text, Some(minute));
        self.minute
    }
}

fn minute(text: &[u8; MINUTE_BYTES], zone: &TimeZone) -> Option<Minute> {
    let [year @ .., b'-' | b'/', m, o, b'-' | b'/', d, a, b'T' | b't' | b' ', h, r, b':', i, n] = text else { return None };
    let (year, month, day) = (i16::try_from(number(year)?).ok()?, i8::try_from(number(&[*m, *o])?).ok()?, number(&[*d, *a])?);
    let (hour, of_hour) = (number(&[*h, *r])?, number(&[*i, *n])?);
    let civil = days(year, month, day)? * 86_400 + minutes(hour, of_hour)? * 60;
    let local = jiff::civil::datetime(year, month, i8::try_from(day).ok()?, i8::try_from(hour).ok()?, i8::try_from(of_hour).ok()?, 0, 0);
    let at = zone.to_ambiguous_timestamp(local).compatible().ok()?;
    Some(Minute { civil, offset: civil - at.as_second() })
}

/// How far the first stamp without a year may lie beyond the reference: clocks and zones differ.
const AHEAD_OF_REFERENCE: i64 = 86_400;
/// Half a year, in seconds: a stamp without a year is nearer than this to the one before.
const HALF_YEAR: i64 = 183 * 86_400;

/// Reads the stamps of the old syslog, which name neither year nor zone: `Nov  2 15:40:14`. The first one is in the last year that does
/// not put it beyond the reference; each later one is in the year that brings it nearest to the one before, so that New Year passes.
#[derive(Clone, Debug)]
pub struct BsdClock {
    zone: TimeZone,
    reference: Timestamp,
    last: Option<Timestamp>,
    /// The text that was read last, and what it meant.
    text: [u8; BSD_BYTES],
}

const BSD_BYTES: usize = "Nov  2 15:40:14".len();

impl BsdClock {
    /// A clock for wall-clock times of `zone`; `reference` is about now.
    pub fn new(zone: TimeZone, reference: Timestamp) -> Self {
        Self { zone, reference, last: None, text: [0; BSD_BYTES] }
    }

    /// The instant that `text` begins with, and what comes after it. The day may be written with a blank, a zero, or one digit.
    pub fn parse_prefix<'a>(&mut self, text: &'a [u8]) -> Option<(Timestamp, &'a [u8])> {
        let (stamp, rest) = text.split_first_chunk::<BSD_BYTES>()?;
        if self.text == *stamp
            && let Some(at) = self.last
        {
            return Some((at, rest));
        }
        let [m, o, n, b' ', tail @ ..] = text else { return None };
        let month = MONTHS.iter().position(|month| *month == &[*m, *o, *n])?;
        let (day, tail) = match tail {
            [b' ' | b'0', ones @ b'1'..=b'9', b' ', tail @ ..] | [ones @ b'1'..=b'9', b' ', tail @ ..] => (ones - b'0', tail),
            [tens @ b'1'..=b'3', ones @ b'0'..=b'9', b' ', tail @ ..] => ((tens - b'0') * 10 + ones - b'0', tail),
            _ => return None,
        };
        let [h, r, b':', i, u, b':', s, d, rest @ ..] = tail else { return None };
        let of_day = minutes(number(&[*h, *r])?, number(&[*i, *u])?)? * 60 + number(&[*s, *d]).filter(|second| *second <= 60)?;
        let at = self.in_its_year(i8::try_from(month).ok()? + 1, i8::try_from(day).ok()?, of_day)?;
        // A stamp of another length is not told from others by its first bytes.
        self.text = if text.len() - rest.len() == BSD_BYTES { *stamp } else { [0; BSD_BYTES] };
        self.last = Some(at);
        Some((at, rest))
    }

    fn in_its_year(&self, month: i8, day: i8, of_day: i64) -> Option<Timestamp> {
        let near = self.last.unwrap_or(self.reference).secs();
        let year = jiff::Timestamp::from_second(near).ok()?.to_zoned(self.zone.clone()).year();
        let years = [year + 1, year, year - 1].into_iter().filter_map(|year| self.instant(year, month, day, of_day));
        let secs = match self.last {
            Some(_) => years.min_by_key(|secs| (secs - near).abs()),
            // Of 29 February, the last one may be years ago.
            None => years
                .chain((2..=8).filter_map(|ago| self.instant(year - ago, month, day, of_day)))
                .find(|secs| *secs <= near + AHEAD_OF_REFERENCE),
        };
        secs.map(Timestamp::from_secs)
    }

    fn instant(&self, year: i16, month: i8, day: i8, of_day: i64) -> Option<i64> {
        let midnight = Date::new(year, month, day).ok()?.to_datetime(jiff::civil::Time::midnight());
        let local = midnight.checked_add(jiff::SignedDuration::from_secs(of_day)).ok()?;
        Some(self.zone.to_ambiguous_timestamp(local).compatible().ok()?.as_second())
    }

    /// The last instant read, to be saved: the year of what follows rests on it.
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// Takes up what [`BsdClock::last`] gave, unless the log was silent since for so long that it tells nothing of the year.
    pub fn go_on_from(&mut self, last: Option<Timestamp>) {
        self.last = last.filter(|last| (self.reference.secs() - last.secs()).abs() < HALF_YEAR);
        self.text = [0; BSD_BYTES];
    }
}

/// Reads any of these forms, told apart by their looks.
#[derive(Clone, Debug)]
pub struct AnyClock {
    clf: ClfClock,
    iso: IsoClock,
}

impl AnyClock {
    /// A clock for texts that mean `zone` when they name no offset.
    pub fn new(zone: TimeZone) -> Self {
        Self { clf: ClfClock::default(), iso: IsoClock::new(zone) }
    }

    /// The instant that the whole of `text` tells.
    pub fn parse(&mut self, text: &[u8]) -> Option<Timestamp> {
        match text {
            [_, _, b'/', ..] => self.clf.parse(text),
            [_, _, _, _, b'-' | b'/', ..] => self.iso.parse(text),
            _ => unix(text),
        }
    }
}

/// Reads seconds since the epoch, with or without a fraction; a number too large for that is one of milli-, micro- or nanoseconds.
pub fn unix(text: &[u8]) -> Option<Timestamp> {
    let whole = text.iter().position(|&byte| byte == b'.').unwrap_or(text.len());
    // Eleven digits of seconds reach beyond the year 5000, twelve of milliseconds begin in 1973.
    let micros = match whole {
        ..=11 => numbers::fixed(text, 6)?,
        12..=14 => numbers::fixed(text, 3)?,
        15..=17 => numbers::fixed(text, 0)?,
        _ => numbers::fixed(text, 0)? / 1_000,
    };
    i64::try_from(micros).ok().map(Timestamp::from_micros)
}

/// The fraction of a second in front of `text`, in microseconds, and what comes after it.
fn fraction(text: &[u8]) -> (i64, &[u8]) {
    let [b'.' | b',', digits @ ..] = text else { return (0, text) };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return (0, text);
    }
    let (digits, rest) = digits.split_at(length);
    let first_six = digits.iter().copied().chain([b'0'; 6]).take(6);
    (first_six.fold(0, |micros, digit| micros * 10 + i64::from(digit - b'0')), rest)
}

/// Days since the epoch; nothing if there is no such day.
fn days(year: i16, month: i8, day: i64) -> Option<i64> {
    let date = Date::new(year, month, i8::try_from(day).ok()?).ok()?;
    Some(i64::from(date.since(Date::constant(1970, 1, 1)).ok()?.get_days()))
}

fn minutes(hour: i64, minute: i64) -> Option<i64> {
    (hour <= 23 && minute <= 59).then_some(hour * 60 + minute)
}

/// Seconds east of UTC.
fn offset(sign: u8, hours: &[u8], of_hour: &[u8]) -> Option<i64> {
    let seconds = minutes(number(hours)?, number(of_hour)?)? * 60;
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    numbers::unsigned(digits).and_then(|number| i64::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn iso(zone: &str) -> IsoClock {
        IsoClock::new(TimeZone::get(zone).unwrap())
    }

    #[test]
    fn common_log_format_times() {
        for (text, expected) in [
            ("04/Apr/2026:12:59:12 +0200", Some(1_775_300_352)),
            ("04/Apr/2026:12:59:12 -0530", Some(1_775_300_352 + 7_200 + 19_800)),
            ("01/Jan/1970:00:00:00 +0000", Some(0)),
            ("29/Feb/2024:23:59:60 +0000", Some(1_709_251_200)),
            ("29/Feb/2026:00:00:00 +0000", None),
            ("00/Apr/2026:00:00:00 +0000", None),
            ("04/apr/2026:12:59:12 +0200", None),
            ("04/Apr/2026:24:00:00 +0200", None),
            ("04/Apr/2026:12:60:00 +0200", None),
            ("04/Apr/2026:12:59:61 +0200", None),
            ("04/Apr/2026:12:59:12 *0200", None),
            ("04/Apr/2026:12:59:12 +2400", None),
            ("04/Apr/2026:12:59:1x +0200", None),
            ("04/Apr/2026:12:59:12 +020", None),
            ("", None),
        ] {
            let mut clock = ClfClock::default();
            assert_eq!(clock.parse(text.as_bytes()), expected.map(Timestamp::from_secs), "{text}");
            assert_eq!(clock.parse(text.as_bytes()), expected.map(Timestamp::from_secs), "{text}, again");
        }
    }

    #[test]
    fn iso_times_with_and_without_an_offset() {
        let mut clock = iso("Europe/Madrid");
        for (text, expected) in [
            ("2026-04-04T12:59:12+02:00", Some(1_775_300_352_000_000)),
            ("2026-04-04T10:59:12Z", Some(1_775_300_352_000_000)),
            ("2026-04-04t10:59:12.5z", Some(1_775_300_352_500_000)),
            ("2026-04-04 12:59:12,342", Some(1_775_300_352_342_000)),
            ("2026-04-04 12:59:12.342", Some(1_775_300_352_342_000)),
            ("2026-04-04 12:59:12", Some(1_775_300_352_000_000)),
            ("2026-04-04 10:59:12 +0000", Some(1_775_300_352_000_000)),
            ("2026-04-04T12:59:12.123456789+0200", Some(1_775_300_352_123_456)),
            ("1969-12-31T23:59:59.5Z", Some(-500_000)),
            ("2026-04-31T12:59:12Z", None),
            ("2026-13-01T12:59:12Z", None),
            ("2026-04-04T24:00:00Z", None),
            ("2026-04-04T12:59:61Z", None),
            ("2026-04-04T12:59:12+25:00", None),
            ("2026-04-04T12:59:12.Z", None),
            ("2026-04-04_12:59:12Z", None),
            ("2026-04-04T12:59", None),
            ("2026-04-04T12:59:12Zulu", None),
        ] {
            assert_eq!(clock.parse(text.as_bytes()), expected.map(Timestamp::from_micros), "{text}");
        }
    }

    #[test]
    fn wall_clocks_that_jump() {
        let mut clock = iso("Europe/Madrid");
        let mut secs = |text: &str| clock.parse(text.as_bytes()).unwrap().secs();
        assert_eq!(secs("2026-03-29 01:59:59"), 1_774_745_999);
        assert_eq!(secs("2026-03-29 03:00:00"), 1_774_746_000);
        assert_eq!(secs("2026-03-29 02:30:00"), 1_774_746_000 + 1_800, "a time that was skipped");
        assert_eq!(secs("2026-10-25 02:30:00"), 1_792_888_200, "a time that came twice: its first pass");
        assert_eq!(secs("2026-10-25 03:00:00"), 1_792_888_200 + 5_400);
    }

    #[test]
    fn forms_are_told_apart() {
        let mut clock = AnyClock::new(TimeZone::UTC);
        for text in
            ["04/Apr/2026:12:59:12 +0200", "2026-04-04T12:59:12+02:00", "2026-04-04 10:59:12,000", "2026/04/04 10:59:12", "1775300352"]
        {
            assert_eq!(clock.parse(text.as_bytes()), Some(Timestamp::from_secs(1_775_300_352)), "{text}");
        }
        for text in ["", "now", "04/Apr/2026", "2026-04-04"] {
            assert_eq!(clock.parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn stamps_without_a_year_are_in_the_year_that_fits() {
        // 2027-01-02T12:00:00Z
        let reference = Timestamp::from_secs(1_798_891_200);
        let read = |texts: &[&str]| {
            let mut clock = BsdClock::new(TimeZone::UTC, reference);
            let read = |text: &&str| clock.parse_prefix(text.as_bytes()).and_then(|(at, _)| at.to_rfc3339()).unwrap_or_default();
            texts.iter().map(read).collect::<Vec<_>>()
        };
        assert_eq!(
            read(&[
                "Dec 31 23:59:59 host",
                "Dec 31 23:59:60",
                "Jan  1 00:00:00",
                "Jan 1 00:00:01 x",
                "Jan 1 00:00:01 y",
                "Jan 01 00:00:02"
            ]),
            [
                "2026-12-31T23:59:59Z",
                "2027-01-01T00:00:00Z",
                "2027-01-01T00:00:00Z",
                "2027-01-01T00:00:01Z",
                "2027-01-01T00:00:01Z",
                "2027-01-01T00:00:02Z"
            ]
        );
        assert_eq!(read(&["Jan  3 11:00:00", "Dec 30 00:00:00"]), ["2027-01-03T11:00:00Z", "2026-12-30T00:00:00Z"], "clocks go back");
        assert_eq!(read(&["Jan  4 11:00:00", "May  1 00:00:00"]), ["2026-01-04T11:00:00Z", "2026-05-01T00:00:00Z"], "a year ago");
        assert_eq!(read(&["Feb 29 00:00:00", "Feb 30 00:00:00"]), ["2024-02-29T00:00:00Z", ""]);
        for text in
            ["", "Nov", "Nov  0 10:00:00", "nov  2 10:00:00", "Nov 2 24:00:00 x", "Nov  2 10:00:61", "Nov  2 10:00", "Nov 32 10:00:00"]
        {
            assert_eq!(read(&[text]), [""], "{text}");
        }
    }

    #[test]
    fn a_stamp_after_a_long_silence_is_of_this_year() {
        let mut clock = BsdClock::new(TimeZone::UTC, Timestamp::from_secs(1_798_891_200));
        clock.go_on_from(Some(Timestamp::from_secs(1_798_891_200 - 200 * 86_400)));
        assert_eq!(clock.last(), None);
        let yesterday = Some(Timestamp::from_secs(1_798_891_200 - 86_400));
        clock.go_on_from(yesterday);
        assert_eq!(clock.last(), yesterday);
    }

    #[test]
    fn what_follows_a_time_is_handed_back() {
        let mut clock = iso("UTC");
        for (text, rest) in [
            ("2026-04-04 00:00:00,342 [INFO] x", " [INFO] x"),
            ("2026-04-04 00:00:00 - name - INFO", " - name - INFO"),
            ("2026-04-04 00:00:00,342-INFO-x", "-INFO-x"),
            ("2026-04-04 00:00:00, x", ", x"),
        ] {
            assert_eq!(clock.parse_prefix(text.as_bytes()).unwrap().1, rest.as_bytes(), "{text}");
        }
    }

    #[test]
    fn unix_times_in_every_unit() {
        for (text, expected) in [
            ("1646861401.5241024", Some(1_646_861_401_524_102)),
            ("1646861401", Some(1_646_861_401_000_000)),
            ("1646861401524.1024", Some(1_646_861_401_524_102)),
            ("1646861401524102", Some(1_646_861_401_524_102)),
            ("1646861401524102400", Some(1_646_861_401_524_102)),
            ("0", Some(0)),
            ("-1", None),
            ("99999999999999999999", None),
            ("now", None),
            ("", None),
        ] {
            assert_eq!(unix(text.as_bytes()), expected.map(Timestamp::from_micros), "{text}");
        }
    }

    proptest! {
        #[test]
        fn clocks_agree_with_jiff_on_every_instant(micros in -62_000_000_000_000_000_i64..250_000_000_000_000_000) {
            let at = jiff::Timestamp::from_microsecond(micros).unwrap();
            let zoned = at.to_zoned(TimeZone::fixed(jiff::tz::offset(5)));
            prop_assert_eq!(iso("UTC").parse(at.to_string().as_bytes()), Some(Timestamp::from_micros(micros)));
            let clf = zoned.strftime("%d/%b/%Y:%H:%M:%S %z").to_string();
            let secs = micros.div_euclid(1_000_000);
            prop_assert_eq!(ClfClock::default().parse(clf.as_bytes()), Some(Timestamp::from_secs(secs)));
        }

        #[test]
        fn any_bytes_are_read_the_same_twice(text in proptest::collection::vec(any::<u8>(), 0..40), digits in "[0-9:,. TZ+-]{16,32}") {
            let (mut clock, mut clf) = (iso("Europe/Madrid"), ClfClock::default());
            for text in [text.as_slice(), digits.as_bytes()] {
                prop_assert_eq!(clock.parse(text), clock.parse(text));
                prop_assert_eq!(clf.parse(text), clf.parse(text));
                unix(text);
            }
        }
    }
}
