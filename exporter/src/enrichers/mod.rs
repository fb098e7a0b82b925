//! What is found out about a client beyond the logs: where it is ([`geoip`]) and what its name proves ([`reverse_dns`]).

mod countries;
pub mod geoip;
pub mod reverse_dns;
