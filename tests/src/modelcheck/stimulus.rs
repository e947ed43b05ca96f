//! The adversary's alphabet: what can happen to a member.

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
    /// It crashes, and starts again from what is durable.
    Crash,
}

/// All that can ever happen to a member in so many views.
pub(super) fn alphabet(blocks: &Catalogue, views: u64) -> Vec<Stimulus> {
    let all = || 0..blocks.len();
    let tcs = |view: u64| {
        let below = all().filter(move |at| blocks.get(*at).view < view);
        std::iter::once(None).chain(below.map(Some)).map(move |high| (view, high))
    };
    let mut stimuli = vec![Stimulus::Wake, Stimulus::Crash];
    stimuli.extend((1..views).flat_map(tcs).map(Stimulus::End));
    for block in all() {
        let known = blocks.get(block);
        stimuli.extend([Phase::Vote, Phase::Commit].map(|phase| Stimulus::Certify { block, phase }));
        // The opening block has but one certificate: none.
        let kinds = if known.parent.is_none() { 1 } else { 2 };
        for justify in [Phase::Vote, Phase::Commit].into_iter().take(kinds) {
            stimuli.push(Stimulus::Propose { block, justify, tc: None });
            let before = (known.view > 1).then_some(known.view - 1);
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
        let tc = |(view, high): Tc| format!("a TC of view {view} that names view {}", blocks.view(high));
        match *self {
            Self::Propose { block, justify, tc: with } => {
                let known = blocks.get(block);
                let parts =
                    known.parent.map(|parent| certificate(parent, justify)).into_iter().chain(with.map(tc));
                let parts: Vec<String> = parts.collect();
                let with =
                    if parts.is_empty() { String::new() } else { format!(" with {}", parts.join(" and ")) };
                format!("gets the proposal of {}{with}", known.label)
            }
            Self::Certify { block, phase } => format!("gets {}", certificate(block, phase)),
            Self::End(with) => format!("gets {}", tc(with)),
            Self::Wake => "gives up, as its view timer fires".to_owned(),
            Self::Crash => "crashes and starts again".to_owned(),
        }
    }
}
