//! The key of the placeholders.
//!
//! The same text becomes the same placeholder under the same key, and nobody without the key can find out
//! whether a guessed text is behind a placeholder. So a key is random, and it is never written into a file;
//! snapshots that are to be compared after redaction are redacted with the same one.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

/// Never changes: files that were redacted under one secret must stay comparable.
const CONTEXT: &str = "stillheap 2026-11-28 redaction key";

/// 128 random bits.
#[derive(Clone)]
pub struct Key([u8; 16]);

impl Key {
    /// A new key from the system's random numbers.
    ///
    /// # Errors
    /// The system has none to give.
    pub fn random() -> std::io::Result<Key> {
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(std::io::Error::from)?;
        Ok(Key(key))
    }

    /// A key derived from a secret text by BLAKE3 (mode `derive_key`, the first 128 bits). The secret must be as hard
    /// to guess as what the key protects: the derivation is fast.
    pub fn from_secret(secret: &[u8]) -> Key {
        let derived = blake3::derive_key(CONTEXT, secret);
        let mut key = [0; 16];
        key.copy_from_slice(&derived[..16]);
        Key(key)
    }

    /// What a text becomes before it is turned into letters.
    pub(crate) fn tag(&self, text: &[u8]) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(text);
        hasher.finish()
    }

    /// Another tag of the same text, for when the first one is taken.
    pub(crate) fn again(&self, tag: u64, attempt: u64) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write_u64(tag);
        hasher.write_u64(attempt);
        hasher.finish()
    }

    /// The key as text, for [`Key::from_secret`].
    pub fn to_text(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// By which files with the same key are known; says nothing about the key.
    pub fn id(&self) -> String {
        format!("{:016x}", self.tag(b"stillheap: the id of this key"))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn a_key_is_what_blake3_derives() {
        // Computed with the Python package blake3.
        assert_eq!(Key::from_secret(b"correct horse").to_text(), "79db13b858e14f65e6975240f9162363");
        assert_ne!(Key::from_secret(b"correct horse").id(), Key::from_secret(b"correct horsf").id());
    }
}
