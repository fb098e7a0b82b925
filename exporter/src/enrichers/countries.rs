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
        IpAddr::V4(v4) => find(V4, v4.to_bits().into(), |start| u32::from_le_bytes(start).into()),
        IpAddr::V6(v6) => find(V6, (v6.to_bits() >> 64) as u64, u64::from_le_bytes),
    }
}

/// The country of the last range that starts at `key` or before.
fn find<const WIDTH: usize>(ranges: &[u8], key: u64, read: impl Fn([u8; WIDTH]) -> u64) -> Option<[u8; 2]> {
    let Parts { codes, usual, firsts, ends, blocks } = parts(ranges)?;
    let block = firsts.partition_point(|start: &[u8; WIDTH]| read(*start) <= key).checked_sub(1)?;
    let end = |block: usize| ends.get(block).map(|end| u32::from_le_bytes(*end) as usize);
    let from = if block > 0 { end(block - 1)? } else { 0 };
    let country = in_block(blocks.get(from..end(block)?)?, usual, read(*firsts.get(block)?), key)?;
    let country: [u8; 2] = *codes.get(usize::from(country))?;
    country.iter().all(u8::is_ascii_uppercase).then_some(country)
}

/// The first byte of a usual range that takes two, and of one that is written out.
const TWO_BYTES: u8 = 240;
const WRITTEN_OUT: u8 = 255;

/// The place of the code of the country that has `key` in a block, whose first range begins at `start`.
fn in_block(block: &[u8], usual: &[[u8; USUAL_BYTES]], mut start: u64, key: u64) -> Option<u8> {
    let mut bytes = block.iter().copied();
    loop {
        let (country, length) = match bytes.next()? {
            WRITTEN_OUT => (bytes.next()?, written_out(&mut bytes)?),
            first => {
                let place = match first {
                    TWO_BYTES.. => usize::from(first - TWO_BYTES) * 256 + usize::from(TWO_BYTES) + usize::from(bytes.next()?),
                    _ => usize::from(first),
                };
                let [country, length @ ..] = *usual.get(place)?;
                (country, u32::from_le_bytes(length).into())
            }
        };
        start = start.saturating_add(length >> 2 << [0, 8, 16, 32][length as usize & 3]);
        if length == 0 || key < start {
            return Some(country);
        }
    }
}

/// A length, seven bits a byte.
fn written_out(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let mut length = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = bytes.next()?;
        length |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}

/// A usual range: the place of its country's code, and its length.
const USUAL_BYTES: usize = 5;

/// What build.rs has written, cut in its pieces.
struct Parts<'a, const WIDTH: usize> {
    codes: &'a [[u8; 2]],
    usual: &'a [[u8; USUAL_BYTES]],
    /// Where the first range of each block starts.
    firsts: &'a [[u8; WIDTH]],
    /// Where each block ends in `blocks`.
    ends: &'a [[u8; 4]],
    blocks: &'a [u8],
}

fn parts<const WIDTH: usize>(ranges: &[u8]) -> Option<Parts<'_, WIDTH>> {
    let count = |bytes: &[u8; 8]| usize::try_from(u64::from_le_bytes(*bytes)).ok();
    let (count_of_blocks, rest) = ranges.split_first_chunk()?;
    let (count_of_usual, rest) = rest.split_first_chunk()?;
    let (codes, rest) = rest.split_at_checked(2 * 256)?;
    let (usual, rest) = rest.split_at_checked(count(count_of_usual)?.checked_mul(USUAL_BYTES)?)?;
    let (firsts, rest) = rest.split_at_checked(count(count_of_blocks)?.checked_mul(WIDTH)?)?;
    let (ends, blocks) = rest.split_at_checked(count(count_of_blocks)?.checked_mul(4)?)?;
    Some(Parts { codes: codes.as_chunks().0, usual: usual.as_chunks().0, firsts: firsts.as_chunks().0, ends: ends.as_chunks().0, blocks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_where_the_next_begins() {
        let mut codes = vec![0; 512];
        codes[2..4].copy_from_slice(b"SE");
        // SE for 256 * 40; none to the end. None up to 10, those; then a block that begins with SE at 20,000.
        let usual = [[1, (40 << 2 & 0xff) as u8 | 1, 0, 0, 0], [0; 5]].concat();
        let blocks = [255, 0, 10 << 2, 0, 1, 255, 1, 0];
        let numbers = [0_u32, 20_000, 5, 8].map(u32::to_le_bytes).concat();
        let ranges = [[2_u64, 2].map(u64::to_le_bytes).concat(), codes, usual.clone(), numbers, blocks.to_vec()].concat();
        let at = |key| find(&ranges, key, |start| u32::from_le_bytes(start).into());
        let (none, sweden) = (None, Some(*b"SE"));
        assert_eq!([0, 9, 10, 10_249, 10_250, 19_999, 20_000, 1 << 32].map(at), [none, none, sweden, sweden, none, none, sweden, sweden]);
        for damaged in [&ranges[..0], &ranges[..529], &ranges[..ranges.len() - 1], &[9; 20], &[255; 600]] {
            assert_eq!(find(damaged, 20_000, |start: [u8; 4]| u32::from_le_bytes(start).into()), None);
        }
        for damaged in [&[255, 0, 255, 255][..], &[[255, 0].as_slice(), &[255; 20]].concat(), &[255], &[250], &[254, 255], &[2], &[]] {
            assert_eq!(in_block(damaged, usual.as_chunks().0, 0, 9), None, "{damaged:?}");
        }
        let many: Vec<_> = (0..=4_079_u32).map(|place| [place as u8, 4, 0, 0, 0]).collect();
        let place = |block: &[u8]| in_block(block, &many, 0, 0);
        assert_eq!([&[239][..], &[240, 0], &[240, 255], &[241, 0], &[254, 255]].map(place), [239, 240, 239, 240, 239].map(Some));
    }

    #[test]
    fn the_built_in_ranges_are_sorted_and_say_what_the_databases_say() {
        let (v4, v6) = (parts(V4).unwrap().firsts, parts(V6).unwrap().firsts);
        assert!(v4.is_sorted_by_key(|start| u32::from_le_bytes(*start)) && v4.len() > 4_000);
        assert!(v6.is_sorted_by_key(|start| u64::from_le_bytes(*start)) && v6.len() > 4_000);
        for (family, ranges) in [("ipv4", 64 * v4.len()), ("ipv6", 64 * v6.len())] {
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
