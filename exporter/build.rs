//! Unpacks the databases of countries, so that the program holds them as they are: only the pages that are read become resident.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=data/geoip");
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| io::Error::other("cargo names no OUT_DIR"))?;
    for name in ["country-ipv4.mmdb", "country-ipv6.mmdb"] {
        let packed = fs::File::open(Path::new("data/geoip").join(format!("{name}.zst")))?;
        io::copy(&mut zstd::Decoder::new(packed)?, &mut fs::File::create(out.join(name))?)?;
    }
    Ok(())
}
