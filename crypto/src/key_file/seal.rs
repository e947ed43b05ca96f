//! A secret under a passphrase: scrypt (RFC 7914) makes a key of it, ChaCha20-Poly1305 (RFC 8439) encrypts.
//!
//! The work factor is N = 2^17, r = 8, p = 1, which OWASP recommends for passwords: 128 MiB of memory and about half a second for each guess.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::KeyFileProblem;

/// The name of the scheme.
pub(super) const SCHEME: &str = "scrypt-chacha20poly1305";
const LOG_N: u8 = 17;
const R: u32 = 8;
const P: u32 = 1;
/// Files may ask for more than we do, but not for what takes minutes or gigabytes.
const MOST: (u8, u32, u32) = (20, 8, 4);

/// How a secret was sealed: all but the passphrase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seal {
    scheme: String,
    log_n: u8,
    r: u32,
    p: u32,
    #[serde(with = "hex")]
    salt: [u8; 16],
    #[serde(with = "hex")]
    nonce: [u8; 12],
}

impl Seal {
    /// For one secret, once.
    pub(super) fn fresh() -> Self {
        let (mut salt, mut nonce) = ([0; 16], [0; 12]);
        for random in [&mut salt[..], &mut nonce[..]] {
            getrandom::fill(random).expect("the operating system gives randomness");
        }
        Self { scheme: SCHEME.to_owned(), log_n: LOG_N, r: R, p: P, salt, nonce }
    }

    /// The secret encrypted, and bound to what stands beside it.
    pub(super) fn close(&self, passphrase: &str, bound: &str, secret: &[u8]) -> Vec<u8> {
        let cipher = self.cipher(passphrase).expect("our own work factor");
        let payload = Payload { msg: secret, aad: bound.as_bytes() };
        cipher.encrypt(Nonce::from_slice(&self.nonce), payload).expect("32 bytes are not too many")
    }

    /// The secret, if the passphrase is the one it was sealed with.
    pub(super) fn open(
        &self,
        passphrase: &str,
        bound: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, KeyFileProblem> {
        let payload = Payload { msg: sealed, aad: bound.as_bytes() };
        let opened = self.cipher(passphrase)?.decrypt(Nonce::from_slice(&self.nonce), payload);
        let opened = Zeroizing::new(opened.map_err(|_| KeyFileProblem::Sealed)?);
        let secret = <[u8; 32]>::try_from(opened.as_slice()).map_err(|_| KeyFileProblem::Sealed)?;
        Ok(Zeroizing::new(secret))
    }

    fn cipher(&self, passphrase: &str) -> Result<ChaCha20Poly1305, KeyFileProblem> {
        let Self { log_n, r, p, .. } = *self;
        if self.scheme != SCHEME {
            return Err(KeyFileProblem::Encryption { found: self.scheme.clone() });
        }
        let too_much = KeyFileProblem::Work { log_n, r, p };
        if log_n > MOST.0 || r > MOST.1 || p > MOST.2 {
            return Err(too_much);
        }
        let Ok(params) = scrypt::Params::new(log_n, r, p) else { return Err(too_much) };
        let mut key = Zeroizing::new([0; 32]);
        scrypt::scrypt(passphrase.as_bytes(), &self.salt, &params, &mut *key)
            .expect("32 bytes are a key's length");
        Ok(ChaCha20Poly1305::new((&*key).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Little work, as debug builds are slow.
    fn seal() -> Seal {
        Seal { log_n: 4, ..Seal::fresh() }
    }

    #[test]
    fn only_the_passphrase_opens_it_and_only_where_it_belongs() {
        let (seal, secret) = (seal(), [7; 32]);
        let sealed = seal.close("open sesame", "key a", &secret);
        assert_eq!(*seal.open("open sesame", "key a", &sealed).unwrap(), secret);
        assert!(matches!(seal.open("open Sesame", "key a", &sealed), Err(KeyFileProblem::Sealed)));
        assert!(matches!(seal.open("open sesame", "key b", &sealed), Err(KeyFileProblem::Sealed)));
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(matches!(seal.open("open sesame", "key a", &changed), Err(KeyFileProblem::Sealed)));
        }
        let other = Seal { nonce: [0; 12], ..seal.clone() };
        assert!(other.open("open sesame", "key a", &sealed).is_err());
        assert!(seal.open("open sesame", "key a", &[]).is_err());
    }

    #[test]
    fn work_without_end_is_not_begun() {
        for (log_n, r, p) in [(21, 8, 1), (17, 9, 1), (17, 8, 5), (17, 0, 1), (17, 8, 0)] {
            let seal = Seal { log_n, r, p, ..seal() };
            let problem = seal.open("x", "y", &[0; 48]).expect_err("refused");
            assert!(matches!(problem, KeyFileProblem::Work { .. }), "{log_n} {r} {p}: {problem}");
        }
        let other = Seal { scheme: "rot13".to_owned(), ..seal() };
        assert!(other.open("x", "y", &[0; 48]).unwrap_err().to_string().contains("rot13"));
    }
}
