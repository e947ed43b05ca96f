//! The faulty member of a walk: it hears everything, and says whatever those messages permit.

use std::collections::BTreeMap;
use std::sync::Arc;

use althing_consensus::{
    Absence, Block, Certificate, Epoch, Header, Height, Message, Phase, Position, Proposal,
    QuorumCertificate, TimeoutCertificate, TimeoutVote, View, Vote, no_evidence, payload_root,
    proposal_bytes, timeout_bytes, view_of, vote_bytes,
};
use althing_crypto::{BlockHash, TxHash, bls, ed25519};

use crate::bare::{Setup, Wire};
use crate::modelcheck::forge::quorum;
use crate::sim::Random;

const EPOCH: Epoch = Epoch(1);

type Shares = BTreeMap<Position, bls::Signature>;

/// What timeout votes of a view named, by signer and the named view.
type Named = BTreeMap<(Position, View), (bls::Signature, Option<QuorumCertificate>)>;

/// What it has heard, and the certificates it has made of that.
#[derive(Debug)]
pub(super) struct Adversary {
    setup: Arc<Setup>,
    me: Position,
    blocks: Vec<Block>,
    votes: BTreeMap<(View, Phase, BlockHash), Shares>,
    timeouts: BTreeMap<View, Named>,
    qcs: Vec<QuorumCertificate>,
    tcs: Vec<TimeoutCertificate>,
    leaders: Arc<[Position]>,
}

impl Adversary {
    pub(super) fn new(setup: Arc<Setup>, me: Position, leaders: Arc<[Position]>) -> Self {
        let (votes, timeouts) = (BTreeMap::new(), BTreeMap::new());
        Self { setup, me, blocks: Vec::new(), votes, timeouts, qcs: Vec::new(), tcs: Vec::new(), leaders }
    }

    fn leader(&self, view: u64) -> Position {
        self.leaders[view as usize - 1]
    }

    /// Takes in what a correct member says.
    pub(super) fn hear(&mut self, wire: &Wire) {
        let Wire::Consensus(message) = wire else { return };
        match message {
            Message::Proposal(proposal) => self.keep_block(&proposal.block),
            Message::Vote(vote) => {
                let of = (vote.view, vote.phase, vote.block);
                self.votes.entry(of).or_default().insert(vote.signer, vote.signature);
                self.certify(of);
            }
            Message::Timeout(vote) => {
                let share = (vote.signature, vote.high_qc.clone());
                self.timeouts.entry(vote.view).or_default().insert((vote.signer, vote.high_view()), share);
            }
            Message::Certificate(_) | Message::Status(_) | Message::Memory(_) => {}
        }
    }

    fn keep_block(&mut self, block: &Block) {
        if !self.blocks.contains(block) {
            self.blocks.push(block.clone());
        }
    }

    /// The body of a block that someone asks for.
    pub(super) fn body(&self, hash: &BlockHash) -> Option<Block> {
        self.blocks.iter().find(|block| block.hash() == *hash).cloned()
    }

    fn sign(&self, bytes: &[u8]) -> bls::Signature {
        self.setup.key(self.me).sign(bytes)
    }

    /// A quorum's votes, its own among them, are a certificate.
    fn certify(&mut self, (view, phase, block): (View, Phase, BlockHash)) {
        let own = self.sign(&vote_bytes(self.setup.chain_id(), phase, EPOCH, view, block));
        let shares = self.votes.get_mut(&(view, phase, block)).expect("a vote came");
        shares.insert(self.me, own);
        let known = self.qcs.iter().any(|qc| (qc.view, qc.phase, qc.block) == (view, phase, block));
        if !known && shares.len() >= quorum(self.setup.set().len()) {
            let signatures: Vec<_> = shares.values().copied().collect();
            let signature = self.setup.set().scheme().aggregate(&signatures).expect("a quorum");
            let signers = shares.keys().copied().collect();
            self.qcs.push(QuorumCertificate { phase, epoch: EPOCH, view, block, signers, signature });
        }
    }

    /// A TC of some view that was given up: any of each signer's timeout votes, and a name of its own.
    fn end_view(&mut self, random: &mut Random) {
        let Some((view, votes)) = pick(random, self.timeouts.iter()) else { return };
        let mut chosen: BTreeMap<Position, (View, bls::Signature, Option<QuorumCertificate>)> =
            BTreeMap::new();
        for ((signer, named), (signature, qc)) in votes {
            if !chosen.contains_key(signer) || random.percent(50) {
                chosen.insert(*signer, (*named, *signature, qc.clone()));
            }
        }
        let high_qc = self.some_qc(random, *view);
        let named = view_of(high_qc.as_ref());
        let own = self.sign(&timeout_bytes(self.setup.chain_id(), EPOCH, *view, named));
        chosen.insert(self.me, (named, own, high_qc));
        if chosen.len() < quorum(self.setup.set().len()) {
            return;
        }
        let shares: Vec<_> = chosen.values().map(|(_, share, _)| *share).collect();
        let highest = chosen.values().max_by_key(|(named, ..)| *named).expect("a quorum").2.clone();
        let tc = TimeoutCertificate {
            epoch: EPOCH,
            view: *view,
            signers: chosen.keys().copied().collect(),
            high_views: chosen.values().map(|(named, ..)| *named).collect(),
            high_qc: highest,
            signature: self.setup.set().scheme().aggregate(&shares).expect("a quorum"),
        };
        if !self.tcs.contains(&tc) {
            self.tcs.push(tc);
        }
    }

