use Happening::{Destroyed, Died, OomKilled, Signalled, Started, Stopped};

use super::*;

const START: i64 = 1_800_000_000;

/// A detector and the clock beside it.
struct Scene {
    detector: Containers,
    now: Timestamp,
    out: Vec<Found>,
}

fn at(secs: f64) -> Timestamp {
    Timestamp::from_micros(START * 1_000_000 + (secs * 1e6) as i64)
}

impl Scene {
    fn new() -> Self {
        Self { detector: Containers::new(Config { restarts: 3, window_secs: 300, cooldown_secs: 900 }), now: at(0.0), out: Vec::new() }
    }

    fn event(&mut self, secs: f64, what: Happening) -> &mut Self {
        self.now = at(secs);
        let last_words = Some("Fatal: no disk".to_owned());
        let event = ContainerEvent { at: self.now, id: "aa".into(), name: "web".into(), service: String::new(), what, last_words };
        self.detector.observe(self.now, event, &mut self.out);
        self
    }

    fn look(&mut self, secs: f64, list: &[Container]) -> &mut Self {
        self.now = at(secs);
        self.detector.look(self.now, &docker::Containers { list: list.to_vec(), left_out: 0 }, &mut self.out);
        self
    }

    fn tick(&mut self, secs: f64) -> &mut Self {
        self.now = at(secs);
        self.detector.on_tick(self.now, &mut self.out);
        self
    }

    /// Writes the state down and starts anew from it.
    fn restart(&mut self) -> &mut Self {
        let saved = self.detector.save();
        self.detector = Containers::new(self.detector.config);
        self.detector.load(&saved);
        assert_eq!(self.detector.save(), saved);
        self
    }

    /// What was found since the last call.
    fn told(&mut self) -> Vec<String> {
        self.out.drain(..).map(|found| format!("{:?}: {}", found.severity, found.summary)).collect()
    }
}

fn running(id: &str, started: f64) -> Container {
    let details = Details { started: Some(at(started)), ..Details::default() };
    Container { id: id.into(), name: id.into(), state: Some(State::Running), details: Some(details), ..Container::default() }
}

fn exited(id: &str, finished: f64, exit_code: i64) -> Container {
    let details = Details { started: Some(at(-100.0)), finished: Some(at(finished)), exit_code, ..Details::default() };
    Container { state: Some(State::Exited), details: Some(details), ..running(id, 0.0) }
}

fn restarted(id: &str, restarts: u64, finished: f64) -> Container {
    let details = Details { started: Some(at(finished)), finished: Some(at(finished)), restarts, ..Details::default() };
    Container { details: Some(details), ..running(id, 0.0) }
}

#[test]
fn a_death_by_itself_is_told() {
    let mut scene = Scene::new();
    scene.event(0.0, Died(139)).tick(0.5);
    assert!(scene.out.is_empty(), "it may have been stopped, or have run out of memory");
    scene.tick(1.0);
    assert_eq!(scene.out[0].evidence, ["its log: Fatal: no disk"]);
    assert_eq!(scene.out[0].about, About::Thing("Container web".into()));
    assert_eq!(scene.told(), ["Warning: died by itself with exit code 139 (segmentation fault)"]);
    scene.event(400.0, Died(1)).tick(402.0);
    assert!(scene.told().is_empty(), "so soon after the last one");
    scene.event(1_000.0, Died(1)).tick(1_002.0);
    assert_eq!(scene.told(), ["Warning: died by itself with exit code 1"]);
    // A container that is removed when it ends is told of all the same.
    scene.event(3_000.0, Died(7)).event(3_000.1, Destroyed);
    assert_eq!(scene.told(), ["Warning: died by itself with exit code 7"]);
    scene.event(9_000.0, Died(0)).tick(9_002.0);
    assert!(scene.told().is_empty(), "it was done");
}

#[test]
fn what_people_do_is_no_crash() {
    for events in [
        vec![Signalled(15), Died(143), Stopped],
        vec![Signalled(15), Signalled(9), Died(137), Stopped],
        vec![Signalled(9), Died(137), Destroyed],
        vec![Signalled(15), Died(1), Stopped, Started],
        // The signal was missed.
        vec![Died(137), Stopped],
    ] {
        let mut scene = Scene::new();
        for (n, what) in events.iter().enumerate() {
            scene.event(n as f64 / 10.0, *what);
        }
        assert_eq!(scene.tick(5.0).told(), [""; 0], "{events:?}");
    }
    let mut scene = Scene::new();
    scene.event(0.0, Signalled(1)).event(1.0, Died(1)).tick(3.0);
    assert_eq!(scene.told().len(), 1, "a reload is no order to end");
    scene.event(2_000.0, Signalled(15)).event(2_001.0, Started).event(4_000.0, Died(1)).tick(4_002.0);
    assert_eq!(scene.told().len(), 1, "the signal was for a run before");
}

