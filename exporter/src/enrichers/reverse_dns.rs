//! Whether an address is what it claims to be: its name in the DNS must be one of the claimed owner, and the name must lead back to it.
//! Who owns an address can give it any name; only the owner of the name can make it lead anywhere.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use dns_lookup::{LookupError, LookupErrorKind};

use crate::event::Timestamp;

/// What the DNS says of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The name is one of the owner's and leads back.
    Verified,
    /// There is no name, or another one, or it leads elsewhere.
    Refuted,
    /// The DNS could not be asked.
    Unknown,
}

/// Asks the DNS. Blocks: to be called where that does no harm.
pub trait Resolver {
    /// The name of an address; `None` if it has none.
    ///
    /// # Errors
    ///
    /// The DNS could not be asked.
    fn name(&self, address: IpAddr) -> io::Result<Option<String>>;

    /// The addresses of a name; empty if there are none.
    ///
    /// # Errors
    ///
    /// The DNS could not be asked.
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// Whether the name of `address` ends in one of `suffixes` (each beginning with a dot) and leads back to it. Blocks.
pub fn verify(resolver: &impl Resolver, address: IpAddr, suffixes: &[&str]) -> Verdict {
    let address = address.to_canonical();
    let name = match resolver.name(address) {
        Ok(name) => name.unwrap_or_default(),
        Err(_) => return Verdict::Unknown,
    };
    if !has_suffix(&name, suffixes) {
        return Verdict::Refuted;
    }
    match resolver.addresses(&name) {
        Ok(back) if back.iter().any(|back| back.to_canonical() == address) => Verdict::Verified,
        Ok(_) => Verdict::Refuted,
        Err(_) => Verdict::Unknown,
    }
}

/// `crawl-1.googlebot.com` for `.googlebot.com`, but not `evilgooglebot.com` or `googlebot.com.example.org`; the owner's domain itself is
/// as good as a name below it.
fn has_suffix(name: &str, suffixes: &[&str]) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    suffixes.iter().any(|suffix| name.ends_with(suffix) || suffix.strip_prefix('.') == Some(&name))
}

/// The longest that an answer is waited for: a resolver that is there answers within one or two seconds, and glibc gives up after
/// 5 s x 2 tries for each server.
pub const TIMEOUT: Duration = Duration::from_secs(12);

/// The answer of a lookup that runs on a blocking thread; [`Verdict::Unknown`] once `limit` is over or if the lookup broke off.
pub async fn within<E>(limit: Duration, lookup: impl Future<Output = Result<Verdict, E>>) -> Verdict {
    tokio::time::timeout(limit, lookup).await.ok().and_then(Result::ok).unwrap_or(Verdict::Unknown)
}

/// How many lookups may be made: claims cost an attacker nothing, and each lookup asks a server that the attacker may own.
#[derive(Debug)]
pub struct Budget {
    per_hour: u32,
    left: u32,
    hour: i64,
}

impl Budget {
    /// So many lookups in each hour of the clock.
    pub fn new(per_hour: u32) -> Self {
        Self { per_hour, left: per_hour, hour: i64::MIN }
    }

    /// Takes one lookup, if one is left.
    pub fn take(&mut self, now: Timestamp) -> bool {
        let hour = now.secs().div_euclid(3600);
        if hour != self.hour {
            (self.hour, self.left) = (hour, self.per_hour);
        }
        let is_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_left
    }
}

/// The system's resolver, `/etc/hosts` and all. With musl it cannot tell a failure from a name that is not there.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Resolver for System {
    fn name(&self, address: IpAddr) -> io::Result<Option<String>> {
        absent_is_fine(dns_lookup::lookup_addr(&address).map(Some))
    }

    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        absent_is_fine(dns_lookup::lookup_host(name).map(Iterator::collect))
    }
}