    /// A certificate of a view below this one, or none, which stands for the opening block.
    fn some_qc(&self, random: &mut Random, below: View) -> Option<QuorumCertificate> {
        let held = self.qcs.iter().filter(|qc| qc.view < below);
        if random.percent(20) { None } else { pick(random, held).cloned() }
    }

    fn some_certificate(&self, random: &mut Random) -> Option<Certificate> {
        let qcs = self.qcs.iter().cloned().map(Certificate::Quorum);
        pick(random, qcs.chain(self.tcs.iter().cloned().map(Certificate::Timeout)))
    }

    /// Something to send to someone.
    pub(super) fn speak(&mut self, random: &mut Random) -> Option<Wire> {
        let message = match random.below(10) {
            0..2 => Message::Vote(self.vote(random)?),
            2..4 => Message::Timeout(Box::new(self.give_up(random)?)),
            4..7 => Message::Proposal(Box::new(self.propose(random)?)),
            _ => {
                self.end_view(random);
                Message::Certificate(Box::new(self.some_certificate(random)?))
            }
        };
        Some(Wire::Consensus(message))
    }

    fn vote(&self, random: &mut Random) -> Option<Vote> {
        let block = pick(random, self.blocks.iter())?;
        let phase = if random.percent(50) { Phase::Vote } else { Phase::Commit };
        let (view, block) = (block.header.view, block.hash());
        let signature = self.sign(&vote_bytes(self.setup.chain_id(), phase, EPOCH, view, block));
        Some(Vote { phase, epoch: EPOCH, view, block, signer: self.me, signature })
    }

    fn give_up(&self, random: &mut Random) -> Option<TimeoutVote> {
        let entry = self.some_certificate(random).filter(|_| random.percent(80));
        let view = entry.as_ref().map_or(View(1), |entry| entry.view().next());
        let high_qc = self.some_qc(random, view);
        let named = view_of(high_qc.as_ref());
        let signature = self.sign(&timeout_bytes(self.setup.chain_id(), EPOCH, view, named));
        Some(TimeoutVote { epoch: EPOCH, view, signer: self.me, signature, high_qc, entry })
    }

    /// A new block in one of its views, or an old one again, on any certificate; with a TC if there is one of the view before.
    fn propose(&mut self, random: &mut Random) -> Option<Proposal> {
        let newest = self.qcs.iter().map(|qc| qc.view).chain(self.tcs.iter().map(|tc| tc.view)).max();
        let top = newest.map_or(1, |view| view.0 + 1);
        let view = View(random.between(top.saturating_sub(2).max(1), top));
        if self.leader(view.0) != self.me {
            return None;
        }
        let justify = self.some_qc(random, view);
        let parent =
            justify.as_ref().map_or_else(|| Some(self.setup.genesis().clone()), |qc| self.body(&qc.block))?;
        let before = self.tcs.iter().filter(|tc| tc.view.next() == view);
        let needs_tc = view_of(justify.as_ref()).next() != view;
        let tc = if needs_tc || random.percent(10) { pick(random, before).cloned() } else { None };
        let commit = pick(random, self.qcs.iter().filter(|qc| qc.is_commit())).cloned();
        let block = self.child(random, &parent, view, justify.as_ref());
        self.keep_block(&block);
        let signature = ed25519::Signature::from_bytes([0; 64]);
        let mut proposal = Proposal { view, block, justify, tc, commit, signer: self.me, signature };
        let bytes = proposal_bytes(self.setup.chain_id(), &proposal.statement());
        proposal.signature = self.setup.identity(self.me).sign(&bytes);
        Some(proposal)
    }

    /// L4, with the leaders given.
    fn absent(&self, parent: &Block, q: View, view: View) -> Vec<Absence> {
        let mut absent: BTreeMap<Position, Absence> =
            parent.header.absent.iter().map(|one| (one.member, one.clone())).collect();
        for failed in q.0 + 1..view.0.min(q.0 + 1 + 4 * self.setup.set().len() as u64) {
            let member = self.leader(failed);
            let one = absent.entry(member).or_insert(Absence { member, last: View(0), failures: 0 });
            (one.last, one.failures) = (View(failed), one.failures + 1);
        }
        absent.remove(&self.leader(view.0));
        absent.into_values().collect()
    }

    fn child(
        &self,
        random: &mut Random,
        parent: &Block,
        view: View,
        justify: Option<&QuorumCertificate>,
    ) -> Block {
        let txs = vec![TxHash::of(&[&view.0.to_be_bytes()[..], &[random.below(2) as u8]].concat())];
        let header = Header {
            chain_id: self.setup.chain_id().to_owned(),
            epoch: EPOCH,
            height: Height(parent.header.height.0 + 1),
            view,
            parent: parent.hash(),
            justify_view: view_of(justify),
            time_ms: parent.header.time_ms + 1,
            payload_root: payload_root(&txs),
            evidence_root: no_evidence(),
            absent: self.absent(parent, view_of(justify), view),
            vouched: parent.header.vouched.clone(),
        };
        Block { header, txs, notices: Vec::new() }
    }
}

fn pick<T>(random: &mut Random, from: impl Iterator<Item = T>) -> Option<T> {
    let mut from: Vec<T> = from.collect();
    if from.is_empty() { None } else { Some(from.swap_remove(random.index(from.len()))) }
}