#[test]
fn a_kill_for_lack_of_memory_is_one_finding() {
    let oom = ["Critical: ran out of memory, and the kernel killed a process of it"];
    for (first, second) in [(OomKilled, Died(137)), (Died(137), OomKilled)] {
        let mut scene = Scene::new();
        scene.event(0.0, first).event(0.2, second).tick(5.0).event(9.0, OomKilled).tick(20.0);
        assert_eq!(scene.told(), oom, "{first:?}");
    }
}

#[test]
fn a_restart_loop_is_one_finding_and_ends() {
    let mut scene = Scene::new();
    for death in 0..40 {
        let secs = f64::from(death) * 2.0;
        scene.event(secs, Died(3)).event(secs + 0.1, Started).tick(secs + 1.2);
        if death == 20 {
            scene.restart();
        }
    }
    let told = scene.told();
    assert_eq!(told, ["Warning: died by itself with exit code 3", "Critical: is in a restart loop: it died 3 times within 5 minutes"]);
    scene.tick(300.0).tick(379.0).tick(380.0).tick(900.0);
    assert_eq!(scene.told(), ["Info: has left its restart loop: it died 40 times, and not once in the last 5 minutes"]);
}

#[test]
fn health_is_told_when_it_changes() {
    let unhealthy = Container { health: Some(Health::Unhealthy), ..running("aa", 0.0) };
    let healthy = Container { health: Some(Health::Healthy), ..running("aa", 0.0) };
    let mut scene = Scene::new();
    scene.event(0.0, Happening::Health(Health::Healthy)).event(1.0, Happening::Health(Health::Unhealthy));
    assert_eq!(scene.told(), ["Warning: became unhealthy"]);
    // A look that was begun before says what was.
    scene.look(2.0, std::slice::from_ref(&healthy)).look(20.0, std::slice::from_ref(&unhealthy)).restart();
    scene.look(40.0, std::slice::from_ref(&unhealthy));
    assert!(scene.told().is_empty());
    scene.event(100.0, Happening::Health(Health::Healthy));
    assert_eq!(scene.told(), ["Info: is healthy again"]);
    scene.event(110.0, Happening::Health(Health::Unhealthy)).look(200.0, std::slice::from_ref(&unhealthy));
    assert!(scene.told().is_empty(), "so soon after the last one");
    scene.look(1_000.0, std::slice::from_ref(&unhealthy));
    assert_eq!(scene.told(), ["Warning: became unhealthy"], "it stayed so");
    // Docker calls what has stopped, or is being stopped, unhealthy.
    let mut scene = Scene::new();
    let stopped = Container { health: unhealthy.health, ..exited("aa", 10.0, 0) };
    scene.look(0.0, std::slice::from_ref(&healthy)).event(9.0, Signalled(15)).event(9.5, Happening::Health(Health::Unhealthy));
    scene.look(100.0, &[stopped]);
    assert!(scene.told().is_empty());
    // Known by looks alone.
    let mut scene = Scene::new();
    scene.look(0.0, std::slice::from_ref(&unhealthy)).look(15.0, &[unhealthy]).look(30.0, &[healthy]);
    assert_eq!(scene.told(), ["Warning: became unhealthy", "Info: is healthy again"]);
}

