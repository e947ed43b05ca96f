//! What the driver has others do: slow or blocking work, by lane. A lane is a type of its own, so that no worker is given another's
//! work.

use std::sync::Arc;

use althing_consensus::engine::{Aggregated, BuildPayload, EpochEntered};
use althing_consensus::{
    Admitted, Epoch, Evidence, Executed, Height, Message, Newest, Notice, Position, QuorumCertificate,
    Refusal as SafetyRefusal, Rejection, SignRequest, Signed, TimeoutVote, Verified, View, Vote,
};
use althing_crypto::{BlockHash, TxHash};
use althing_mempool::{Admission, CheckedTx, Refusal, TxBytes};

use super::Peer;
use crate::body::Body;
use crate::wire::{Request, Response};

/// A verdict of the application's precheck.
pub type Prechecked = (TxHash, Result<Admission, Refusal>);

/// Work.
#[derive(Clone, Debug)]
pub enum Job {
    /// For the safety rules: in order, alone.
    Safety(SafetyJob),
    /// For the chain store: in order.
    Store(StoreJob),
    /// For the application: in order.
    Execute(ExecuteJob),
    /// Signatures, hashes and what consensus waits for: side by side.
    Verify(VerifyJob),
    /// For the mempool, stateless: side by side.
    Precheck(PrecheckJob),
    /// For the mempool, against the committed state: in order.
    Check(CheckJob),
    /// What peers ask for: side by side. Reads the store only.
    Serve(ServeJob),
}

/// What the holder of the vote key does.
#[derive(Clone, Debug)]
pub enum SafetyJob {
    /// Make the body durable, ask the safety rules, make the record durable.
    Sign {
        /// What is to be signed.
        request: Box<SignRequest>,
        /// To become durable with the record.
        newest: Box<Newest>,
        /// The block to be proposed or voted for, with its payload.
        body: Option<Arc<Body>>,
    },
    /// Let the safety rules sign.
    Resume {
        /// Nothing in views up to this one.
        floor: Option<View>,
    },
    /// Have the safety rules enter this epoch, which the stored chain has begun; make the record durable.
    EnterEpoch(Epoch),
}

/// What changes the chain.
#[derive(Clone, Debug)]
pub enum StoreJob {
    /// Store committed blocks and their certificate in one write.
    Commit {
        /// The blocks, ascending.
        bodies: Vec<Arc<Body>>,
        /// Covers the last one.
        certificate: Verified<QuorumCertificate>,
        /// The votes that its commit votes are for, if they are at hand: kept for audits.
        votes: Option<Box<QuorumCertificate>>,
    },
    /// In a node that only follows: read how this epoch begins.
    EnterEpoch(Epoch),
    /// Keep evidence that was found here until a committed block carries it.
    KeepEvidence(Box<Evidence>),
}

/// What changes the application.
#[derive(Clone, Copy, Debug)]
pub enum ExecuteJob {
    /// Execute the stored block of this height, store the results, commit.
    Block(Height),
}

/// Where a notice came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeSource {
    /// A peer.
    Peer(Peer),
    /// A client, under the shell's number for it.
    Client(u64),
}

/// What takes thinking.
#[derive(Clone, Debug)]
pub enum VerifyJob {
    /// Check a message at the door.
    Admit {
        /// At the door of which epoch.
        epoch: Epoch,
        /// Who sent it.
        from: Peer,
        /// Its place in the set, if it is a validator.
        position: Option<Position>,
        /// The message.
        message: Box<Message>,
    },
    /// Make a certificate of votes.
    AggregateVotes(Vec<Vote>),
    /// Make a certificate of timeout votes.
    AggregateTimeouts(Vec<TimeoutVote>),
    /// Check both messages of evidence.
    CheckEvidence(Box<Evidence>),
    /// Have the application prepare a payload, and check what it made of it.
    Prepare {
        /// In which epoch.
        epoch: Epoch,
        /// For which proposal.
        build: BuildPayload,
        /// Its time at least.
        time_ms: u64,
        /// From the mempool.
        txs: Vec<(TxHash, TxBytes)>,
        /// What the block carries beside them.
        notices: Vec<Notice>,
    },
    /// Check a notice that somebody passed on or handed in.
    CheckNotice {
        /// Who.
        from: NoticeSource,
        /// What.
        notice: Box<Notice>,
    },
    /// Check the notices of a proposal.
    CheckNotices {
        /// The block.
        block: BlockHash,
        /// Those not known to hold.
        notices: Vec<Notice>,
    },
    /// Check that these are the transactions asked for.
    MatchTransactions {
        /// Who sent them.
        from: Peer,
        /// The block that they are for.
        block: BlockHash,
        /// What was asked for.
        wanted: Vec<TxHash>,
        /// What came.
        txs: Vec<TxBytes>,
    },
    /// Precheck transactions of a proposal.
    PrecheckPayload {
        /// The block.
        block: BlockHash,
        /// Those not known yet.
        txs: Vec<(TxHash, TxBytes)>,
    },
    /// Ask the application's `process_proposal`.
    Process(Arc<Body>),
    /// Check that this is the block asked for.
    OpenBlock {
        /// Who sent it.
        from: Peer,
        /// What was asked for.
        block: BlockHash,
        /// What came.
        body: Box<Body>,
    },
    /// Check a run of committed blocks.
    OpenRun {
        /// Of which epoch.
        epoch: Epoch,
        /// Who sent it.
        from: Peer,
        /// Its first height must be this one.
        first: Height,
        /// The blocks.
        bodies: Vec<Body>,
        /// The certificate of the last one.
        commit: Box<QuorumCertificate>,
    },
}

