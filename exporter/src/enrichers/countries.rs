//! The built-in database of countries: sorted ranges of addresses, made by build.rs from the files in data/geoip. They lie in the program
//! as they are searched, so that only the pages that are read become resident.

use std::net::IpAddr;

/// Registrations, made from what the regional registries publish: see data/geoip/NOTICE.
static V4: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/country-ipv4.ranges"));
/// By the upper half of an address, as clients are told apart.
static V6: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/country-ipv6.ranges"));

/// Ranges of a block: the first start of each is looked for first, so that a search touches few places in memory.
const BLOCK: usize = 64;

/// The country that an address is registered in, as two capital letters; `None` for what is registered nowhere.
pub(super) fn country(address: IpAddr) -> Option<[u8; 2]> {
    match address.to_canonical() {
        IpAddr::V4(v4) => find(V4, v4.to_bits(), u32::from_le_bytes),
        IpAddr::V6(v6) => find(V6, (v6.to_bits() >> 64) as u64, u64::from_le_bytes),
    }
}

/// The country of the last range that starts at `key` or before.
fn find<K: Ord, const WIDTH: usize>(ranges: &[u8], key: K, read: impl Fn([u8; WIDTH]) -> K) -> Option<[u8; 2]> {
    let Parts { firsts, starts, countries } = parts(ranges)?;
    let begins_before = |start: &[u8; WIDTH]| read(*start) <= key;
    let from = BLOCK * firsts.partition_point(begins_before).checked_sub(1)?;
    let block = starts.get(from..)?.chunks(BLOCK).next()?;
    let country: [u8; 2] = *countries.get(from + block.partition_point(begins_before).checked_sub(1)?)?;
    country.iter().all(u8::is_ascii_uppercase).then_some(country)
}

/// Starts of blocks and of ranges, and their countries.
struct Parts<'a, const WIDTH: usize> {
    firsts: &'a [[u8; WIDTH]],
    starts: &'a [[u8; WIDTH]],
    countries: &'a [[u8; 2]],
}

/// Cuts what build.rs has written.
fn parts<const WIDTH: usize>(ranges: &[u8]) -> Option<Parts<'_, WIDTH>> {
    let (count, rest) = ranges.split_first_chunk()?;
    let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
    let (firsts, rest) = rest.split_at_checked(count.div_ceil(BLOCK).checked_mul(WIDTH)?)?;
    let (starts, countries) = rest.split_at_checked(count.checked_mul(WIDTH)?)?;
    Some(Parts { firsts: firsts.as_chunks().0, starts: starts.as_chunks().0, countries: countries.as_chunks().0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_where_the_next_begins() {
        let count = 3_u64.to_le_bytes().to_vec();
        let starts = [0_u32, 0, 10, 20].map(u32::to_le_bytes).concat();
        let ranges = [count, starts, b"\0\0SE\0\0".to_vec()].concat();
        let at = |key| find(&ranges, key, u32::from_le_bytes);
        assert_eq!([0, 9, 10, 19, 20, u32::MAX].map(at), [None, None, Some(*b"SE"), Some(*b"SE"), None, None]);
        assert_eq!((find(&[], 1, u32::from_le_bytes), find(&[9; 20], 1, u32::from_le_bytes)), (None, None));
    }

    #[test]
    fn the_built_in_ranges_are_sorted_and_say_what_the_databases_say() {
        let (v4, v6) = (parts(V4).unwrap().starts, parts(V6).unwrap().starts);
        assert!(v4.is_sorted_by_key(|start| u32::from_le_bytes(*start)) && v4.len() > 100_000);
        assert!(v6.is_sorted_by_key(|start| u64::from_le_bytes(*start)) && v6.len() > 100_000);
        for (family, ranges) in [("ipv4", v4.len()), ("ipv6", v6.len())] {
            let packed = std::fs::File::open(format!("data/geoip/country-{family}.mmdb.zst")).unwrap();
            let reader = maxminddb::Reader::from_source(zstd::decode_all(packed).unwrap()).unwrap();
            let mut looked_at = 0;
            for found in reader.networks(maxminddb::WithinOptions::default()).unwrap().step_by(17) {
                let found = found.unwrap();
                let code: Option<&str> = found.decode_path(&[maxminddb::PathElement::Key("country_code")]).unwrap();
                let network = found.network().unwrap();
                if network.is_ipv6() && network.prefix() > 64 {
                    // Clients are told apart by the upper half: of such a one, the last network's country stands for all.
                    continue;
                }
                let last = network.broadcast();
                for address in [network.network(), last] {
                    let known = country(address).map(|code| String::from_utf8(code.to_vec()).unwrap());
                    assert_eq!(known.as_deref(), code, "{address}");
                }
                looked_at += 1;
            }
            assert!(looked_at * 34 > ranges, "{looked_at} networks of {family}");
        }
    }
}
