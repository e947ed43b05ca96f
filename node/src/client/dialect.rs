//! Answers as the dialect has them, field by field: 64-bit integers come as text, bytes as base64, hashes as upper-case hexadecimal digits.
//! What is not named here is passed over.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use super::{Attribute, integer};

/// A 64-bit integer.
pub(super) fn decimal<'de, D: Deserializer<'de>>(value: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(value)?;
    integer(&value).ok_or_else(|| D::Error::custom(format!("{value} is no integer")))
}

/// Bytes; nothing stands for none.
fn bytes<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<u8>, D::Error> {
    let text = Option::<String>::deserialize(value)?;
    BASE64.decode(text.unwrap_or_default()).map_err(D::Error::custom)
}

#[derive(Deserialize)]
struct Base64(#[serde(deserialize_with = "bytes")] Vec<u8>);

fn list_of_bytes<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<Vec<u8>>, D::Error> {
    Ok(Vec::<Base64>::deserialize(value)?.into_iter().map(|one| one.0).collect())
}

/// `status`: where a node stands.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the dialect names them")]
pub struct NodeStatus {
    pub node_info: NodeInfo,
    pub sync_info: SyncInfo,
    pub validator_info: ValidatorInfo,
    pub althing: Progress,
}

/// What a node says of itself.
#[derive(Debug, Clone, Deserialize)]
pub struct NodeInfo {
    /// The chain's id, which transactions carry.
    pub network: String,
    /// The version of the dialect.
    pub version: String,
    /// What it calls itself.
    pub moniker: String,
}

/// The blocks that a node has.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the dialect names them")]
pub struct SyncInfo {
    pub latest_block_hash: String,
    pub latest_app_hash: String,
    #[serde(deserialize_with = "decimal")]
    pub latest_block_height: u64,
    pub latest_block_time: String,
    #[serde(deserialize_with = "decimal")]
    pub earliest_block_height: u64,
    pub catching_up: bool,
}

/// What the dialect has no word for.
#[derive(Debug, Clone, Deserialize)]
pub struct Progress {
    /// Whose members vote now.
    #[serde(deserialize_with = "decimal")]
    pub epoch: u64,
    /// The view of that epoch.
    #[serde(deserialize_with = "decimal")]
    pub view: u64,
    /// The newest block that is committed.
    #[serde(deserialize_with = "decimal")]
    pub committed_height: u64,
    /// The newest block that is executed, too.
    #[serde(deserialize_with = "decimal")]
    pub executed_height: u64,
    /// Transactions that wait for a block.
    #[serde(deserialize_with = "decimal")]
    pub pending_txs: u64,
    /// Why the node has stopped taking part, if it has.
    pub halted: Option<String>,
}

/// One that votes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ValidatorInfo {
    /// 20 bytes of the hash of its identity, in hexadecimal digits.
    pub address: String,
    /// Its identity.
    pub pub_key: IdentityKey,
    /// Its weight; 0 for a node that does not vote.
    #[serde(deserialize_with = "decimal")]
    pub voting_power: u64,
}

/// An Ed25519 key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct IdentityKey {
    /// Its 32 bytes.
    #[serde(deserialize_with = "bytes")]
    pub value: Vec<u8>,
}

/// `validators`: a page of those who vote at a height.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the dialect names them")]
pub struct Validators {
    #[serde(deserialize_with = "decimal")]
    pub block_height: u64,
    #[serde(deserialize_with = "decimal")]
    pub total: u64,
    pub validators: Vec<ValidatorInfo>,
}

/// `block`: a block and its name.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the dialect names them")]
pub struct NamedBlock {
    pub block_id: BlockId,
    pub block: ShownBlock,
}

/// A block's name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BlockId {
    /// In hexadecimal digits.
    pub hash: String,
}

/// A block.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the dialect names them")]
pub struct ShownBlock {
    pub header: ShownHeader,
    pub data: BlockData,
}

/// A block's header, as far as the dialect has words for it.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the dialect names them")]
pub struct ShownHeader {
    pub chain_id: String,
    #[serde(deserialize_with = "decimal")]
    pub height: u64,
    pub time: String,
    pub last_block_id: BlockId,
    pub data_hash: String,
    pub app_hash: String,
    pub last_results_hash: String,
    pub proposer_address: String,
}

/// What a block carries.
#[derive(Debug, Clone, Deserialize)]
pub struct BlockData {
    /// The transactions' bytes, in order.
    #[serde(deserialize_with = "list_of_bytes")]
    pub txs: Vec<Vec<u8>>,
}

/// `block_results`: what executing a block gave.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the dialect names them")]
pub struct BlockResults {
    #[serde(deserialize_with = "decimal")]
    pub height: u64,
    /// One for each transaction, in order.
    pub txs_results: Vec<TxOutcome>,
    pub finalize_block_events: Vec<ShownEvent>,
    #[serde(deserialize_with = "bytes")]
    pub app_hash: Vec<u8>,
}

/// What came of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the dialect names them")]
pub struct TxOutcome {
    /// 0 if it did what it says.
    pub code: u32,
    #[serde(deserialize_with = "bytes")]
    pub data: Vec<u8>,
    pub log: String,
    pub codespace: String,
    #[serde(deserialize_with = "decimal")]
    pub gas_used: u64,
    pub events: Vec<ShownEvent>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ShownEvent {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// The details, in order.
    pub attributes: Vec<Attribute>,
}

/// `tx`: a transaction in its block.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the dialect names them")]
pub struct FoundTx {
    pub hash: String,
    #[serde(deserialize_with = "decimal")]
    pub height: u64,
    /// Its place in the block.
    pub index: u32,
    pub tx_result: TxOutcome,
    #[serde(deserialize_with = "bytes")]
    pub tx: Vec<u8>,
    /// If it was asked for.
    pub proof: Option<TxProof>,
}

/// That a transaction is in a block whose header is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TxProof {
    /// The header's `data_hash`.
    pub root_hash: String,
    /// The way from the transaction's hash to it.
    pub proof: TxPath,
}

/// A path in a Merkle tree.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the dialect names them")]
pub struct TxPath {
    #[serde(deserialize_with = "decimal")]
    pub total: u64,
    #[serde(deserialize_with = "decimal")]
    pub index: u64,
    #[serde(deserialize_with = "bytes")]
    pub leaf_hash: Vec<u8>,
    #[serde(deserialize_with = "list_of_bytes")]
    pub aunts: Vec<Vec<u8>>,
}

/// `tx_search`: a page of what was found.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the dialect names them")]
pub struct FoundTxs {
    pub txs: Vec<FoundTx>,
    /// On all pages together.
    #[serde(deserialize_with = "decimal")]
    pub total_count: u64,
}
