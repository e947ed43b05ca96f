//! Clients: by what they are known, and what they may do.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

/// What a client may do; each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read what is committed.
    Read,
    /// Hand in transactions and evidence.
    Submit,
    /// See the node's inside, and whatever costs more than any client should be able to ask for.
    Admin,
}

impl Role {
    /// In words, as the file of keys names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whose budget a request is taken from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// Somebody at this address; of IPv6 the network of 64 bits, since one subscriber has all of it.
    Address(IpAddr),
    /// Whoever has the key of this name.
    Key(Arc<str>),
    /// A trusted proxy, as far as it is the one that connects.
    Proxy(IpAddr),
}

impl Who {
    /// The client at an address.
    pub(crate) fn at(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
            v4 => v4,
        })
    }

    /// Whether the operator knows who that is.
    pub(super) fn is_known(&self) -> bool {
        matches!(self, Self::Key(_))
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "address {address}"),
            Self::Key(name) => write!(f, "key {name}"),
            Self::Proxy(address) => write!(f, "proxy {address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_of_an_ipv6_subscriber_is_one_client() {
        let at = |text: &str| Who::at(text.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8:0:0:ffff::2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:10.0.0.1"), at("10.0.0.1"));
    }
}
