//! A key says one thing a view, and does not go back on it: one vote, one commit vote, one proposal per view; none in a view before
//! the newest; no vote and no commit vote in a view that was given up; no timeout vote that names less than was commit-voted
//! (S3–S6). Across crashes; one whose disk forgot begins anew with what its record holds. Nothing new in views up to the record's floor
//! (S7).

use std::collections::BTreeMap;

use althing_consensus::{Epoch, Message, Micros, Phase, SafetyRecord, TimeoutVote, View, Vote};
use althing_crypto::BlockHash;

use super::{Checker, Seen};
use crate::sim::world::{Standing, World};

/// What every key has said last, as its node sent it. S2 and R8 have only the newest message of each kind said again.
#[derive(Default)]
pub(super) struct SignsOnce(BTreeMap<usize, Said>);

#[derive(Default)]
struct Said {
    /// Views begin anew in each, and nothing is said in an older one (S9).
    epoch: Epoch,
    proposal: Option<(View, BlockHash)>,
    vote: Option<(View, BlockHash)>,
    commit_vote: Option<(View, BlockHash)>,
    /// The view given up, and the view named.
    timeout: Option<(View, View)>,
    floor: View,
}

/// Whether something is said for the first time; it is the newest then.
fn newest(
    slot: &mut Option<(View, BlockHash)>,
    what: &str,
    view: View,
    block: BlockHash,
) -> Result<bool, String> {
    match *slot {
        Some((last, held)) if last == view && held == block => Ok(false),
        Some((last, held)) if last == view => {
            Err(format!("{what} of view {view} for {block}, and before for {held}"))
        }
        Some((last, _)) if last > view => Err(format!("{what} of view {view} after one of view {last}")),
        _ => {
            *slot = Some((view, block));
            Ok(true)
        }
    }
}

impl Said {
    /// As a record has it.
    fn of(record: &SafetyRecord) -> Self {
        let vote = |vote: &Option<Vote>| vote.as_ref().map(|vote| (vote.view, vote.block));
        Self {
            epoch: record.epoch,
            proposal: record.proposal.as_ref().map(|one| (one.view, one.block.hash())),
            vote: vote(&record.vote),
            commit_vote: vote(&record.commit_vote),
            timeout: record.timeout.as_ref().map(|one| (one.view, one.high_view())),
            floor: record.floor,
        }
    }

    fn above_the_floor(&self, what: &str, view: View) -> Result<(), String> {
        if view > self.floor {
            return Ok(());
        }
        Err(format!("{what} of view {view}, which is new, with a floor at {}", self.floor))
    }

    fn proposes(&mut self, view: View, block: BlockHash) -> Result<(), String> {
        match newest(&mut self.proposal, "a proposal", view, block)? {
            true => self.above_the_floor("a proposal", view),
            false => Ok(()),
        }
    }

    fn votes(&mut self, vote: &Vote) -> Result<(), String> {
        let (slot, what) = match vote.phase {
            Phase::Vote => (&mut self.vote, "a vote"),
            Phase::Commit => (&mut self.commit_vote, "a commit vote"),
        };
        let first = newest(slot, what, vote.view, vote.block)?;
        if first {
            self.above_the_floor(what, vote.view)?;
        }
        match self.timeout {
            Some((given_up, _)) if first && given_up >= vote.view => {
                let (view, block) = (vote.view, vote.block);
                Err(format!("{what} of view {view} for {block} after a timeout vote of view {given_up}"))
            }
            _ => Ok(()),
        }
    }

    fn gives_up(&mut self, timeout: &TimeoutVote) -> Result<(), String> {
        let now = (timeout.view, timeout.high_view());
        match self.timeout {
            Some(last) if last == now => return Ok(()),
            Some((view, named)) if now.0 < view || now.1 < named => {
                return Err(format!(
                    "a timeout vote of view {} that names view {}, after one of view {view} that names view {named}",
                    now.0, now.1
                ));
            }
            _ => self.timeout = Some(now),
        }
        self.above_the_floor("a timeout vote", now.0)?;
        match self.commit_vote {
            Some((committed, _)) if now.1 < committed => Err(format!(
                "a timeout vote of view {} that names view {} after a commit vote of view {committed}",
                now.0, now.1
            )),
            _ => Ok(()),
        }
    }
}

