//! Between the boundary's words and those of ABCI.

use althing_crypto::sha256;
use prost::bytes::Bytes as Shared;
use tendermint_proto::{
    google::protobuf::{Duration, Timestamp},
    v0_38::{
        abci as pb,
        crypto::{PublicKey, public_key},
        types::{
            AbciParams, BlockIdFlag, BlockParams, ConsensusParams, EvidenceParams, ValidatorParams,
            VersionParams,
        },
    },
};

use crate::{
    AppHash, Attribute, Event, InitChain, Member, Misbehaviour, MisbehaviourKind, ParamUpdates, ProofOp,
    QueryResult, Snapshot, TxResult, ValidatorUpdate, asset::MAX_BLOCK_BYTES,
};

/// Milliseconds since 1970.
pub(super) fn time(ms: u64) -> Option<Timestamp> {
    let nanos = i32::try_from(ms % 1_000 * 1_000_000).unwrap_or_default();
    Some(Timestamp { seconds: signed(ms / 1_000), nanos })
}

/// Heights, sizes and powers are far below 2^63.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(what: &str, number: i64) -> Result<u64, String> {
    u64::try_from(number).map_err(|_| format!("{what} is {number}"))
}

/// A validator's address: the first 20 bytes of SHA-256 of its identity key.
pub(super) fn address(identity: &[u8; 32]) -> Shared {
    sha256(identity).as_bytes()[..20].to_vec().into()
}

pub(super) fn txs(txs: &[&[u8]]) -> Vec<Shared> {
    txs.iter().map(|tx| tx.to_vec().into()).collect()
}

/// The parameters that this chain has a word for; for evidence, about which it gives applications no say, CometBFT's defaults, since
/// applications expect some.
pub(super) fn consensus_params(init: &InitChain) -> ConsensusParams {
    ConsensusParams {
        block: Some(BlockParams { max_bytes: signed(init.max_block_bytes), max_gas: -1 }),
        evidence: Some(evidence_params()),
        version: Some(VersionParams { app: 0 }),
        validator: Some(validator_params()),
        abci: Some(AbciParams { vote_extensions_enable_height: 0 }),
    }
}

fn evidence_params() -> EvidenceParams {
    EvidenceParams {
        max_age_num_blocks: 100_000,
        max_age_duration: Some(Duration { seconds: 48 * 3_600, nanos: 0 }),
        max_bytes: 1 << 20,
    }
}

fn validator_params() -> ValidatorParams {
    ValidatorParams { pub_key_types: vec!["ed25519".to_owned()] }
}

/// What this chain takes of the parameters that an application asks for, and in words what it does not take. Many applications repeat all
/// parameters in every answer: what they were told in the beginning asks for nothing.
pub(super) fn param_updates(params: Option<ConsensusParams>) -> (ParamUpdates, Vec<String>) {
    let Some(ConsensusParams { block, evidence, validator, version, abci: _ }) = params else {
        return Default::default();
    };
    let (mut updates, mut ignored) = (ParamUpdates::default(), Vec::new());
    if let Some(BlockParams { max_bytes, max_gas }) = block {
        match max_bytes {
            // As much as may be.
            -1 => updates.max_block_bytes = Some(MAX_BLOCK_BYTES),
            _ => match u32::try_from(max_bytes) {
                Ok(bytes @ 1..=MAX_BLOCK_BYTES) => updates.max_block_bytes = Some(bytes),
                _ => ignored.push(format!(
                    "block.max_bytes is {max_bytes}, and -1 or 1 to {MAX_BLOCK_BYTES} is possible: it stays as it is"
                )),
            },
        }
        if max_gas != -1 {
            ignored
                .push(format!("block.max_gas is {max_gas}: this chain does not count gas, leave it at -1"));
        }
    }
    if evidence.is_some_and(|evidence| evidence != evidence_params()) {
        ignored.push("evidence: how long it counts is fixed on this chain".to_owned());
    }
    if let Some(validator) = validator.filter(|validator| *validator != validator_params()) {
        let kinds = validator.pub_key_types;
        ignored.push(format!("validator.pub_key_types is {kinds:?}: identities here are ed25519 keys"));
    }
    if let Some(VersionParams { app }) = version.filter(|version| version.app != 0) {
        ignored.push(format!("version.app is {app}: headers of this chain carry no such version"));
    }
    (updates, ignored)
}

/// What a block proves of validators. Two votes, commit votes or proposals of one view are what ABCI calls a duplicate vote. For one that
/// denies what it had signed ABCI has no word; whoever has no rule for it passes over an unknown kind.
pub(super) fn misbehavior(pieces: &[Misbehaviour]) -> Vec<pb::Misbehavior> {
    let one = |piece: &Misbehaviour| pb::Misbehavior {
        r#type: match piece.kind {
            MisbehaviourKind::DoubleVote
            | MisbehaviourKind::DoubleCommitVote
            | MisbehaviourKind::DoubleProposal => pb::MisbehaviorType::DuplicateVote,
            MisbehaviourKind::ForgottenCommitVote | MisbehaviourKind::ForgottenVote => {
                pb::MisbehaviorType::Unknown
            }
        }
        .into(),
        validator: Some(pb::Validator { address: address(&piece.identity), power: signed(piece.power) }),
        height: signed(piece.height),
        time: time(piece.time_ms),
        total_voting_power: signed(piece.total_power),
    };
    pieces.iter().map(one).collect()
}

