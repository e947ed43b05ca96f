//! What the tests of this crate build messages and certificates with.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use althing_crypto::bls::{self, AggregateError, BLS, KeyError, ProofOfPossession, VoteScheme};
use althing_crypto::{BlockHash, Hash, TxHash, ed25519, sha256, sha256_concat};

use crate::message::{proposal_bytes, timeout_bytes, vote_bytes};
use crate::{
    AppHash, Block, Certificate, Epoch, Header, Height, Phase, Position, Power, Proposal, ProposalStatement,
    QuorumCertificate, TimeoutCertificate, TimeoutVote, Validator, ValidatorSet, View, Vote, Vouched,
    no_evidence, payload_root, view_of,
};

pub(crate) const CHAIN: &str = "althing-test";
pub(crate) const EPOCH: Epoch = Epoch(1);
pub(crate) const OPENING: BlockHash = BlockHash(Hash::from_bytes([7; 32]));

/// The identity key of a validator of every chain here.
pub(crate) fn identity(index: usize) -> ed25519::SecretKey {
    ed25519::SecretKey::from_seed(*sha256_concat(&[&[1], &index.to_be_bytes()]).as_bytes())
}

/// A chain's validators with their keys.
pub(crate) struct Chain {
    pub(crate) keys: Vec<bls::SecretKey>,
    pub(crate) set: Arc<ValidatorSet>,
}

impl Chain {
    /// As many validators as powers.
    pub(crate) fn new(scheme: &'static dyn VoteScheme, powers: &[u64]) -> Self {
        let seed = |index: usize| *sha256_concat(&[&[0], &index.to_be_bytes()]).as_bytes();
        let keys: Vec<_> =
            (0..powers.len()).map(|index| bls::SecretKey::from_seed(scheme, &seed(index))).collect();
        let validator = |(index, power): (usize, &u64)| Validator {
            identity: identity(index).public_key(),
            vote_key: keys[index].public_key().clone(),
            power: Power(*power),
        };
        let members = powers.iter().enumerate().map(validator).collect();
        let set = Arc::new(ValidatorSet::new(scheme, members).expect("valid members"));
        Self { keys, set }
    }

    pub(crate) fn sign(&self, signer: u16, bytes: &[u8]) -> bls::Signature {
        self.keys[usize::from(signer)].sign(bytes)
    }

    pub(crate) fn vote(&self, signer: u16, phase: Phase, view: u64, block: BlockHash) -> Vote {
        let view = View(view);
        let signature = self.sign(signer, &vote_bytes(CHAIN, phase, EPOCH, view, block));
        Vote { phase, epoch: EPOCH, view, block, signer: Position(signer), signature }
    }

    pub(crate) fn timeout(
        &self,
        signer: u16,
        view: u64,
        high_qc: Option<QuorumCertificate>,
        entry: Option<Certificate>,
    ) -> TimeoutVote {
        let view = View(view);
        let signature = self.sign(signer, &timeout_bytes(CHAIN, EPOCH, view, view_of(high_qc.as_ref())));
        TimeoutVote { epoch: EPOCH, view, signer: Position(signer), signature, high_qc, entry }
    }

    pub(crate) fn qc(&self, phase: Phase, view: u64, block: BlockHash, signers: &[u16]) -> QuorumCertificate {
        let shares: Vec<_> =
            signers.iter().map(|signer| self.vote(*signer, phase, view, block).signature).collect();
        QuorumCertificate {
            phase,
            epoch: EPOCH,
            view: View(view),
            block,
            signers: signers.iter().copied().map(Position).collect(),
            signature: self.set.scheme().aggregate(&shares).expect("good shares"),
        }
    }

    /// A TC by these signers, in ascending order, each naming a view; it carries `high_qc`.
    pub(crate) fn tc(
        &self,
        view: u64,
        named: &[(u16, u64)],
        high_qc: Option<QuorumCertificate>,
    ) -> TimeoutCertificate {
        let shares: Vec<_> = named
            .iter()
            .map(|(signer, high)| self.sign(*signer, &timeout_bytes(CHAIN, EPOCH, View(view), View(*high))))
            .collect();
        TimeoutCertificate {
            epoch: EPOCH,
            view: View(view),
            signers: named.iter().map(|(signer, _)| Position(*signer)).collect(),
            high_views: named.iter().map(|(_, high)| View(*high)).collect(),
            high_qc,
            signature: self.set.scheme().aggregate(&shares).expect("good shares"),
        }
    }

    pub(crate) fn proposal(
        &self,
        signer: u16,
        block: Block,
        justify: Option<QuorumCertificate>,
        tc: Option<TimeoutCertificate>,
        commit: Option<QuorumCertificate>,
    ) -> Proposal {
        let (view, signer, signature) =
            (block.header.view, Position(signer), ed25519::Signature::from_bytes([0; 64]));
        self.signed(Proposal { view, block, justify, tc, commit, signer, signature })
    }

