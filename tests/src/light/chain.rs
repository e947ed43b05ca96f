//! A chain of so many validators, one of whom is replaced at the end of each epoch.

use std::collections::BTreeMap;
use std::sync::Arc;

use althing_consensus::engine::Aggregated;
use althing_consensus::light::{Anchor, EpochEnd, Run, Seal, SetChange, Trusted};
use althing_consensus::{
    AppHash, ConsensusParams, Epoch, Execution, Header, Height, Phase, Position, Power, Validator,
    ValidatorSet, View, Vote, Vouched, aggregate_votes, epoch_hash, no_evidence, payload_root, vote_bytes,
};
use althing_crypto::bls::BLS;
use althing_crypto::{BlockHash, Hash, TxHash, bls, ed25519, sha256, sha256_concat};

const CHAIN_ID: &str = "light-chain";
/// Heights in an epoch.
const EPOCH: u64 = 10;

/// A chain that grows by whole epochs.
#[derive(Debug)]
pub struct LightChain {
    keys: BTreeMap<[u8; 48], bls::SecretKey>,
    first: (Arc<ValidatorSet>, ConsensusParams),
    set: Arc<ValidatorSet>,
    params: ConsensusParams,
    epoch: Epoch,
    newest: Header,
    /// The ends of its epochs.
    pub ends: Vec<EpochEnd>,
}

impl LightChain {
    /// A chain at genesis.
    pub fn new(validators: usize) -> Self {
        let mut keys = BTreeMap::new();
        let members = (0..validators as u64).map(|number| member(&mut keys, number)).collect();
        let set = Arc::new(ValidatorSet::new(&BLS, members).expect("distinct members"));
        let params = ConsensusParams::default();
        let newest = genesis(epoch_hash(&set, &params));
        let (first, ends) = ((set.clone(), params.clone()), Vec::new());
        Self { keys, first, set, params, epoch: Epoch(1), newest, ends }
    }

    /// What whoever has the genesis document trusts.
    pub fn anchor(&self) -> Anchor {
        let (set, params) = self.first.clone();
        Anchor::Genesis { chain_id: CHAIN_ID.to_owned(), set, params }
    }

    /// Whoever trusts this header.
    pub fn trusting(header: &Header) -> Anchor {
        Anchor::Trusted(Trusted { height: header.height, hash: header.hash() }, &BLS)
    }

    /// The newest header.
    pub fn newest(&self) -> &Header {
        &self.newest
    }

    /// The validators of its epoch.
    pub fn set(&self) -> &Arc<ValidatorSet> {
        &self.set
    }

    /// The parameters of its epoch.
    pub fn params(&self) -> &ConsensusParams {
        &self.params
    }

    /// Ends the epoch: the validator that stands first leaves, a new one comes.
    pub fn replace_one(&mut self) {
        let newcomer = self.epoch.0 + self.set.len() as u64;
        let mut members = self.set.members()[1..].to_vec();
        members.push(member(&mut self.keys, newcomer));
        self.end(members, self.params.clone());
    }

    /// Ends the epoch: from now on these validators and parameters are in force.
    pub fn end(&mut self, members: Vec<Validator>, params: ConsensusParams) {
        let set = Arc::new(ValidatorSet::new(&BLS, members).expect("valid members"));
        let mut header = self.child(&[], &[]);
        header.height = Height(self.epoch.0 * EPOCH);
        header.vouched.next_epoch = epoch_hash(&set, &params);
        let seal = self.seal(&header, View(EPOCH));
        let change = SetChange::between((&self.set, &self.params), (&set, &params));
        self.ends.push(EpochEnd { header: header.clone(), seal, change });
        (self.set, self.params, self.newest) = (set, params, header);
        self.epoch.0 += 1;
    }

    /// A block on the newest one, with these transactions, vouching for these outcomes.
    pub fn child(&self, txs: &[TxHash], outcomes: &[Execution]) -> Header {
        let before = &self.newest;
        let vouched = match outcomes.last() {
            Some(last) => Vouched {
                height: last.height,
                app_hash: last.app_hash.clone(),
                executed_root: Execution::root(outcomes),
                next_epoch: epoch_hash(&self.set, &self.params),
            },
            None => Vouched { next_epoch: epoch_hash(&self.set, &self.params), ..before.vouched.clone() },
        };
        let opening = before.epoch != self.epoch;
        Header {
            chain_id: CHAIN_ID.to_owned(),
            epoch: self.epoch,
            height: before.height.next(),
            view: if opening { View(1) } else { before.view.next() },
            parent: before.hash(),
            justify_view: if opening { View(0) } else { before.view },
            time_ms: before.time_ms + 1_000,
            payload_root: payload_root(txs),
            evidence_root: no_evidence(),
            absent: Vec::new(),
            vouched,
        }
    }

    /// Appends a header to the chain, uncommitted.
    pub fn append(&mut self, header: Header) {
        self.newest = header;
    }

    /// These headers, committed by a quorum of the epoch.
    pub fn run(&self, headers: Vec<Header>) -> Run {
        let last = headers.last().expect("headers");
        Run { seal: self.seal(last, last.view), headers }
    }

    /// As few as are a quorum commit this block.
    pub fn seal(&self, header: &Header, view: View) -> Seal {
        let (phase, epoch, block) = (Phase::Commit, self.epoch, header.hash());
        let bytes = vote_bytes(CHAIN_ID, phase, epoch, view, block);
        let mut signers: Vec<Position> = Vec::new();
        for position in self.set.positions() {
            if !self.set.is_quorum(self.set.power_of(signers.iter().copied())) {
                signers.push(position);
            }
        }
        let vote = |signer: Position| {
            let key = &self.keys[self.set.get(signer).expect("a member").vote_key.bytes()];
            Vote { phase, epoch, view, block, signer, signature: key.sign(&bytes) }
        };
        match aggregate_votes(&self.set, CHAIN_ID, signers.into_iter().map(vote).collect()) {
            Aggregated::Votes { certificate: Some(certificate), .. } => Seal::from(&*certificate),
            other => panic!("good votes make a certificate, got {other:?}"),
        }
    }
}

fn member(keys: &mut BTreeMap<[u8; 48], bls::SecretKey>, number: u64) -> Validator {
    let seed = |kind: &[u8]| *sha256_concat(&[kind, &number.to_be_bytes()]).as_bytes();
    let key = bls::SecretKey::from_seed(&BLS, &seed(b"vote"));
    let vote_key = key.public_key().clone();
    keys.insert(*vote_key.bytes(), key);
    let identity = ed25519::SecretKey::from_seed(seed(b"identity")).public_key();
    Validator { identity, vote_key, power: Power(10) }
}

fn genesis(next_epoch: Hash) -> Header {
    // As long as real ones.
    let app_hash = AppHash::new(vec![0; 32]).expect("32 bytes");
    Header {
        chain_id: CHAIN_ID.to_owned(),
        epoch: Epoch(0),
        height: Height(0),
        view: View(0),
        parent: BlockHash::ZERO,
        justify_view: View(0),
        time_ms: 1_700_000_000_000,
        payload_root: sha256(b"genesis"),
        evidence_root: no_evidence(),
        absent: Vec::new(),
        vouched: Vouched { height: Height(0), app_hash, executed_root: no_evidence(), next_epoch },
    }
}
