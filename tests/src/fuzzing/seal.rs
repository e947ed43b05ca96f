//! Signs decoded messages anew, so that what fuzzing makes of their contents gets past the signatures.

use std::collections::BTreeMap;

use althing_consensus::{
    Certificate, Evidence, Memory, Message, Position, Proposal, QuorumCertificate, Signers,
    TimeoutCertificate, TimeoutStatement, TimeoutVote, View, Vote, proposal_bytes, timeout_bytes, vote_bytes,
};
use althing_crypto::{
    bls::{self, VoteScheme},
    ed25519,
};

use super::chain::{CHAIN_ID, Chain};
use crate::cheap_votes::CHEAP_VOTES;

/// Keys of some members. What others are said to have signed keeps the signature that it has.
pub(super) struct Seal<'a> {
    chain_id: &'a str,
    keys: BTreeMap<Position, &'a bls::SecretKey>,
    identities: BTreeMap<Position, &'a ed25519::SecretKey>,
}

impl<'a> Seal<'a> {
    /// With the keys of the whole chain.
    pub(super) fn all(chain: &'a Chain) -> Self {
        let keys = (0..).map(Position).zip(&chain.vote_keys).collect();
        Self { chain_id: CHAIN_ID, keys, identities: (0..).map(Position).zip(&chain.identities).collect() }
    }
}

impl<'a> Seal<'a> {
    /// With those of one member.
    pub(super) fn of(
        chain_id: &'a str,
        member: Position,
        key: &'a bls::SecretKey,
        identity: &'a ed25519::SecretKey,
    ) -> Self {
        Self { chain_id, keys: [(member, key)].into(), identities: [(member, identity)].into() }
    }
}

impl Seal<'_> {
    pub(super) fn message(&self, message: &mut Message) {
        match message {
            Message::Proposal(proposal) => self.proposal(proposal),
            Message::Vote(vote) => self.vote(vote),
            Message::Timeout(timeout) => self.timeout(timeout),
            Message::Certificate(certificate) => self.certificate(certificate),
            Message::Memory(memory) => self.memory(memory),
            Message::Status(_) => {}
        }
    }

    pub(super) fn vote(&self, vote: &mut Vote) {
        let bytes = vote_bytes(self.chain_id, vote.phase, vote.epoch, vote.view, vote.block);
        self.sign(vote.signer, &bytes, &mut vote.signature);
    }

    pub(super) fn timeout(&self, timeout: &mut TimeoutVote) {
        timeout.high_qc.iter_mut().for_each(|qc| self.qc(qc));
        timeout.entry.iter_mut().for_each(|entry| self.certificate(entry));
        let bytes = timeout_bytes(self.chain_id, timeout.epoch, timeout.view, timeout.high_view());
        self.sign(timeout.signer, &bytes, &mut timeout.signature);
    }

    fn statement(&self, timeout: &mut TimeoutStatement) {
        let bytes = timeout_bytes(self.chain_id, timeout.epoch, timeout.view, timeout.high_view);
        self.sign(timeout.signer, &bytes, &mut timeout.signature);
    }

    /// The roots over its transactions and notices are mended with it.
    pub(super) fn proposal(&self, proposal: &mut Proposal) {
        proposal.justify.iter_mut().chain(&mut proposal.commit).for_each(|qc| self.qc(qc));
        proposal.tc.iter_mut().for_each(|tc| self.tc(tc));
        proposal.block.header.payload_root = althing_consensus::payload_root(&proposal.block.txs);
        proposal.block.header.evidence_root = althing_consensus::notices_root(&proposal.block.notices);
        let bytes = proposal_bytes(self.chain_id, &proposal.statement());
        self.propose(proposal.signer, &bytes, &mut proposal.signature);
    }

    pub(super) fn certificate(&self, certificate: &mut Certificate) {
        match certificate {
            Certificate::Quorum(qc) => self.qc(qc),
            Certificate::Timeout(tc) => self.tc(tc),
        }
    }

    pub(super) fn qc(&self, qc: &mut QuorumCertificate) {
        let bytes = vote_bytes(self.chain_id, qc.phase, qc.epoch, qc.view, qc.block);
        let signed: Vec<_> = qc.signers.iter().map(|signer| (signer, bytes.clone())).collect();
        self.aggregate(signed, &mut qc.signature);
    }

    pub(super) fn tc(&self, tc: &mut TimeoutCertificate) {
        tc.high_qc.iter_mut().for_each(|qc| self.qc(qc));
        let views = named(&tc.signers, &tc.high_views);
        let signed = views
            .into_iter()
            .map(|(signer, high)| (signer, timeout_bytes(self.chain_id, tc.epoch, tc.view, high)))
            .collect();
        self.aggregate(signed, &mut tc.signature);
    }

    pub(super) fn evidence(&self, evidence: &mut Evidence) {
        match evidence {
            Evidence::Votes(first, second) => [first, second].into_iter().for_each(|vote| self.vote(vote)),
            Evidence::Proposals { signer, first, second } => {
                for (statement, signature) in [first, second] {
                    self.propose(*signer, &proposal_bytes(self.chain_id, statement), signature);
                }
            }
            Evidence::CommitAndTimeout(vote, timeout) => {
                self.vote(vote);
                self.statement(timeout);
            }
            Evidence::VoteAndTimeout(vote, header, timeout) => {
                vote.block = header.hash();
                self.vote(vote);
                self.statement(timeout);
            }
        }
    }

    fn memory(&self, memory: &mut Memory) {
        let Memory { epoch: _, vote, commit_vote, timeout, proposal } = memory;
        vote.iter_mut().chain(commit_vote).for_each(|vote| self.vote(vote));
        timeout.iter_mut().for_each(|timeout| self.timeout(timeout));
        if let Some((statement, signature)) = proposal {
            self.propose(Position(0), &proposal_bytes(self.chain_id, statement), signature);
        }
    }

    fn sign(&self, signer: Position, bytes: &[u8], signature: &mut bls::Signature) {
        if let Some(good) = self.signature(signer, bytes) {
            *signature = good;
        }
    }

    /// As [`sign`](Self::sign), with the identity.
    fn propose(&self, signer: Position, bytes: &[u8], signature: &mut ed25519::Signature) {
        if let Some(identity) = self.identities.get(&signer) {
            *signature = identity.sign(bytes);
        }
    }

    fn signature(&self, signer: Position, bytes: &[u8]) -> Option<bls::Signature> {
        self.keys.get(&signer).map(|key| key.sign(bytes))
    }

    /// All of these signatures together, if all can be had.
    fn aggregate(&self, signed: Vec<(Position, Vec<u8>)>, signature: &mut bls::Signature) {
        let parts: Option<Vec<_>> =
            signed.iter().map(|(signer, bytes)| self.signature(*signer, bytes)).collect();
        if let Some(Ok(whole)) = parts.map(|parts| CHEAP_VOTES.aggregate(&parts)) {
            *signature = whole;
        }
    }
}

/// The view that each signer of a TC named.
pub(super) fn named(signers: &Signers, views: &[View]) -> BTreeMap<Position, View> {
    signers.iter().zip(views.iter().copied()).collect()
}
