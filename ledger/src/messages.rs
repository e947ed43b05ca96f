//! What passes over the boundary between node and application: plain data, no behaviour.

use althing_crypto::Hash;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{AppHash, asset::text::hex_array};

/// Bytes whose meaning is the application's.
pub type Bytes = Vec<u8>;

/// Where an application stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// What the application calls itself, for people: `asset-ledger`.
    pub name: String,
    /// Its version, for people.
    pub version: String,
    /// Height of the last committed block; 0 if there is none yet, also after `init_chain`.
    pub last_height: u64,
    /// Hash of the state after `last_height` (after `init_chain` if that is 0; empty before it).
    pub app_hash: AppHash,
    /// Whether `init_chain` has been done and is durable.
    pub initialised: bool,
}

/// A question about the committed state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// What is asked for; the paths are the application's.
    pub path: String,
    /// The argument.
    pub data: Bytes,
    /// At which height; 0 is the newest committed one.
    pub height: u64,
    /// Whether a proof against the application hash is wanted.
    pub prove: bool,
}

/// The answer to a [`Query`]. `code` 0 means answered; else `codespace` and `log` say why not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueryResult {
    /// 0, or why the question was not answered.
    pub code: u32,
    /// Whose code it is; empty where `code` is 0.
    pub codespace: String,
    /// The reason in words.
    pub log: String,
    /// More for people; not to be relied on.
    pub info: String,
    /// The key that `value` was found under.
    pub key: Bytes,
    /// The value; empty if there is none.
    pub value: Bytes,
    /// The height that the answer holds for.
    pub height: u64,
    /// A proof of `key` and `value`, if one was asked for and the application offers them.
    pub proof: Option<Bytes>,
    /// A proof in ABCI's form, if the application has that one.
    pub proof_ops: Vec<ProofOp>,
}

/// A step of a proof in ABCI's form. What the kinds mean is between application and client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofOp {
    /// Which kind of step.
    pub kind: String,
    /// What it is about.
    pub key: Bytes,
    /// Its particulars.
    pub data: Bytes,
}

/// What the mempool may know of a transaction that passed `precheck`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Who sent it. Transactions of one sender are ordered by `sequence`; without a sender, by arrival.
    pub sender: Option<Bytes>,
    /// Its place among the sender's transactions. Without a sender it means nothing.
    pub sequence: u64,
    /// Higher goes first.
    pub priority: u64,
    /// The last height at which it may execute, if it ends.
    pub expiry_height: Option<u64>,
}

/// Why `check_tx` is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckKind {
    /// The transaction is new to this node.
    New,
    /// It is pending here, and a block has touched its sender, or others without a sender where it has none.
    Recheck,
}

/// What the mempool may know of a transaction that passed `check_tx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedTx {
    /// The sequence that the sender's next transaction must have in the committed state, if there is a sender.
    pub next_sequence: Option<u64>,
}

/// A refusal of a transaction: the log says what is wrong, with what value, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, BorshSerialize, BorshDeserialize)]
#[error("{log} (code {code}, codespace {codespace})")]
pub struct TxError {
    /// Never 0.
    pub code: u32,
    /// Whose code it is.
    pub codespace: String,
    /// The sentence for people.
    pub log: String,
}

/// The beginning of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InitChain {
    /// The chain's id, at most 50 bytes.
    pub chain_id: String,
    /// Height of the first block, at least 1.
    pub initial_height: u64,
    /// Genesis time, in milliseconds since 1970.
    pub time_ms: u64,
    /// The genesis document's `app_state`, as JSON text.
    pub app_state: Bytes,
    /// The validators that the chain begins with.
    pub validators: Vec<ValidatorUpdate>,
    /// The consensus parameters that the chain begins with, all of them.
    pub params: ParamUpdates,
    /// The most bytes that the transactions of a block may have together.
    pub max_block_bytes: u64,
}

/// The answer to [`InitChain`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitChainResult {
    /// Hash of the initial state.
    pub app_hash: AppHash,
}

/// A leader's question: which transactions, in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrepareProposal<'a> {
    /// Height of the block to be proposed.
    pub height: u64,
    /// Its time, in milliseconds since 1970.
    pub time_ms: u64,
    /// What the mempool would put into it, in order. All passed `precheck` and `check_tx` at some time.
    pub txs: &'a [&'a [u8]],
    /// The most bytes that the transactions of the block may have together.
    pub max_bytes: usize,
    /// The identity key of the leader, which is this node.
    pub proposer: [u8; 32],
    /// What the block will prove of validators, as [`FinalizeBlock::misbehaviour`].
    pub misbehaviour: &'a [Misbehaviour],
}

