//! Log times to instants. Texts repeat within a second, so each clock remembers the one before.

use crate::event::Timestamp;

/// Reads the common log format's time: `04/Apr/2026:12:59:12 +0200`.
#[derive(Default)]
pub struct ClfClock {
    text: [u8; 26],
    at: Option<Timestamp>,
}

impl ClfClock {
    /// The instant, or nothing if `text` is not in this form or no such time exists.
    pub fn parse(&mut self, text: &[u8]) -> Option<Timestamp> {
        let text: &[u8; 26] = text.try_into().ok()?;
        if self.text != *text || self.at.is_none() {
            self.at = clf(text);
            self.text = *text;
        }
        self.at
    }
}

fn clf(text: &[u8; 26]) -> Option<Timestamp> {
    const MONTHS: [&[u8]; 12] = [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let fixed = [(2, b'/'), (6, b'/'), (11, b':'), (14, b':'), (17, b':'), (20, b' ')];
    if fixed.iter().any(|&(at, byte)| text[at] != byte) {
        return None;
    }
    let month = MONTHS.iter().position(|month| *month == &text[3..6])?;
    let date =
        jiff::civil::Date::new(number(&text[7..11])?, i8::try_from(month).ok()? + 1, i8::try_from(number(&text[..2])?).ok()?).ok()?;
    let (hour, minute, second) = (number(&text[12..14])?, number(&text[15..17])?, number(&text[18..20])?);
    let (offset_hours, offset_minutes) = (number(&text[22..24])?, number(&text[24..])?);
    if hour > 23 || minute > 59 || second > 60 || offset_hours > 23 || offset_minutes > 59 {
        return None;
    }
    let sign = match text[21] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let day = i64::from(date.duration_since(jiff::civil::date(1970, 1, 1)).as_hours() as i32 / 24);
    let offset = sign * (i64::from(offset_hours) * 3600 + i64::from(offset_minutes) * 60);
    Some(Timestamp::from_secs(day * 86_400 + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second) - offset))
}

fn number(digits: &[u8]) -> Option<i16> {
    digits.iter().try_fold(0_i16, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i16::from(digit - b'0')))
}