    /// The proposal, signed by its signer as it is now.
    pub(crate) fn signed(&self, mut proposal: Proposal) -> Proposal {
        proposal.signature = self.sign_statement(proposal.signer.0, &proposal.statement());
        proposal
    }

    /// The identity's signature of what a proposal says.
    pub(crate) fn sign_statement(&self, signer: u16, statement: &ProposalStatement) -> ed25519::Signature {
        identity(signer.into()).sign(&proposal_bytes(CHAIN, statement))
    }
}

/// A block of two transactions, `salt` among them, on the block of this certificate, or on the opening block.
pub(crate) fn block(view: u64, justify: Option<&QuorumCertificate>, salt: u8) -> Block {
    let txs = vec![TxHash::of(b"transfer"), TxHash::of(&[salt])];
    let header = Header {
        chain_id: CHAIN.to_owned(),
        epoch: EPOCH,
        height: Height(view),
        view: View(view),
        parent: justify.map_or(OPENING, |qc| qc.block),
        justify_view: view_of(justify),
        time_ms: 1_000 * view,
        payload_root: payload_root(&txs),
        evidence_root: no_evidence(),
        absent: Vec::new(),
        vouched: Vouched {
            height: Height(0),
            app_hash: AppHash::default(),
            executed_root: Hash::ZERO,
            next_epoch: Hash::ZERO,
        },
    };
    Block { header, txs, notices: Vec::new() }
}

/// BLS, with a count of the pairings that verification takes: one per message, and one for the signature.
#[derive(Debug, Default)]
pub(crate) struct Counting(AtomicUsize);

impl Counting {
    /// A scheme of one's own to count with.
    pub(crate) fn leaked() -> &'static Self {
        Box::leak(Box::default())
    }

    /// How many pairings since the last time.
    pub(crate) fn take(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

impl VoteScheme for Counting {
    fn public_key(&self, secret: &[u8; 32]) -> Result<bls::PublicKey, KeyError> {
        BLS.public_key(secret)
    }

    fn parse_public_key(&self, bytes: &[u8; 48]) -> Result<bls::PublicKey, KeyError> {
        BLS.parse_public_key(bytes)
    }

    fn verify_possession(&self, key: &bls::PublicKey, proof: &ProofOfPossession) -> bool {
        BLS.verify_possession(key, proof)
    }

    fn prove_possession(&self, secret: &[u8; 32]) -> ProofOfPossession {
        BLS.prove_possession(secret)
    }

    fn sign(&self, secret: &[u8; 32], message: &[u8]) -> bls::Signature {
        BLS.sign(secret, message)
    }

    fn verify(&self, key: &bls::PublicKey, message: &[u8], sig: &bls::Signature) -> bool {
        self.0.fetch_add(2, Ordering::SeqCst);
        BLS.verify(key, message, sig)
    }

    fn aggregate(&self, sigs: &[bls::Signature]) -> Result<bls::Signature, AggregateError> {
        BLS.aggregate(sigs)
    }

    fn verify_aggregate(&self, groups: &[(&[u8], Vec<&bls::PublicKey>)], sig: &bls::Signature) -> bool {
        self.0.fetch_add(groups.len() + 1, Ordering::SeqCst);
        BLS.verify_aggregate(groups, sig)
    }
}

/// Signatures that are hashes, which nobody checks: for tests of what is signed, not of whether it verifies.
#[derive(Debug)]
pub(crate) struct Unchecked;

impl VoteScheme for Unchecked {
    fn public_key(&self, secret: &[u8; 32]) -> Result<bls::PublicKey, KeyError> {
        let mut bytes = [0; 48];
        bytes[..32].copy_from_slice(sha256(secret).as_bytes());
        Ok(bls::PublicKey::opaque(bytes))
    }

    fn parse_public_key(&self, bytes: &[u8; 48]) -> Result<bls::PublicKey, KeyError> {
        Ok(bls::PublicKey::opaque(*bytes))
    }

    fn verify_possession(&self, _: &bls::PublicKey, _: &ProofOfPossession) -> bool {
        false
    }

    fn prove_possession(&self, _: &[u8; 32]) -> ProofOfPossession {
        ProofOfPossession::from_bytes([0; 96])
    }

    fn sign(&self, secret: &[u8; 32], message: &[u8]) -> bls::Signature {
        let mut bytes = [0; 96];
        bytes[..32].copy_from_slice(sha256_concat(&[secret, message]).as_bytes());
        bls::Signature::from_bytes(bytes)
    }

    fn verify(&self, _: &bls::PublicKey, _: &[u8], _: &bls::Signature) -> bool {
        false
    }

    fn aggregate(&self, sigs: &[bls::Signature]) -> Result<bls::Signature, AggregateError> {
        sigs.first().copied().ok_or(AggregateError::Empty)
    }

    fn verify_aggregate(&self, _: &[(&[u8], Vec<&bls::PublicKey>)], _: &bls::Signature) -> bool {
        false
    }
}
