//! What goes into the engine and what comes out.

use std::collections::BTreeMap;

use althing_crypto::{BlockHash, TxHash};

use super::EngineConfig;
use crate::verify::{Admitted, Verified};
use crate::{
    AppHash, Block, Counted, Epoch, Evidence, Executed, Header, Height, Memory, Message, Micros, Newest,
    Notice, Phase, Position, Proposal, QuorumCertificate, Refusal, SafetyRecord, SignRequest, Signed, Status,
    TimeoutCertificate, TimeoutVote, View, Vote,
};

/// Something happened.
// Inputs and actions are made and consumed one at a time: boxing their large variants would buy nothing.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The node is up. Comes first, once.
    Start,
    /// A member's message passed the door. `from` is the authenticated sender.
    Received {
        /// Who sent it; none for an admitted peer that is no validator.
        from: Option<Position>,
        /// The message, checked.
        message: Admitted,
    },
    /// A connection to this validator is up.
    Connected(Position),
    /// The safety rules signed, the record is durable: answer to [`Action::Sign`].
    Signed(Box<Signed>),
    /// The safety rules refused: answer to [`Action::Sign`].
    Refused(Refusal),
    /// The safety rules may sign from now on: answer to [`Action::Resume`].
    Resumed,
    /// A quorum was aggregated and verified: answer to [`Action::AggregateVotes`] or [`Action::AggregateTimeouts`].
    Aggregated(Aggregated),
    /// Whether both messages of this evidence verify alone: answer to [`Action::CheckEvidence`].
    EvidenceChecked(Box<Evidence>, bool),
    /// The time asked for with [`Action::WakeAt`] has come.
    Wake,
    /// Whether mempool or pool of notices would put something into a block now. Sent again whenever something became ready.
    Pending(bool),
    /// Contents for a proposal of this view: answer to [`Action::BuildPayload`].
    PayloadBuilt {
        /// The view asked for.
        view: View,
        /// The parent asked for.
        parent: BlockHash,
        /// Their hashes; empty if none fitted.
        txs: Vec<TxHash>,
        /// Notices, each verified; such as its ancestors do not carry.
        notices: Vec<Notice>,
    },
    /// Whether the payload is at hand and each of its transactions and notices has a valid format and signature: answer to
    /// [`Action::CheckPayload`].
    PayloadChecked {
        /// The block.
        block: BlockHash,
        /// What is wrong with it.
        verdict: Result<(), String>,
    },
    /// Blocks asked for with [`Action::FetchBlock`], or a run of committed blocks from sync with the certificate that covers
    /// the newest. Hash, roots and payload were checked; a run is in ascending order.
    Blocks {
        /// The blocks.
        blocks: Vec<Block>,
        /// The commit certificate of the last of them, in a run from sync.
        commit: Option<Verified<QuorumCertificate>>,
    },
    /// The application executed a committed block.
    Executed(Executed),
    /// The epoch whose end is committed here is over for good: its end is durable, so is that this validator has entered the next one.
    EpochEntered(Box<EpochEntered>),
}

/// What an engine goes on with in the next epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EpochEntered {
    /// What it is made for: the epoch after its own, opened by the newest committed block.
    pub config: EngineConfig,
    /// The safety record, if there is one. Of another epoch it says nothing about this one.
    pub record: Option<SafetyRecord>,
    /// The safety rules sign: what this key has signed is known since the epoch before (rule S7).
    pub resumed: bool,
}

/// The outcome of aggregating a pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Aggregated {
    /// Votes or commit votes.
    Votes {
        /// The phase asked for.
        phase: Phase,
        /// The view asked for.
        view: View,
        /// The block asked for.
        block: BlockHash,
        /// The certificate, if the good votes are a quorum.
        certificate: Option<Verified<QuorumCertificate>>,
        /// Whose signatures were bad.
        bad: Vec<Position>,
    },
    /// Timeout votes.
    Timeouts {
        /// The view asked for.
        view: View,
        /// The certificate, if the good votes are a quorum.
        certificate: Option<Verified<TimeoutCertificate>>,
        /// Whose signatures were bad.
        bad: Vec<Position>,
    },
}

/// Something to be done.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Ask the safety rules; for a proposal or a vote, only after the block with its whole payload is durable.
    Sign {
        /// What is to be signed.
        request: Box<SignRequest>,
        /// The newest certificates, to become durable with the record.
        newest: Newest,
    },
    /// Let the safety rules sign, but nothing in views up to this one, if any (rule S7).
    Resume {
        /// The highest view in which this key may have signed unknown to the record.
        floor: Option<View>,
    },
    /// To every connected peer.
    Broadcast(Message),
    /// To one validator.
    Send(Position, Message),
    /// Ask for [`Input::Wake`] at this instant; replaces the one asked for before. None: not at all.
    WakeAt(Option<Micros>),
    /// Choose transactions and notices for a proposal.
    BuildPayload(BuildPayload),
    /// Get the transactions of this block (from the mempool, from its proposer) and check each one's format and signature, and those
    /// of its notices.
    CheckPayload {
        /// The block.
        block: Box<Block>,
        /// Who has them.
        proposer: Position,
    },
    /// Fetch a block by its hash from these validators.
    FetchBlock {
        /// Its hash.
        block: BlockHash,
        /// Who should have it.
        from: Vec<Position>,
    },
    /// These blocks are committed, in ascending order; the certificate covers the last one. Store them in one write, then
    /// execute them.
    Commit {
        /// The blocks.
        blocks: Vec<Block>,
        /// The certificate.
        certificate: Verified<QuorumCertificate>,
    },
    /// The engine needs these blocks no longer: each lost to another of its height, is stale, or is committed and vouched for.
    /// What was stored stays stored.
    Forget(Vec<BlockHash>),
    /// Aggregate these votes of one phase, view and block, and verify the aggregate.
    AggregateVotes(Vec<Vote>),
    /// Aggregate these timeout votes of one view, and verify the aggregate.
    AggregateTimeouts(Vec<TimeoutVote>),
    /// Verify both messages of this evidence alone.
    CheckEvidence(Box<Evidence>),
    /// Send pending notices and the oldest pending transactions straight to the leader of a view that was entered by a TC (R1), or to all members while
    /// the chain is stuck (R8): gossip may have passed them by.
    SendPending(Option<Position>),
    /// A validator's status came: what block sync works from.
    PeerStatus(Position, Status),
    /// A peer did what no correct one does; the door's or the network's business.
    Penalise(Position, Misdeed),
    /// Something worth a log line or a metric.
    Emit(Event),
    /// A quorum is at odds with this node or with itself: stop voting and executing; reads go on.
    Halt(Halt),
}

