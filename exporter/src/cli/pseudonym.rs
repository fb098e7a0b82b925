//! `pseudonym`: finds a person again whom the metrics and messages only name by pseudonym.

use std::io::BufRead;

use super::Failure;
use crate::config::Config;
use crate::setup;

pub(super) fn run(config: &Config, value: Option<String>) -> Result<(), Failure> {
    if config.privacy.salt.is_none() {
        return Err(Failure::Usage(
            "privacy.salt: not set, and without it there are no pseudonyms; set HOSTWARDEN_SALT or privacy.salt".to_owned(),
        ));
    }
    let privacy = setup::privacy(&config.privacy, &[]);
    let show = |value: &str| match privacy.pseudonym(value) {
        Some(pseudonym) => {
            println!("{pseudonym}");
            Ok(())
        }
        None => Err(Failure::Usage("the value names neither a sender nor an address".to_owned())),
    };
    match value {
        Some(value) => show(&value),
        None => std::io::stdin().lock().lines().try_for_each(|line| show(&line?)),
    }
}
