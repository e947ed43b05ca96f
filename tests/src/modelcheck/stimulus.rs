//! The adversary's alphabet: what can happen to a member that may make it sign, and when it can happen.

use althing_consensus::Phase;

use super::blocks::Catalogue;

/// A TC: its view, and the block of the highest QC that it names.
pub(super) type Tc = (u64, Option<usize>);

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
    /// A certificate comes.
    Certify {
        /// For which block.
        block: usize,
        /// Of what it is made.
        phase: Phase,
    },
    /// A certificate and a TC come, or one of them, or none; then the view timer fires.
    GiveUp {
        /// The certificate's block, and what it is made of.
        high: Option<(usize, Phase)>,
        /// The TC.
        tc: Option<Tc>,
    },
    /// It crashes, and starts again from what is durable.
    Crash,
}

/// All that can ever happen to a member in so many views.
pub(super) fn alphabet(blocks: &Catalogue, views: u64) -> Vec<Stimulus> {
    let all = || 0..blocks.len();
    let below = |view: u64| all().filter(move |at| blocks.get(*at).view < view);
    let highs = |view: u64| std::iter::once(None).chain(below(view).map(Some));
    let phases = [Phase::Vote, Phase::Commit];
    let mut stimuli = Vec::new();
    for block in all() {
        let known = blocks.get(block);
        // The opening block has but one certificate: none.
        for justify in phases.into_iter().take(if known.parent.is_none() { 1 } else { 2 }) {
            stimuli.push(Stimulus::Propose { block, justify, tc: None });
            let before = known.view - 1;
            let tcs = highs(before).filter(|_| before > 0);
            stimuli.extend(tcs.map(|high| Stimulus::Propose { block, justify, tc: Some((before, high)) }));
        }
        stimuli.extend(phases.map(|phase| Stimulus::Certify { block, phase }));
    }
    let certificates = |view| {
        let of = move |block| phases.map(move |phase| Some((block, phase)));
        std::iter::once(None).chain(below(view).flat_map(of))
    };
    stimuli.extend(certificates(views).map(|high| Stimulus::GiveUp { high, tc: None }));
    for view in 1..views {
        for tc in highs(view) {
            stimuli.extend(certificates(view).map(|high| Stimulus::GiveUp { high, tc: Some((view, tc)) }));
        }
    }
    stimuli.push(Stimulus::Crash);
    stimuli
}

impl Stimulus {
    /// In words.
    pub(super) fn describe(&self, blocks: &Catalogue) -> String {
        let certificate = |block: usize, phase: Phase| {
            let kind = if phase == Phase::Vote { "QC" } else { "commit certificate" };
            format!("the {kind} of {}", blocks.get(block).label)
        };
        let tc = |(view, high): Tc| format!("a TC of view {view} that names view {}", blocks.view(high));
        let list =
            |parts: Vec<String>| if parts.is_empty() { "nothing".to_owned() } else { parts.join(" and ") };
        match *self {
            Self::Propose { block, justify, tc: with } => {
                let known = blocks.get(block);
                let parts =
                    known.parent.map(|parent| certificate(parent, justify)).into_iter().chain(with.map(tc));
                format!("is shown the proposal of {} with {}", known.label, list(parts.collect()))
            }
            Self::Certify { block, phase } => format!("is shown {}", certificate(block, phase)),
            Self::GiveUp { high, tc: with } => {
                let parts =
                    high.map(|(block, phase)| certificate(block, phase)).into_iter().chain(with.map(tc));
                format!("is shown {}, and its view timer fires", list(parts.collect()))
            }
            Self::Crash => "crashes and starts again".to_owned(),
        }
    }
}
