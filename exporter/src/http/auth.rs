//! The token: who may read. As `Bearer TOKEN`, or for browsers as the password of any user.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A secret that requests must carry. Only its digest is kept: digests have one length, so comparing them tells nothing of the token's.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(***)")
    }
}

impl Token {
    /// The token that consists of these characters.
    pub fn new(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Whether this value of an `Authorization` header carries the token.
    pub(super) fn allows(&self, authorization: &[u8]) -> bool {
        let Some(space) = authorization.iter().position(|byte| *byte == b' ') else { return false };
        let (scheme, credentials) = authorization.split_at(space);
        let credentials = credentials.trim_ascii();
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return self.is(credentials);
        }
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return false;
        }
        let Ok(pair) = STANDARD.decode(credentials) else { return false };
        // A user name has no colon, a password may have some (RFC 7617).
        pair.iter().position(|byte| *byte == b':').and_then(|colon| pair.get(colon + 1..)).is_some_and(|password| self.is(password))
    }

    /// Nothing is never the token, also if somebody configured it so.
    fn is(&self, given: &[u8]) -> bool {
        !given.is_empty() && Sha256::digest(given).as_slice().ct_eq(&self.0).unwrap_u8() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_knows_the_token_may_read() {
        let token = Token::new("s3cret:with:colons");
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for (authorization, expected) in [
            ("Bearer s3cret:with:colons", true),
            ("bearer   s3cret:with:colons ", true),
            ("BEARER s3cret:with:colons", true),
            (&basic("anybody:s3cret:with:colons"), true),
            (&basic(":s3cret:with:colons"), true),
            (&basic("anybody:s3cret"), false),
            (&basic("s3cret:with:colons"), false),
            (&basic("anybody"), false),
            ("Basic s3cret:with:colons", false),
            ("Basic", false),
            ("Bearer", false),
            ("Bearer ", false),
            ("Bearer s3cret:with:colon", false),
            ("Bearer s3cret:with:colonss", false),
            ("Bearer S3cret:with:colons", false),
            ("Token s3cret:with:colons", false),
            ("s3cret:with:colons", false),
            ("", false),
        ] {
            assert_eq!(token.allows(authorization.as_bytes()), expected, "{authorization}");
        }
        assert!(!Token::new("").allows(b"Bearer ") && !Token::new("").allows(basic("anybody:").as_bytes()));
        assert!(!format!("{token:?}").contains("s3cret"));
    }
}
