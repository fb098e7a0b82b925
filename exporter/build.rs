//! Turns the databases of countries into sorted ranges, which the program holds as they are: a third of the size, and only the pages
//! that are read become resident. Each family's file is the number of ranges (8 bytes), the start of every 64th, the starts of all, then
//! their countries; numbers are little-endian. `enrichers/countries.rs` reads it.

use std::error::Error;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::{env, fs};

use maxminddb::{PathElement, Reader, WithinOptions};

/// Ranges of a block, whose first start is found first.
const BLOCK: usize = 64;
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
        let start = |(start, _): &Range| start.to_le_bytes().into_iter().take(width);
        let mut bytes = (ranges.len() as u64).to_le_bytes().to_vec();
        bytes.extend(ranges.iter().step_by(BLOCK).flat_map(start));
        bytes.extend(ranges.iter().flat_map(start));
        bytes.extend(ranges.iter().flat_map(|(_, country)| *country));
        fs::write(out.join(format!("country-{family}.ranges")), bytes)?;
    }
    Ok(())
}

/// Where a range of one country begins, and the country.
type Range = (u64, [u8; 2]);

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
