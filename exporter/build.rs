//! Turns the databases of countries into sorted ranges, which the program holds as they are: a tenth of the size, and only the pages that
//! are read become resident. Each family's file, in which numbers are little-endian, is
//! - the number of blocks (8 bytes) and the codes of 256 countries (2 bytes each, the first is none);
//! - for each block of 32 ranges where the first of them starts (4 bytes, of IPv6 the upper 8), then for each where it ends below (4 bytes);
//! - the blocks: for each range the place of its country's code (1 byte) and, but for a block's last, its length: seven bits a byte, the
//!   lowest first, the eighth set if more follow; the two lowest bits of all say by how many bits (0, 8, 16, 32) the others are shifted.
//!
//! `enrichers/countries.rs` reads it.

use std::error::Error;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::{env, fs};

use maxminddb::{PathElement, Reader, WithinOptions};

/// Ranges of a block, whose first start is found first.
const BLOCK: usize = 32;
/// By how many bits lengths are shifted: networks are cut at whole bytes.
const SHIFTS: [u32; 4] = [0, 8, 16, 32];
/// Stands for no country.
const NONE: [u8; 2] = [0; 2];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=data/geoip");
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or("cargo names no OUT_DIR")?;
    for family in ["ipv4", "ipv6"] {
        let packed = fs::File::open(Path::new("data/geoip").join(format!("country-{family}.mmdb.zst")))?;
        let ranges = ranges(zstd::decode_all(packed)?)?;
        // Of IPv6 the upper half: clients are told apart by it.
        let width = if family == "ipv4" { 4 } else { 8 };
        let (codes, blocks) = packed_blocks(&ranges)?;
        let mut bytes = (blocks.len() as u64).to_le_bytes().to_vec();
        bytes.extend(codes.as_flattened());
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
/// Packed ranges, by blocks.
type Blocks = Vec<Vec<u8>>;

/// The codes of the countries, and the blocks that name them by their places.
fn packed_blocks(ranges: &[Range]) -> Result<(Codes, Blocks), Box<dyn Error>> {
    let (mut codes, mut known) = ([NONE; 256], 1);
    let mut blocks = Vec::new();
    for block in ranges.chunks(BLOCK) {
        let mut packed = Vec::new();
        for (at, (start, country)) in block.iter().enumerate() {
            let place = codes[..known].iter().position(|code| code == country).unwrap_or(known);
            *codes.get_mut(place).ok_or("more countries than a byte can tell apart")? = *country;
            known = known.max(place + 1);
            packed.push(u8::try_from(place)?);
            if let Some((next, _)) = block.get(at + 1) {
                push_length(&mut packed, next - start)?;
            }
        }
        blocks.push(packed);
    }
    Ok((codes, blocks))
}

fn push_length(packed: &mut Vec<u8>, length: u64) -> Result<(), Box<dyn Error>> {
    let (kind, shift) = SHIFTS.iter().enumerate().rfind(|(_, shift)| length.trailing_zeros() >= **shift).unwrap_or((0, &0));
    let mut rest = (length >> shift).checked_mul(4).ok_or("a range is too long")? | kind as u64;
    while rest > 0x7f {
        packed.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    packed.push(rest as u8);
    Ok(())
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
