//! The consensus of Althing as two pure state machines: [`Engine`] decides, [`SafetyRules`] alone signs. Neither has a
//! clock, a disk, a network or a source of randomness; `PROTOCOL.md` beside this crate numbers the rules they cite.

mod aggregate;
pub mod audit;
mod block;
mod block_tree;
mod certificate;
pub mod engine;
mod evidence;
mod ids;
mod leader;
pub mod light;
mod message;
mod notice;
mod pacemaker;
mod params;
mod safety_record;
mod safety_rules;
#[cfg(test)]
mod testing;
mod validator_set;
mod verify;
mod vote_aggregator;

pub use aggregate::{aggregate_timeouts, aggregate_votes};
pub use block::{
    Absence, AppHash, Block, Executed, Execution, Header, MAX_APP_HASH_BYTES, MAX_CHAIN_ID_BYTES, Vouched,
    no_evidence, payload_root,
};
pub use certificate::{
    Certificate, Phase, QuorumCertificate, Signers, TimeoutCertificate, certificate_hash, claim_hash, view_of,
};
pub use engine::{Action, Engine, Input};
pub use evidence::{Charge, Evidence, EvidenceKind, TimeoutStatement};
pub use ids::{Epoch, Height, Micros, Now, Position, Power, View};
pub use leader::Election;
pub use message::{
    Memory, Message, Proposal, ProposalStatement, Status, TimeoutVote, Vote, proposal_bytes, timeout_bytes,
    vote_bytes,
};
pub use notice::{
    Counted, EVIDENCE_EPOCHS, MAX_NOTICES, MAX_NOTICES_BYTES, MAX_SPONSORED_AN_EPOCH, Notice, NoticeId,
    Registration, fitting, notices_fit, notices_root, oldest_evidence, registration_bytes, sponsorship_bytes,
};
pub use params::{ConsensusParams, ParamError};
pub use safety_record::SafetyRecord;
pub use safety_rules::{
    EnterError, EpochStart, Newest, ProposalDraft, Refusal, RefusalReason, SafetyError, SafetyRules,
    SignKind, SignRequest, Signed,
};
pub use validator_set::{SetError, Validator, ValidatorSet, epoch_hash};
pub use verify::{Admitted, Door, KeyOf, Rejection, Verified};
