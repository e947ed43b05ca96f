//! Whoever takes no notice of how epochs end: it goes on in the one that it was removed from, brings old words into the new one, signs
//! with the key that it has no more or not yet, and tells of ends that no epoch had.

use std::collections::BTreeMap;

use althing_consensus::{
    Certificate, Epoch, Height, Message, Phase, QuorumCertificate, Status, View, Vote, vote_bytes,
};
use althing_crypto::BlockHash;
use althing_node::wire::{Request, Response, Wire};

use super::forge::any_hash;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// As many epochs are remembered, with as many messages of each.
const EPOCHS: usize = 4;
const KEPT: usize = 24;

/// Lives in several epochs at once.
pub(super) struct Bygone {
    percent: u64,
    kept: BTreeMap<Epoch, Vec<Message>>,
}

impl Bygone {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        Box::new(Self { percent: random.between(5, 60), kept: BTreeMap::new() })
    }

    fn keep(&mut self, me: &mut Traitor<'_>, wire: &Wire) {
        let Wire::Consensus(message) = wire else { return };
        let Some(epoch) = message.epoch().filter(|epoch| *epoch <= me.epoch) else { return };
        let kept = self.kept.entry(epoch).or_default();
        if kept.len() < KEPT {
            kept.push(message.clone());
        } else if me.random.percent(20) {
            kept[me.random.index(KEPT)] = message.clone();
        }
        if self.kept.len() > EPOCHS {
            self.kept.pop_first();
        }
    }

    /// Something that was said, in its own epoch mostly.
    fn old_word(&self, random: &mut Random) -> Option<&Message> {
        let (_, kept) = self.kept.iter().nth(random.index(self.kept.len().max(1)))?;
        kept.get(random.index(kept.len().max(1)))
    }

    fn word(&self, me: &mut Traitor<'_>) -> Option<Message> {
        let old = self.old_word(me.random).cloned();
        Some(match me.random.below(6) {
            0 => old?,
            1 => brought_forward(me, old?),
            // Another vote of its own, in whichever epoch.
            2 => {
                let epoch = *self.kept.keys().nth(me.random.index(self.kept.len().max(1)))?;
                let (view, block) = (View(1 + me.random.below(6)), BlockHash(any_hash(me.random)));
                Message::Vote(vote_in(me, epoch, view, block)?)
            }
            // With its other key, in its own place.
            3 => {
                let mut vote = me.vote(Phase::Vote, me.view(), me.driver.engine().committed().hash());
                let bytes = vote_bytes(me.world.chain_id, vote.phase, vote.epoch, vote.view, vote.block);
                vote.signature = me.other_key.sign(&bytes);
                Message::Vote(vote)
            }
            4 => end_of(me),
            _ => {
                let mut status = me.driver.engine().status();
                status.epoch = Epoch((status.epoch.0 + me.random.below(5)).saturating_sub(2));
                status.committed = Height(status.committed.0 + me.random.below(3));
                Message::Status(Status { resuming: me.random.percent(20), ..status })
            }
        })
    }
}

/// An old word as if it were of the epoch that it speaks in now; signed anew where it is its own.
fn brought_forward(me: &Traitor<'_>, message: Message) -> Message {
    match message {
        Message::Vote(mut vote) => {
            vote.epoch = me.epoch;
            let own = vote.signer == me.position;
            Message::Vote(if own { me.signed_vote(vote) } else { vote })
        }
        Message::Timeout(mut timeout) => {
            timeout.epoch = me.epoch;
            let own = timeout.signer == me.position;
            Message::Timeout(if own { Box::new(me.signed_timeout(*timeout)) } else { timeout })
        }
        Message::Certificate(mut certificate) => {
            match &mut *certificate {
                Certificate::Quorum(qc) => qc.epoch = me.epoch,
                Certificate::Timeout(tc) => tc.epoch = me.epoch,
            }
            Message::Certificate(certificate)
        }
        Message::Proposal(mut proposal) => {
            proposal.block.header.epoch = me.epoch;
            proposal.signer = me.position;
            Message::Proposal(Box::new(me.signed_proposal(*proposal)))
        }
        other => other,
    }
}

