use super::*;

const DAY: i64 = 86_400;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_780_000_000 + secs)
}

fn client(address: &str) -> Client {
    Client::parse(address.as_bytes()).unwrap()
}

fn bot(agent: &str) -> &'static Bot {
    good_bots::claims(agent.as_bytes()).unwrap()
}

fn networks(list: &[&str]) -> Vec<IpNet> {
    list.iter().map(|network| network.parse().unwrap()).collect()
}

/// A machine with two addresses, an owner at work and one at home, an office and a proxy.
fn machine() -> NeverBan {
    let settings = Settings {
        networks: networks(&["198.41.0.0/24", "2a00:1450:4001::/48"]),
        trusted_proxies: networks(&["185.12.64.1/32"]),
        reverse_dns: true,
    };
    let mut never_ban = NeverBan::new(settings);
    never_ban.look_around(surroundings(&["81.2.69.160:50122", "[2a02:2f0a:1:2::9]:41000"]), at(0));
    never_ban
}

fn surroundings(ssh_peers: &[&str]) -> Surroundings {
    let addresses = |list: &[&str]| list.iter().map(|address| address.parse().unwrap()).collect();
    Surroundings {
        own: addresses(&["127.0.0.1", "::1", "5.9.10.11", "2a01:4f8:1:2::1", "172.17.0.1"]),
        gateways: addresses(&["5.9.10.1", "fe80::1"]),
        resolvers: addresses(&["9.9.9.9"]),
        ssh_peers: ssh_peers.iter().map(|peer| peer.parse().unwrap()).collect(),
    }
}

const GOOGLE: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const BING: &str = "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)";
const ENCRYPT: &str = "Mozilla/5.0 (compatible; Let's Encrypt validation server; +https://www.letsencrypt.org)";

/// Who must be left alone whatever the logs say of them, and who must not.
#[test]
fn stories() {
    let mut machine = machine();
    machine.note_login(client("90.160.1.2"), at(0));
    machine.note_player(client("88.10.20.30"), at(0));
    machine.note_verified(client("20.51.9.9"), bot(BING), at(0));
    machine.note_verified(client("66.133.109.36"), bot(ENCRYPT), at(0));
    machine.note_refuted(client("45.83.64.1"), at(0));
    machine.note_undecided(client("45.83.64.2"), at(0));
    for (story, address, agent, expected) in [
        ("the owner, whose session was open before we began", "81.2.69.160", "", Some("ssh_peer")),
        ("the owner's browser beside an IPv6 session", "2a02:2f0a:1:2:aaaa::1", "", Some("ssh_peer")),
        ("the owner in a hotel, who just logged in", "90.160.1.2", "curl/8.5.0", Some("recent_login")),
        ("somebody else in the hotel's town", "90.160.1.3", "curl/8.5.0", None),
        ("a client of the local network", "192.168.1.20", "", Some("reserved")),
        ("a neighbour at the same carrier's NAT", "100.64.3.3", "", Some("reserved")),
        ("the exporter's own health check", "127.0.0.1", "", Some("own_address")),
        ("the same over the public address", "5.9.10.11", "", Some("own_address")),
        ("another loopback address", "127.0.0.53", "", Some("reserved")),
        ("a neighbour in the machine's own /64", "2a01:4f8:1:2:ffff::99", "", Some("own_address")),
        ("the next /64", "2a01:4f8:1:3::1", "", None),
        ("a container's bridge", "172.17.0.1", "", Some("own_address")),
        ("a container", "172.18.0.7", "", Some("reserved")),
        ("the way out", "5.9.10.1", "", Some("gateway")),
        ("the resolver, whose address anybody can forge in a packet", "9.9.9.9", "", Some("resolver")),
        ("a Cloudflare edge, nobody having set real_ip", "162.158.1.1", "", Some("cdn")),
        ("the same over IPv6", "2606:4700:10::1", "", Some("cdn")),
        ("a CloudFront edge", "13.225.1.1", "", Some("cdn")),
        ("Googlebot by its network", "66.249.66.1", GOOGLE, Some("good_bot")),
        ("the same, whatever it calls itself", "66.249.66.1", "", Some("good_bot")),
        ("Bingbot beyond its networks, by its name", "20.51.9.9", BING, Some("good_bot")),
        ("a liar who was found out", "45.83.64.1", GOOGLE, None),
        ("one whom the DNS could not be asked about", "45.83.64.2", GOOGLE, Some("unproven_bot")),
        ("the same without the claim", "45.83.64.2", "curl/8.5.0", None),
        ("one who claims and was not asked about", "45.83.64.3", GOOGLE, None),
        ("Let's Encrypt's validation", "66.133.109.36", ENCRYPT, Some("good_bot")),
        ("an uptime monitor by its published address", "3.12.251.153", "UptimeRobot/2.0", Some("good_bot")),
        ("a player", "88.10.20.30", "", Some("player")),
        ("the office", "198.41.0.77", "", Some("configured")),
        ("the office over IPv6", "2a00:1450:4001:800::1", "", Some("configured")),
        ("the office, as a dual-stack socket logs it", "::ffff:198.41.0.77", "", Some("configured")),
        ("the reverse proxy", "185.12.64.1", "", Some("trusted_proxy")),
        ("an address out of a book", "203.0.113.7", "", Some("documentation")),
        ("a scanner", "45.83.64.9", "Mozilla/5.0 zgrab/0.x", None),
        ("a scanner over IPv6", "2a0b:f4c2::1", "", None),
    ] {
        let reason = machine.reason(client(address), at(60), agent.as_bytes());
        assert_eq!(reason.map(|reason| reason.as_str()), expected, "{story}");
    }
}

