//! What this machine is connected to, from the kernel's tables and resolv.conf: its own addresses, its gateways, its resolvers, and who
//! has a connection to sshd. `policy::never_ban` decides what that means.
//!
//! Read from files of /proc, which needs no right.

use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::socket_table::SocketTable;
use crate::policy::never_ban::Surroundings;

/// Reads everything below `root` (`/`, or where the host's root is mounted). What cannot be read is as good as empty: a kernel without
/// IPv6 lacks half of the files.
pub fn read(root: &Path, ssh_ports: &[u16]) -> Surroundings {
    let text = |file: &str| head_of(File::open(root.join(file)));
    // In a container `proc/net` is the container's network; the first process' is the machine's, if the host's /proc is mounted.
    let of_machine = |name: &str, read: &dyn Fn(&Path) -> String| {
        let text = read(&root.join(format!("proc/1/net/{name}")));
        if text.is_empty() { read(&root.join(format!("proc/net/{name}"))) } else { text }
    };
    let table = |name: &str| of_machine(name, &|file| head_of(File::open(file)));
    let sockets = |name: &str| of_machine(name, &|file| head_of(SocketTable::open(file)));
    let mut own = own_v4(&table("fib_trie"));
    own.extend(own_v6(&table("if_inet6")));
    let mut gateways = gateways_v4(&table("route"));
    gateways.extend(gateways_v6(&table("ipv6_route")));
    let mut resolvers = resolvers(&text("etc/resolv.conf"));
    // Behind systemd's own resolver stand the ones that it asks.
    resolvers.extend(self::resolvers(&text("run/systemd/resolve/resolv.conf")));
    let mut ssh_peers = peers(&sockets("tcp"), ssh_ports);
    ssh_peers.extend(peers(&sockets("tcp6"), ssh_ports));
    Surroundings { own: distinct(own), gateways: distinct(gateways), resolvers: distinct(resolvers), ssh_peers: distinct(ssh_peers) }
}

/// The most of a file that is read: 25,000 connections.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// The most things of one kind: a machine has a few, a host of containers perhaps hundreds.
const MAX_THINGS: usize = 4096;

fn head_of(file: io::Result<impl Read>) -> String {
    // Enough for most files: else the first read asks for a few bytes only.
    let mut bytes = Vec::with_capacity(8_192);
    let read = file.and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes));
    if read.is_err() {
        bytes.clear();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn distinct<T: Ord>(mut things: Vec<T>) -> Vec<T> {
    things.sort_unstable();
    things.dedup();
    things.truncate(MAX_THINGS);
    things
}

/// The addresses that /proc/net/fib_trie has as `/32 host LOCAL`, each on the line before.
fn own_v4(text: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let mut last = None;
    for line in text.lines() {
        if let Some(address) = line.trim_start().strip_prefix("|-- ") {
            last = address.trim().parse::<Ipv4Addr>().ok();
        } else if line.trim() == "/32 host LOCAL" {
            found.extend(last.map(IpAddr::V4));
        }
    }
    found
}

/// The first column of /proc/net/if_inet6: 32 hex digits.
fn own_v6(text: &str) -> Vec<IpAddr> {
    let columns = text.lines().filter_map(|line| line.split_whitespace().next());
    columns.filter_map(address_v6).collect()
}

fn address_v6(digits: &str) -> Option<IpAddr> {
    let bits = u128::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 32)?;
    Some(Ipv6Addr::from_bits(bits).into())
}

/// `RTF_GATEWAY` of a route's flags: it leads over another machine.
const OVER_GATEWAY: u32 = 2;

/// The gateways of default routes in /proc/net/route: interface, destination, gateway, flags, …, mask in the eighth column; numbers in hex
/// of the machine's own byte order.
fn gateways_v4(text: &str) -> Vec<IpAddr> {
    let gateway = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [_, "00000000", gateway, flags, _, _, _, "00000000", ..] = columns.as_slice() else { return None };
        let leads_over = u32::from_str_radix(flags, 16).ok()? & OVER_GATEWAY != 0;
        let address = Ipv4Addr::from(u32::from_str_radix(gateway, 16).ok()?.to_ne_bytes());
        leads_over.then_some(IpAddr::V4(address))
    };
    text.lines().filter_map(gateway).collect()
}

