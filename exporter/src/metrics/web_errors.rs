//! Errors of a web server, by kind.

use serde_json::{Value, json};

use super::names::WEB_ERRORS;
use super::page::Page;
use crate::event::WebErrorKind;

/// Counters of one error log.
#[derive(Default)]
pub struct WebErrors {
    errors: [u64; WebErrorKind::ALL.len()],
}

impl WebErrors {
    /// Counts an error.
    pub fn observe(&mut self, kind: WebErrorKind) {
        self.errors[kind as usize] += 1;
    }

    /// Errors by kind, as labelled.
    pub fn by_kind(&self) -> [(&'static str, u64); WebErrorKind::ALL.len()] {
        WebErrorKind::ALL.map(|kind| (kind.as_str(), self.errors[kind as usize]))
    }

    /// Writes these rows.
    pub fn show(&self, source: &str, page: &mut Page) {
        for (kind, count) in self.by_kind() {
            page.counter(&WEB_ERRORS, &[source, kind], count);
        }
    }

    /// For [`WebErrors::load`].
    pub fn save(&self) -> Value {
        json!(self.errors)
    }

    /// Takes up what [`WebErrors::save`] gave.
    pub fn load(&mut self, saved: &Value) {
        self.errors.iter_mut().enumerate().for_each(|(place, count)| *count = saved[place].as_u64().unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_under_their_own_kind_and_saved() {
        let mut errors = WebErrors::default();
        for (times, kind) in (1..).zip(WebErrorKind::ALL) {
            (0..times).for_each(|_| errors.observe(kind));
        }
        let mut again = WebErrors::default();
        again.load(&errors.save());
        let expected: Vec<_> = WebErrorKind::ALL.iter().zip(1..).map(|(kind, count)| (kind.as_str(), count)).collect();
        assert_eq!(again.by_kind().to_vec(), expected);
    }
}