/// A vote of its own in an epoch that it is or was a member of.
fn vote_in(me: &Traitor<'_>, epoch: Epoch, view: View, block: BlockHash) -> Option<Vote> {
    let signer = me.world.place(epoch, me.node)?;
    let member = me.world.sets.get(&epoch)?.get(signer)?;
    let key = [me.key, me.other_key].into_iter().find(|key| *key.public_key() == member.vote_key)?;
    let phase = if view.0.is_multiple_of(2) { Phase::Vote } else { Phase::Commit };
    let signature = key.sign(&vote_bytes(me.world.chain_id, phase, epoch, view, block));
    Some(Vote { phase, epoch, view, block, signer, signature })
}

/// The end of an epoch on another chain, this one's or the one before: all have committed it, as its own signature says.
fn end_of(me: &mut Traitor<'_>) -> Message {
    let mut end = me.driver.engine().committed().clone();
    end.height = end.height.next();
    end.view = me.view();
    end.vouched.next_epoch = any_hash(me.random);
    end.epoch = Epoch(me.epoch.0.saturating_sub(me.random.below(2)).max(1));
    Message::Certificate(Box::new(Certificate::Quorum(committed(me, end.epoch, end.view, end.hash()))))
}

fn committed(me: &Traitor<'_>, epoch: Epoch, view: View, block: BlockHash) -> QuorumCertificate {
    let set = me.world.sets.get(&epoch).map_or(me.set, |set| &**set);
    let signature = me.key.sign(&vote_bytes(me.world.chain_id, Phase::Commit, epoch, view, block));
    QuorumCertificate {
        phase: Phase::Commit,
        epoch,
        view,
        block,
        signers: set.positions().collect(),
        signature,
    }
}

impl Behaviour for Bygone {
    fn name(&self) -> &'static str {
        "bygone"
    }

    fn hear(&mut self, me: &mut Traitor<'_>, _from: usize, wire: &Wire) -> Vec<(usize, Wire)> {
        self.keep(me, wire);
        Vec::new()
    }

    fn send(&mut self, me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        self.keep(me, &wire);
        vec![(to, wire)]
    }

    /// Who syncs gets a run that ends an epoch where none ended, with a certificate to match.
    fn reply(
        &mut self,
        me: &mut Traitor<'_>,
        _to: usize,
        _request: &Request,
        response: Response,
    ) -> Option<Response> {
        let Response::Run { mut bodies, commit } = response else { return Some(response) };
        if !me.random.percent(self.percent) {
            return Some(Response::Run { bodies, commit });
        }
        let last = bodies.last_mut().expect("an answer holds at least one block");
        last.block.header.vouched.next_epoch = any_hash(me.random);
        let commit = committed(me, commit.epoch, commit.view, last.block.hash());
        Some(Response::Run { bodies, commit })
    }

    fn tick(&mut self, me: &mut Traitor<'_>) -> Vec<(usize, Wire)> {
        if !me.random.percent(self.percent) {
            return Vec::new();
        }
        self.word(me).map_or_else(Vec::new, |word| me.to_all(&word))
    }
}

#[cfg(test)]
mod tests {
    use althing_crypto::Hash;

    use super::super::stage::{Stage, messages};
    use super::*;

    #[test]
    fn it_repeats_the_old_and_nobody_believes_its_ends() {
        let mut stage = Stage::new();
        let mut liar = Bygone { percent: 100, kept: BTreeMap::new() };
        let old = Message::Vote(stage.vote(1, Phase::Vote, 2, BlockHash(Hash::ZERO)));
        stage.hears(&mut liar, old.clone());
        let sent = stage.ticked(&mut liar, 200);
        let said = messages(&sent);
        assert!(said.contains(&&old));
        let ends = sent.iter().filter(|(_, wire)| matches!(wire, Wire::Consensus(Message::Certificate(_))));
        let mut ends = ends.peekable();
        assert!(ends.peek().is_some());
        ends.for_each(|(_, wire)| assert!(stage.admit(wire).is_err(), "{wire:?}"));
    }
}
