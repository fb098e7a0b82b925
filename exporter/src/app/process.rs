//! What every client of Prometheus says of its own process. It is about this run alone, so the engine, whose state outlives runs, has no
//! part in it.

use crate::clock;
use crate::event::Timestamp;
use crate::metrics::{Page, names};

/// This process.
pub(super) struct Process {
    started: Timestamp,
}

impl Process {
    /// Taken once, when it starts: computed anew from the kernel's numbers, the time would wander with the clock, and look like restarts.
    pub(super) fn starting() -> Self {
        Self { started: clock::now() }
    }

    /// Adds its rows to a page. Memory is left out where the kernel does not tell it.
    pub(super) fn write(&self, page: &mut Page) {
        page.gauge(&names::PROCESS_START, &[], self.started.as_secs_f64());
        if let Ok(memory) = procfs::process::Process::myself().and_then(|process| process.statm()) {
            page.gauge(&names::PROCESS_MEMORY, &[], (memory.resident * procfs::page_size()) as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Exposition;

    #[test]
    fn a_page_tells_of_the_process() {
        let mut page = Page::default();
        Process::starting().write(&mut page);
        let text = page.render(Exposition::Text);
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).unwrap().parse::<f64>().unwrap();
        assert!(value("process_resident_memory_bytes") > 1e6, "{text}");
        assert!(value("process_start_time_seconds") > 1.7e9, "{text}");
    }
}