fn absent_is_fine<T: Default>(answer: Result<T, LookupError>) -> io::Result<T> {
    answer.or_else(|error| match error.kind() {
        LookupErrorKind::NoName | LookupErrorKind::NoData => Ok(T::default()),
        _ => Err(error.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of addresses, addresses of names; `?` is a failure.
    struct Table(&'static [(&'static str, &'static str)]);

    impl Table {
        fn answers(&self, question: &str) -> io::Result<Vec<&'static str>> {
            let answers: Vec<_> = self.0.iter().filter(|(key, _)| *key == question).map(|(_, answer)| *answer).collect();
            if answers.contains(&"?") { Err(io::Error::other("SERVFAIL")) } else { Ok(answers) }
        }
    }

    impl Resolver for Table {
        fn name(&self, address: IpAddr) -> io::Result<Option<String>> {
            Ok(self.answers(&address.to_string())?.first().map(|name| (*name).to_owned()))
        }

        fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
            Ok(self.answers(name)?.iter().map(|address| address.parse().unwrap()).collect())
        }
    }

    const DNS: Table = Table(&[
        ("66.249.66.1", "crawl-66-249-66-1.googlebot.com"),
        ("crawl-66-249-66-1.googlebot.com", "66.249.66.1"),
        ("66.249.66.2", "Crawl-2.GoogleBot.com."),
        ("Crawl-2.GoogleBot.com.", "192.0.2.1"),
        ("Crawl-2.GoogleBot.com.", "66.249.66.2"),
        ("2001:4860:4801:10::1", "crawl-6.googlebot.com"),
        ("crawl-6.googlebot.com", "2001:4860:4801:10::1"),
        ("45.83.64.1", "crawl-66-249-66-1.googlebot.com"),
        ("45.83.64.2", "evilgooglebot.com"),
        ("evilgooglebot.com", "45.83.64.2"),
        ("45.83.64.3", "crawl.googlebot.com.example.org"),
        ("crawl.googlebot.com.example.org", "45.83.64.3"),
        ("45.83.64.4", "gone.googlebot.com"),
        ("45.83.64.5", "?"),
        ("45.83.64.6", "crawl-7.googlebot.com"),
        ("crawl-7.googlebot.com", "?"),
    ]);

    #[test]
    fn a_name_must_be_the_owners_and_lead_back() {
        for (address, expected) in [
            ("66.249.66.1", Verdict::Verified),
            ("::ffff:66.249.66.1", Verdict::Verified),
            ("66.249.66.2", Verdict::Verified),
            ("2001:4860:4801:10::1", Verdict::Verified),
            ("45.83.64.1", Verdict::Refuted),
            ("45.83.64.2", Verdict::Refuted),
            ("45.83.64.3", Verdict::Refuted),
            ("45.83.64.4", Verdict::Refuted),
            ("45.83.64.5", Verdict::Unknown),
            ("45.83.64.6", Verdict::Unknown),
            ("45.83.64.7", Verdict::Refuted),
        ] {
            assert_eq!(verify(&DNS, address.parse().unwrap(), &[".googlebot.com"]), expected, "{address}");
        }
        assert_eq!(verify(&DNS, "66.249.66.1".parse().unwrap(), &[]), Verdict::Refuted);
    }

    #[tokio::test]
    async fn nobody_is_waited_for_longer_than_the_limit() {
        assert_eq!(within(Duration::ZERO, std::future::pending::<Result<Verdict, ()>>()).await, Verdict::Unknown);
        assert_eq!(within(TIMEOUT, async { Ok::<_, ()>(Verdict::Verified) }).await, Verdict::Verified);
        assert_eq!(within(TIMEOUT, async { Err(()) }).await, Verdict::Unknown);
    }

    #[test]
    fn the_budget_is_full_again_each_hour() {
        let mut budget = Budget::new(2);
        let taken = |budget: &mut Budget, secs| budget.take(Timestamp::from_secs(secs));
        assert_eq!([0, 1, 3599].map(|secs| taken(&mut budget, secs)), [true, true, false]);
        assert_eq!([3600, 3601, 3602].map(|secs| taken(&mut budget, secs)), [true, true, false]);
        assert!(!Budget::new(0).take(Timestamp::from_secs(0)));
    }
}
