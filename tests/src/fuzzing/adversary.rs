//! The fourth member: it hears everything, signs anything with its own key, and says it to whom it likes.

use std::sync::Arc;

use althing_consensus::engine::Aggregated;
use althing_consensus::{
    Certificate, Epoch, Height, Message, Now, Phase, Position, Proposal, QuorumCertificate, Status,
    TimeoutCertificate, TimeoutVote, View, Vote, aggregate_timeouts, aggregate_votes,
};
use althing_crypto::{BlockHash, Encoding, Hash, TxHash, bls, ed25519};

use super::engine::ADVERSARY;
use super::script::Script;
use super::seal::Seal;
use crate::bare::{Setup, Wire};

/// What is remembered of each kind.
const MEMORY: usize = 64;
const UNSIGNED: bls::Signature = bls::Signature::from_bytes([0; 96]);

pub(super) struct Adversary {
    setup: Arc<Setup>,
    messages: Vec<Message>,
    votes: Vec<Vote>,
    timeouts: Vec<TimeoutVote>,
    qcs: Vec<QuorumCertificate>,
    tcs: Vec<TimeoutCertificate>,
    proposals: Vec<Proposal>,
    /// The highest view heard of.
    view: View,
}

fn remember<T: Clone + PartialEq>(list: &mut Vec<T>, value: &T) {
    if !list.contains(value) {
        list.push(value.clone());
        if list.len() > MEMORY {
            list.remove(0);
        }
    }
}

fn own_seal(setup: &Setup) -> Seal<'_> {
    Seal::of(setup.chain_id(), ADVERSARY, setup.key(ADVERSARY), setup.identity(ADVERSARY))
}

impl Adversary {
    pub(super) fn new(setup: Arc<Setup>) -> Self {
        Self {
            setup,
            messages: Vec::new(),
            votes: Vec::new(),
            timeouts: Vec::new(),
            qcs: Vec::new(),
            tcs: Vec::new(),
            proposals: Vec::new(),
            view: View(1),
        }
    }

    /// Whatever anyone sends.
    pub(super) fn hears(&mut self, wire: &Wire) {
        let Wire::Consensus(message) = wire else { return };
        match message {
            Message::Proposal(proposal) => {
                self.view = self.view.max(proposal.view);
                proposal.justify.iter().chain(&proposal.commit).for_each(|qc| self.learn_qc(qc));
                proposal.tc.iter().for_each(|tc| self.learn_tc(tc));
                remember(&mut self.proposals, proposal);
            }
            Message::Vote(vote) => remember(&mut self.votes, vote),
            Message::Timeout(timeout) => {
                self.view = self.view.max(timeout.view);
                timeout.high_qc.iter().for_each(|qc| self.learn_qc(qc));
                remember(&mut self.timeouts, timeout);
            }
            Message::Certificate(certificate) => match &**certificate {
                Certificate::Quorum(qc) => self.learn_qc(qc),
                Certificate::Timeout(tc) => self.learn_tc(tc),
            },
            Message::Status(_) | Message::Memory(_) => {}
        }
        remember(&mut self.messages, message);
    }

    fn learn_qc(&mut self, qc: &QuorumCertificate) {
        self.view = self.view.max(qc.view);
        remember(&mut self.qcs, qc);
    }

    fn learn_tc(&mut self, tc: &TimeoutCertificate) {
        self.view = self.view.max(tc.view);
        tc.high_qc.iter().for_each(|qc| self.learn_qc(qc));
        remember(&mut self.tcs, tc);
    }

    /// What it says now, and to whom: a bit per member.
    pub(super) fn speaks(&mut self, script: &mut Script<'_>, now: Now) -> (u8, Wire) {
        let to = script.byte();
        let mut message = match script.byte() % 8 {
            0 => Message::Vote(self.vote(script)),
            1 => Message::Timeout(Box::new(self.timeout(script))),
            2 => Message::Proposal(Box::new(self.proposal(script, now))),
            3 | 4 => match self.assembled(script).or_else(|| self.certificate(script)) {
                Some(certificate) => Message::Certificate(Box::new(certificate)),
                None => Message::Vote(self.vote(script)),
            },
            5 => script.pick(&self.messages).cloned().unwrap_or_else(|| Message::Status(status(script))),
            6 => self.garbled(script).unwrap_or_else(|| Message::Status(status(script))),
            _ => Message::Status(status(script)),
        };
        own_seal(&self.setup).message(&mut message);
        // It builds on its own words, too, where others let them in.
        let good = self.setup.door(Position(0)).admit(None, message.clone()).is_ok();
        let wire = Wire::Consensus(message);
        if good {
            self.hears(&wire);
        }
        (to, wire)
    }

    /// Near the views that the others are in; now and then far off.
    fn near(&self, script: &mut Script<'_>) -> View {
        let offset = script.byte();
        match offset {
            0..=250 => View((self.view.0 + 2).saturating_sub(u64::from(offset % 6))),
            _ => View(1 << (offset % 61)),
        }
    }

    fn block(&self, script: &mut Script<'_>) -> BlockHash {
        let known = script.pick(&self.proposals).map(|proposal| proposal.block.hash());
        known.unwrap_or(BlockHash(Hash::from_bytes([script.byte(); 32])))
    }

    fn vote(&self, script: &mut Script<'_>) -> Vote {
        let phase = if script.byte().is_multiple_of(2) { Phase::Vote } else { Phase::Commit };
        let (view, block) = (self.near(script), self.block(script));
        Vote { phase, epoch: Epoch(1), view, block, signer: ADVERSARY, signature: UNSIGNED }
    }

