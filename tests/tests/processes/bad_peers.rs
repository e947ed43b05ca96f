//! Whoever connects to a validator with nonsense, with another chain, or with no right to.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use althing_crypto::{Encoding, ed25519::SecretKey, key_file::KeyFile};
use althing_genesis::Genesis;
use althing_ledger::asset::{Address, Transaction};
use althing_node::wire::{PROTOCOL_VERSION, Wire};
use althing_p2p::{Class, Config, Event, EventReceiver, Hello, Limits, Network, Peer, PeerKey};
use althing_tests::processes::{Chain, PATIENCE, exchange};
use tokio::time::timeout;

/// A peer that is no node, but says hello as one of the chain.
struct Intruder {
    network: Network,
    events: EventReceiver,
    victim: PeerKey,
}

impl Intruder {
    async fn connect(chain: &Chain, identity: &SecretKey, victim: usize) -> Self {
        let genesis = chain.genesis();
        let hello = Hello {
            chain_id: genesis.chain_id().to_owned(),
            genesis: genesis.hash(),
            protocol_version: PROTOCOL_VERSION,
            software: "intruder".to_owned(),
        };
        let address = chain.ports().p2p(victim).to_string();
        let victim = identity_of(chain, victim).public_key();
        let peers = vec![Peer { key: victim, address: Some(address) }];
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let started =
            althing_p2p::start(Config { identity, listen, peers, hello, limits: Limits::default() });
        let (network, events) = started.await.expect("a network");
        Self { network, events, victim }
    }

    /// The first event of which `pick` makes something.
    async fn until<T>(&mut self, what: &str, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        let search = async {
            loop {
                let event = self.events.recv().await.expect("the network runs");
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("no {what} within {PATIENCE:?}"))
    }
}

fn identity_of(chain: &Chain, index: usize) -> SecretKey {
    KeyFile::read_identity(&chain.home(index).identity_key()).expect("an identity key")
}

fn transfer(chain: &Chain, sequence: u64) -> Vec<u8> {
    let (from, to) = (chain.account(0), Address::of(&chain.account(1).public_key()));
    Transaction::transfer(chain.genesis().chain_id(), &from, sequence, 0, to, 5, "").encode()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_refused_and_told_why() {
    let mut chain = Chain::running(1).await;
    let stranger = SecretKey::generate();
    let mut intruder = Intruder::connect(&chain, &stranger, 0).await;
    let reason = intruder
        .until("refusal", |event| match event {
            Event::Refused { reason, .. } => Some(reason),
            Event::Connected { .. } => panic!("a stranger was let in"),
            _ => None,
        })
        .await;
    let key = stranger.public_key().to_string();
    assert!(reason.contains(&key) && reason.contains("neither a validator nor on the allowlist"), "{reason}");
    chain.node(0).logs(&[&key, "neither a validator nor on the allowlist"]).await;
    intruder.network.shutdown().await;

    // Who does not even speak the protocol is cut off.
    let request = b"GET / HTTP/1.1\r\nhost: althing\r\n\r\n";
    exchange(chain.ports().p2p(0), request).await;
    exchange(chain.ports().p2p(0), &[0xff; 4096]).await;
    let transfer = transfer(&chain, 0);
    assert_eq!(chain.node(0).commit(&transfer).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_with_another_genesis_stays_out_and_both_sides_say_so() {
    let mut chain = Chain::init(4).await;
    let file = chain.home(3).genesis_file();
    let good = chain.genesis();
    let mut document = good.document().clone();
    document.genesis_time_ms += 1;
    fs::write(&file, document.to_json()).expect("written");
    let other = Genesis::read(&file).expect("as valid as the other");
    (0..4).for_each(|index| chain.start(index));

    let (good, other) = (good.hash().to_string(), other.hash().to_string());
    for (index, ours, theirs) in [(0, &good, &other), (3, &other, &good)] {
        chain.node(index).logs(&["genesis differs", ours, theirs]).await;
    }
    // The other three are a quorum.
    let transfer = transfer(&chain, 0);
    chain.node(0).reaches(1).await;
    assert_eq!(chain.node(0).commit(&transfer).await.code, 0);
    assert_eq!(chain.node(3).height().await, Some(0), "no block of another chain");

    // What the other document left in the home is not taken for the beginning of this chain.
    assert_eq!(chain.take(3).terminate().await.code(), Some(0));
    fs::copy(chain.home(0).genesis_file(), &file).expect("copied");
    chain.start_in_vain(3).await.failed_saying(&["began with genesis document", &good, &other]);
}

/// With one of four away, the one that hears the garbage is needed for every block.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_lives_through_garbage_from_a_validators_key() {
    let mut chain = Chain::running(4).await;
    chain.take(3).kill().await;
    let mut liar = Intruder::connect(&chain, &identity_of(&chain, 3), 0).await;
    liar.until("connection", |event| matches!(event, Event::Connected { .. }).then_some(())).await;

    let good = Wire::Transactions(vec![transfer(&chain, 7).into()]).encode();
    let garbage: [&[u8]; 6] = [b"", b"\0", &[0xff; 1000], &[1; 200_000], &good, &good[..good.len() - 1]];
    for class in [Class::Consensus, Class::Proposal, Class::Transactions] {
        for bytes in garbage {
            // Refused once the liar is cut off.
            let _ = liar.network.send(&liar.victim, class, bytes.into());
        }
    }
    let _ = liar.network.gossip(garbage[2].into());
    for bytes in garbage {
        let answer = liar.network.request(&liar.victim, bytes.into(), Duration::from_secs(5)).await;
        assert!(answer.is_err(), "an answer to garbage: {answer:?}");
    }
    let transfer = transfer(&chain, 0);
    assert_eq!(chain.node(0).commit(&transfer).await.code, 0);
    let liars_key = identity_of(&chain, 3).public_key().to_string();
    chain.node(0).logs(&[&liars_key]).await;
    liar.network.shutdown().await;

    // It was the key's holder who lied; the validator itself is let in again.
    chain.start(3);
    chain.all_reach(3).await;
    chain.agree_at(3).await;
}
