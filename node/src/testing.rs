//! A chain for the tests of this crate: four validators, an account, blocks and certificates that verify.

use std::sync::Arc;

use althing_consensus::{
    Block, Epoch, Header, Phase, Position, QuorumCertificate, View, Vote, aggregate_votes,
    engine::Aggregated, engine::EngineConfig, no_evidence, payload_root, vote_bytes,
};
use althing_crypto::{BlockHash, Encoding, TxHash, bls, ed25519};
use althing_genesis::Genesis;
use althing_ledger::asset::{Address, Transaction};
use althing_mempool::TxBytes;

use crate::body::Body;
use crate::epochs::{Epochs, Seat};
use crate::storage::ChainStore;
use crate::{new_chain, recovery};

pub(crate) const CHAIN: &str = "test-chain";

/// The keys and the genesis document of a chain.
pub(crate) struct TestChain {
    pub(crate) vote_keys: Vec<bls::SecretKey>,
    pub(crate) account: ed25519::SecretKey,
    pub(crate) genesis: Arc<Genesis>,
}

impl TestChain {
    pub(crate) fn new() -> Self {
        let keys = |index: u8| {
            let identity = ed25519::SecretKey::from_seed([index + 1; 32]);
            (identity, bls::SecretKey::from_seed(&bls::BLS, &[index + 1; 32]))
        };
        let keys: Vec<_> = (0..4).map(keys).collect();
        let account = ed25519::SecretKey::from_seed([99; 32]);
        let entries = keys.iter().map(|(identity, vote)| new_chain::validator("v", identity, vote));
        let entries = entries.enumerate().map(|(index, mut entry)| {
            entry.name = format!("v{index}");
            entry
        });
        let mut document =
            new_chain::document(CHAIN, entries.collect(), &[Address::of(&account.public_key())]);
        document.genesis_time_ms = 1_700_000_000_000;
        let genesis = Arc::new(Genesis::new(document, &bls::BLS).expect("a valid document"));
        Self { vote_keys: keys.into_iter().map(|(_, vote)| vote).collect(), account, genesis }
    }

    pub(crate) fn engine(&self, opening: &Block) -> EngineConfig {
        recovery::engine_config(&self.genesis, opening.hash(), Some(Position(0)))
    }

    /// The epochs of validator 0.
    pub(crate) fn epochs(&self, chain: &ChainStore) -> Arc<Epochs> {
        let vote_keys = vec![self.vote_keys[0].public_key().clone()];
        let seat = Seat { identity: Some(self.peer(0)), vote_keys };
        Arc::new(Epochs::new(&self.genesis, chain.clone(), seat))
    }

    pub(crate) fn peer(&self, position: u16) -> ed25519::PublicKey {
        self.genesis.validator_set().get(Position(position)).expect("a member").identity
    }

    pub(crate) fn identity(&self, position: u16) -> ed25519::SecretKey {
        let mut keys = (1..=4).map(|seed| ed25519::SecretKey::from_seed([seed; 32]));
        keys.find(|key| key.public_key() == self.peer(position)).expect("a member")
    }

    pub(crate) fn transfer(&self, sequence: u64) -> TxBytes {
        let to = Address::of(&ed25519::SecretKey::from_seed([98; 32]).public_key());
        Transaction::transfer(CHAIN, &self.account, sequence, 0, to, 5, "").encode().into()
    }

    /// A child of `parent`, made in this view.
    pub(crate) fn body(&self, parent: &Block, view: u64, txs: Vec<TxBytes>) -> Arc<Body> {
        let hashes: Vec<TxHash> = txs.iter().map(|tx| TxHash::of(tx)).collect();
        let header = Header {
            chain_id: CHAIN.to_owned(),
            epoch: Epoch(1),
            height: parent.header.height.next(),
            view: View(view),
            parent: parent.hash(),
            justify_view: parent.header.view,
            time_ms: parent.header.time_ms + 1,
            payload_root: payload_root(&hashes),
            evidence_root: no_evidence(),
            absent: Vec::new(),
            vouched: parent.header.vouched.clone(),
        };
        Arc::new(Body { block: Block { header, txs: hashes, notices: Vec::new() }, txs })
    }

    /// A commit certificate of all validators.
    pub(crate) fn certificate(&self, block: BlockHash, view: u64) -> QuorumCertificate {
        let (phase, epoch, view) = (Phase::Commit, Epoch(1), View(view));
        let bytes = vote_bytes(CHAIN, phase, epoch, view, block);
        let vote = |(signer, key): (u16, &bls::SecretKey)| Vote {
            phase,
            epoch,
            view,
            block,
            signer: Position(signer),
            signature: key.sign(&bytes),
        };
        let votes = (0u16..).zip(&self.vote_keys).map(vote).collect();
        match aggregate_votes(self.genesis.validator_set(), CHAIN, votes) {
            Aggregated::Votes { certificate: Some(certificate), .. } => certificate.into_inner(),
            other => panic!("good votes make a certificate, got {other:?}"),
        }
    }
}