impl Checker for SignsOnce {
    fn name(&self) -> &'static str {
        "signs once"
    }

    fn see(&mut self, world: &World, _: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Forgot => drop(self.0.remove(&node)),
            Seen::Started { record } | Seen::RecordDurable { record } => {
                let said = self.0.entry(node).or_insert_with(|| Said::of(record));
                if record.epoch > said.epoch {
                    *said = Said::of(record);
                }
                said.floor = record.floor;
            }
            _ => {}
        }
        let Seen::Sent { message, .. } = seen else { return Ok(()) };
        if world.standing.get(node).is_none_or(|standing| *standing == Standing::Byzantine) {
            return Ok(());
        }
        let Some(epoch) = message.epoch() else { return Ok(()) };
        let own = |signer: althing_consensus::Position| world.node_of(epoch, signer) == Some(node);
        let said = self.0.entry(node).or_default();
        if matches!(message, Message::Certificate(_) | Message::Memory(_)) {
            return Ok(());
        }
        if epoch < said.epoch {
            return Err(format!("node {node} signs in epoch {epoch}, its record is of epoch {}", said.epoch));
        }
        match message {
            Message::Proposal(proposal) if own(proposal.signer) => {
                said.proposes(proposal.view, proposal.block.hash())
            }
            Message::Vote(vote) if own(vote.signer) => said.votes(vote),
            Message::Timeout(timeout) if own(timeout.signer) => said.gives_up(timeout),
            _ => Ok(()),
        }
        .map_err(|what| format!("node {node} sends {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, block, found};
    use super::*;

    fn timeout(bench: &Bench, view: u64, named: u64) -> Message {
        let qc = (named > 0).then(|| bench.qc(Phase::Vote, named, block("high"), &[0, 1, 2]));
        Message::Timeout(Box::new(bench.timeout(1, view, qc)))
    }

    fn vote(bench: &Bench, phase: Phase, view: u64, name: &str) -> Message {
        Message::Vote(bench.vote(phase, 1, view, block(name)))
    }

    fn proposal(bench: &Bench, view: u64, tx: &str) -> Message {
        let body = bench.body_in(None, view, &[tx], |_| {});
        Message::Proposal(Box::new(bench.proposal(1, &body, None, None)))
    }

    /// What is found as a node says all this.
    fn outcome(bench: &Bench, messages: &[Message]) -> Result<(), String> {
        let mut checker = SignsOnce::default();
        messages.iter().try_for_each(|message| bench.sends(&mut checker, 1, message))
    }

    #[test]
    fn an_honest_key_passes_and_may_repeat_its_newest() {
        let bench = Bench::new();
        let said = [
            proposal(&bench, 1, "a"),
            vote(&bench, Phase::Vote, 1, "a"),
            vote(&bench, Phase::Commit, 1, "a"),
            vote(&bench, Phase::Vote, 2, "b"),
            timeout(&bench, 2, 1),
            vote(&bench, Phase::Vote, 2, "b"),
            vote(&bench, Phase::Commit, 1, "a"),
            timeout(&bench, 2, 1),
            timeout(&bench, 3, 1),
            timeout(&bench, 3, 2),
            vote(&bench, Phase::Commit, 4, "c"),
        ];
        outcome(&bench, &said).expect("honest");
    }

    #[test]
    fn two_of_a_view_and_one_of_a_view_before_are_found() {
        let bench = Bench::new();
        let pairs = [
            [vote(&bench, Phase::Vote, 3, "a"), vote(&bench, Phase::Vote, 3, "b")],
            [vote(&bench, Phase::Commit, 3, "a"), vote(&bench, Phase::Commit, 3, "b")],
            [proposal(&bench, 3, "a"), proposal(&bench, 3, "b")],
            [vote(&bench, Phase::Vote, 4, "b"), vote(&bench, Phase::Vote, 3, "a")],
            [vote(&bench, Phase::Commit, 4, "b"), vote(&bench, Phase::Commit, 3, "a")],
            [proposal(&bench, 4, "b"), proposal(&bench, 3, "a")],
        ];
        for pair in pairs {
            found(outcome(&bench, &pair), &["node 1 sends", "view 3"]);
        }
    }

    #[test]
    fn votes_in_a_view_given_up_are_found() {
        let bench = Bench::new();
        for phase in [Phase::Vote, Phase::Commit] {
            for view in [3, 2] {
                let pair = [timeout(&bench, 3, 0), vote(&bench, phase, view, "a")];
                found(outcome(&bench, &pair), &["after a timeout vote of view 3"]);
            }
            outcome(&bench, &[timeout(&bench, 3, 0), vote(&bench, phase, 4, "a")]).expect("a later view");
        }
    }

    #[test]
    fn timeout_votes_that_go_back_or_forget_are_found() {
        let bench = Bench::new();
        found(outcome(&bench, &[timeout(&bench, 4, 0), timeout(&bench, 3, 0)]), &["view 3", "view 4"]);
        found(
            outcome(&bench, &[timeout(&bench, 4, 3), timeout(&bench, 4, 2)]),
            &["names view 2", "names view 3"],
        );
        let forgets = [vote(&bench, Phase::Commit, 3, "a"), timeout(&bench, 4, 2)];
        found(outcome(&bench, &forgets), &["names view 2", "commit vote of view 3"]);
    }

    #[test]
    fn a_byzantine_key_and_another_s_message_are_exempt() {
        let mut bench = Bench::new();
        let mut checker = SignsOnce::default();
        for name in ["a", "b"] {
            let relayed = vote(&bench, Phase::Vote, 3, name);
            bench.sends(&mut checker, 2, &relayed).expect("not its own");
        }
        bench.world.standing[1] = Standing::Byzantine;
        outcome(&bench, &[vote(&bench, Phase::Vote, 3, "a"), vote(&bench, Phase::Vote, 3, "b")])
            .expect("it does what it likes");
    }

    #[test]
    fn a_disk_that_forgot_begins_anew_with_its_record_and_is_held_to_it() {
        let mut bench = Bench::new();
        bench.world.standing[1] = Standing::Forgetful;
        let mut checker = SignsOnce::default();
        bench.sends(&mut checker, 1, &vote(&bench, Phase::Vote, 3, "a")).expect("the first");
        bench.see(&mut checker, 1, &Seen::Forgot).expect("no message");
        let mut record = bench.record(1);
        record.timeout = Some(bench.timeout(1, 1, None));
        bench.see(&mut checker, 1, &Seen::Started { record: &record }).expect("no message");
        bench.sends(&mut checker, 1, &vote(&bench, Phase::Vote, 3, "b")).expect("it cannot know");
        bench.sends(&mut checker, 1, &timeout(&bench, 1, 0)).expect("of its record");
        found(bench.sends(&mut checker, 1, &vote(&bench, Phase::Vote, 3, "a")), &["vote of view 3"]);
    }

    #[test]
    fn something_new_below_the_floor_is_found() {
        let bench = Bench::new();
        let mut checker = SignsOnce::default();
        let mut record = bench.record(1);
        (record.floor, record.vote) = (View(5), Some(bench.vote(Phase::Vote, 1, 2, block("a"))));
        bench.see(&mut checker, 1, &Seen::Started { record: &record }).expect("no message");
        bench.sends(&mut checker, 1, &vote(&bench, Phase::Vote, 2, "a")).expect("of its record");
        for message in [vote(&bench, Phase::Vote, 5, "a"), proposal(&bench, 4, "tx"), timeout(&bench, 5, 0)] {
            found(bench.sends(&mut checker, 1, &message), &["a floor at 5"]);
        }
        bench.sends(&mut checker, 1, &vote(&bench, Phase::Vote, 6, "a")).expect("above it");
    }
}
