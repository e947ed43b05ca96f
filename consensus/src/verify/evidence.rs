//! Two messages that convict their signer.

use althing_crypto::mutant;

use super::door::malformed;
use super::{Door, Rejection};
use crate::{Evidence, Phase, Position, ProposalStatement, TimeoutStatement, View, Vote};

const WHAT: &str = "evidence";

impl Door {
    /// Checks that the two messages contradict each other and that each was signed by the one validator that it names: 2 pairings.
    ///
    /// Of a timeout vote there is only what it signed: the view of the high QC that it names, which convicts. Two aggregates would not do for evidence, as shares can cancel in them; hence each signature alone.
    pub fn verify_evidence(&self, evidence: &Evidence) -> Result<(), Rejection> {
        match evidence {
            Evidence::Votes(first, second) => {
                agree(signer(first), signer(second))?;
                contradict(
                    first.phase == second.phase && first.view == second.view && first.block != second.block,
                    "two votes of one phase and view for different blocks",
                )?;
                self.vote_alone(first)?;
                self.vote_alone(second)
            }
            Evidence::Proposals { signer, first, second } => {
                let ((first, first_signature), (second, second_signature)) = (first, second);
                contradict(
                    differ(first, second),
                    "two proposals of one epoch and view for different blocks",
                )?;
                self.statement(*signer, first, first_signature)?;
                self.statement(*signer, second, second_signature)
            }
            Evidence::CommitAndTimeout(commit, timeout) => {
                agree(signer(commit), (timeout.epoch, timeout.signer))?;
                contradict(
                    commit.phase == Phase::Commit && forgets(timeout, commit.view, commit.view),
                    "a commit vote of view v, and a timeout vote of a view from v on that names a QC view below v",
                )?;
                self.vote_alone(commit)?;
                self.timeout_alone(timeout)
            }
            Evidence::VoteAndTimeout(vote, header, timeout) => {
                agree(signer(vote), (timeout.epoch, timeout.signer))?;
                contradict(
                    vote.phase == Phase::Vote
                        && vote.block == header.hash()
                        && forgets(timeout, vote.view, header.justify_view),
                    "a vote in view u for this header, which justifies view v, and a timeout vote of a view from u on that names a \
                     QC view below v",
                )?;
                self.vote_alone(vote)?;
                self.timeout_alone(timeout)
            }
        }
    }

    fn vote_alone(&self, vote: &Vote) -> Result<(), Rejection> {
        self.vote(vote)?;
        self.vote_signature(vote)
    }

    fn timeout_alone(&self, timeout: &TimeoutStatement) -> Result<(), Rejection> {
        self.timeout_bounds(timeout)?;
        self.timeout_signature(timeout)
    }
}

/// Whether a timeout vote of view `from` or later names a QC view below one that its signer held in `from`.
fn forgets(timeout: &TimeoutStatement, from: View, held: View) -> bool {
    timeout.view >= from && (timeout.high_view < held || mutant!("honest_timeout_convicted"))
}

fn differ(first: &ProposalStatement, second: &ProposalStatement) -> bool {
    first.epoch == second.epoch && first.view == second.view && first.block != second.block
}

fn signer(vote: &Vote) -> (crate::Epoch, Position) {
    (vote.epoch, vote.signer)
}

fn agree<T: PartialEq>(first: T, second: T) -> Result<(), Rejection> {
    contradict(first == second, "two messages of one validator in one epoch")
}

fn contradict(holds: bool, expected: &str) -> Result<(), Rejection> {
    if holds { Ok(()) } else { Err(malformed(WHAT, format!("it is not {expected}"))) }
}
