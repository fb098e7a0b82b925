//! What names clients is enciphered on disk unless addresses are shown in full: the state must tell no more than the metrics do.
//!
//! The key comes from the salt. The nonce is a keyed hash of the contents (as in SIV constructions), since nothing here is random; equal
//! contents give equal bytes, which tells nothing that their equal length would not.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Enciphers parts of sections.
pub struct Seal {
    keyed: Hmac<Sha256>,
    key: LessSafeKey,
}

impl Seal {
    /// With a key that comes from the keyed hash of the salt.
    pub(super) fn new(salted: &Hmac<Sha256>) -> Option<Self> {
        let mut key = salted.clone();
        key.update(b"state\0seal");
        let key = key.finalize().into_bytes();
        let keyed = Hmac::<Sha256>::new_from_slice(&key).ok()?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &key).ok()?);
        Some(Self { keyed, key })
    }

    /// `bytes` of `section`, enciphered.
    pub fn close(&self, section: &str, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut hash = self.keyed.clone();
        hash.update(section.as_bytes());
        hash.update(&[0]);
        hash.update(bytes);
        let hash = hash.finalize().into_bytes();
        let nonce: [u8; NONCE_LEN] = hash.get(..NONCE_LEN)?.try_into().ok()?;
        let mut sealed = bytes.to_vec();
        self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(section.as_bytes()), &mut sealed).ok()?;
        sealed.splice(..0, nonce);
        Some(sealed)
    }

    /// What [`Seal::close`] was given; `None` if it was closed with another salt, for another section, or was damaged.
    pub fn open(&self, section: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let mut bytes = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let length = self.key.open_in_place(nonce, Aad::from(section.as_bytes()), &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ClientMode, Privacy, SenderMode};

    #[test]
    fn only_the_same_salt_opens_a_section() {
        let seal = |salt: &[u8]| Privacy::new(SenderMode::Hash, ClientMode::Hash, salt, 160).seal().unwrap();
        let text = b"[0,{\"V4\":3405803783},[1]]\n";
        let sealed = seal(b"salt").close("clients/suspects", text).unwrap();
        assert!(!sealed.windows(4).any(|window| text.windows(4).any(|known| known == window)));
        assert_eq!(seal(b"salt").open("clients/suspects", &sealed).as_deref(), Some(&text[..]));
        assert_eq!(seal(b"pepper").open("clients/suspects", &sealed), None);
        assert_eq!(seal(b"salt").open("clients/watched", &sealed), None);
        assert_eq!(seal(b"salt").open("clients/suspects", &sealed[1..]), None);
        assert_eq!(seal(b"salt").open("clients/suspects", b""), None);
        assert!(Privacy::new(SenderMode::Hash, ClientMode::Full, b"salt", 160).seal().is_none());
    }
}
