//! What one node has seen of faulty members, and of what it must convict them.

use std::collections::{BTreeMap, BTreeSet};

use althing_consensus::{
    Epoch, Header, Message, Micros, Phase, Position, Proposal, View, Vote, proposal_bytes,
};
use althing_crypto::{BlockHash, merkle_root};

use super::super::certificates::{quorum_certificate, timeout_certificate};
use super::super::innocents::{proposed, vote_is_signed};
use super::{AT_DOOR, AT_DOOR_TOTAL, MOST_EARLY, NEAR, PAUSED, PROPOSALS_AT_DOOR, SETTLED, SPAN, WINDOW};
use crate::sim::application::LEAST_BLOCK_TXS;
use crate::sim::world::World;

/// What a member may sign once a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Vote,
    CommitVote,
    Proposal,
}

type Deed = (View, Position, Kind);

/// One node's view of faulty members in its epoch.
pub(super) struct Watch {
    pub(super) epoch: Epoch,
    /// What came of the next epoch, and from whom.
    early: Vec<(usize, Message)>,
    /// Its view, as of its last step, and when that was.
    view: View,
    stepped: Micros,
    /// The first vote of each slot within the window; none where a bad one may sit.
    votes: BTreeMap<Deed, Option<BlockHash>>,
    /// Each member's newest proposal that surely passed the door; none where that is not known.
    proposals: BTreeMap<Position, (View, Option<BlockHash>)>,
    /// What it must convict of, and since when it has seen it.
    due: BTreeMap<Deed, Micros>,
    done: BTreeSet<Deed>,
    heard: BTreeMap<usize, Heard>,
}

impl Default for Watch {
    fn default() -> Self {
        Self::of(Epoch(1))
    }
}

/// How much a peer has said lately.
#[derive(Default)]
struct Heard {
    since: Micros,
    messages: u64,
    proposals: u64,
}

impl Watch {
    fn of(epoch: Epoch) -> Self {
        Self {
            epoch,
            early: Vec::new(),
            view: View(0),
            stepped: Micros(0),
            votes: BTreeMap::new(),
            proposals: BTreeMap::new(),
            due: BTreeMap::new(),
            done: BTreeSet::new(),
            heard: BTreeMap::new(),
        }
    }

    /// The node is in this epoch from now on. What came before may be there, or may have been too much.
    pub(super) fn enter(&mut self, world: &World, at: Micros, epoch: Epoch) {
        let early = if epoch.0 == self.epoch.0 + 1 { std::mem::take(&mut self.early) } else { Vec::new() };
        let (heard, stepped) = (std::mem::take(&mut self.heard), self.stepped);
        *self = Self { heard, stepped, ..Self::of(epoch) };
        for (from, message) in early {
            match &message {
                Message::Vote(vote) => _ = self.votes.insert(deed(vote), None),
                _ => self.take(world, at, from, &message, false),
            }
        }
    }

    pub(super) fn keep_early(&mut self, from: usize, message: &Message) {
        if self.early.len() < MOST_EARLY {
            self.early.push((from, message.clone()));
        }
    }

    /// A vote or proposal of a faulty member.
    pub(super) fn take(&mut self, world: &World, at: Micros, from: usize, message: &Message, heard: bool) {
        match message {
            Message::Vote(vote) => self.vote(world, at, from, vote, heard),
            Message::Proposal(proposal) => self.proposal(world, at, proposal, heard),
            _ => {}
        }
    }

    /// Something came from a peer. Whether it surely got into the door.
    pub(super) fn hears(&mut self, world: &World, at: Micros, from: usize, proposal: bool) -> bool {
        // Twins and all: whoever may be connected.
        let share = AT_DOOR.min(AT_DOOR_TOTAL / (2 * world.identities.len() as u64));
        let heard = self.heard.entry(from).or_default();
        if heard.since.after(SPAN) <= at {
            // What came just before counts still: half of the bounds is left to either span.
            *heard = Heard { since: at, ..Heard::default() };
        }
        heard.messages += 1;
        heard.proposals += u64::from(proposal);
        heard.messages <= share / 2 && heard.proposals <= PROPOSALS_AT_DOOR / 2
    }

    fn vote(&mut self, world: &World, at: Micros, from: usize, vote: &Vote, heard: bool) {
        let deed = deed(vote);
        let distance = vote.view.0.abs_diff(self.view.0);
        // In view 0 nobody votes: it does not pass the door.
        if vote.view == View(0) || distance > 2 * WINDOW {
            return;
        }
        if !vote_is_signed(world, vote) {
            // Relayed, it does not pass the door; from its signer, it may fill the slot.
            if world.node_of(world.epoch, vote.signer) == Some(from) {
                self.votes.insert(deed, None);
                self.due.remove(&deed);
            }
            return;
        }
        if !heard || distance > NEAR {
            return;
        }
        let first = *self.votes.entry(deed).or_insert(Some(vote.block));
        if first.is_some_and(|first| first != vote.block) {
            self.owe(at, deed);
        }
    }

