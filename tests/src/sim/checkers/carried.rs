//! The certificates in what a node says, wherever they hide.

use althing_consensus::{Certificate, Message, QuorumCertificate, TimeoutCertificate, TimeoutVote};

use super::Seen;

/// A certificate.
#[derive(Clone, Copy)]
pub(super) enum Carried<'a> {
    /// Of votes or commit votes.
    Quorum(&'a QuorumCertificate),
    /// Of timeout votes.
    Timeout(&'a TimeoutCertificate),
}

type Look<'l> = &'l mut dyn FnMut(Carried<'_>) -> Result<(), String>;

/// Looks at every certificate that a node vouches for: in what it sends, and in what it commits by. What it only received may be
/// anything.
pub(super) fn vouched_for(seen: &Seen<'_>, look: Look<'_>) -> Result<(), String> {
    match seen {
        Seen::Sent { message, .. } => in_message(message, look),
        Seen::Committed { certificate, .. } => look(Carried::Quorum(certificate)),
        _ => Ok(()),
    }
}

/// Looks at every certificate in a message; at the one within a timeout certificate before that.
pub(super) fn in_message(message: &Message, look: Look<'_>) -> Result<(), String> {
    match message {
        Message::Proposal(proposal) => {
            for qc in proposal.justify.iter().chain(&proposal.commit) {
                look(Carried::Quorum(qc))?;
            }
            proposal.tc.as_ref().map_or(Ok(()), |tc| in_timeout_certificate(tc, look))
        }
        Message::Timeout(timeout) => in_timeout_vote(timeout, look),
        Message::Certificate(certificate) => in_certificate(certificate, look),
        Message::Memory(memory) => {
            memory.timeout.as_ref().map_or(Ok(()), |timeout| in_timeout_vote(timeout, look))
        }
        Message::Vote(_) | Message::Status(_) => Ok(()),
    }
}

fn in_timeout_vote(timeout: &TimeoutVote, look: Look<'_>) -> Result<(), String> {
    if let Some(qc) = &timeout.high_qc {
        look(Carried::Quorum(qc))?;
    }
    timeout.entry.as_ref().map_or(Ok(()), |entry| in_certificate(entry, look))
}

fn in_certificate(certificate: &Certificate, look: Look<'_>) -> Result<(), String> {
    match certificate {
        Certificate::Quorum(qc) => look(Carried::Quorum(qc)),
        Certificate::Timeout(tc) => in_timeout_certificate(tc, look),
    }
}

fn in_timeout_certificate(tc: &TimeoutCertificate, look: Look<'_>) -> Result<(), String> {
    if let Some(qc) = &tc.high_qc {
        look(Carried::Quorum(qc))?;
    }
    look(Carried::Timeout(tc))
}