/// What an application may not ask for by parameters.
pub(super) fn expect_no_vote_extensions(params: Option<&ConsensusParams>) -> Result<(), String> {
    let enabled =
        params.and_then(|params| params.abci.as_ref()).map(|abci| abci.vote_extensions_enable_height);
    match enabled {
        None | Some(0) => Ok(()),
        Some(height) => Err(format!(
            "abci.vote_extensions_enable_height is {height}: this chain has no vote extensions, leave it at 0"
        )),
    }
}

pub(super) fn validator_update(update: &ValidatorUpdate) -> pb::ValidatorUpdate {
    let key = public_key::Sum::Ed25519(update.identity.to_vec());
    pb::ValidatorUpdate { pub_key: Some(PublicKey { sum: Some(key) }), power: signed(update.power) }
}

pub(super) fn validator_updates(updates: Vec<pb::ValidatorUpdate>) -> Result<Vec<ValidatorUpdate>, String> {
    let update = |update: pb::ValidatorUpdate| {
        let identity = match update.pub_key.and_then(|key| key.sum) {
            Some(public_key::Sum::Ed25519(key)) => <[u8; 32]>::try_from(key)
                .map_err(|key| format!("a validator update names an Ed25519 key of {} bytes", key.len()))?,
            Some(public_key::Sum::Secp256k1(_)) => {
                return Err(
                    "a validator update names a secp256k1 key, identities are Ed25519 keys".to_owned()
                );
            }
            None => return Err("a validator update names no key".to_owned()),
        };
        let power = unsigned("the power in a validator update", update.power)?;
        Ok(ValidatorUpdate { identity, power, vote_key: None })
    };
    updates.into_iter().map(update).collect()
}

/// Who stood behind the parent of a block. This chain's votes are one aggregate, which differs from validator to validator: who is left out of
/// leader election for failing counts as absent, all others as there.
pub(super) fn commit_info(members: &[Member]) -> pb::CommitInfo {
    let vote = |member: &Member| pb::VoteInfo {
        validator: Some(pb::Validator { address: address(&member.identity), power: signed(member.power) }),
        block_id_flag: match member.absent {
            true => BlockIdFlag::Absent,
            false => BlockIdFlag::Commit,
        }
        .into(),
    };
    pb::CommitInfo { round: 0, votes: members.iter().map(vote).collect() }
}

pub(super) fn app_hash(hash: Shared) -> Result<AppHash, String> {
    AppHash::new(hash.into()).map_err(|error| error.to_string())
}

pub(super) fn tx_result(result: pb::ExecTxResult) -> TxResult {
    TxResult {
        code: result.code,
        codespace: result.codespace,
        log: result.log,
        data: result.data.into(),
        events: events(result.events),
        gas_wanted: result.gas_wanted,
        gas_used: result.gas_used,
    }
}

pub(super) fn events(events: Vec<pb::Event>) -> Vec<Event> {
    let attribute = |one: pb::EventAttribute| Attribute { key: one.key, value: one.value, index: one.index };
    let event = |event: pb::Event| Event {
        kind: event.r#type,
        attributes: event.attributes.into_iter().map(attribute).collect(),
    };
    events.into_iter().map(event).collect()
}

pub(super) fn query_result(answer: pb::ResponseQuery) -> QueryResult {
    let ops = answer.proof_ops.map(|proof| proof.ops).unwrap_or_default();
    let op = |op: tendermint_proto::v0_38::crypto::ProofOp| ProofOp {
        kind: op.r#type,
        key: op.key,
        data: op.data,
    };
    QueryResult {
        code: answer.code,
        codespace: answer.codespace,
        log: answer.log,
        info: answer.info,
        key: answer.key.into(),
        value: answer.value.into(),
        height: u64::try_from(answer.height).unwrap_or_default(),
        proof: None,
        proof_ops: ops.into_iter().map(op).collect(),
    }
}

pub(super) fn snapshot(snapshot: pb::Snapshot) -> Snapshot {
    let pb::Snapshot { height, format, chunks, hash, metadata } = snapshot;
    Snapshot { height, format, chunks, hash: hash.into(), metadata: metadata.into() }
}

pub(super) fn offered(snapshot: &Snapshot) -> pb::Snapshot {
    let Snapshot { height, format, chunks, hash, metadata } = snapshot.clone();
    pb::Snapshot { height, format, chunks, hash: hash.into(), metadata: metadata.into() }
}
