//! hostwarden
fn main() {}