/// A voter's question: is this a block to vote for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcessProposal<'a> {
    /// Its height.
    pub height: u64,
    /// Its time, in milliseconds since 1970.
    pub time_ms: u64,
    /// Its hash.
    pub hash: Hash,
    /// Its transactions. All passed `precheck`.
    pub txs: &'a [&'a [u8]],
    /// The identity key of the leader that made it.
    pub proposer: [u8; 32],
    /// What it proves of validators, as [`FinalizeBlock::misbehaviour`].
    pub misbehaviour: &'a [Misbehaviour],
}

/// Why a voter does not vote for a block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoVote {
    /// The application is against it, and so is every other instance of it: no correct leader makes such a block.
    #[error("{0}")]
    Refused(String),
    /// The application could not be asked.
    #[error("{0}")]
    NotAsked(String),
}

/// A committed block to execute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FinalizeBlock<'a> {
    /// Its height: one more than the last committed one, or the initial height.
    pub height: u64,
    /// Its time, in milliseconds since 1970.
    pub time_ms: u64,
    /// Its hash.
    pub hash: Hash,
    /// Its transactions, in order. All passed `precheck` on every validator that voted for the block.
    pub txs: &'a [&'a [u8]],
    /// The identity key of the leader that made it.
    pub proposer: [u8; 32],
    /// The validators of its epoch.
    pub members: &'a [Member],
    /// What the block proves of validators that contradicted themselves, in the block's order. Of one validator each kind comes once
    /// an epoch, in at most one block.
    pub misbehaviour: &'a [Misbehaviour],
}

/// A validator that signed two messages which no correct validator signs both of, as a block proves it to everyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misbehaviour {
    /// What it did.
    pub kind: MisbehaviourKind,
    /// Its Ed25519 identity key.
    pub identity: [u8; 32],
    /// Its voting power in the epoch it did this in.
    pub power: u64,
    /// The power of all validators of that epoch together.
    pub total_power: u64,
    /// The epoch it did this in: that of the block that proves it, or one of the eight before.
    pub epoch: u64,
    /// The view of the later of the two messages.
    pub view: u64,
    /// The height of that epoch's first block.
    pub height: u64,
    /// The time of the block before that one, in milliseconds since 1970.
    pub time_ms: u64,
}

/// How a validator contradicted itself. The order is that of the numbers in encodings.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum MisbehaviourKind {
    /// Two votes of one view, for different blocks.
    DoubleVote,
    /// Two commit votes of one view, for different blocks.
    DoubleCommitVote,
    /// Two proposals of one view, of different blocks.
    DoubleProposal,
    /// A commit vote of a view, and a timeout vote of that view or a later one that knows of no certificate of it.
    ForgottenCommitVote,
    /// A vote for a child of a certified block, and a timeout vote of that view or a later one that knows of no such certificate.
    ForgottenVote,
}

impl MisbehaviourKind {
    /// Its name, as the command line and RPC show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::DoubleVote => "double-vote",
            Self::DoubleCommitVote => "double-commit-vote",
            Self::DoubleProposal => "double-proposal",
            Self::ForgottenCommitVote => "forgotten-commit-vote",
            Self::ForgottenVote => "forgotten-vote",
        }
    }
}

/// A validator, as a block shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its Ed25519 identity key.
    pub identity: [u8; 32],
    /// Its voting power.
    pub power: u64,
    /// It failed to make blocks when it was leader, and has made none since.
    pub absent: bool,
}

/// What executing a block gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FinalizedBlock {
    /// One result per transaction, in their order.
    pub tx_results: Vec<TxResult>,
    /// Hash of the state after the block.
    pub app_hash: AppHash,
    /// Changes of the validator set. If one of them is impossible, none of the block's counts, nor do its `param_updates`.
    pub validator_updates: Vec<ValidatorUpdate>,
    /// Changes of the consensus parameters.
    pub param_updates: ParamUpdates,
    /// Events of the block as a whole.
    pub events: Vec<Event>,
}

/// What executing a transaction gave.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct TxResult {
    /// 0 if it did what it says; else why it did not.
    pub code: u32,
    /// Whose code it is; empty where `code` is 0.
    pub codespace: String,
    /// The reason in words.
    pub log: String,
    /// What the transaction returns.
    pub data: Bytes,
    /// What happened, for indexes and subscribers.
    pub events: Vec<Event>,
    /// Gas asked for; 0 where the application has no gas.
    pub gas_wanted: i64,
    /// Gas used; 0 where the application has no gas.
    pub gas_used: i64,
}

impl TxResult {
    const LEAF_VERSION: u8 = 1;

