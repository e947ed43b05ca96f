//! Ports for one chain, also while other chains of this or another test run are there.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// Below the ports that the system gives to outgoing connections.
const FIRST: u16 = 20_000;
/// Validators take ports 6 and 7 of ten each; the first port of the range is the claim.
const RANGE: u16 = 100;
const RANGES: u16 = 120;

/// A range of ports for up to ten validators. Nobody else who asks here gets it as long as this value lives.
#[derive(Debug)]
pub struct Ports {
    base: u16,
    _claim: TcpListener,
}

impl Ports {
    /// Finds a range of which no port is in use.
    pub fn take() -> Self {
        // Test runs begin at different ranges, so that one seldom tries what another holds.
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let begin = (process::id() % u32::from(RANGES)) as u16;
        for _ in 0..RANGES {
            let range = (begin + NEXT.fetch_add(1, Ordering::Relaxed) % RANGES) % RANGES;
            let base = FIRST + range * RANGE;
            let Some(claim) = listen(base) else { continue };
            if (0..10)
                .flat_map(|index| [10 * index + 6, 10 * index + 7])
                .all(|port| listen(base + port).is_some())
            {
                return Self { base, _claim: claim };
            }
        }
        panic!("no {RANGE} free ports from {FIRST} on");
    }

    /// What `--base-port` is to be.
    pub fn base(&self) -> u16 {
        self.base
    }

    /// Where validator `index` listens for its peers.
    pub fn p2p(&self, index: usize) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.base + 10 * index as u16 + 6).into()
    }

    /// Where validator `index` serves JSON-RPC.
    pub fn rpc(&self, index: usize) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.base + 10 * index as u16 + 7).into()
    }
}

fn listen(port: u16) -> Option<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
}
