//! Containers: what they are doing and what they use. Docker counts from 0 again whenever a container is started; here counters go on, by
//! the container's name.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::names::*;
use super::own::Table;
use super::page::Page;
use crate::event::Timestamp;
use crate::sample::docker::{self, Container, Details, Health, State};

/// The most names of which counters are remembered: those shown, and some that are gone and may come again.
const MAX_NAMES: usize = 512;
/// A name that was not seen for so long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(7 * 86_400);

/// The containers.
#[derive(Default)]
pub struct Containers {
    /// The last look.
    list: Vec<Container>,
    left_out: usize,
    /// Whether that look may be wrong by now.
    is_stale: bool,
    totals: BTreeMap<String, Totals>,
    evicted: u64,
}

/// What a name has come to.
#[derive(Default)]
struct Totals {
    cpu_micros: u64,
    received: u64,
    transmitted: u64,
    restarts: u64,
    oom_kills: u64,
    last_oom: Timestamp,
    last_seen: Timestamp,
    counted: Counted,
}

/// What Docker had counted when it was last asked.
#[derive(Default)]
struct Counted {
    id: String,
    started: Option<Timestamp>,
    cpu_micros: u64,
    received: u64,
    transmitted: u64,
    restarts: u64,
}

impl Containers {
    /// Takes a look at all containers.
    pub fn take(&mut self, now: Timestamp, seen: docker::Containers) {
        for container in &seen.list {
            self.totals(now, &container.name).add(now, container);
        }
        self.totals.retain(|_, totals| now.since(totals.last_seen) <= FORGET_AFTER);
        (self.list, self.left_out, self.is_stale) = (seen.list, seen.left_out, false);
    }

    /// Takes a process of a container that was killed for lack of memory; Docker told of it as it happened.
    pub fn oom_killed(&mut self, now: Timestamp, at: Timestamp, name: &str) {
        let totals = self.totals(now, name);
        // A look may have been quicker.
        if at > totals.last_oom {
            totals.oom_kills += 1;
            totals.last_oom = at;
        }
    }

    /// The last look may be wrong by now.
    pub fn lose(&mut self) {
        self.is_stale = true;
    }

    /// The containers of the last look, if it can be relied on, with restarts, kills for lack of memory, and seconds on the processors.
    pub fn list(&self) -> impl Iterator<Item = (&Container, [u64; 2], f64)> {
        let list = if self.is_stale { &[] } else { self.list.as_slice() };
        list.iter().filter_map(|container| {
            let totals = self.totals.get(&container.name)?;
            Some((container, [totals.restarts, totals.oom_kills], totals.cpu_secs()))
        })
    }

    /// The counters of a name; in a full table the one seen longest ago gives way.
    fn totals(&mut self, now: Timestamp, name: &str) -> &mut Totals {
        if !self.totals.contains_key(name) && self.totals.len() >= MAX_NAMES {
            let oldest = self.totals.iter().min_by_key(|(_, totals)| totals.last_seen).map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                self.totals.remove(&oldest);
                self.evicted += 1;
            }
        }
        let totals = self.totals.entry(name.to_owned()).or_default();
        totals.last_seen = now;
        totals
    }

    /// Writes these rows. Counters stay when what is not counted cannot be relied on.
    pub fn show(&self, page: &mut Page) {
        for container in &self.list {
            let labels = [container.name.as_str(), container.service.as_str()];
            if !self.is_stale {
                show_gauges(container, &labels, page);
            }
            if let Some(totals) = self.totals.get(&container.name) {
                page.counter_of_seconds(&CONTAINER_CPU, &labels, totals.cpu_secs());
                page.counter(&CONTAINER_RECEIVED, &labels, totals.received);
                page.counter(&CONTAINER_TRANSMITTED, &labels, totals.transmitted);
                page.counter(&CONTAINER_RESTARTS, &labels, totals.restarts);
                page.counter(&CONTAINER_OOM_KILLS, &labels, totals.oom_kills);
            }
        }
        if !self.is_stale {
            page.gauge(&CONTAINERS_LEFT_OUT, &[], self.left_out as f64);
        }
    }

    /// The fill of the table of names.
    pub fn table(&self) -> Table {
        Table { name: "containers", tracked: self.totals.len(), limit: MAX_NAMES, evicted: self.evicted }
    }

    /// For [`Containers::load`].
    pub fn save(&self) -> Value {
        let names: serde_json::Map<String, Value> = self.totals.iter().map(|(name, totals)| (name.clone(), totals.save())).collect();
        json!({ "names": names, "evicted": self.evicted })
    }

    /// Takes up what [`Containers::save`] gave.
    pub fn load(&mut self, saved: &Value) {
        let names = saved["names"].as_object().into_iter().flatten().take(MAX_NAMES);
        self.totals = names.map(|(name, totals)| (name.clone(), Totals::load(totals))).collect();
        self.evicted = saved["evicted"].as_u64().unwrap_or(0);
    }
}

