//! Bearer keys: who has one is somebody, with a role.
//!
//! The file that `rpc.keys` names holds no key but their SHA-256 hashes, so that reading it gives nobody a role:
//!
//! ```toml
//! [[key]]
//! name = "explorer"
//! role = "read"
//! sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
//! ```
//!
//! One fast hash is enough where a key is 32 random bytes, which nobody guesses.

use std::{fs, io::Read, path::Path, sync::Arc};

use althing_crypto::{Hash, sha256};
use serde::Deserialize;

use super::{Role, who::Who};

/// Many times what a consortium needs.
const MAX_KEYS: usize = 1_000;
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The keys that this node knows.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    who: Who,
    role: Role,
    sha256: Hash,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    #[serde(default)]
    key: Vec<KeyEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    name: String,
    role: Role,
    sha256: String,
}

impl Keys {
    /// The keys of a file, or what is wrong with it.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let mut text = String::new();
        let file = fs::File::open(path).map_err(|error| error.to_string())?;
        file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(format!("longer than {MAX_FILE_BYTES} bytes"));
        }
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: KeyFile = toml::from_str(text).map_err(|error| error.to_string())?;
        if file.key.len() > MAX_KEYS {
            return Err(format!("{} keys, at most {MAX_KEYS} are read", file.key.len()));
        }
        let mut keys: Vec<Key> = Vec::with_capacity(file.key.len());
        for KeyEntry { name, role, sha256 } in file.key {
            let hash = sha256.parse().map_err(|_| {
                format!("key {name:?}: sha256 is not 64 hexadecimal digits, as sha256sum prints")
            })?;
            let who = Who::Key(Arc::from(name.as_str()));
            if keys.iter().any(|key| key.who == who || key.sha256 == hash) {
                return Err(format!("key {name:?}: its name or its hash is there twice"));
            }
            keys.push(Key { who, role, sha256: hash });
        }
        Ok(Self(keys))
    }

    /// Who shows this key. Takes as long whichever it is, and whether it is one.
    pub(super) fn find(&self, shown: &[u8]) -> Option<(Who, Role)> {
        let hash = sha256(shown);
        let mut found = None;
        for key in &self.0 {
            let pairs = hash.as_bytes().iter().zip(key.sha256.as_bytes());
            let difference = pairs.fold(0u8, |sum, (a, b)| std::hint::black_box(sum | (a ^ b)));
            if difference == 0 {
                found = Some(key);
            }
        }
        found.map(|key| (key.who.clone(), key.role))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, role: &str, key: &[u8]) -> String {
        format!("[[key]]\nname = \"{name}\"\nrole = \"{role}\"\nsha256 = \"{}\"\n", sha256(key))
    }

    #[test]
    fn a_key_is_known_by_its_hash() {
        let keys = Keys::parse(&(entry("a", "read", b"one") + &entry("b", "admin", b"two"))).unwrap();
        assert_eq!(keys.find(b"one"), Some((Who::Key("a".into()), Role::Read)));
        assert_eq!(keys.find(b"two"), Some((Who::Key("b".into()), Role::Admin)));
        assert_eq!(keys.find(b"three"), None);
        assert_eq!(Keys::parse("").unwrap().find(b""), None);
    }

    #[test]
    fn what_is_wrong_with_the_file_is_said() {
        for (text, expected) in [
            (entry("a", "root", b"x"), "unknown variant"),
            (entry("a", "read", b"x") + &entry("a", "read", b"y"), "twice"),
            (entry("a", "read", b"x") + &entry("b", "read", b"x"), "twice"),
            ("[[key]]\nname = 'a'\nrole = 'read'\nsha256 = 'secret'\n".to_owned(), "64 hexadecimal digits"),
            ("[[key]]\nname = 'a'\nrole = 'read'\nkey = 'secret'\n".to_owned(), "unknown field"),
        ] {
            let error = Keys::parse(&text).unwrap_err();
            assert!(error.contains(expected), "{error}");
            assert!(Keys::read(Path::new("/nonexistent")).is_err());
        }
    }
}