/// What the mempool asks of the application's precheck.
#[derive(Clone, Debug)]
pub struct PrecheckJob {
    /// Its place among all: verdicts come in any order.
    pub batch: u64,
    /// The transactions.
    pub txs: Vec<(TxHash, TxBytes)>,
}

/// What the mempool asks of the application's check; true for a re-check.
#[derive(Clone, Debug)]
pub struct CheckJob(pub Vec<(TxHash, TxBytes, bool)>);

/// What a peer asks for.
#[derive(Clone, Debug)]
pub struct ServeJob {
    /// Who.
    pub from: Peer,
    /// The shell's number for it.
    pub id: u64,
    /// What.
    pub request: Request,
}

/// What came of a job.
#[derive(Clone, Debug)]
pub enum Done {
    /// Signed; the record is durable.
    Signed(Box<Signed>),
    /// The safety rules refused.
    Refused(SafetyRefusal),
    /// The safety rules sign from now on.
    Resumed,
    /// The blocks up to this height are stored.
    Stored(Height),
    /// A block is executed; results and application state are durable.
    Executed(Executed),
    /// The next epoch is entered; the record that says so is durable.
    EpochEntered {
        /// What the engine goes on with.
        next: Box<EpochEntered>,
        /// What committed its opening block.
        certificate: QuorumCertificate,
    },
    /// What the door said.
    Admitted {
        /// Of which epoch.
        epoch: Epoch,
        /// Who sent the message.
        from: Peer,
        /// Whether it was a proposal.
        proposal: bool,
        /// The message, or why it stays out.
        outcome: Box<Result<Admitted, Rejection>>,
    },
    /// A certificate, or whose votes are bad, in this epoch.
    Aggregated(Epoch, Box<Aggregated>),
    /// Evidence, and whether it holds.
    EvidenceChecked(Box<Evidence>, Result<(), Rejection>),
    /// A payload.
    Prepared {
        /// The epoch,
        epoch: Epoch,
        /// and the view it was asked for.
        view: View,
        /// The block that it is to extend.
        parent: BlockHash,
        /// The transactions, or what was wrong with the application's choice.
        txs: Result<Vec<(TxHash, TxBytes)>, String>,
        /// What the block carries beside them.
        notices: Vec<Notice>,
    },
    /// Evidence that was found here is durable.
    EvidenceKept,
    /// Whether a notice holds.
    NoticeChecked {
        /// Who sent it.
        from: NoticeSource,
        /// The notice.
        notice: Box<Notice>,
        /// Whether it holds.
        verdict: Result<(), Rejection>,
    },
    /// Whether all notices of a proposal hold.
    NoticesChecked {
        /// The block.
        block: BlockHash,
        /// What is wrong with them.
        verdict: Result<(), String>,
    },
    /// Transactions of a proposal.
    Matched {
        /// Who sent them.
        from: Peer,
        /// The block that they are for.
        block: BlockHash,
        /// Those asked for, or what is wrong.
        txs: Result<Vec<(TxHash, TxBytes)>, String>,
    },
    /// Verdicts on transactions of a proposal.
    PayloadPrechecked {
        /// The block.
        block: BlockHash,
        /// One per transaction asked for.
        results: Vec<Prechecked>,
    },
    /// What `process_proposal` said.
    Processed {
        /// The block.
        block: BlockHash,
        /// Its verdict; none if it could not be asked.
        verdict: Option<Result<(), String>>,
    },
    /// A block that was asked for.
    BlockOpened {
        /// Who sent it.
        from: Peer,
        /// What was asked for.
        block: BlockHash,
        /// The block, or what is wrong.
        outcome: Result<Arc<Body>, String>,
    },
    /// A run of committed blocks.
    RunOpened {
        /// Who sent it.
        from: Peer,
        /// The blocks with their certificate, or what is wrong.
        outcome: Result<(Vec<Arc<Body>>, Verified<QuorumCertificate>), String>,
    },
    /// Verdicts for the mempool.
    Prechecked {
        /// The job's place among all.
        batch: u64,
        /// One per transaction.
        results: Vec<Prechecked>,
    },
    /// Verdicts for the mempool.
    Checked(Vec<(TxHash, Result<CheckedTx, Refusal>)>),
    /// The answer to a peer.
    Served {
        /// Who asked.
        from: Peer,
        /// The shell's number for it.
        id: u64,
        /// The answer.
        response: Response,
    },
}