impl Totals {
    fn add(&mut self, now: Timestamp, container: &Container) {
        let before = &self.counted;
        let started = container.details.and_then(|details| details.started);
        let is_same_run = before.id == container.id && (started.is_none() || before.started.is_none() || started == before.started);
        let grown = |total: &mut u64, before: u64, now: u64| {
            let grown = if is_same_run && now >= before { now - before } else { now };
            *total = total.saturating_add(grown);
        };
        if let Some(usage) = container.usage {
            let cpu_micros = u64::try_from(usage.cpu.as_micros()).unwrap_or(u64::MAX);
            grown(&mut self.cpu_micros, before.cpu_micros, cpu_micros);
            grown(&mut self.received, before.received, usage.received_bytes);
            grown(&mut self.transmitted, before.transmitted, usage.transmitted_bytes);
            let counted = &mut self.counted;
            (counted.cpu_micros, counted.received, counted.transmitted) = (cpu_micros, usage.received_bytes, usage.transmitted_bytes);
        } else if !is_same_run {
            // The new run has not been measured yet: all that it will have counted is new.
            self.counted = Counted { id: self.counted.id.clone(), restarts: self.counted.restarts, ..Counted::default() };
        }
        if let Some(details) = container.details {
            self.add_details(now, container, &details);
        }
        self.counted.id.clone_from(&container.id);
    }

    fn add_details(&mut self, now: Timestamp, container: &Container, details: &Details) {
        // Docker forgets its count when somebody starts the container.
        let before = if self.counted.id == container.id && details.restarts >= self.counted.restarts { self.counted.restarts } else { 0 };
        self.restarts = self.restarts.saturating_add(details.restarts - before);
        (self.counted.restarts, self.counted.started) = (details.restarts, details.started);
        // Of one that was started again, it is not clear which run was killed. The kill that an event told of is this one.
        let is_over = matches!(container.state, Some(State::Exited | State::Restarting | State::Dead));
        if details.oom_killed && is_over && details.started.is_some_and(|started| self.last_oom < started) {
            self.oom_kills += 1;
            self.last_oom = details.finished.unwrap_or(now);
        }
    }

    fn cpu_secs(&self) -> f64 {
        self.cpu_micros as f64 / 1e6
    }

    fn save(&self) -> Value {
        let Counted { id, started, cpu_micros, received, transmitted, restarts } = &self.counted;
        let counted = json!([id, started, cpu_micros, received, transmitted, restarts]);
        let (last_oom, last_seen) = (self.last_oom.micros(), self.last_seen.secs());
        json!([self.cpu_micros, self.received, self.transmitted, self.restarts, self.oom_kills, last_oom, last_seen, counted])
    }

    fn load(saved: &Value) -> Self {
        let number = |index: usize| saved[index].as_u64().unwrap_or(0);
        let counted = &saved[7];
        let counts = |index: usize| counted[index].as_u64().unwrap_or(0);
        Self {
            cpu_micros: number(0),
            received: number(1),
            transmitted: number(2),
            restarts: number(3),
            oom_kills: number(4),
            last_oom: Timestamp::from_micros(saved[5].as_i64().unwrap_or(0)),
            last_seen: Timestamp::from_secs(saved[6].as_i64().unwrap_or(0)),
            counted: Counted {
                id: counted[0].as_str().unwrap_or_default().to_owned(),
                started: counted[1].as_i64().map(Timestamp::from_micros),
                cpu_micros: counts(2),
                received: counts(3),
                transmitted: counts(4),
                restarts: counts(5),
            },
        }
    }
}

