//! The host: what the last look saw, and who took the processor since the one before.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Page;
use super::names::*;
use crate::sample::host::{CONNECTIONS, CPU_MODES, Cpu, Host as Seen, Listener, Memory, Processes, Scope};

/// The most names of programs shown by memory, and as many by processor.
const TOP: usize = 10;
/// The most ports shown: each is a series.
const MAX_PORTS: usize = 64;

/// The host's rows.
#[derive(Default)]
pub struct Host {
    seen: Seen,
    /// The most processor time seen, by mode.
    cpu: Option<Cpu>,
    usage: Usage,
    listeners: Listeners,
}

impl Host {
    /// Takes what was seen.
    pub fn take(&mut self, mut seen: Seen) {
        if let Some(cpu) = seen.cpu {
            // The kernel's counts of idle time may go back a little, which a reader would take for a restart of the machine.
            let before = self.cpu.unwrap_or(cpu);
            self.cpu = Some(std::array::from_fn(|mode| cpu[mode].max(before[mode])));
        }
        match seen.processes.take() {
            Some(processes) => self.usage.take(processes),
            None => self.usage.hide(),
        }
        self.listeners.take(seen.sockets.as_mut().map(|sockets| std::mem::take(&mut sockets.listeners)).unwrap_or_default());
        self.seen = seen;
    }

    /// Forgets what is to be shown.
    pub fn lose(&mut self) {
        self.seen = Seen::default();
        self.usage.hide();
        self.listeners.shown.clear();
    }

    /// Writes these rows.
    pub fn show(&self, page: &mut Page) {
        let seen = &self.seen;
        if let Some(cpu) = self.cpu.filter(|_| seen.cpu.is_some()) {
            CPU_MODES.iter().zip(cpu).for_each(|(mode, secs)| page.counter_of_seconds(&HOST_CPU, &[mode], secs));
        }
        show_memory(page, &HOST_MEMORY, "available", seen.memory);
        show_memory(page, &HOST_SWAP, "free", seen.swap);
        for filesystem in &seen.filesystems {
            page.gauge(&HOST_FILESYSTEM, &[&filesystem.mount, "size"], filesystem.size as f64);
            page.gauge(&HOST_FILESYSTEM, &[&filesystem.mount, "available"], filesystem.available as f64);
        }
        for (minutes, load) in ["1", "5", "15"].into_iter().zip(seen.load.into_iter().flatten()) {
            page.gauge(&HOST_LOAD, &[minutes], load);
        }
        if let Some(booted) = seen.booted {
            page.gauge(&HOST_BOOT, &[], booted.secs() as f64);
        }
        self.usage.show(page);
        if let Some(sockets) = &seen.sockets {
            for ((protocol, state), number) in CONNECTIONS.iter().zip(sockets.connections) {
                page.gauge(&HOST_CONNECTIONS, &[protocol, state], number as f64);
            }
            self.listeners.show(page);
        }
        if let Some(units) = &seen.failed_units {
            page.gauge(&HOST_FAILED_UNITS, &[], units.len() as f64);
        }
    }

    /// What has too many names for a page, for people.
    pub fn view(&self) -> Value {
        let listener = |one: &Listener| json!({ "protocol": one.protocol, "port": one.port, "scope": one.scope.as_str() });
        json!({
            "listening": self.listeners.shown.iter().map(listener).collect::<Vec<_>>(),
            "failed_units": self.seen.failed_units,
        })
    }
}

fn show_memory(page: &mut Page, metric: &'static Metric, rest: &str, memory: Option<Memory>) {
    let Some(Memory { total, available }) = memory else { return };
    for (kind, bytes) in [("total", total), ("used", total.saturating_sub(available)), (rest, available)] {
        page.gauge(metric, &[kind], bytes as f64);
    }
}

/// Who takes how much, summed by the name of the program.
#[derive(Default)]
struct Usage {
    /// Processor time of each process at the last look, by number and start in hundredths of a second.
    before: BTreeMap<(i32, u64), f64>,
    /// When that was.
    uptime_secs: Option<f64>,
    by_memory: Vec<(String, f64)>,
    by_cpu: Vec<(String, f64)>,
}

