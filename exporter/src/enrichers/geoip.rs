//! Country and autonomous system of an address, from databases in MaxMind's format: countries are built in, other files can be named.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use maxminddb::PathElement::{self, Key};
use maxminddb::{MaxMindDbError, Reader, WithinOptions};

use super::countries;
use crate::subject::{Locate, Location};

type Database = Reader<Vec<u8>>;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// The file is larger than any such database.
    #[error("is larger than {} MiB", MAX_FILE_BYTES >> 20)]
    TooLarge,
    /// The file is something else.
    #[error("is no database in MaxMind's format: {0}")]
    Malformed(#[from] MaxMindDbError),
    /// The database is about something else.
    #[error("holds no {0}")]
    Lacks(&'static str),
}

/// The largest databases of whole cities are below 150 MB.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Knows where addresses are. By default from the built-in countries; autonomous systems stay unknown.
#[derive(Default)]
pub struct GeoIp {
    /// Instead of the built-in countries.
    countries: Option<Database>,
    systems: Option<Database>,
}

impl GeoIp {
    /// Takes the countries of a file instead.
    ///
    /// # Errors
    ///
    /// The file is not there, no such database, or one without countries.
    pub fn open_countries(&mut self, file: &Path) -> Result<(), Error> {
        self.countries = Some(open(file, "countries", |database, address| country(database, address).is_some())?);
        Ok(())
    }

    /// Takes the autonomous systems of a file.
    ///
    /// # Errors
    ///
    /// The file is not there, no such database, or one without autonomous systems.
    pub fn open_systems(&mut self, file: &Path) -> Result<(), Error> {
        self.systems = Some(open(file, "autonomous systems", |database, address| system(database, address).is_some())?);
        Ok(())
    }
}

impl Locate for GeoIp {
    fn locate(&self, address: IpAddr) -> Location {
        let address = address.to_canonical();
        let country = self.countries.as_ref().map_or_else(|| countries::country(address), |database| country(database, address));
        Location { country, asn: self.systems.as_ref().and_then(|database| system(database, address)) }
    }

    fn organisation(&self, address: IpAddr) -> Option<String> {
        let database = self.systems.as_ref()?;
        ORGANISATION.iter().find_map(|path| text(database, address.to_canonical(), path)).filter(|name| !name.is_empty()).map(str::to_owned)
    }
}

/// Where databases keep a country's code: those of ip-location-db, of MaxMind and DB-IP (where the address is, else where its owner is),
/// of IPinfo.
const COUNTRY: [&[PathElement<'_>]; 4] =
    [&[Key("country_code")], &[Key("country"), Key("iso_code")], &[Key("registered_country"), Key("iso_code")], &[Key("country")]];

/// Where they keep the number of an autonomous system; IPinfo writes `AS64500`.
const SYSTEM: [&[PathElement<'_>]; 2] = [&[Key("autonomous_system_number")], &[Key("asn")]];

/// Where they keep its name.
const ORGANISATION: [&[PathElement<'_>]; 4] =
    [&[Key("autonomous_system_organization")], &[Key("organization")], &[Key("as_name")], &[Key("name")]];

fn country(database: &Database, address: IpAddr) -> Option<[u8; 2]> {
    let code = COUNTRY.iter().find_map(|path| text(database, address, path))?;
    let code: [u8; 2] = code.as_bytes().try_into().ok()?;
    code.iter().all(u8::is_ascii_alphabetic).then(|| code.map(|letter| letter.to_ascii_uppercase()))
}

fn system(database: &Database, address: IpAddr) -> Option<u32> {
    let found = database.lookup(address).ok()?;
    let number = SYSTEM.iter().find_map(|path| found.decode_path::<u32>(path).ok().flatten());
    number.or_else(|| {
        SYSTEM.iter().find_map(|path| text(database, address, path)).and_then(|text| text.trim_start_matches("AS").parse().ok())
    })
}

/// A text of the record about `address`. An address that the database is not made for (IPv6 in one of IPv4) has none.
fn text<'d>(database: &'d Database, address: IpAddr, path: &[PathElement<'_>]) -> Option<&'d str> {
    database.lookup(address).ok()?.decode_path(path).ok().flatten()
}

/// How many records are looked at to see what a database is about: some networks have no country, but not a thousand in a row.
const PROBED: usize = 1000;

fn open(file: &Path, what: &'static str, holds: impl Fn(&Database, IpAddr) -> bool) -> Result<Database, Error> {
    if fs::metadata(file)?.len() > MAX_FILE_BYTES {
        return Err(Error::TooLarge);
    }
    let database: Database = Reader::from_source(fs::read(file)?)?;
    let mut networks = database.networks(WithinOptions::default())?.take(PROBED).flatten().filter_map(|found| found.network().ok());
    let is_about_it = networks.any(|network| holds(&database, network.ip()));
    if is_about_it { Ok(database) } else { Err(Error::Lacks(what)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(geoip: &GeoIp, address: &str) -> String {
        geoip.locate(address.parse().unwrap()).country_or_unknown().to_owned()
    }

    #[test]
    fn countries_are_known_out_of_the_box() {
        let geoip = GeoIp::default();
        // Resolvers and universities that have been where they are for decades; the third is DigitalOcean's Singapore.
        for (address, expected) in [
            ("8.8.8.8", "US"),
            ("193.99.144.80", "DE"),
            ("159.223.73.209", "SG"),
            ("130.225.254.116", "DK"),
            ("::ffff:193.99.144.80", "DE"),
            ("2a02:2e0:3fe:1001::1", "DE"),
            ("2001:718::1", "CZ"),
            ("10.0.0.1", "ZZ"),
            ("127.0.0.1", "ZZ"),
            ("::1", "ZZ"),
            ("ff02::1", "ZZ"),
        ] {
            assert_eq!(at(&geoip, address), expected, "{address}");
        }
        let location = geoip.locate("8.8.8.8".parse().unwrap());
        assert_eq!((location.asn, geoip.organisation("8.8.8.8".parse().unwrap())), (None, None));
    }

    /// A database of one record for all addresses, as MaxMind's specification lays it out.
    fn database(record: &[u8]) -> Vec<u8> {
        // One node; both its records point at the first byte of the data section (node count + 16 + 0).
        let mut bytes = vec![0, 0, 17, 0, 0, 17];
        bytes.extend([0; 16]);
        bytes.extend(record);
        bytes.extend(b"\xab\xcd\xefMaxMind.com");
        bytes.extend(map(9));
        bytes.extend([text("node_count"), vec![0xc1, 1]].concat());
        for (key, value) in [("record_size", 24), ("ip_version", 4), ("binary_format_major_version", 2)] {
            bytes.extend([text(key), vec![0xa1, value]].concat());
        }
        bytes.extend([text("binary_format_minor_version"), vec![0xa0]].concat());
        bytes.extend([text("database_type"), text("test")].concat());
        bytes.extend([text("languages"), vec![0x00, 0x04]].concat());
        bytes.extend([text("description"), map(0)].concat());
        // A 64-bit number of no bytes: 0.
        bytes.extend([text("build_epoch"), vec![0x00, 0x02]].concat());
        bytes
    }

    fn map(entries: u8) -> Vec<u8> {
        vec![0xe0 | entries]
    }

    fn text(text: &str) -> Vec<u8> {
        let length = u8::try_from(text.len()).unwrap();
        let head = if length < 29 { vec![0x40 | length] } else { vec![0x40 | 29, length - 29] };
        [head, text.as_bytes().to_vec()].concat()
    }

    /// A map of one entry.
    fn one(key: &str, value: Vec<u8>) -> Vec<u8> {
        [map(1), text(key), value].concat()
    }

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn files_of_all_makers_are_understood() {
        for record in [
            one("country_code", text("SE")),
            one("country", one("iso_code", text("SE"))),
            one("registered_country", one("iso_code", text("SE"))),
            one("country", text("se")),
        ] {
            let mut geoip = GeoIp::default();
            geoip.open_countries(file(&database(&record)).path()).unwrap();
            assert_eq!((at(&geoip, "8.8.8.8").as_str(), at(&geoip, "2001:718::1").as_str()), ("SE", "ZZ"));
        }
        let number = vec![0xc2, 0xfb, 0xf4];
        let both = [map(2), text("autonomous_system_number"), number, text("autonomous_system_organization"), text("Example")].concat();
        for (record, name) in [(both, Some("Example")), (one("asn", text("AS64500")), None)] {
            let mut geoip = GeoIp::default();
            geoip.open_systems(file(&database(&record)).path()).unwrap();
            let address = "8.8.8.8".parse().unwrap();
            assert_eq!((geoip.locate(address).asn, geoip.organisation(address).as_deref()), (Some(64500), name));
        }
    }

    #[test]
    fn what_is_no_database_is_refused() {
        let system = database(&one("asn", text("AS64500")));
        for (bytes, expected) in [
            (&b""[..], "is no database in MaxMind's format"),
            (b"country,US", "is no database in MaxMind's format"),
            (&system[..system.len() - 20], "is no database in MaxMind's format"),
            (&system, "holds no countries"),
        ] {
            let error = GeoIp::default().open_countries(file(bytes).path()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let error = GeoIp::default().open_systems(Path::new("/nowhere.mmdb")).unwrap_err().to_string();
        assert!(error.starts_with("cannot be read: "), "{error}");
    }
}
