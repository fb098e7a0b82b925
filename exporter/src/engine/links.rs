//! Links that requests open: what stands behind a configured beginning of a path names something that only who was given it should know.

use crate::detectors::enumeration::Link;
use crate::event::HttpRequest;

/// The beginnings of paths whose next segment is a link of its own.
pub(super) struct Links {
    prefixes: Vec<String>,
    /// Whether a prefix may go on with this byte behind its slash: tells nearly all targets from them.
    may_go_on: [bool; 256],
}

impl Links {
    /// Each prefix begins with a slash.
    pub(super) fn new(prefixes: Vec<String>) -> Self {
        let mut may_go_on = [false; 256];
        for prefix in &prefixes {
            match prefix.as_bytes() {
                [_, next, ..] => may_go_on[usize::from(*next)] = true,
                _ => may_go_on = [true; 256],
            }
        }
        Self { prefixes, may_go_on }
    }

    /// The link that a request opens, if it opens one: not a file that belongs to a page.
    #[inline]
    pub(super) fn opened(&self, request: &HttpRequest<'_>) -> Option<Link> {
        let next = *request.target.get(1)?;
        if self.may_go_on[usize::from(next)] { self.find(request) } else { None }
    }

    fn find(&self, request: &HttpRequest<'_>) -> Option<Link> {
        let target = request.target;
        let prefix = self.prefixes.iter().find(|prefix| target.starts_with(prefix.as_bytes()))?;
        let id = target.get(prefix.len()..)?.split(|&byte| matches!(byte, b'/' | b'?')).next()?;
        if id.is_empty() || id.contains(&b'.') {
            return None;
        }
        let number = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok());
        let was_there = match request.status {
            200..=399 => Some(true),
            400 | 401 | 403 | 404 | 410 => Some(false),
            _ => None,
        };
        // The low half is as good as any.
        Some(Link { hash: hash(&[prefix.as_bytes(), id]) as u32, number, was_there })
    }
}

/// Of all the pieces, one behind the other. Stays the same over restarts, and for one version of the library: with another, known deeds are
/// new once. Whoever makes two meet hides the second one of his own deeds.
pub(super) fn hash(pieces: &[&[u8]]) -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let mut hasher = foldhash::quality::FixedState::default().build_hasher();
    pieces.iter().for_each(|piece| hasher.write(piece));
    hasher.finish()
}
