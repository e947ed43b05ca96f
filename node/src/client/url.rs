//! Where a node serves JSON-RPC.

use std::{fmt, str::FromStr};

/// Where a node serves JSON-RPC: `http://host:port`, or `https://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeUrl {
    secure: bool,
    /// `host:port`, both for connecting and as the Host header.
    authority: String,
}

/// Text that is not a [`NodeUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not of the form http://host:port or https://host:port, such as http://127.0.0.1:26657")]
pub struct NodeUrlError(String);

impl NodeUrl {
    /// Whether it is to be reached over TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// `host:port`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host alone, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        let host = self.authority.rsplit_once(':').map_or(self.authority.as_str(), |(host, _)| host);
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }
}

impl FromStr for NodeUrl {
    type Err = NodeUrlError;

    fn from_str(text: &str) -> Result<Self, NodeUrlError> {
        let fault = || NodeUrlError(text.to_owned());
        let schemes = [("http://", false), ("tcp://", false), ("https://", true)];
        let (rest, secure) = schemes
            .iter()
            .find_map(|(scheme, secure)| Some((text.strip_prefix(scheme)?, *secure)))
            .ok_or_else(fault)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = authority.rsplit_once(':').ok_or_else(fault)?;
        let host_char = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
        if host.is_empty() || !host.chars().all(host_char) || port.parse::<u16>().is_err() {
            return Err(fault());
        }
        Ok(Self { secure, authority: authority.to_owned() })
    }
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.secure { "https" } else { "http" }, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_host_and_port() {
        for (text, expected) in [
            ("http://127.0.0.1:26657", Some("http://127.0.0.1:26657")),
            ("http://localhost:1/", Some("http://localhost:1")),
            ("tcp://[::1]:80", Some("http://[::1]:80")),
            ("https://localhost:1", Some("https://localhost:1")),
            ("localhost:1", None),
            ("http://localhost", None),
            ("http://:1", None),
            ("http://a b:1", None),
            ("http://a/b:1", None),
            ("http://a:70000", None),
        ] {
            assert_eq!(
                text.parse::<NodeUrl>().ok().map(|url| url.to_string()),
                expected.map(str::to_owned),
                "{text}"
            );
        }
    }

    #[test]
    fn its_host_is_what_a_certificate_names() {
        for (text, host) in
            [("https://a.b:1", "a.b"), ("https://[::1]:80", "::1"), ("http://127.0.0.1:2", "127.0.0.1")]
        {
            assert_eq!(text.parse::<NodeUrl>().unwrap().host(), host);
        }
    }
}