    fn timeout(&self, script: &mut Script<'_>) -> TimeoutVote {
        let (entry, high_qc) = (self.certificate(script), self.qc(script));
        let view = match (&entry, script.byte()) {
            (Some(entry), 0..=200) => entry.view().next(),
            _ => self.near(script),
        };
        TimeoutVote { epoch: Epoch(1), view, signer: ADVERSARY, signature: UNSIGNED, high_qc, entry }
    }

    /// One that was heard, with other certificates, view, transactions or header.
    fn proposal(&self, script: &mut Script<'_>, now: Now) -> Proposal {
        let Some(mut proposal) = script.pick(&self.proposals).cloned() else {
            return self.first_proposal(now);
        };
        let changes = script.byte();
        proposal.signer = ADVERSARY;
        if changes & 1 == 1 {
            proposal.justify = self.qc(script);
            proposal.block.header.parent =
                proposal.justify.as_ref().map_or(self.setup.genesis().hash(), |qc| qc.block);
            proposal.block.header.justify_view = proposal.justify_view();
        }
        if changes & 2 == 2 {
            proposal.tc = script.pick(&self.tcs).cloned();
        }
        if changes & 4 == 4 {
            proposal.view = self.near(script);
            proposal.block.header.view = proposal.view;
        }
        if changes & 8 == 8 {
            proposal.block.txs = (0..script.byte() % 4).map(|n| TxHash(Hash::from_bytes([n; 32]))).collect();
        }
        if changes & 16 == 16 {
            let header = &mut proposal.block.header;
            header.height =
                Height(header.height.0.wrapping_add(1).wrapping_sub(u64::from(script.byte() % 3)));
        }
        if changes & 32 == 32 {
            proposal.block.header.time_ms = now.unix_ms + u64::from(script.u16());
        }
        if changes & 64 == 64 {
            proposal.commit = self.qc(script).filter(QuorumCertificate::is_commit);
        }
        if changes & 128 == 128 {
            let vouched = &mut proposal.block.header.vouched;
            vouched.height = Height(u64::from(script.byte() % 4));
        }
        proposal
    }

    /// For view 1, on genesis.
    fn first_proposal(&self, now: Now) -> Proposal {
        let genesis = self.setup.genesis();
        let mut block = genesis.clone();
        let header = &mut block.header;
        (header.epoch, header.height, header.view) = (Epoch(1), Height(1), View(1));
        (header.parent, header.time_ms) = (genesis.hash(), now.unix_ms);
        let (signer, signature) = (ADVERSARY, ed25519::Signature::from_bytes([0; 64]));
        Proposal { view: View(1), block, justify: None, tc: None, commit: None, signer, signature }
    }

    fn qc(&self, script: &mut Script<'_>) -> Option<QuorumCertificate> {
        script.pick(&self.qcs).cloned()
    }

    fn certificate(&self, script: &mut Script<'_>) -> Option<Certificate> {
        if script.byte().is_multiple_of(2) {
            self.qc(script).map(Certificate::Quorum)
        } else {
            script.pick(&self.tcs).cloned().map(Certificate::Timeout)
        }
    }

    /// A certificate of what it heard and its own vote, which perhaps nobody else has yet.
    fn assembled(&mut self, script: &mut Script<'_>) -> Option<Certificate> {
        let (set, chain_id) = (self.setup.set().clone(), self.setup.chain_id().to_owned());
        let seal = own_seal(&self.setup);
        let made = if script.byte().is_multiple_of(2) {
            let mut own = Vote { signer: ADVERSARY, ..script.pick(&self.votes)?.clone() };
            seal.vote(&mut own);
            let alike =
                |vote: &&Vote| (vote.phase, vote.view, vote.block) == (own.phase, own.view, own.block);
            let votes = self.votes.iter().filter(alike).filter(|vote| vote.signer != ADVERSARY).cloned();
            aggregate_votes(&set, &chain_id, votes.chain([own.clone()]).collect())
        } else {
            let mut own = TimeoutVote { signer: ADVERSARY, ..script.pick(&self.timeouts)?.clone() };
            if script.byte().is_multiple_of(2) {
                own.high_qc = self.qc(script).filter(|qc| qc.view < own.view);
            }
            seal.timeout(&mut own);
            let alike = |vote: &&TimeoutVote| vote.view == own.view && vote.signer != ADVERSARY;
            let votes = self.timeouts.iter().filter(alike).cloned();
            aggregate_timeouts(&set, &chain_id, votes.chain([own.clone()]).collect())
        };
        match made {
            Aggregated::Votes { certificate: Some(qc), .. } => Some(Certificate::Quorum(qc.into_inner())),
            Aggregated::Timeouts { certificate: Some(tc), .. } => Some(Certificate::Timeout(tc.into_inner())),
            Aggregated::Votes { .. } | Aggregated::Timeouts { .. } => None,
        }
    }

    /// A message that was heard, with some of its bytes changed, if it still is one.
    fn garbled(&self, script: &mut Script<'_>) -> Option<Message> {
        let mut bytes = script.pick(&self.messages)?.encode();
        for _ in 0..=script.byte() % 3 {
            let (at, byte) = (usize::from(script.u16()) % bytes.len(), script.byte());
            bytes[at] = byte;
        }
        Message::decode(&bytes).ok()
    }
}

fn status(script: &mut Script<'_>) -> Status {
    Status {
        epoch: Epoch(1),
        view: View(u64::from(script.byte())),
        committed: Height(u64::from(script.byte() % 8)),
        high_view: View(u64::from(script.byte())),
        tc_view: View(u64::from(script.byte())),
        commit_view: View(u64::from(script.byte())),
        resuming: script.byte() % 2 == 1,
    }
}