impl Usage {
    fn take(&mut self, seen: Processes) {
        let elapsed = self.uptime_secs.map(|before| seen.uptime_secs - before).filter(|elapsed| *elapsed > 0.0);
        let mut memory: BTreeMap<&str, f64> = BTreeMap::new();
        let mut cpu: BTreeMap<&str, f64> = BTreeMap::new();
        let mut now = BTreeMap::new();
        for process in &seen.all {
            let key = (process.pid, (process.started_secs * 100.0) as u64);
            *memory.entry(&process.name).or_default() += process.memory as f64;
            // Who started since the last look had used nothing then. Who was overlooked then may have.
            let is_new = self.uptime_secs.is_some_and(|before| process.started_secs >= before);
            let before = self.before.get(&key).copied().or(is_new.then_some(0.0));
            if let (Some(before), Some(elapsed)) = (before, elapsed) {
                *cpu.entry(&process.name).or_default() += (process.cpu_secs - before).max(0.0) / elapsed;
            }
            now.insert(key, process.cpu_secs);
        }
        (self.by_memory, self.by_cpu) = (top(memory), top(cpu));
        (self.before, self.uptime_secs) = (now, Some(seen.uptime_secs));
    }

    fn hide(&mut self) {
        self.by_memory.clear();
        self.by_cpu.clear();
    }

    fn show(&self, page: &mut Page) {
        self.by_memory.iter().for_each(|(name, bytes)| page.gauge(&HOST_PROCESS_MEMORY, &[name], *bytes));
        self.by_cpu.iter().for_each(|(name, ratio)| page.gauge(&HOST_PROCESS_CPU, &[name], *ratio));
    }
}

/// The names with the most, those with nothing left out.
fn top(amounts: BTreeMap<&str, f64>) -> Vec<(String, f64)> {
    let mut amounts: Vec<_> = amounts.into_iter().filter(|(_, amount)| *amount > 0.0).collect();
    amounts.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    amounts.into_iter().take(TOP).map(|(name, amount)| (name.to_owned(), amount)).collect()
}

/// Where something listens.
#[derive(Default)]
struct Listeners {
    /// All of the last look.
    last: Vec<Listener>,
    /// Those that count.
    shown: Vec<Listener>,
}

impl Listeners {
    /// A socket of UDP that waits for an answer looks like one that listens, but is gone by the next look.
    fn take(&mut self, mut seen: Vec<Listener>) {
        seen.sort_unstable();
        self.shown = seen.iter().filter(|one| one.protocol != "udp" || self.last.binary_search(one).is_ok()).copied().collect();
        self.last = seen;
    }

