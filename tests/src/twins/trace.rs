//! What a replay prints.

use althing_consensus::{Certificate, Message, Phase, QuorumCertificate, View};
use althing_crypto::BlockHash;

use super::{Cast, Turn};
use crate::bare::Wire;

/// The beginning of a round.
pub(super) fn round(cast: &Cast, round: View, turn: &Turn) -> String {
    let set = |set: &Vec<usize>| set.iter().map(|one| cast.name(*one)).collect::<Vec<_>>().join(" ");
    let sets: Vec<String> = turn.split.sets().iter().map(set).collect();
    format!(
        "round {round}: leader {}, {{{}}}, others' messages {:?}",
        turn.leader,
        sets.join("} {"),
        turn.fate
    )
}

/// A message in a few words.
pub(super) fn describe(wire: &Wire) -> String {
    match wire {
        Wire::Consensus(Message::Proposal(proposal)) => {
            let block = &proposal.block;
            let tc = proposal.tc.as_ref().map_or(String::new(), |tc| format!(" with the TC of {}", tc.view));
            let (view, height, justify) = (proposal.view, block.header.height, proposal.justify_view());
            format!("proposal {view} of {} at height {height} on QC {justify}{tc}", short(&block.hash()))
        }
        Wire::Consensus(Message::Vote(vote)) => {
            let kind = if vote.phase == Phase::Vote { "vote" } else { "commit vote" };
            format!("{kind} {} for {}", vote.view, short(&vote.block))
        }
        Wire::Consensus(Message::Timeout(timeout)) => {
            format!("timeout vote {} naming QC {}", timeout.view, timeout.high_view())
        }
        Wire::Consensus(Message::Certificate(certificate)) => match &**certificate {
            Certificate::Quorum(qc) => quorum(qc),
            Certificate::Timeout(tc) => format!("TC {} naming QC {}", tc.view, tc.max_high_view()),
        },
        Wire::Consensus(Message::Status(status)) => {
            format!("status: view {}, committed {}", status.view, status.committed)
        }
        Wire::Consensus(Message::Memory(_)) => "memory".to_owned(),
        Wire::Ask(block) => format!("asks for {}", short(block)),
        Wire::Body(block) => format!("block {}", short(&block.hash())),
    }
}

fn quorum(qc: &QuorumCertificate) -> String {
    let kind = if qc.is_commit() { "commit certificate" } else { "QC" };
    format!("{kind} {} for {}", qc.view, short(&qc.block))
}

fn short(block: &BlockHash) -> String {
    block.to_string().chars().take(6).collect()
}
