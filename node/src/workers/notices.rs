//! What a block carries beside transactions, as the application and the membership take it. A function of the chain alone: so it is the
//! same when a block is executed again.

use althing_consensus::{EvidenceKind, Header, Notice};
use althing_ledger::{Attribute, Event, Misbehaviour, MisbehaviourKind};

use super::Fatal;
use crate::body::Body;
use crate::epochs::Epochs;
use crate::membership::Membership;

/// Whom a block with these notices, which were checked, convicts of what, in their order.
pub(super) fn misbehaviour(epochs: &Epochs, notices: &[Notice]) -> Result<Vec<Misbehaviour>, Fatal> {
    let mut convicted = Vec::new();
    for notice in notices {
        let Notice::Evidence(evidence) = notice else { continue };
        let of = epochs.entered(evidence.epoch())?;
        let opening: Header = epochs.opening(evidence.epoch())?;
        let member = of.config.set.get(evidence.signer()).ok_or_else(|| Fatal::Missing {
            what: format!(
                "validator {} of epoch {}, whom a block convicts,",
                evidence.signer(),
                evidence.epoch()
            ),
        })?;
        convicted.push(Misbehaviour {
            kind: kind(evidence.kind()),
            identity: *member.identity.as_bytes(),
            power: member.power.0,
            total_power: of.config.set.total().0,
            epoch: evidence.epoch().0,
            view: evidence.view().0,
            height: opening.height.0 + 1,
            time_ms: opening.time_ms,
        });
    }
    Ok(convicted)
}

/// A kind in the words of the application's boundary.
pub(crate) fn kind(kind: EvidenceKind) -> MisbehaviourKind {
    match kind {
        EvidenceKind::DoubleVote => MisbehaviourKind::DoubleVote,
        EvidenceKind::DoubleCommitVote => MisbehaviourKind::DoubleCommitVote,
        EvidenceKind::DoubleProposal => MisbehaviourKind::DoubleProposal,
        EvidenceKind::ForgottenCommitVote => MisbehaviourKind::ForgottenCommitVote,
        EvidenceKind::ForgottenVote => MisbehaviourKind::ForgottenVote,
    }
}

/// The membership after the block's registrations, in their order. What became of each is an event.
pub(super) fn registered(mut membership: Membership, body: &Body, events: &mut Vec<Event>) -> Membership {
    for notice in &body.block.notices {
        let Notice::Registration(registration) = notice else { continue };
        let attribute = |key: &str, value: String, index| Attribute { key: key.to_owned(), value, index };
        let mut attributes = vec![
            attribute("identity", registration.identity.to_string(), true),
            attribute("vote_key", hex::encode(registration.vote_key), false),
            attribute("sponsor", registration.sponsor.to_string(), true),
        ];
        let kind = match membership.register(registration) {
            Ok(next) => {
                membership = next;
                "vote_key_registered"
            }
            Err(reason) => {
                attributes.push(attribute("reason", reason, false));
                "vote_key_not_registered"
            }
        };
        events.push(Event { kind: kind.to_owned(), attributes });
    }
    membership
}