/// The gateways of default routes in /proc/net/ipv6_route: destination, its prefix, source, its prefix, gateway, metric, …, flags in the
/// ninth column.
fn gateways_v6(text: &str) -> Vec<IpAddr> {
    let gateway = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [_, "00", _, _, gateway, _, _, _, flags, ..] = columns.as_slice() else { return None };
        let leads_over = u32::from_str_radix(flags, 16).ok()? & OVER_GATEWAY != 0;
        address_v6(gateway).filter(|address| leads_over && !address.is_unspecified())
    };
    text.lines().filter_map(gateway).collect()
}

/// The name servers of resolv.conf; a link-local one may carry its interface (`fe80::1%eth0`).
fn resolvers(text: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and(words.next())?;
        address.split('%').next()?.parse().ok()
    };
    text.lines().filter_map(address).collect()
}

/// The other ends of established connections to one of `ports`, in /proc/net/tcp or tcp6: number, local and other end as
/// `ADDRESS:PORT` in hex, state.
fn peers(text: &str, ports: &[u16]) -> Vec<SocketAddr> {
    let peer = |line: &str| {
        let mut columns = line.split_whitespace().skip(1);
        let (local, remote, state) = (columns.next()?, columns.next()?, columns.next()?);
        let local = end(local)?;
        // 01 is TCP_ESTABLISHED.
        (state == "01" && ports.contains(&local.port())).then(|| end(remote)).flatten()
    };
    text.lines().filter_map(peer).collect()
}

