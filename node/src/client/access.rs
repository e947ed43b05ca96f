//! What a client shows a node, and what it demands to see: a bearer key, and the roots of the node's certificate.

use std::{
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use hyper::header::HeaderValue;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, pem::PemObject},
    },
};

/// Many times what a key, or a chain of certificates, takes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// How a node is asked: by default anonymously, and over plain HTTP only.
#[derive(Clone, Default)]
pub struct Access {
    bearer: Option<HeaderValue>,
    tls: Option<TlsConnector>,
}

/// A file of an [`Access`] that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", file.display())]
pub struct AccessError {
    file: PathBuf,
    problem: AccessProblem,
}

#[derive(Debug, thiserror::Error)]
enum AccessProblem {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error("longer than {MAX_FILE_BYTES} bytes")]
    TooLong,
    #[error("a key is one line of visible ASCII characters")]
    Key,
    #[error("it holds no certificate in PEM form")]
    NoCertificate,
    #[error("not a certificate in PEM form: {0}")]
    Certificate(String),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

impl fmt::Debug for Access {
    /// Shows no key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, tls) = (self.bearer.is_some(), self.tls.is_some());
        f.debug_struct("Access").field("key", &key).field("tls", &tls).finish()
    }
}

impl Access {
    /// The same with the bearer key that the file holds, in one line.
    pub fn key_file(self, file: &Path) -> Result<Self, AccessError> {
        of_file(file, |text| {
            let key = std::str::from_utf8(text).map_err(|_| AccessProblem::Key)?.trim();
            self.key(key).ok_or(AccessProblem::Key)
        })
    }

    /// The same with a bearer key; none if the text cannot be one.
    pub fn key(mut self, key: &str) -> Option<Self> {
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {key}")).ok()?;
        value.set_sensitive(true);
        self.bearer = Some(value);
        Some(self)
    }

    /// The same, trusting over TLS the certificates in this PEM file, and what they have signed. A consortium has roots of its own,
    /// so no others are trusted.
    pub fn roots_file(mut self, file: &Path) -> Result<Self, AccessError> {
        self.tls = Some(of_file(file, |text| {
            let mut roots = RootCertStore::empty();
            for one in CertificateDer::pem_slice_iter(text) {
                roots.add(one.map_err(|error| AccessProblem::Certificate(error.to_string()))?)?;
            }
            if roots.is_empty() {
                return Err(AccessProblem::NoCertificate);
            }
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth();
            Ok(TlsConnector::from(Arc::new(config)))
        })?);
        Ok(self)
    }

    pub(super) fn bearer(&self) -> Option<&HeaderValue> {
        self.bearer.as_ref()
    }

    pub(super) fn tls(&self) -> Option<&TlsConnector> {
        self.tls.as_ref()
    }
}

fn of_file<T>(file: &Path, read: impl FnOnce(&[u8]) -> Result<T, AccessProblem>) -> Result<T, AccessError> {
    let bytes = || {
        let mut bytes = Vec::new();
        fs::File::open(file)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > MAX_FILE_BYTES {
            true => Err(AccessProblem::TooLong),
            false => Ok(bytes),
        }
    };
    bytes().and_then(|bytes| read(&bytes)).map_err(|problem| AccessError { file: file.to_owned(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_word_and_is_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        fs::write(&file, "secret-word\n").unwrap();
        let access = Access::default().key_file(&file).unwrap();
        assert_eq!(access.bearer().unwrap(), "Bearer secret-word");
        assert!(!format!("{access:?}").contains("secret"));
        for text in ["", "\n", "two words", "grüße", "a\nb"] {
            fs::write(&file, text).unwrap();
            let error = Access::default().key_file(&file).unwrap_err().to_string();
            assert!(error.ends_with("a key is one line of visible ASCII characters"), "{error}");
        }
    }

    #[test]
    fn roots_are_certificates() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("roots.pem");
        let refused = |text: &str, expected: &str| {
            fs::write(&file, text).unwrap();
            let error = Access::default().roots_file(&file).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        refused("", "no certificate");
        refused("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "not a certificate");
        refused("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate");
    }
}
