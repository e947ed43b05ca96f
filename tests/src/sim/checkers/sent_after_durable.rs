//! Nothing is sent before it is durable: a node's own vote, commit vote, timeout vote or proposal was in a record that a crash would
//! have left behind (S2), and its disk holds the block, with its payload, of every proposal and vote that it sends for the first time.

use std::collections::{BTreeMap, VecDeque};

use althing_consensus::{Message, Micros, Phase, SafetyRecord, View};
use althing_crypto::{BlockHash, bls, ed25519};

use super::{Checker, Seen};
use crate::sim::world::{Standing, World};

/// Messages of one kind that are remembered as durable: far more than are signed and not yet sent at any time.
const REMEMBERED: usize = 256;

/// What every node's disk has held.
#[derive(Default)]
pub(super) struct SentAfterDurable(BTreeMap<usize, Disk>);

#[derive(Default)]
struct Disk {
    /// By kind, in the order of [`own`].
    kinds: [VecDeque<Durable>; 4],
    /// How many commits it has stored.
    commits: u64,
}

/// By which key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signature {
    Identity(ed25519::Signature),
    Vote(bls::Signature),
}

/// A signed message in a durable record.
struct Durable {
    signature: Signature,
    /// Whether it has been sent.
    sent: bool,
    /// How many commits were stored when it became durable.
    commits: u64,
}

/// What a message says as its sender's own: which kind, the signature, and the block that must be at hand.
struct Own {
    kind: usize,
    what: &'static str,
    view: View,
    signature: Signature,
    block: Option<BlockHash>,
}

fn own(world: &World, message: &Message, node: usize) -> Option<Own> {
    let (signer, own) = match message {
        Message::Proposal(one) => {
            let block = Some(one.block.hash());
            let signature = Signature::Identity(one.signature);
            (one.signer, Own { kind: 0, what: "proposal", view: one.view, signature, block })
        }
        Message::Vote(one) => {
            let (kind, what, block) = match one.phase {
                Phase::Vote => (1, "vote", Some(one.block)),
                Phase::Commit => (2, "commit vote", None),
            };
            let signature = Signature::Vote(one.signature);
            (one.signer, Own { kind, what, view: one.view, signature, block })
        }
        Message::Timeout(one) => {
            let (view, signature) = (one.view, Signature::Vote(one.signature));
            (one.signer, Own { kind: 3, what: "timeout vote", view, signature, block: None })
        }
        Message::Certificate(_) | Message::Status(_) | Message::Memory(_) => return None,
    };
    (world.node_of(message.epoch()?, signer) == Some(node)).then_some(own)
}

impl Disk {
    fn holds(&mut self, record: &SafetyRecord) {
        let signatures = [
            record.proposal.as_ref().map(|one| Signature::Identity(one.signature)),
            record.vote.as_ref().map(|one| Signature::Vote(one.signature)),
            record.commit_vote.as_ref().map(|one| Signature::Vote(one.signature)),
            record.timeout.as_ref().map(|one| Signature::Vote(one.signature)),
        ];
        for (kind, signature) in self.kinds.iter_mut().zip(signatures) {
            let Some(signature) = signature else { continue };
            if kind.back().is_none_or(|newest| newest.signature != signature) {
                kind.push_back(Durable { signature, sent: false, commits: self.commits });
            }
            if kind.len() > REMEMBERED {
                kind.pop_front();
            }
        }
    }

    fn sends(&mut self, own: &Own, holds_body: &dyn Fn(&BlockHash) -> bool) -> Result<(), String> {
        let (what, view) = (own.what, own.view);
        let durable = self.kinds[own.kind].iter_mut().rev().find(|one| one.signature == own.signature);
        let Some(durable) = durable else {
            return Err(format!("a {what} of view {view} that no durable record holds"));
        };
        if std::mem::replace(&mut durable.sent, true) {
            return Ok(());
        }
        // A block that lost to another of its height may leave the disk as soon as that one is stored.
        match own.block {
            Some(block) if durable.commits == self.commits && !holds_body(&block) => {
                Err(format!("a {what} of view {view} for {block}, which its disk does not hold"))
            }
            _ => Ok(()),
        }
    }
}

