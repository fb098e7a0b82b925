//! Turns the databases of countries into sorted ranges, which the program holds as they are: an eighth of the size, and only the pages
//! that are read become resident. Each family's file, in which numbers are little-endian, is
//! - the number of blocks and that of usual ranges (8 bytes each), and the codes of 256 countries (2 bytes each, the first is none);
//! - the usual ranges, most frequent first: the place of its country's code (1 byte) and its length (4 bytes);
//! - for each block of 32 ranges where the first of them starts (4 bytes, of IPv6 the upper 8), then for each where it ends below (4 bytes);
//! - the blocks: of each range a byte below 240, the place of a usual one; or one below 255, which with the next byte is the place of
//!   another usual one; or 255, the place of its country's code (1 byte) and its length, seven bits a byte, the lowest first, the eighth
//!   set if more follow.
//!
//! The two lowest bits of a length say by how many bits (0, 8, 16, 32) the others are shifted. One of 0 goes to the end of the block.
//!
//! `enrichers/countries.rs` reads it.

use std::collections::HashMap;
use std::error::Error;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::{env, fs};

use maxminddb::{PathElement, Reader, WithinOptions};

/// Ranges of a block, whose first start is found first.
const BLOCK: usize = 32;
/// The first byte of a usual range that takes two, and of one that is written out.
const TWO_BYTES: usize = 240;
const WRITTEN_OUT: u8 = 255;
/// Usual ranges that fit.
const MAX_USUAL: usize = TWO_BYTES + 256 * (WRITTEN_OUT as usize - TWO_BYTES);
/// A range that comes less often is cheaper written out.
const LEAST_USUAL: usize = 3;
/// By how many bits lengths are shifted: networks are cut at whole bytes.
const SHIFTS: [u32; 4] = [0, 8, 16, 32];
/// Stands for no country.
const NONE: [u8; 2] = [0; 2];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=data/geoip");
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or("cargo names no OUT_DIR")?;
    for family in ["ipv4", "ipv6"] {
        let database = fs::File::open(Path::new("data/geoip").join(format!("country-{family}.mmdb.zst")))?;
        let ranges = ranges(zstd::decode_all(database)?)?;
        // Of IPv6 the upper half: clients are told apart by it.
        let width = if family == "ipv4" { 4 } else { 8 };
        let (codes, kinds) = kinds(&ranges)?;
        let usual = usual(&kinds);
        let places: HashMap<Kind, usize> = usual.iter().copied().zip(0..).collect();
        let blocks: Vec<Vec<u8>> = kinds.chunks(BLOCK).map(|block| packed(block, &places)).collect();
        let mut bytes = [blocks.len() as u64, usual.len() as u64].map(u64::to_le_bytes).concat();
        bytes.extend(codes.as_flattened());
        for Kind { country, length } in &usual {
            bytes.push(*country);
            bytes.extend(u32::try_from(*length)?.to_le_bytes());
        }
        bytes.extend(ranges.iter().step_by(BLOCK).flat_map(|(start, _)| start.to_le_bytes().into_iter().take(width)));
        let mut end = 0_u32;
        for block in &blocks {
            end += u32::try_from(block.len())?;
            bytes.extend(end.to_le_bytes());
        }
        bytes.extend(blocks.concat());
        fs::write(out.join(format!("country-{family}.ranges")), bytes)?;
    }
    Ok(())
}

/// Where a range of one country begins, and the country.
type Range = (u64, [u8; 2]);
/// The codes of countries by the places that stand for them.
type Codes = [[u8; 2]; 256];

/// What is written of a range: the place of its country's code, and its length as the file has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Kind {
    country: u8,
    length: u64,
}

/// The codes of the countries, and of which kind each range is.
fn kinds(ranges: &[Range]) -> Result<(Codes, Vec<Kind>), Box<dyn Error>> {
    let (mut codes, mut known) = ([NONE; 256], 1);
    let mut kinds = Vec::new();
    for block in ranges.chunks(BLOCK) {
        for (at, (start, country)) in block.iter().enumerate() {
            let place = codes[..known].iter().position(|code| code == country).unwrap_or(known);
            *codes.get_mut(place).ok_or("more countries than a byte can tell apart")? = *country;
            known = known.max(place + 1);
            let length = block.get(at + 1).map_or(Some(0), |(next, _)| shifted(next - start)).ok_or("a range is too long")?;
            kinds.push(Kind { country: u8::try_from(place)?, length });
        }
    }
    Ok((codes, kinds))
}

/// A length with the bits in front that say how it is shifted.
fn shifted(length: u64) -> Option<u64> {
    let (kind, shift) = SHIFTS.iter().enumerate().rfind(|(_, shift)| length.trailing_zeros() >= **shift).unwrap_or((0, &0));
    Some((length >> shift).checked_mul(4)? | kind as u64)
}

/// The kinds that come often, most frequent first.
fn usual(kinds: &[Kind]) -> Vec<Kind> {
    let mut counts: HashMap<Kind, usize> = HashMap::new();
    kinds.iter().for_each(|kind| *counts.entry(*kind).or_default() += 1);
    let mut usual: Vec<_> = counts.into_iter().filter(|(kind, count)| *count >= LEAST_USUAL && kind.length <= u32::MAX.into()).collect();
    usual.sort_unstable_by_key(|(kind, count)| (std::cmp::Reverse(*count), *kind));
    usual.into_iter().map(|(kind, _)| kind).take(MAX_USUAL).collect()
}

/// A block; of usual ranges it has the places.
fn packed(block: &[Kind], places: &HashMap<Kind, usize>) -> Vec<u8> {
    let mut packed = Vec::new();
    for kind in block {
        match places.get(kind) {
            Some(place) if *place < TWO_BYTES => packed.push(*place as u8),
            Some(place) => {
                let behind = place - TWO_BYTES;
                packed.extend([(TWO_BYTES + behind / 256) as u8, (behind % 256) as u8]);
            }
            None => {
                packed.extend([WRITTEN_OUT, kind.country]);
                let mut rest = kind.length;
                while rest > 0x7f {
                    packed.push(rest as u8 | 0x80);
                    rest >>= 7;
                }
                packed.push(rest as u8);
            }
        }
    }
    packed
}

/// All ranges in rising order; the first begins at 0.
fn ranges(database: Vec<u8>) -> Result<Vec<Range>, Box<dyn Error>> {
    let reader = Reader::from_source(database)?;
    let mut ranges = vec![(0, NONE)];
    let mut add = |start: u64, country: [u8; 2]| match ranges.last_mut() {
        // What another range would begin with ends where it begins.
        Some(last) if last.0 == start => last.1 = country,
        Some(last) if last.1 == country => {}
        _ => ranges.push((start, country)),
    };
    let mut end = Some(0);
    for found in reader.networks(WithinOptions::default())? {
        let found = found?;
        let (network, code) = (found.network()?, found.decode_path::<&str>(&[PathElement::Key("country_code")])?);
        let country = code.and_then(|code| code.as_bytes().try_into().ok()).unwrap_or(NONE);
        let (start, length) = match network.ip() {
            IpAddr::V4(v4) => (u64::from(v4.to_bits()), 1 << (32 - u32::from(network.prefix()))),
            IpAddr::V6(v6) => ((v6.to_bits() >> 64) as u64, 1_u64 << 64_u32.saturating_sub(network.prefix().into()).min(63)),
        };
        if let Some(end) = end.filter(|end| *end < start) {
            add(end, NONE);
        }
        add(start, country);
        end = start.checked_add(length);
    }
    if let Some(end) = end {
        add(end, NONE);
    }
    Ok(ranges)
}