    fn proposal(&mut self, world: &World, at: Micros, proposal: &Proposal, heard: bool) {
        let (view, signer) = (proposal.view, proposal.signer);
        let bytes = proposal_bytes(world.chain_id, &proposal.statement());
        if !proposed(world, signer, &bytes, &proposal.signature) {
            return;
        }
        let newest = self.proposals.entry(signer).or_insert((View(0), None));
        if view < newest.0 {
            return;
        }
        let passes = heard && passes_the_door(world, proposal);
        if view > newest.0 || !passes {
            *newest = (view, passes.then(|| proposal.block.hash()));
            // It may have overtaken those that came just before it.
            self.due.retain(|(_, by, kind), since| {
                *by != signer || *kind != Kind::Proposal || since.after(SETTLED) <= at
            });
        } else if newest.1.is_some_and(|first| first != proposal.block.hash()) {
            self.owe(at, (view, signer, Kind::Proposal));
        }
    }

    fn owe(&mut self, at: Micros, deed: Deed) {
        if !self.done.contains(&deed) {
            self.due.entry(deed).or_insert(at);
        }
    }

    /// The node has stepped, and is in this view now.
    pub(super) fn enters(&mut self, at: Micros, view: View) {
        // It stood still, or had nothing to do: what came just before is still at the door.
        if self.stepped.after(PAUSED) <= at {
            self.due.values_mut().for_each(|since| *since = at);
        }
        self.stepped = at;
        if view == self.view {
            return;
        }
        self.view = view;
        self.due.retain(|(of, _, kind), since| {
            *kind == Kind::Proposal || of.0 + WINDOW >= view.0 || since.after(SETTLED) <= at
        });
        let low = (View(view.0.saturating_sub(2 * WINDOW)), Position(0), Kind::Vote);
        self.votes = self.votes.split_off(&low);
    }

    pub(super) fn convicted(&mut self, view: View, signer: Position, kind: Kind) {
        self.due.remove(&(view, signer, kind));
        self.done.insert((view, signer, kind));
    }

    /// What it has not convicted anyone of, though it had the time.
    pub(super) fn overdue(&self, at: Micros) -> Option<Deed> {
        self.due.iter().find(|(_, since)| since.after(SETTLED) < at).map(|(deed, _)| *deed)
    }
}

fn deed(vote: &Vote) -> Deed {
    let kind = if vote.phase == Phase::Vote { Kind::Vote } else { Kind::CommitVote };
    (vote.view, vote.signer, kind)
}

/// Whether a signed proposal surely passes the door: it is whole, and justified by what it carries (S4).
fn passes_the_door(world: &World, proposal: &Proposal) -> bool {
    let header = &proposal.block.header;
    let justify = proposal.justify.as_ref().map_or(View(0), |qc| qc.view);
    let justified = match &proposal.tc {
        None => justify.0 + 1 == proposal.view.0,
        Some(tc) => {
            tc.view.0 + 1 == proposal.view.0
                && justify < tc.view
                && tc.high_views.iter().all(|named| *named <= justify)
        }
    };
    let quorums = proposal.justify.iter().chain(&proposal.commit);
    let within = proposal.tc.iter().filter_map(|tc| tc.high_qc.as_ref());
    justified
        && is_whole(world, proposal, header)
        && proposal.commit.as_ref().is_none_or(|commit| commit.phase == Phase::Commit)
        && quorums.chain(within).all(|qc| quorum_certificate(world, qc).is_ok())
        && proposal.tc.iter().all(|tc| timeout_certificate(world, tc).is_ok())
}

fn is_whole(world: &World, proposal: &Proposal, header: &Header) -> bool {
    // Parameters of later epochs are not known here: no update goes below this.
    let most = if world.epoch == Epoch(1) { world.params.max_block_txs } else { LEAST_BLOCK_TXS };
    let leaves: Vec<&[u8; 32]> = proposal.block.txs.iter().map(|tx| tx.0.as_bytes()).collect();
    header.chain_id == world.chain_id
        && header.epoch == world.epoch
        && header.view == proposal.view
        && header.justify_view < header.view
        && header.height.0 > 0
        && header.vouched.height < header.height
        && header.height.0.max(header.time_ms).max(header.view.0) < 1 << 60
        && leaves.len() <= most as usize
        && header.payload_root == merkle_root(&leaves)
        && header.absent.is_sorted_by(|one, next| one.member < next.member)
        && header.absent.iter().all(|one| usize::from(one.member.0) < world.set.members().len())
}
