//! How the probe of CrowdSec stands. What it saw is kept where requests are judged, in `engine/decisions.rs`, and gets there at once.

use super::Subject;
use crate::event::Timestamp;
use crate::finding::Found;
use crate::metrics::Page;
use crate::sample::Sample;

/// Keeps nothing itself.
pub struct CrowdSec;

impl Subject for CrowdSec {
    fn name(&self) -> &'static str {
        "crowdsec"
    }

    fn take(&mut self, _now: Timestamp, _sample: Sample, _out: &mut Vec<Found>) {}

    fn show(&self, _now: Timestamp, _page: &mut Page) {}
}
