//! Where an application elsewhere listens.

use std::{
    fmt, io,
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    os::unix::net::UnixStream,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use socket2::{SockRef, TcpKeepalive};

use super::stream::Stream;

/// How long a TCP connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// After so long a silence the other host is asked whether it is there, and as often again.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// `unix:///run/app.sock` or `tcp://127.0.0.1:26658`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// A socket in the file system.
    Unix(PathBuf),
    /// Host and port.
    Tcp(String),
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no address of an application ({reason}): write unix:///absolute/path or tcp://host:port"
)]
pub struct BadAddress {
    text: String,
    reason: &'static str,
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bad = |reason| Err(BadAddress { text: text.to_owned(), reason });
        if let Some(path) = text.strip_prefix("unix://") {
            return match path.starts_with('/') {
                true => Ok(Self::Unix(path.into())),
                false => bad("the path is not absolute"),
            };
        }
        let Some(at) = text.strip_prefix("tcp://") else { return bad("it begins with neither scheme") };
        match at.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) => {
                Ok(Self::Tcp(at.to_owned()))
            }
            _ => bad("host or port is lacking"),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = BadAddress;

    fn try_from(text: String) -> Result<Self, BadAddress> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(at) => write!(f, "tcp://{at}"),
        }
    }
}

impl Address {
    pub(super) fn connect(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path)?)),
            Self::Tcp(at) => {
                let mut failed = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
                for address in at.to_socket_addrs()? {
                    match connect(&address) {
                        Ok(stream) => return Ok(Stream::Tcp(stream)),
                        Err(error) => failed = error,
                    }
                }
                Err(failed)
            }
        }
    }
}

fn connect(address: &SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(address, CONNECT_TIMEOUT)?;
    // A request must not wait for the acknowledgement of the one before.
    stream.set_nodelay(true)?;
    // A host that vanished says nothing, and what the chain needs is awaited without end.
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_addresses_are_taken() {
        for good in ["unix:///run/app.sock", "tcp://127.0.0.1:26658", "tcp://app.example:1", "tcp://[::1]:5"]
        {
            assert_eq!(good.parse::<Address>().unwrap().to_string(), good);
        }
        for (bad, reason) in [
            ("", "neither scheme"),
            ("127.0.0.1:26658", "neither scheme"),
            ("http://127.0.0.1:26658", "neither scheme"),
            ("unix://run/app.sock", "not absolute"),
            ("tcp://127.0.0.1", "lacking"),
            ("tcp://:26658", "lacking"),
            ("tcp://127.0.0.1:0", "lacking"),
            ("tcp://127.0.0.1:65536", "lacking"),
        ] {
            let error = bad.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("unix:///absolute/path"), "{error}");
        }
    }
}