/// An end of a connection. Addresses are words of 32 bits in the machine's own byte order.
fn end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let word = |at: usize| Some(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let address = match address.len() {
        8 => IpAddr::from(word(0)?),
        32 => {
            let [a, b, c, d] = [word(0)?, word(8)?, word(16)?, word(24)?];
            let mut bytes = [0; 16];
            for (to, from) in bytes.iter_mut().zip([a, b, c, d].concat()) {
                *to = from;
            }
            IpAddr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown<T: ToString>(things: &[T]) -> Vec<String> {
        things.iter().map(ToString::to_string).collect()
    }

    const FIB_TRIE: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        +-- 127.0.0.0/31 1 0 0
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
     +-- 172.17.0.0/16 2 0 2
        |-- 172.17.0.1
           /32 host LOCAL
Local:
     |-- 5.9.10.11
        /32 host LOCAL
     |-- 5.9.10.0
        /26 link UNICAST
";

    const IF_INET6: &str = "\
00000000000000000000000000000001 01 80 10 80       lo
2a0104f8000100020000000000000001 02 40 00 80     eth0
fe800000000000000242acfffe110002 02 40 20 80     eth0
";

    const ROUTE: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010A0905\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t000A0905\t00000000\t0001\t0\t0\t100\tC0FFFFFF\t0\t0\t0
eth1\t0000000A\t0101A8C0\t0003\t0\t0\t0\t000000FF\t0\t0\t0
wg0\t00000000\t00000000\t0001\t0\t0\t200\t00000000\t0\t0\t0
";

    const IPV6_ROUTE: &str = "\
2a0104f8000100020000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
";

    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 20000 1 0000000000000000 100 0 0 10 0
   1: 0B0A0905:0016 A0450251:C3CA 01 00000000:00000000 02:000A7D4B 00000000     0        0 20001 2 0000000000000000 20 4 29 10 -1
   2: 0B0A0905:0016 A1450251:C3CB 06 00000000:00000000 03:00000A7D 00000000     0        0 0 3 0000000000000000
   3: 0B0A0905:01BB A2450251:C3CC 01 00000000:00000000 00:00000000 00000000    33        0 20002 1 0000000000000000 20 4 29 10 -1
   4: 0B0A0905:08AE A3450251:C3CD 01 00000000:00000000 00:00000000 00000000     0        0 20003 1 0000000000000000 20 4 29 10 -1
   5: 0B0A0905:D431 0101A8C0:0016 01 00000000:00000000 00:00000000 00000000     0        0 20004 1 0000000000000000 20 4 29 10 -1
";

    const TCP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1
   1: F804012A020001000000000001000000:0016 0A2F022A020001000000000009000000:A028 01 00000000:00000000 00:00000000 00000000     0        0 4 1
   2: 0000000000000000FFFF00000B0A0905:0016 0000000000000000FFFF0000A0450251:C3CE 01 00000000:00000000 00:00000000 00000000     0        0 5 1
";

    // The recorded texts come from machines that are little-endian, as all supported ones are.
    #[test]
    fn the_kernels_tables_are_understood() {
        assert_eq!(shown(&own_v4(FIB_TRIE)), ["127.0.0.1", "172.17.0.1", "5.9.10.11"]);
        assert_eq!(shown(&own_v6(IF_INET6)), ["::1", "2a01:4f8:1:2::1", "fe80::242:acff:fe11:2"]);
        assert_eq!(shown(&gateways_v4(ROUTE)), ["5.9.10.1"]);
        assert_eq!(shown(&gateways_v6(IPV6_ROUTE)), ["fe80::1"]);
        assert_eq!(shown(&peers(TCP, &[22])), ["81.2.69.160:50122"]);
        assert_eq!(shown(&peers(TCP, &[22, 2222])), ["81.2.69.160:50122", "81.2.69.163:50125"]);
        assert_eq!(shown(&peers(TCP6, &[22])), ["[2a02:2f0a:1:2::9]:41000", "81.2.69.160:50126"]);
        assert!(peers(TCP, &[]).is_empty());
    }

    #[test]
    fn resolvers_are_read_as_the_system_reads_them() {
        let text = "# nameserver 1.1.1.1\nsearch example.org\nnameserver 9.9.9.9\n  nameserver\t2620:fe::fe\nnameserver fe80::1%eth0 # home\nnameserver dns\n";
        assert_eq!(shown(&resolvers(text)), ["9.9.9.9", "2620:fe::fe", "fe80::1"]);
    }

    #[test]
    fn everything_stands_below_the_root() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("proc/net")).unwrap();
        std::fs::create_dir_all(root.path().join("etc")).unwrap();
        for (file, text) in [
            ("proc/net/fib_trie", FIB_TRIE),
            ("proc/net/route", ROUTE),
            ("proc/net/tcp", TCP),
            ("proc/net/tcp6", TCP6),
            ("etc/resolv.conf", "nameserver 9.9.9.9\n"),
        ] {
            std::fs::write(root.path().join(file), text).unwrap();
        }
        let seen = read(root.path(), &[22]);
        assert_eq!(shown(&seen.own), ["5.9.10.11", "127.0.0.1", "172.17.0.1"]);
        assert_eq!((shown(&seen.gateways), shown(&seen.resolvers)), (vec!["5.9.10.1".to_owned()], vec!["9.9.9.9".to_owned()]));
        assert_eq!(seen.ssh_peers.len(), 3);
        std::fs::create_dir_all(root.path().join("proc/1/net")).unwrap();
        std::fs::write(root.path().join("proc/1/net/route"), ROUTE.replace("010A0905", "020A0905")).unwrap();
        assert_eq!(shown(&read(root.path(), &[22]).gateways), ["5.9.10.2"], "the machine's network, not the container's");
        assert_eq!(read(Path::new("/nowhere"), &[22]), Surroundings::default());
    }

    #[test]
    fn any_text_is_survived() {
        for text in
            ["", ":", "0: : : 01", "x 00000000:0016 é:1 01", "|-- x\n/32 host LOCAL", "e 00000000 zz zz 0 0 0 00000000", "nameserver"]
        {
            assert!(own_v4(text).is_empty() && own_v6(text).is_empty() && gateways_v4(text).is_empty() && gateways_v6(text).is_empty());
            assert!(peers(text, &[22]).is_empty() && resolvers(text).is_empty());
        }
        assert_eq!(end("éééé:16"), None);
    }

    #[test]
    fn this_machine_has_itself() {
        assert!(read(Path::new("/"), &[22]).own.contains(&"127.0.0.1".parse().unwrap()));
    }
}