#[test]
fn a_death_that_only_a_look_tells_of_is_found_once() {
    let mut scene = Scene::new();
    scene.look(0.0, &[running("aa", -50.0), running("bb", -50.0), exited("old", -60.0, 1)]);
    let after = [exited("aa", 10.0, 1), running("bb", -50.0), exited("old", -60.0, 1), exited("new", 12.0, 2)];
    scene.look(15.0, &after).tick(17.0);
    assert_eq!(scene.told(), ["Warning: died by itself with exit code 1", "Warning: died by itself with exit code 2"]);
    // Its event comes late, and it is looked at again.
    scene.now = at(16.0);
    let event = |what| ContainerEvent { at: at(10.1), id: "aa".into(), name: "aa".into(), service: String::new(), what, last_words: None };
    scene.detector.observe(at(18.0), event(Died(1)), &mut scene.out);
    scene.restart().look(30.0, &after).tick(40.0);
    assert!(scene.told().is_empty());
    // One that an event told of is not found again by a look, and somebody's `docker stop` is not either.
    let mut scene = Scene::new();
    scene.look(0.0, &[running("aa", -50.0), running("bb", -50.0), running("cc", -50.0)]);
    scene.event(5.0, Died(1)).tick(7.0);
    scene.look(15.0, &[exited("aa", 5.0, 1), exited("bb", 6.0, 137), running("cc", -50.0)]).tick(30.0);
    assert_eq!(scene.told(), ["Warning: died by itself with exit code 1"]);
    let killed =
        Container { details: Some(Details { oom_killed: true, ..exited("cc", 40.0, 137).details.unwrap() }), ..exited("cc", 40.0, 137) };
    scene.look(45.0, &[killed, running("dd", 20.0)]);
    assert_eq!(scene.told(), ["Critical: ran out of memory, and the kernel killed a process of it"], "the only one that died");
}

#[test]
fn a_docker_that_restarts_takes_all_along() {
    let ids: Vec<String> = (0..30).map(|n| format!("c{n}")).collect();
    let before: Vec<Container> = ids.iter().map(|id| running(id, -50.0)).collect();
    let after: Vec<Container> =
        ids.iter().enumerate().map(|(n, id)| if n % 2 == 0 { exited(id, 10.0, 255) } else { running(id, 12.0) }).collect();
    let mut scene = Scene::new();
    scene.look(0.0, &before).look(15.0, &after).tick(20.0);
    assert_eq!(scene.told(), [""; 0], "between two looks");
    let mut scene = Scene::new();
    scene.look(0.0, &before);
    scene.detector.lose();
    scene.look(30.0, &[exited("c0", 10.0, 1)]).tick(40.0);
    assert_eq!(scene.told(), [""; 0], "it could not be asked meanwhile");
    let mut scene = Scene::new();
    scene.look(0.0, &before).restart().look(30.0, &after).tick(40.0);
    assert_eq!(scene.told(), [""; 0], "the machine was started anew");
    let mut scene = Scene::new();
    scene.look(0.0, &before).restart().look(30.0, &[exited("c0", 10.0, 1), running("c1", -50.0)]).tick(40.0);
    assert_eq!(scene.told(), ["Warning: died by itself with exit code 1"], "the exporter was");
}

#[test]
fn restarts_that_only_looks_tell_of_are_found() {
    let mut scene = Scene::new();
    scene.look(0.0, &[restarted("aa", 4, -100.0)]).look(15.0, &[restarted("aa", 5, 10.0)]).tick(17.0);
    assert_eq!(scene.told(), ["Warning: died by itself, and Docker started it again (once since the last look)"]);
    scene.look(30.0, &[restarted("aa", 8, 29.0)]).look(45.0, &[restarted("aa", 12, 44.0)]);
    assert_eq!(scene.told(), ["Critical: is in a restart loop: Docker started it again 3 times since the last look"]);
    // It ends without an error each time, which alone is nothing.
    let mut scene = Scene::new();
    scene.look(0.0, &[restarted("aa", 0, -100.0)]);
    for n in 1..4 {
        scene.event(f64::from(n), Died(0)).event(f64::from(n) + 0.1, Started);
    }
    scene.look(15.0, &[restarted("aa", 3, 3.0)]);
    assert_eq!(scene.told(), ["Critical: is in a restart loop: Docker started it again 3 times since the last look"]);
    // Told of as they happened: nothing is counted twice.
    let mut scene = Scene::new();
    scene.look(0.0, &[restarted("aa", 0, -100.0)]).event(1.0, Died(1)).event(2.0, Died(1)).tick(4.0).look(15.0, &[restarted("aa", 2, 2.0)]);
    assert_eq!(scene.told(), ["Warning: died by itself with exit code 1"]);
}

#[test]
fn hostile_numbers_of_containers_are_bounded() {
    let mut scene = Scene::new();
    for number in 0..3_000 {
        let event = ContainerEvent {
            at: Timestamp::from_micros(i64::MAX),
            id: format!("{number:x}"),
            name: "n".into(),
            service: String::new(),
            what: Died(1),
            last_words: None,
        };
        scene.detector.observe(at(0.0), event, &mut scene.out);
    }
    assert_eq!(scene.detector.containers.len(), MAX_CONTAINERS);
    scene.tick(2.0).look(100.0, &[]).tick(101.0);
    assert!(scene.detector.containers.is_empty());
}