#[test]
fn the_answer_is_a_sentence() {
    let machine = machine();
    for (address, expected) in [
        ("66.249.66.1", "is a published network of Googlebot"),
        ("192.168.1.20", "is no address of the internet (private)"),
        ("162.158.1.1", "is an edge of Cloudflare, with many visitors behind it"),
        ("198.41.0.77", "stands in policy.never_ban.networks"),
    ] {
        assert_eq!(machine.reason(client(address), at(0), b"").unwrap().to_string(), expected);
    }
}

#[test]
fn who_guesses_passwords_is_no_peer() {
    let mut machine = machine();
    let guesser = client("45.83.64.9");
    let look = |machine: &mut NeverBan, peers: &[&str], secs| machine.look_around(surroundings(peers), at(secs));
    // A new connection every minute or two, as sshd ends them.
    for minute in 1..20 {
        look(&mut machine, &[&format!("45.83.64.9:{}", 40_000 + minute / 2)], minute * 60);
        assert_eq!(machine.reason(guesser, at(minute * 60 + 59), b""), None, "minute {minute}");
    }
    // The same connection for longer than sshd waits.
    for (secs, expected) in [(1200, None), (1260, None), (1349, None), (1350, Some(Reason::SshPeer))] {
        look(&mut machine, &["45.83.64.9:50000"], secs);
        assert_eq!(machine.reason(guesser, at(secs), b""), expected, "after {secs} s");
    }
    // Its end makes a login of it.
    look(&mut machine, &[], 1400);
    assert_eq!(machine.reason(guesser, at(1400), b""), Some(Reason::RecentLogin));
    assert_eq!(machine.reason(guesser, at(1350 + 30 * DAY), b""), None);
}

#[test]
fn a_session_from_before_the_start_is_a_login_only_after_its_grace() {
    let (mut machine, owner) = (machine(), client("81.2.69.160"));
    machine.look_around(surroundings(&[]), at(60));
    assert_eq!(machine.reason(owner, at(61), b""), None, "gone within the grace: nobody knows who it was");
    let mut machine = self::machine();
    machine.look_around(surroundings(&["81.2.69.160:50122"]), at(200));
    machine.look_around(surroundings(&[]), at(260));
    assert_eq!(machine.reason(owner, at(261), b""), Some(Reason::RecentLogin));
}

#[test]
fn surroundings_are_replaced() {
    let mut machine = machine();
    machine.look_around(Surroundings { own: vec!["5.9.10.12".parse().unwrap()], ..Surroundings::default() }, at(60));
    assert_eq!(machine.reason(client("5.9.10.11"), at(60), b""), None);
    assert_eq!(machine.reason(client("5.9.10.12"), at(60), b""), Some(Reason::OwnAddress));
}

#[test]
fn claims_are_asked_about_once() {
    let (mut machine, one) = (machine(), client("45.83.64.1"));
    let asks = |machine: &NeverBan, secs, agent: &str| machine.to_verify(one, at(secs), agent.as_bytes()).map(|bot| bot.id);
    assert_eq!(asks(&machine, 0, BING), Some("bingbot"));
    assert_eq!(asks(&machine, 0, "curl/8.5.0"), None);
    assert_eq!(asks(&machine, 0, "GPTBot/1.2"), None, "its networks are its only proof");
    assert_eq!(machine.to_verify(client("66.249.66.1"), at(0), GOOGLE.as_bytes()), None, "proven already");
    machine.note_refuted(one, at(0));
    assert_eq!(asks(&machine, DAY - 1, BING), None);
    assert_eq!(asks(&machine, DAY, BING), Some("bingbot"));
    machine.note_verified(one, bot(BING), at(DAY));
    assert_eq!((asks(&machine, 2 * DAY, BING), asks(&machine, 8 * DAY, BING)), (None, Some("bingbot")));
    let silent = NeverBan::new(Settings::default());
    assert_eq!(silent.to_verify(one, at(0), BING.as_bytes()), None, "switched off");
}

#[test]
fn a_dns_that_always_fails_protects_for_a_day() {
    let (mut machine, liar) = (machine(), client("45.83.64.1"));
    let mut protected = 0;
    for hour in 0..20 * 24 {
        let now = at(hour * 3600);
        if machine.to_verify(liar, now, GOOGLE.as_bytes()).is_some() {
            machine.note_undecided(liar, now);
        }
        protected += i32::from(machine.reason(liar, now, GOOGLE.as_bytes()).is_some());
    }
    assert_eq!(protected, 24);
}

#[test]
fn what_is_remembered_is_bounded_and_the_proven_outlive_a_flood_of_claims() {
    let mut machine = machine();
    machine.note_verified(client("20.51.9.9"), bot(BING), at(0));
    machine.note_login(client("90.160.1.2"), at(0));
    let before = machine.tracked();
    for address in 0..100_000 {
        machine.note_refuted(Client::V4(0x5000_0000 + address), at(1));
        machine.note_undecided(Client::V4(0x5100_0000 + address), at(1));
        machine.note_player(Client::V4(0x5200_0000 + address), at(1));
    }
    assert_eq!(machine.tracked() - before, MAX_CLAIMS.get() + MAX_PLAYERS.get());
    assert_eq!(machine.reason(client("20.51.9.9"), at(2), b""), Some(Reason::GoodBotName(bot(BING))));
    assert_eq!(machine.reason(client("90.160.1.2"), at(2), b""), Some(Reason::RecentLogin));
}

#[test]
fn an_older_record_takes_nothing_back() {
    let (mut machine, owner) = (machine(), client("90.160.1.2"));
    machine.note_login(owner, at(10 * DAY));
    machine.note_login(owner, at(0));
    assert_eq!(machine.reason(owner, at(39 * DAY), b""), Some(Reason::RecentLogin));
}
