//! hostwarden.
fn main() {}