/// What a payload is built for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BuildPayload {
    /// The view of the proposal.
    pub view: View,
    /// The height of the block.
    pub height: Height,
    /// The block it extends.
    pub parent: BlockHash,
    /// The parent's time: the block's is above it.
    pub parent_time_ms: u64,
    /// How long transactions may come together at most.
    pub patience: Micros,
    /// Transactions that ancestors carry, unexecuted as far as headers vouch: not to be chosen again.
    pub exclude: std::collections::BTreeSet<TxHash>,
    /// Notices that uncommitted ancestors carry: not to be chosen again, as little as those of committed blocks
    /// ([`counted`](super::Engine::counted)).
    pub noticed: Counted,
}

/// Why a peer is penalised.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Misdeed {
    /// A vote, commit vote or timeout vote with a bad signature.
    BadSignature,
    /// A proposal that no correct leader makes, with the reason.
    BadProposal(String),
}

/// What happened, for logs, metrics and tests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// An epoch began.
    EnteredEpoch {
        /// The epoch.
        epoch: Epoch,
        /// The height of its opening block.
        opening: Height,
        /// This node's place in its set; none if it only follows.
        me: Option<Position>,
    },
    /// A view began.
    EnteredView {
        /// The epoch.
        epoch: Epoch,
        /// The view.
        view: View,
        /// Whether the one before was given up.
        by_timeout: bool,
    },
    /// A block became certified.
    Certified {
        /// The view.
        view: View,
        /// The block.
        block: BlockHash,
    },
    /// The view timer fired.
    TimedOut {
        /// The view.
        view: View,
    },
    /// A proposal was not voted for.
    ProposalRefused {
        /// Its view.
        view: View,
        /// Why.
        reason: String,
    },
    /// The safety rules refused a request.
    SafetyRefused(Refusal),
    /// A validator provably misbehaved.
    Misbehaviour(Box<Evidence>),
    /// The record was older than what this key has signed: nothing is signed up to this view.
    StaleRecord {
        /// The highest view concerned.
        floor: View,
    },
}

/// Why a node must stop voting and executing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Halt {
    /// Two certificates contradict each other: more than a third of the power is faulty.
    Fork(Box<QuorumCertificate>, Box<QuorumCertificate>),
    /// A quorum vouched for another execution than this node's.
    Diverged {
        /// The height executed.
        height: Height,
        /// What the quorum vouched for.
        vouched: AppHash,
        /// What this node got.
        own: AppHash,
        /// The header that vouches.
        header: Box<Header>,
    },
    /// A restored backup where the other validators are no quorum: only an operator can tell that it is safe (rule S7).
    StaleRecord {
        /// The highest view in which the key has signed unknown to the record.
        floor: View,
    },
}

/// What the engine starts from: the durable state of the node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recovered {
    /// The newest committed block; genesis on a fresh chain.
    pub committed: Block,
    /// Committed blocks below it in ascending order, down to but without the height that its header vouches for, or the
    /// height executed if that is lower.
    pub unvouched: Vec<Block>,
    /// The newest commit certificate of this epoch in the store.
    pub commit: Option<Verified<QuorumCertificate>>,
    /// Blocks stored but not known to be committed.
    pub uncommitted: Vec<Block>,
    /// Outcomes of execution above the height that the newest committed header vouches for, or, while execution is behind
    /// it, the newest one.
    pub executions: BTreeMap<Height, Executed>,
    /// The height executed.
    pub executed: Height,
    /// What committed blocks have carried that bears on what those of this epoch may carry.
    pub counted: Counted,
}

/// A message and its proof that it passed the door, from one's own safety rules.
pub(crate) fn own_proposal(proposal: Proposal) -> Verified<Proposal> {
    Verified::trust(proposal)
}

/// The newest own messages, to be sent again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OwnMessages {
    /// The newest vote.
    pub vote: Option<Vote>,
    /// The newest commit vote.
    pub commit_vote: Option<Vote>,
    /// The newest timeout vote.
    pub timeout: Option<TimeoutVote>,
    /// The newest proposal.
    pub proposal: Option<Verified<Proposal>>,
}

impl OwnMessages {
    /// What a peer is told that it signed in this epoch.
    pub fn memory(&self, epoch: Epoch) -> Memory {
        Memory {
            epoch,
            vote: self.vote.clone(),
            commit_vote: self.commit_vote.clone(),
            timeout: self.timeout.clone(),
            proposal: self.proposal.as_ref().map(|p| (p.statement(), p.signature)),
        }
    }
}
