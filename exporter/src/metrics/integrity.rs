//! Watched files.

use serde_json::{Value, json};

use super::names::{INTEGRITY_CHANGES, INTEGRITY_FILES, INTEGRITY_UNREADABLE_FILES};
use super::page::Page;

/// What is counted of watched files.
#[derive(Default)]
pub struct Integrity {
    explained: u64,
    unexplained: u64,
    /// Watched files, and those of them that may not be read; `None` before the first look.
    files: Option<(u64, u64)>,
}

impl Integrity {
    /// Counts a look: how many files there are, how many of them may not be read, and the changes.
    pub fn look(&mut self, files: u64, unreadable: u64, explained: u64, unexplained: u64) {
        self.files = Some((files, unreadable));
        self.explained += explained;
        self.unexplained += unexplained;
    }

    /// Nobody looks any more.
    pub fn lose(&mut self) {
        self.files = None;
    }

    /// Writes these rows.
    pub fn show(&self, page: &mut Page) {
        page.counter(&INTEGRITY_CHANGES, &["yes"], self.explained);
        page.counter(&INTEGRITY_CHANGES, &["no"], self.unexplained);
        if let Some((files, unreadable)) = self.files {
            page.gauge(&INTEGRITY_FILES, &[], files as f64);
            page.gauge(&INTEGRITY_UNREADABLE_FILES, &[], unreadable as f64);
        }
    }

    /// For [`Integrity::load`].
    pub fn save(&self) -> Value {
        json!([self.explained, self.unexplained])
    }

    /// Takes up what [`Integrity::save`] gave.
    pub fn load(&mut self, saved: &Value) {
        [self.explained, self.unexplained] = [0, 1].map(|index| saved[index].as_u64().unwrap_or(0));
    }
}
