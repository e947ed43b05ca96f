//! Proxies that the operator trusts to say for whom they ask.

use std::{fmt, net::IpAddr, str::FromStr};

use axum::http::{HeaderMap, Request, Version};
use serde::{Deserialize, Serialize};

/// The header in which the trusted proxies name the client. There is one: a proxy leaves the other as the client sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// A list of addresses, the client's first.
    #[default]
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

/// What only a proxy adds to a request.
const SIGNS: [&str; 9] = [
    "cf-connecting-ip",
    "forwarded",
    "true-client-ip",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
];
/// Addresses that are looked at, from the last; more proxies in a row nobody has.
const MAX_HOPS: usize = 16;

/// The networks of trusted proxies.
#[derive(Debug, Default)]
pub(super) struct Proxies {
    networks: Vec<Network>,
    header: ForwardedHeader,
}

/// An address, or a network such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    prefix: u32,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || format!("{text:?} is neither an address nor a network such as 10.0.0.0/8");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| fault())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), str::parse).map_err(|_| fault())?;
        if prefix > bits { Err(fault()) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Network {
    fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= self.prefix
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= self.prefix
            }
            _ => false,
        }
    }
}

impl Proxies {
    /// The proxies of these networks, or which one is none.
    pub(super) fn new(networks: &[String], header: ForwardedHeader) -> Result<Self, String> {
        let networks = networks.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        Ok(Self { networks, header })
    }

    /// Whether what comes from this address says truly for whom.
    pub(super) fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.holds(address))
    }

    /// The client for whom this peer asks: itself, unless it is trusted. What stands before the last address that no trusted proxy
    /// has added is the client's own word, and worth nothing.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trust(client) {
            return client;
        }
        for hop in self.hops(headers).into_iter().rev().take(MAX_HOPS) {
            let Some(address) = hop else { break };
            client = address;
            if !self.trust(client) {
                break;
            }
        }
        client
    }

    /// Whether a proxy has passed this request on, trusted or not. Some add nothing; the most common of these speaks HTTP/1.0, which
    /// clients do not.
    pub(super) fn passed<B>(&self, peer: IpAddr, request: &Request<B>) -> bool {
        let headers = request.headers();
        self.trust(peer)
            || request.version() < Version::HTTP_11
            || SIGNS.iter().any(|sign| headers.contains_key(*sign))
    }

    /// The addresses in the order of the header; none where one is hidden or unreadable.
    fn hops(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        let name = match self.header {
            ForwardedHeader::XForwardedFor => "x-forwarded-for",
            ForwardedHeader::Forwarded => "forwarded",
        };
        let parts =
            headers.get_all(name).into_iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        let text = |part: &[u8]| String::from_utf8_lossy(part).trim().to_owned();
        let hops = parts.map(text).map(|part| match self.header {
            ForwardedHeader::XForwardedFor => address(&part),
            ForwardedHeader::Forwarded => part.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim().eq_ignore_ascii_case("for").then(|| address(value.trim().trim_matches('"')))?
            }),
        });
        hops.collect()
    }
}

/// An address, perhaps with a port, and then of IPv6 in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None if text.matches(':').count() == 1 => text.split_once(':')?.0,
        None => text,
    };
    bare.parse().ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_a_trusted_proxy_speaks_for_others() {
        let networks = ["127.0.0.1".to_owned(), "10.0.0.0/8".to_owned(), "fd00::/8".to_owned()];
        let proxies = Proxies::new(&networks, ForwardedHeader::XForwardedFor).unwrap();
        let client =
            |peer: &str, values: &[&str]| proxies.client(at(peer), &headers("x-forwarded-for", values));
        assert_eq!(client("203.0.113.9", &["198.51.100.7"]), at("203.0.113.9"));
        assert_eq!(client("127.0.0.1", &["198.51.100.7"]), at("198.51.100.7"));
        assert_eq!(client("::ffff:127.0.0.1", &["198.51.100.7"]), at("198.51.100.7"));
        assert_eq!(client("127.0.0.1", &["1.1.1.1, 198.51.100.7, 10.1.2.3"]), at("198.51.100.7"));
        assert_eq!(client("127.0.0.1", &["1.1.1.1", "198.51.100.7:443"]), at("198.51.100.7"));
        assert_eq!(client("fd00::1", &["[2001:db8::7]:443"]), at("2001:db8::7"));
        assert_eq!(
            client("127.0.0.1", &["198.51.100.7, unknown"]),
            at("127.0.0.1"),
            "whoever it is, it is behind the proxy"
        );
        assert_eq!(client("127.0.0.1", &[]), at("127.0.0.1"));
        let other = proxies.client(at("127.0.0.1"), &headers("forwarded", &["for=198.51.100.7"]));
        assert_eq!(other, at("127.0.0.1"), "the header that the proxies do not set is the client's own word");
    }

    #[test]
    fn the_standard_header_is_read_where_the_proxies_set_it() {
        let proxies = Proxies::new(&["127.0.0.1".to_owned()], ForwardedHeader::Forwarded).unwrap();
        let client = |value: &str| proxies.client(at("127.0.0.1"), &headers("forwarded", &[value]));
        assert_eq!(client("for=198.51.100.7;proto=https"), at("198.51.100.7"));
        assert_eq!(client("for=1.1.1.1, proto=http;For=\"[2001:db8::7]:80\""), at("2001:db8::7"));
        assert_eq!(client("for=_hidden"), at("127.0.0.1"));
    }

    #[test]
    fn a_request_that_was_passed_on_shows_it() {
        let proxies = Proxies::default();
        let passed = |version: Version, headers: HeaderMap| {
            let mut request = Request::new(());
            (*request.version_mut(), *request.headers_mut()) = (version, headers);
            proxies.passed(at("127.0.0.1"), &request)
        };
        assert!(!passed(Version::HTTP_11, HeaderMap::new()));
        assert!(passed(Version::HTTP_11, headers("via", &["1.1 somewhere"])));
        assert!(passed(Version::HTTP_10, HeaderMap::new()), "as nginx asks unless told otherwise");
        for text in ["10.0.0.0/33", "10.0.0/8", "proxy.example", ""] {
            assert!(Proxies::new(&[text.to_owned()], ForwardedHeader::default()).is_err(), "{text}");
        }
    }
}
