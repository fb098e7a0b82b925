use super::*;

fn listed(json: &str) -> Option<Container> {
    serde_json::from_str::<Listed>(json).unwrap().container()
}

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn lists_of_all_engines_are_read() {
    // Engine 20.10.
    let old = r#"{"Id":"ID","Names":["/web/alias","/web"],"Image":"shop:1","ImageID":"sha256:1","Command":"x","Created":1,"Ports":[],
        "Labels":{"com.docker.compose.service":"shop"},"State":"running","Status":"Up 2 minutes (unhealthy)",
        "HostConfig":{"NetworkMode":"none"},"NetworkSettings":{"Networks":{}},"Mounts":[]}"#;
    let container = listed(&old.replace("ID", ID)).unwrap();
    assert_eq!((container.name.as_str(), container.service.as_str(), container.image.as_str()), ("web", "shop", "shop:1"));
    assert_eq!((container.state, container.health), (Some(State::Running), Some(Health::Unhealthy)));
    // Less, other and more than ever was there.
    let odd = r#"{"Id":"ID","Names":["/w"],"State":"stopping","Labels":null,"Status":7,"Health":{"Status":"none"},"New":[{}]}"#;
    let container = listed(&odd.replace("ID", ID)).unwrap();
    assert_eq!((container.state, container.health, container.service.as_str()), (None, None, ""));
    for hostile in [r#"{"Id":"../../x","Names":["/a"]}"#, r#"{"Id":"","Names":["/a"]}"#, "{}", r#"{"Id":"ID"}"#] {
        assert_eq!(listed(&hostile.replace("ID", ID)), None, "{hostile}");
    }
    let named = |name: &str| listed(&serde_json::json!({ "Id": ID, "Names": [name] }).to_string()).unwrap().name;
    assert_eq!(named("/a\"b\\c\n"), "a_b_c");
    assert_eq!(named(&format!("/{}", "é".repeat(500))).chars().count(), TEXT_CHARS);
}

#[test]
fn words_for_people_tell_the_health() {
    for (status, health) in [
        ("Up 3 minutes", None),
        ("Up 3 minutes (healthy)", Some(Health::Healthy)),
        ("Up 3 seconds (health: starting)", Some(Health::Starting)),
        ("Up 3 minutes (Paused)", None),
        ("Exited (137) 5 minutes ago", None),
    ] {
        assert_eq!(health_of(status), health, "{status}");
    }
}

#[test]
fn details_complete_the_list() {
    let json = r#"{"Id":"x","RestartCount":4,"Config":{"Env":["PASSWORD=hunter2"]},"State":{"Status":"restarting","Running":true,
        "OOMKilled":true,"ExitCode":137,"StartedAt":"2026-11-21T18:00:00.25Z","FinishedAt":"2026-11-21T18:00:01Z","Health":null}}"#;
    let mut container = Container { health: Some(Health::Healthy), ..Container::default() };
    serde_json::from_str::<Inspected>(json).unwrap().complete(&mut container);
    let details = container.details.unwrap();
    assert_eq!((container.state, container.health), (Some(State::Restarting), None));
    assert_eq!((details.restarts, details.exit_code, details.oom_killed), (4, 137, true));
    assert_eq!(details.finished.unwrap().micros() - details.started.unwrap().micros(), 750_000);
    let never = r#"{"State":{"Status":"created","StartedAt":"0001-01-01T00:00:00Z","FinishedAt":"x","ExitCode":null}}"#;
    serde_json::from_str::<Inspected>(never).unwrap().complete(&mut container);
    assert_eq!(container.details, Some(Details::default()));
}

#[test]
fn usage_is_counted_as_docker_stats_does() {
    let used = |memory: &str| {
        let json = format!(r#"{{"cpu_stats":{{"cpu_usage":{{"total_usage":1500}}}},"memory_stats":{memory}}}"#);
        serde_json::from_str::<Stats>(&json).unwrap().usage().map(|usage| usage.memory_bytes)
    };
    // Control groups of version 1 have both keys, of version 2 one.
    assert_eq!(used(r#"{"usage":100,"limit":500,"stats":{"total_inactive_file":30,"inactive_file":10}}"#), Some(70));
    assert_eq!(used(r#"{"usage":100,"limit":500,"stats":{"inactive_file":10,"anon":5}}"#), Some(90));
    assert_eq!(used(r#"{"usage":100,"stats":{"total_inactive_file":100,"inactive_file":10}}"#), Some(90));
    assert_eq!(used(r#"{"usage":100}"#), Some(100));
    // Of one that does not run.
    assert_eq!(used("{}"), None);
    let json = r#"{"cpu_stats":{"cpu_usage":{"total_usage":2500000000,"percpu_usage":null}},"memory_stats":{"usage":1,"limit":2},
        "networks":{"eth0":{"rx_bytes":1,"tx_bytes":2},"eth1":{"rx_bytes":10,"tx_bytes":18446744073709551615}}}"#;
    let usage = serde_json::from_str::<Stats>(json).unwrap().usage().unwrap();
    assert_eq!((usage.cpu, usage.memory_limit_bytes), (Duration::from_millis(2_500), Some(2)));
    assert_eq!((usage.received_bytes, usage.transmitted_bytes), (11, u64::MAX));
}

#[test]
fn events_are_read() {
    let event = |action: &str, attributes: &str| {
        let json = format!(
            r#"{{"status":"x","id":"{ID}","Type":"container","Action":"{action}","Actor":{{"ID":"{ID}","Attributes":{{"name":"web",{attributes}"image":"i"}}}},
            "scope":"local","time":1700000000,"timeNano":1700000000123456789}}"#
        );
        serde_json::from_str::<Told>(&json).unwrap().event()
    };
    let died = event("die", r#""exitCode":"139","com.docker.compose.service":"shop","#).unwrap();
    assert_eq!((died.what, died.name.as_str(), died.service.as_str()), (Happening::Died(139), "web", "shop"));
    assert_eq!(died.at, Timestamp::from_micros(1_700_000_000_123_456));
    for (action, attributes, expected) in [
        ("kill", r#""signal":"15","#, Some(Happening::Signalled(15))),
        ("kill", "", None),
        ("oom", "", Some(Happening::OomKilled)),
        ("start", "", Some(Happening::Started)),
        ("stop", "", Some(Happening::Stopped)),
        ("destroy", "", Some(Happening::Destroyed)),
        ("health_status: unhealthy", "", Some(Happening::Health(Health::Unhealthy))),
        ("exec_create: sh -c 'secret'", "", None),
        ("health_status: odd", "", None),
    ] {
        assert_eq!(event(action, attributes).map(|event| event.what), expected, "{action}");
    }
    assert_eq!(serde_json::from_str::<Told>("{}").unwrap().event(), None);
}