impl Checker for SentAfterDurable {
    fn name(&self) -> &'static str {
        "sent after durable"
    }

    fn see(&mut self, world: &World, _: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        let standing = world.standing.get(node).copied().unwrap_or(Standing::Byzantine);
        match seen {
            Seen::Forgot => drop(self.0.remove(&node)),
            Seen::RecordDurable { record } | Seen::Started { record } => {
                self.0.entry(node).or_default().holds(record);
            }
            Seen::Committed { .. } => self.0.entry(node).or_default().commits += 1,
            Seen::Sent { message, holds_body } if standing != Standing::Byzantine => {
                let Some(own) = own(world, message, node) else { return Ok(()) };
                // A database that forgot may have rotten: it owes its record only.
                let holds = |block: &_| standing == Standing::Forgetful || holds_body(block);
                let disk = self.0.entry(node).or_default();
                return disk.sends(&own, &holds).map_err(|what| format!("node {node} sends {what}"));
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, block, found};
    use super::*;

    /// One message of each kind, and the record that holds them all.
    fn messages(bench: &Bench) -> (SafetyRecord, [Message; 4]) {
        let vote = bench.vote(Phase::Vote, 2, 3, block("a"));
        let commit_vote = bench.vote(Phase::Commit, 2, 2, block("b"));
        let timeout = bench.timeout(2, 3, None);
        let proposal = bench.proposal(2, &bench.body(None, &["tx"]), None, None);
        let mut record = bench.record(2);
        record.vote = Some(vote.clone());
        record.commit_vote = Some(commit_vote.clone());
        record.timeout = Some(timeout.clone());
        record.proposal = Some(proposal.clone());
        let votes = [Message::Vote(vote), Message::Vote(commit_vote)];
        let [vote, commit_vote] = votes;
        let others = [Message::Proposal(Box::new(proposal)), Message::Timeout(Box::new(timeout))];
        let [proposal, timeout] = others;
        (record, [proposal, vote, commit_vote, timeout])
    }

    #[test]
    fn what_is_durable_may_be_sent_again_and_again_even_after_newer_records() {
        let (bench, mut checker) = (Bench::new(), SentAfterDurable::default());
        let (record, messages) = messages(&bench);
        bench.see(&mut checker, 2, &Seen::RecordDurable { record: &record }).expect("durable");
        let mut newer = record;
        newer.vote = Some(bench.vote(Phase::Vote, 2, 4, block("c")));
        bench.see(&mut checker, 2, &Seen::RecordDurable { record: &newer }).expect("durable");
        for message in messages.iter().chain(&messages) {
            bench.sends(&mut checker, 2, message).expect("durable");
        }
    }

    #[test]
    fn what_is_not_durable_is_found() {
        let bench = Bench::new();
        let (_, messages) = messages(&bench);
        for (message, what) in messages.iter().zip(["proposal", "vote", "commit vote", "timeout vote"]) {
            let mut checker = SentAfterDurable::default();
            bench.see(&mut checker, 2, &Seen::RecordDurable { record: &bench.record(2) }).expect("empty");
            found(bench.sends(&mut checker, 2, message), &["node 2", what, "no durable record"]);
            bench.sends(&mut checker, 1, message).expect("another's message");
        }
    }

    #[test]
    fn a_proposal_or_vote_without_its_block_is_found_at_its_first_sending() {
        let bench = Bench::new();
        let (record, messages) = messages(&bench);
        for (index, message) in messages.iter().enumerate() {
            let mut checker = SentAfterDurable::default();
            bench.see(&mut checker, 2, &Seen::RecordDurable { record: &record }).expect("durable");
            let sent = Seen::Sent { message, holds_body: &|_| false };
            let outcome = bench.see(&mut checker, 2, &sent);
            if index < 2 {
                found(outcome, &["node 2", "does not hold"]);
                bench.see(&mut checker, 2, &sent).expect("not for the first time");
            } else {
                outcome.expect("needs no block");
            }
        }
    }

    #[test]
    fn a_disk_that_forgot_owes_its_record_but_no_block() {
        let mut bench = Bench::new();
        bench.world.standing[2] = Standing::Forgetful;
        let (record, messages) = messages(&bench);
        for message in &messages {
            found(bench.sends(&mut SentAfterDurable::default(), 2, message), &["node 2 sends"]);
            let mut checker = SentAfterDurable::default();
            bench.see(&mut checker, 2, &Seen::Started { record: &record }).expect("no message");
            bench
                .see(&mut checker, 2, &Seen::Sent { message, holds_body: &|_| false })
                .expect("in the record");
        }
    }
}
