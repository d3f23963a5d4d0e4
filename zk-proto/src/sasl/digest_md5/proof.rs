//! What proves that a side knows the password (RFC 2831, 2.1.2.1).

use alloc::{string::String, vec::Vec};
use core::fmt;

use md5::{Digest, Md5};
use zeroize::Zeroize;

/// All that goes into the proofs of both sides, as bytes that were [encoded](encode) already. `Debug` shows none of it.
#[derive(Clone, Copy)]
pub struct Proof<'a> {
    /// The user.
    pub user: &'a [u8],
    /// The realm; empty where the server named none.
    pub realm: &'a [u8],
    /// The password.
    pub password: &'a [u8],
    /// The server's nonce.
    pub nonce: &'a [u8],
    /// The client's nonce.
    pub cnonce: &'a [u8],
    /// How often the server's nonce was used, as eight hexadecimal digits.
    pub nonce_count: &'a [u8],
    /// Service and host.
    pub uri: &'a [u8],
}

impl Proof<'_> {
    /// Returns the client's proof.
    pub fn response(&self) -> [u8; 32] {
        self.proof(b"AUTHENTICATE:")
    }

    /// Returns the server's proof.
    pub fn rspauth(&self) -> [u8; 32] {
        self.proof(b":")
    }

    fn proof(&self, role: &[u8]) -> [u8; 32] {
        let mut secret: [u8; 16] = hash(&[self.user, b":", self.realm, b":", self.password]);
        let session = hash(&[&secret, b":", self.nonce, b":", self.cnonce]);
        secret.zeroize();
        let purpose = hash(&[role, self.uri]);
        let parts: [&[u8]; 9] =
            [&hex(&session), b":", self.nonce, b":", self.nonce_count, b":", self.cnonce, b":auth:", &hex(&purpose)];
        hex(&hash(&parts))
    }
}

impl fmt::Debug for Proof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proof").finish_non_exhaustive()
    }
}

fn hash(parts: &[&[u8]]) -> [u8; 16] {
    let mut md5 = Md5::new();
    parts.iter().for_each(|part| md5.update(part));
    md5.finalize().into()
}

/// Returns 16 bytes as lower case hexadecimal digits.
pub fn hex(bytes: &[u8; 16]) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    digits
}

/// Writes text as it goes into a hash: as Latin-1 where that is possible, and otherwise as UTF-8 where the server does that.
pub fn encode(text: &str, is_utf8: bool) -> Option<Vec<u8>> {
    // Room for all from the start: no copy of a password is left behind by growing.
    let mut latin = Vec::with_capacity(text.len());
    for char in text.chars() {
        match u8::try_from(char) {
            Ok(byte) => latin.push(byte),
            Err(_) => {
                latin.zeroize();
                return is_utf8.then(|| String::from(text).into_bytes());
            }
        }
    }
    Some(latin)
}