fn show_gauges(container: &Container, labels: &[&str; 2], page: &mut Page) {
    let [name, service] = *labels;
    for state in State::ALL {
        let is_so = container.state == Some(state);
        page.gauge(&CONTAINER_STATE, &[name, service, state.as_str()], f64::from(u8::from(is_so)));
    }
    if let Some(health) = container.health {
        page.gauge(&CONTAINER_HEALTHY, labels, f64::from(u8::from(health == Health::Healthy)));
    }
    if let Some(started) = container.details.and_then(|details| details.started) {
        page.gauge(&CONTAINER_STARTED, labels, started.as_secs_f64());
    }
    if let Some(usage) = container.usage {
        page.gauge(&CONTAINER_MEMORY, labels, usage.memory_bytes as f64);
        if let Some(limit) = usage.memory_limit_bytes {
            page.gauge(&CONTAINER_MEMORY_LIMIT, labels, limit as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Exposition;
    use crate::sample::docker::Usage;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    /// A container at the `run`-th start with so much of everything.
    fn web(id: &str, run: i64, count: u64, restarts: u64) -> Container {
        let usage = Usage { cpu: Duration::from_secs(count), received_bytes: count, transmitted_bytes: count, ..Usage::default() };
        let details = Details { started: Some(Timestamp::from_secs(run)), restarts, ..Details::default() };
        Container {
            id: id.into(),
            name: "web".into(),
            state: Some(State::Running),
            details: Some(details),
            usage: Some(usage),
            ..Container::default()
        }
    }

    fn look(container: Container) -> docker::Containers {
        docker::Containers { list: vec![container], left_out: 0 }
    }

    fn counts(containers: &Containers) -> (u64, u64, u64) {
        let totals = &containers.totals["web"];
        (totals.cpu_micros / 1_000_000, totals.received, totals.restarts)
    }

    #[test]
    fn counters_go_on_over_restarts() {
        let mut containers = Containers::default();
        for (container, expected) in [
            (web("a", 1, 10, 2), (10, 10, 2)),
            (web("a", 1, 15, 3), (15, 15, 3)),
            // Started again by somebody: all counts from 0, though it has come further than before.
            (web("a", 2, 20, 1), (35, 35, 4)),
            // Not measured, then measured in a third run.
            (Container { usage: None, ..web("a", 3, 0, 1) }, (35, 35, 4)),
            (web("a", 3, 30, 1), (65, 65, 4)),
            // Made anew.
            (web("b", 4, 1, 1), (66, 66, 5)),
            // Details are not told: what falls began anew.
            (Container { details: None, ..web("b", 0, 4, 0) }, (69, 69, 5)),
            (Container { details: None, ..web("b", 0, 3, 0) }, (72, 72, 5)),
        ] {
            containers.take(NOW, look(container));
            assert_eq!(counts(&containers), expected);
            let mut again = Containers::default();
            again.load(&containers.save());
            assert_eq!(again.save(), containers.save());
            containers.totals = again.totals;
        }
        // Gone, and there again.
        containers.take(NOW, docker::Containers::default());
        containers.take(NOW, look(web("c", 9, 1, 0)));
        assert_eq!(counts(&containers), (73, 73, 5));
    }

    #[test]
    fn a_kill_is_counted_once() {
        let secs = Timestamp::from_secs;
        let killed = |started: i64, finished: i64| {
            let details = Details { started: Some(secs(started)), finished: Some(secs(finished)), oom_killed: true, ..Details::default() };
            look(Container { state: Some(State::Exited), details: Some(details), usage: None, ..web("a", 0, 0, 0) })
        };
        let mut containers = Containers::default();
        let kills = |containers: &Containers| containers.totals["web"].oom_kills;
        containers.oom_killed(NOW, secs(105), "web");
        containers.take(NOW, killed(100, 106));
        assert_eq!(kills(&containers), 1, "told by an event");
        containers.take(NOW, killed(200, 206));
        containers.oom_killed(NOW, secs(205), "web");
        containers.take(NOW, killed(200, 206));
        assert_eq!(kills(&containers), 2, "seen first");
        containers.oom_killed(NOW, secs(300), "web");
        containers.oom_killed(NOW, secs(301), "web");
        assert_eq!(kills(&containers), 4, "two of its processes");
        let running = Container { state: Some(State::Running), ..killed(400, 306).list.remove(0) };
        containers.take(NOW, look(running));
        assert_eq!(kills(&containers), 4, "of a run before");
    }

    #[test]
    fn what_is_lost_is_not_shown() {
        let mut containers = Containers::default();
        containers.take(NOW, look(web("a", 1, 1, 1)));
        let text = |containers: &Containers| {
            let mut page = Page::default();
            containers.show(&mut page);
            page.render(Exposition::Text)
        };
        let page = text(&containers);
        assert!(page.contains(r#"hostwarden_container_state{container="web",service="",state="running"} 1"#), "{page}");
        assert!(page.contains(r#"hostwarden_container_cpu_seconds_total{container="web",service=""} 1"#), "{page}");
        assert!(!page.contains("hostwarden_container_healthy{"), "{page}");
        containers.lose();
        let page = text(&containers);
        assert!(!page.contains("container_state{") && !page.contains("started_timestamp") && page.contains("restarts_total{"), "{page}");
        assert_eq!(containers.list().count(), 0);
    }

    #[test]
    fn names_are_bounded_and_forgotten() {
        let mut containers = Containers::default();
        for number in 0..1_000 {
            let container = Container { name: format!("c{number}"), ..web("a", 1, 1, 1) };
            containers.take(NOW.plus(Duration::from_secs(number)), look(container));
        }
        assert_eq!((containers.table().tracked, containers.table().evicted), (MAX_NAMES, 1_000 - MAX_NAMES as u64));
        assert!(containers.totals.contains_key("c999"));
        containers.take(NOW.plus(FORGET_AFTER * 2), docker::Containers::default());
        assert!(containers.totals.is_empty());
    }
}
