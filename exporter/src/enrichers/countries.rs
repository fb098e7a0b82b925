//! The built-in database of countries: sorted ranges of addresses, made by build.rs from the files in data/geoip. They lie in the program
//! as they are searched, so that only the pages that are read become resident.

use std::net::IpAddr;

/// Registrations, made from what the regional registries publish: see data/geoip/NOTICE.
static V4: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/country-ipv4.ranges"));
/// By the upper half of an address, as clients are told apart.
static V6: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/country-ipv6.ranges"));

/// The country that an address is registered in, as two capital letters; `None` for what is registered nowhere.
pub(super) fn country(address: IpAddr) -> Option<[u8; 2]> {
    match address.to_canonical() {
        IpAddr::V4(v4) => find(V4, v4.to_bits(), u32::from_le_bytes),
        IpAddr::V6(v6) => find(V6, (v6.to_bits() >> 64) as u64, u64::from_le_bytes),
    }
}

/// The country of the last range that starts at `key` or before. `ranges`: all starts of `WIDTH` bytes, then as many countries.
fn find<K: Ord, const WIDTH: usize>(ranges: &[u8], key: K, read: impl Fn([u8; WIDTH]) -> K) -> Option<[u8; 2]> {
    let count = ranges.len() / (WIDTH + 2);
    let (starts, countries) = ranges.split_at_checked(count * WIDTH)?;
    let after = starts.as_chunks().0.partition_point(|start| read(*start) <= key);
    let country: [u8; 2] = *countries.as_chunks().0.get(after.checked_sub(1)?)?;
    country.iter().all(u8::is_ascii_uppercase).then_some(country)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_where_the_next_begins() {
        let starts = [0_u32, 10, 20].map(u32::to_le_bytes).concat();
        let ranges = [starts, b"\0\0SE\0\0".to_vec()].concat();
        let at = |key| find(&ranges, key, u32::from_le_bytes);
        assert_eq!([0, 9, 10, 19, 20, u32::MAX].map(at), [None, None, Some(*b"SE"), Some(*b"SE"), None, None]);
        assert_eq!(find(&[], 1, u32::from_le_bytes), None);
    }

    #[test]
    fn the_built_in_ranges_are_sorted_and_say_what_the_databases_say() {
        let v4 = V4[..V4.len() / 6 * 4].as_chunks().0;
        let v6 = V6[..V6.len() / 10 * 8].as_chunks().0;
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