    /// How many, and those that can be reached from outside before the others, by port.
    fn show(&self, page: &mut Page) {
        for protocol in ["tcp", "udp"] {
            for scope in Scope::ALL {
                let number = self.shown.iter().filter(|one| (one.protocol, one.scope) == (protocol, scope)).count();
                page.gauge(&HOST_LISTENING_PORTS, &[protocol, scope.as_str()], number as f64);
            }
        }
        let mut first: Vec<&Listener> = self.shown.iter().collect();
        first.sort_by_key(|one| (one.scope, one.port, one.protocol));
        for one in first.into_iter().take(MAX_PORTS) {
            page.gauge(&HOST_LISTENING, &[one.protocol, &one.port.to_string(), one.scope.as_str()], 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Exposition;
    use super::*;
    use crate::sample::host::{Process, Sockets};

    fn process(pid: i32, started_secs: f64, name: &str, cpu_secs: f64) -> Process {
        Process { pid, started_secs, name: name.to_owned(), cpu_secs, memory: 1 << 20 }
    }

    fn at(uptime_secs: f64, all: Vec<Process>) -> Seen {
        Seen { processes: Some(Processes { uptime_secs, all }), ..Seen::default() }
    }

    fn text(host: &Host) -> String {
        let mut page = Page::default();
        host.show(&mut page);
        page.render(Exposition::Text)
    }

    #[test]
    fn processors_are_shared_out_by_what_was_used_between_two_looks() {
        let mut host = Host::default();
        host.take(at(100.0, vec![process(7, 10.0, "nginx", 50.0), process(8, 10.0, "nginx", 1.0), process(9, 20.0, "bot", 3.0)]));
        assert!(!text(&host).contains("cpu_ratio{"), "one look tells nothing");
        // 9 ended and its number was given away; 10 is new; 11 was overlooked before.
        let second = vec![
            process(7, 10.0, "nginx", 55.0),
            process(8, 10.0, "nginx", 3.5),
            process(9, 105.0, "cron", 1.0),
            process(10, 101.0, "bot", 2.0),
            process(11, 50.0, "old", 40.0),
        ];
        host.take(at(110.0, second));
        let page = text(&host);
        for row in ["{process=\"nginx\"} 0.75\n", "{process=\"cron\"} 0.1\n", "{process=\"bot\"} 0.2\n"] {
            assert!(page.contains(&format!("hostwarden_host_process_cpu_ratio{row}")), "{row}: {page}");
        }
        assert!(!page.contains("cpu_ratio{process=\"old\"}"), "{page}");
        assert!(page.contains("hostwarden_host_process_memory_bytes{process=\"nginx\"} 2097152.0\n"), "{page}");
    }

    #[test]
    fn ten_names_are_shown_however_many_there_are() {
        let mut host = Host::default();
        let all = |used: f64| (0..1_000).map(|n| process(n, 1.0, &format!("p{n}"), f64::from(n) * used)).collect();
        host.take(at(100.0, all(1.0)));
        host.take(at(110.0, all(1.1)));
        let page = text(&host);
        assert_eq!(page.matches("process_cpu_ratio{").count(), TOP);
        assert_eq!(page.matches("process_memory_bytes{").count(), TOP);
        assert!(page.contains("process_cpu_ratio{process=\"p999\"}"), "{page}");
    }

    #[test]
    fn idle_time_never_goes_back() {
        let mut host = Host::default();
        let cpu = |idle: f64| Seen { cpu: Some([1.0, 0.0, 0.0, idle, 0.0, 0.0, 0.0, 0.0]), ..Seen::default() };
        host.take(cpu(100.25));
        host.take(cpu(99.5));
        assert!(text(&host).contains("hostwarden_host_cpu_seconds_total{mode=\"idle\"} 100.25\n"));
        host.lose();
        assert!(!text(&host).contains("hostwarden_host_"), "nothing stale is shown");
        host.take(cpu(100.0));
        assert!(text(&host).contains("{mode=\"idle\"} 100.25\n"));
    }

    #[test]
    fn ports_are_bounded_and_waiting_for_an_answer_is_no_listening() {
        let listener = |protocol, port, scope| Listener { scope, protocol, port };
        let seen = |ports: std::ops::Range<u16>| {
            let mut listeners: Vec<_> = ports.map(|port| listener("tcp", port, Scope::Loopback)).collect();
            listeners.push(listener("udp", 53, Scope::External));
            Seen { sockets: Some(Sockets { listeners, ..Sockets::default() }), ..Seen::default() }
        };
        let mut host = Host::default();
        host.take(seen(1..5));
        assert!(text(&host).contains("hostwarden_host_listening_ports{protocol=\"udp\",scope=\"external\"} 0.0\n"));
        host.take(seen(1..1_000));
        let page = text(&host);
        assert!(page.contains("hostwarden_host_listening_ports{protocol=\"udp\",scope=\"external\"} 1.0\n"), "{page}");
        assert!(page.contains("hostwarden_host_listening{protocol=\"udp\",port=\"53\",scope=\"external\"} 1.0\n"), "{page}");
        assert_eq!(page.matches("hostwarden_host_listening{").count(), MAX_PORTS);
    }
}