    /// The bytes of this result that go into a block's results root: a version byte, then borsh of `code`, `data`,
    /// `gas_wanted` and `gas_used`. Words and events stay out, so that a better sentence is not a fork.
    pub fn results_leaf(&self) -> Vec<u8> {
        let data_len = u32::try_from(self.data.len()).unwrap_or(u32::MAX);
        let mut leaf = Vec::with_capacity(1 + 4 + 4 + self.data.len() + 16);
        leaf.push(Self::LEAF_VERSION);
        leaf.extend_from_slice(&self.code.to_le_bytes());
        leaf.extend_from_slice(&data_len.to_le_bytes());
        leaf.extend_from_slice(&self.data);
        leaf.extend_from_slice(&self.gas_wanted.to_le_bytes());
        leaf.extend_from_slice(&self.gas_used.to_le_bytes());
        leaf
    }
}

/// Something that happened, for indexes and subscribers.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Event {
    /// What kind of thing: `transfer`.
    pub kind: String,
    /// Its particulars.
    pub attributes: Vec<Attribute>,
}

/// One particular of an [`Event`].
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Attribute {
    /// Its name: `sender`.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Whether the node should index it.
    pub index: bool,
}

/// A change of one member of the validator set, effective with the next epoch.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ValidatorUpdate {
    /// The member's Ed25519 identity key.
    pub identity: [u8; 32],
    /// Its new voting power; 0 removes it.
    pub power: u64,
    /// The key that it votes with from then on; none is the one that the identity registered through a block since a key was last named
    /// for it, or else that one.
    pub vote_key: Option<VoteKey>,
}

/// A BLS12-381 key, with the proof that its owner holds the secret one.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteKey {
    /// The public key, compressed.
    #[serde(with = "hex_array")]
    pub key: [u8; 48],
    /// The proof of possession.
    #[serde(with = "hex_array")]
    pub proof: [u8; 96],
}

/// Changes of the consensus parameters, effective with the next epoch; none leaves one as it is. What they mean and what they may be
/// is the genesis document's to say.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the parameter of its name")]
pub struct ParamUpdates {
    pub max_block_bytes: Option<u32>,
    pub max_block_txs: Option<u32>,
    pub max_tx_bytes: Option<u32>,
    pub max_unexecuted_blocks: Option<u32>,
    pub timeout_min_ms: Option<u64>,
    pub timeout_base_max_ms: Option<u64>,
    pub timeout_max_ms: Option<u64>,
    pub repeat_interval_ms: Option<u64>,
    pub heartbeat_ms: Option<u64>,
    pub max_time_ahead_ms: Option<u64>,
}

/// What the node should do after a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommitResult {
    /// Blocks below this height are no longer needed by the application; 0 keeps all.
    pub retain_height: u64,
}

/// A snapshot of an application's state that others may fetch in chunks.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Snapshot {
    /// The height whose state it is.
    pub height: u64,
    /// The application's own number for the format.
    pub format: u32,
    /// How many chunks it has.
    pub chunks: u32,
    /// A hash that names it; equal on all nodes that made the same snapshot.
    pub hash: Bytes,
    /// What the application needs to know to restore it.
    pub metadata: Bytes,
}

/// What to do about a snapshot that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotOffer {
    /// Fetch its chunks.
    Accept,
    /// Not this one; another may do.
    Reject,
    /// None of this format.
    RejectFormat,
    /// None at all: sync blocks instead.
    Abort,
}

/// What to do after a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkApplied {
    /// The next one.
    Accept,
    /// These chunks again, from someone else than `reject_sender` if that is true.
    Retry {
        /// The chunks to fetch again.
        chunks: Vec<u32>,
        /// Whether the sender of the last chunk gave false data.
        reject_sender: bool,
    },
    /// This snapshot again, from an offer on.
    RetrySnapshot,
    /// Not this snapshot; another may do.
    RejectSnapshot,
    /// None at all: sync blocks instead.
    Abort,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_leaf_holds_the_deterministic_part_only() {
        let result =
            TxResult { code: 5, data: vec![9, 8], gas_wanted: 1, gas_used: -1, ..Default::default() };
        let reworded = TxResult {
            log: "other words".into(),
            codespace: "x".into(),
            events: vec![Event { kind: "e".into(), attributes: vec![] }],
            ..result.clone()
        };
        let expected = [vec![1u8], borsh::to_vec(&(5u32, vec![9u8, 8], 1i64, -1i64)).unwrap()].concat();
        assert_eq!(result.results_leaf(), expected);
        assert_eq!(reworded.results_leaf(), expected);
        assert_ne!(TxResult { code: 6, ..result.clone() }.results_leaf(), expected);
        assert_ne!(TxResult { data: vec![9], ..result }.results_leaf(), expected);
    }
}
