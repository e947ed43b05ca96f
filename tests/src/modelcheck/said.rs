//! What one member has signed, and what it must not sign beside it. Written from PROTOCOL.md, apart from the rules' own predicates.

use althing_consensus::{Epoch, Message, Phase, Position, SafetyRecord, Vote};

use super::blocks::{Catalogue, Known, Set};
use crate::bare::Wire;

/// The last view that what was said can be kept of.
pub(super) const MAX_VIEWS: u64 = 11;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A vote for a block.
    Vote(usize),
    /// A commit vote for a block.
    CommitVote(usize),
    /// A timeout vote of a view that names the QC of another.
    Timeout(u64, u64),
}

impl Word {
    /// Of which view it is, counted through all epochs.
    pub(super) fn view(self, blocks: &Catalogue) -> u64 {
        match self {
            Self::Vote(block) | Self::CommitVote(block) => blocks.get(block).view,
            Self::Timeout(view, _) => view,
        }
    }
}

/// All that a member has signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Said {
    /// Blocks voted for.
    pub(super) votes: Set,
    /// Blocks commit-voted for.
    pub(super) commits: Set,
    /// For each view, from 1, so many bits: the views named in its timeout votes.
    pub(super) timeouts: u128,
}

impl Said {
    /// Whether there is a timeout vote of this view that names this one or a lower one.
    pub(super) fn timed_out(&self, view: u64, named: u64) -> bool {
        let names = self.timeouts >> (MAX_VIEWS * (view - 1));
        names & ((2 << named) - 1) != 0
    }

    /// Every timeout vote: its view and the view it names.
    pub(super) fn timeouts(&self) -> impl Iterator<Item = (u64, u64)> {
        let timeouts = self.timeouts;
        (0..MAX_VIEWS * MAX_VIEWS)
            .filter(move |bit| timeouts >> bit & 1 == 1)
            .map(|bit| (bit / MAX_VIEWS + 1, bit % MAX_VIEWS))
    }

    /// Without commit votes and timeout votes of this view.
    pub(super) fn without_end_of(&self, blocks: &Catalogue, view: u64) -> Self {
        let ends = blocks.of(self.commits).filter(|(_, known)| known.view == view);
        let commits = ends.fold(self.commits, |commits, (at, _)| commits & !(1 << at));
        let names = ((1 << MAX_VIEWS) - 1) << (MAX_VIEWS * (view - 1));
        Self { commits, timeouts: self.timeouts & !names, ..*self }
    }

    pub(super) fn holds(&self, word: Word) -> bool {
        let mut with = *self;
        with.add(word);
        with == *self
    }

    fn add(&mut self, word: Word) {
        match word {
            Word::Vote(block) => self.votes |= 1 << block,
            Word::CommitVote(block) => self.commits |= 1 << block,
            Word::Timeout(view, named) => self.timeouts |= 1 << (MAX_VIEWS * (view - 1) + named),
        }
    }

    /// Adds a message that was sent, with the record that was durable then. An error says which promise it breaks.
    pub(super) fn say(
        &mut self,
        blocks: &Catalogue,
        word: Word,
        record: &SafetyRecord,
    ) -> Result<(), String> {
        if self.holds(word) {
            return Ok(());
        }
        let before = *self;
        self.add(word);
        before.contradicted(blocks, word).map_or(Ok(()), |why| Err(format!("{word:?}: {why}")))?;
        if is_durable(blocks, word, record) {
            Ok(())
        } else {
            Err(format!("{word:?} left before it was durable"))
        }
    }

    /// Why a new message contradicts what was said before it.
    fn contradicted(&self, blocks: &Catalogue, word: Word) -> Option<&'static str> {
        let last = self.timeouts().map(|(view, _)| view).max().unwrap_or(0);
        let in_view = |set: Set, view: u64| blocks.of(set).any(|(_, known)| known.view == view);
        match word {
            Word::Vote(block) => {
                let view = blocks.get(block).view;
                let later = blocks.of(self.votes).any(|(_, known)| known.view > view);
                (in_view(self.votes, view).then_some("a second vote in this view"))
                    .or(later.then_some("a vote in an earlier view than one before"))
                    .or((last >= view).then_some("a vote in a view that was given up"))
            }
            Word::CommitVote(block) => {
                let view = blocks.get(block).view;
                (in_view(self.commits, view).then_some("a second commit vote in this view"))
                    .or((last >= view).then_some("a commit vote of a view up to the one given up"))
            }
            Word::Timeout(view, named) => {
                let voted = blocks.of(self.votes).map(|(_, known)| known.view).max().unwrap_or(0);
                let of = |known: &Known| blocks.justify_view(known.epoch, known.justify);
                let justified = blocks.of(self.votes).map(|(_, known)| of(known)).max().unwrap_or(0);
                let committed = blocks.of(self.commits).map(|(_, known)| known.view).max().unwrap_or(0);
                let before = self.timeouts().map(|(_, named)| named).max().unwrap_or(0);
                ((view < last).then_some("a view given up after a later one"))
                    .or((view < voted).then_some("a view given up after a vote in a later one"))
                    .or((named >= view).then_some("it names a QC that ends the view"))
                    .or((named < justified).then_some("it names less than a vote was justified by"))
                    .or((named < committed).then_some("it names less than was commit-voted"))
                    .or((named < before).then_some("it names less than one before"))
            }
        }
    }
}

/// S2: what leaves is in the record by then, or something newer of its kind, as one step may sign twice.
fn is_durable(blocks: &Catalogue, word: Word, record: &SafetyRecord) -> bool {
    let global = |view| blocks.global(record.epoch, view);
    let holds = |vote: Option<&Vote>, block: usize| {
        let known = blocks.get(block);
        let at = vote.map(|vote| (global(vote.view), vote.block));
        known.epoch < record.epoch
            || at.is_some_and(|(view, block)| view > known.view || (view, block) == (known.view, known.hash))
    };
    match word {
        Word::Vote(block) => holds(record.vote.as_ref(), block),
        Word::CommitVote(block) => holds(record.commit_vote.as_ref(), block),
        Word::Timeout(view, named) => {
            let held = record.timeout.as_ref().map(|vote| (global(vote.view), global(vote.high_view())));
            blocks.local(view).0 < record.epoch || held >= Some((view, named))
        }
    }
}

/// What a member says with a message of its own.
pub(super) fn word(blocks: &Catalogue, me: Position, wire: &Wire) -> Option<Word> {
    let Wire::Consensus(message) = wire else { return None };
    match message {
        Message::Vote(vote) if vote.signer == me => {
            let view = blocks.global(vote.epoch, vote.view);
            if view <= blocks.base(Epoch(1)) {
                // Of the block that all begin with: it was said before the search.
                return None;
            }
            let block = blocks.find_in(view, &vote.block);
            let block = block.expect("nobody votes for a block that was not proposed");
            Some(if vote.phase == Phase::Vote { Word::Vote(block) } else { Word::CommitVote(block) })
        }
        Message::Timeout(vote) if vote.signer == me => {
            let global = |view| blocks.global(vote.epoch, view);
            Some(Word::Timeout(global(vote.view), global(vote.high_view())))
        }
        _ => None,
    }
}
