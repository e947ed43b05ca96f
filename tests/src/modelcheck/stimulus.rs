//! The adversary's alphabet: what can happen to a member.

use althing_consensus::{Epoch, Phase};

use super::blocks::Catalogue;

/// A TC: its view, and the block of the highest QC that it names.
pub(super) type Tc = (u64, Option<usize>);

/// What an end of an epoch is shown with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A QC, which commits nothing.
    Votes,
    /// Its commit certificate.
    CommitVotes,
    /// A commit certificate that the members of the next epoch have signed.
    TheNextSet,
}

/// Something happens to one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stimulus {
    /// A block is proposed, on a QC or commit certificate of its parent, with or without a TC: also where rule S4 wants another.
    Propose {
        /// The block.
        block: usize,
        /// Of what the certificate of its parent is made.
        justify: Phase,
        /// The TC.
        tc: Option<Tc>,
    },
    /// A QC or commit certificate comes.
    Certify {
        /// For which block.
        block: usize,
        /// Of what it is made.
        phase: Phase,
    },
    /// A TC comes.
    End(Tc),
    /// The view timer fires.
    Wake,
    /// It goes on from the end of the epoch that it has stored.
    Enter,
    /// Its safety rules are asked to enter the second epoch on this, whether it is the end of the first or not.
    Offer {
        /// The block.
        block: usize,
        /// What shows that it is committed.
        by: By,
    },
    /// It crashes, and starts again from what is durable.
    Crash,
}

/// All that can ever happen to a member in so many views.
pub(super) fn alphabet(blocks: &Catalogue, views: u64) -> Vec<Stimulus> {
    let all = || 0..blocks.len();
    let tcs = |view: u64| {
        let epoch = blocks.local(view).0;
        let below = all().filter(move |at| blocks.get(*at).view < view && blocks.get(*at).epoch == epoch);
        std::iter::once(None).chain(below.map(Some)).map(move |high| (view, high))
    };
    let mut stimuli = vec![Stimulus::Wake, Stimulus::Crash];
    // Nothing comes of giving up what is the last view of its epoch here.
    let goes_on =
        |view: &u64| *view > blocks.base(Epoch(1)) && blocks.local(*view).0 == blocks.local(view + 1).0;
    stimuli.extend((1..views).filter(goes_on).flat_map(tcs).map(Stimulus::End));
    if blocks.root.is_some() {
        stimuli.push(Stimulus::Enter);
        let ends = all().filter(|at| blocks.get(*at).epoch == Epoch(1));
        let by = [By::Votes, By::CommitVotes, By::TheNextSet];
        stimuli.extend(ends.flat_map(|block| by.map(|by| Stimulus::Offer { block, by })));
    }
    for block in all() {
        let known = blocks.get(block);
        stimuli.extend([Phase::Vote, Phase::Commit].map(|phase| Stimulus::Certify { block, phase }));
        // The opening block has but one certificate: none. And of the root one is enough.
        let kinds = if known.justify.is_none() { 1 } else { 2 };
        for justify in [Phase::Vote, Phase::Commit].into_iter().take(kinds) {
            stimuli.push(Stimulus::Propose { block, justify, tc: None });
            let before = Some(known.view - 1).filter(|view| *view > blocks.base(known.epoch));
            let with = before.into_iter().flat_map(tcs);
            stimuli.extend(with.map(|tc| Stimulus::Propose { block, justify, tc: Some(tc) }));
        }
    }
    stimuli
}

impl Stimulus {
    /// In words.
    pub(super) fn describe(&self, blocks: &Catalogue) -> String {
        let certificate = |block: usize, phase: Phase| {
            let kind = if phase == Phase::Vote { "QC" } else { "commit certificate" };
            format!("the {kind} of {}", blocks.get(block).label)
        };
        let tc = |(view, high): Tc| {
            let named = blocks.justify_view(blocks.local(view).0, high);
            format!("a TC of view {view} that names view {named}")
        };
        match *self {
            Self::Propose { block, justify, tc: with } => {
                let known = blocks.get(block);
                let parts =
                    known.justify.map(|parent| certificate(parent, justify)).into_iter().chain(with.map(tc));
                let parts: Vec<String> = parts.collect();
                let with =
                    if parts.is_empty() { String::new() } else { format!(" with {}", parts.join(" and ")) };
                format!("gets the proposal of {}{with}", known.label)
            }
            Self::Certify { block, phase } => format!("gets {}", certificate(block, phase)),
            Self::End(with) => format!("gets {}", tc(with)),
            Self::Wake => "gives up, as its view timer fires".to_owned(),
            Self::Enter => "enters the next epoch, if this one has ended".to_owned(),
            Self::Offer { block, by } => {
                format!("is offered {} as the end of the epoch, by {by:?}", blocks.get(block).label)
            }
            Self::Crash => "crashes and starts again".to_owned(),
        }
    }
}
