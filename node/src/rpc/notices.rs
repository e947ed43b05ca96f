//! What blocks carry beside transactions: `althing_evidence`, `althing_register`, `broadcast_evidence`.

use std::sync::Arc;

use althing_consensus::{Evidence, Notice, Registration, TimeoutStatement, Vote};
use althing_crypto::{Encoding, ed25519, sha256};
use serde_json::{Value, json};

use super::{
    Context, RpcError,
    json::{address, base64, hex, time},
    params::Params,
};
use crate::{epochs::Epochs, handle::NodeHandle, storage::CarriedNotice, workers::misbehaviour_kind};

/// The evidence of the executed blocks, the newest first, a page of it.
pub(crate) async fn althing_evidence(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let (caller, params) = (params.asked_by(), params.clone());
    context
        .show(caller, move |node| {
            let total = executed_convictions(node)?;
            let (from, most) = params.paging(total)?;
            let above = total - from;
            let mut shown = Vec::new();
            for number in (above.saturating_sub(most)..above).rev() {
                if let Some(carried) = node.chain().conviction(number)? {
                    shown.push(conviction(node.epochs(), &carried)?);
                }
            }
            Ok(json!({ "count": shown.len().to_string(), "total": total.to_string(), "evidence": shown }))
        })
        .await
}

/// How many pieces there are in blocks that can be asked about, too.
fn executed_convictions(node: &NodeHandle) -> Result<u64, RpcError> {
    let executed = *node.executed().borrow();
    let mut total = node.chain().convictions()?;
    while let Some(last) = total.checked_sub(1)
        && node.chain().conviction(last)?.is_some_and(|carried| carried.height > executed)
    {
        total = last;
    }
    Ok(total)
}

fn conviction(epochs: &Epochs, carried: &CarriedNotice) -> Result<Value, RpcError> {
    let mut shown = notice(epochs, &carried.notice)?;
    shown["height"] = carried.height.to_string().into();
    Ok(shown)
}

/// A notice, as `block` and `althing_evidence` show it.
pub(crate) fn notice(epochs: &Epochs, notice: &Notice) -> Result<Value, RpcError> {
    match notice {
        Notice::Evidence(evidence) => {
            let identity = identity(epochs, evidence)?;
            Ok(json!({
                "type": "evidence",
                "epoch": evidence.epoch().to_string(),
                "view": evidence.view().to_string(),
                "kind": misbehaviour_kind(evidence.kind()).name(),
                "position": evidence.signer().0,
                "identity": hex(identity.as_bytes()),
                "address": address(&identity),
                "messages": messages(evidence),
                "bytes": base64(evidence.encode()),
            }))
        }
        Notice::Registration(one) => Ok(json!({
            "type": "registration",
            "epoch": one.epoch.to_string(),
            "identity": hex(one.identity.as_bytes()),
            "address": address(&one.identity),
            "vote_key": hex(one.vote_key),
            "sponsor": hex(one.sponsor.as_bytes()),
            "bytes": base64(notice.encode()),
        })),
    }
}

/// Evidence as this dialect shows what it knows of it: two votes. Of the other kinds it has no word; they are in `althing_notices`.
pub(crate) fn duplicate_vote(node: &NodeHandle, evidence: &Evidence) -> Result<Option<Value>, RpcError> {
    let Evidence::Votes(first, second) = evidence else { return Ok(None) };
    let (epochs, epoch) = (node.epochs(), evidence.epoch());
    let opening = epochs.opening(epoch)?;
    let of = epochs.entered(epoch)?;
    let (set, identity) = (&of.config.set, identity(epochs, evidence)?);
    let vote = |vote: &Vote| {
        json!({
            "type": match vote.phase { althing_consensus::Phase::Vote => 1, althing_consensus::Phase::Commit => 2 },
            "height": (opening.height.0 + 1).to_string(),
            "round": 0,
            "block_id": super::json::block_id(&vote.block),
            "timestamp": time(opening.time_ms),
            "validator_address": address(&identity),
            "validator_index": vote.signer.0,
            "signature": base64(vote.signature.as_bytes()),
        })
    };
    Ok(Some(json!({
        "type": "tendermint/DuplicateVoteEvidence",
        "value": {
            "vote_a": vote(first),
            "vote_b": vote(second),
            "TotalVotingPower": set.total().0.to_string(),
            "ValidatorPower": set.power(evidence.signer()).0.to_string(),
            "Timestamp": time(opening.time_ms),
        },
    })))
}

fn identity(epochs: &Epochs, evidence: &Evidence) -> Result<ed25519::PublicKey, RpcError> {
    let of = epochs.entered(evidence.epoch())?;
    let member = of.config.set.get(evidence.signer());
    Ok(member.ok_or_else(|| RpcError::internal("evidence against nobody"))?.identity)
}

/// The two messages, each with what its signature covers.
fn messages(evidence: &Evidence) -> [Value; 2] {
    let proposal = |(statement, signature): &(althing_consensus::ProposalStatement, ed25519::Signature)| {
        json!({
            "type": "proposal",
            "view": statement.view.to_string(),
            "block": hex(statement.block),
            "justify": hex(statement.justify),
            "tc": hex(statement.tc),
            "signature": hex(signature.as_bytes()),
        })
    };
    match evidence {
        Evidence::Votes(first, second) => [vote(first), vote(second)],
        Evidence::Proposals { first, second, .. } => [proposal(first), proposal(second)],
        Evidence::CommitAndTimeout(one, other) => [vote(one), timeout(other)],
        Evidence::VoteAndTimeout(one, header, other) => {
            let mut one = vote(one);
            one["header"] = base64(header.encode()).into();
            one["justify_view"] = header.justify_view.to_string().into();
            [one, timeout(other)]
        }
    }
}

fn vote(vote: &Vote) -> Value {
    let kind = match vote.phase {
        althing_consensus::Phase::Vote => "vote",
        althing_consensus::Phase::Commit => "commit-vote",
    };
    json!({
        "type": kind,
        "view": vote.view.to_string(),
        "block": hex(vote.block),
        "signature": hex(vote.signature.as_bytes()),
    })
}

fn timeout(statement: &TimeoutStatement) -> Value {
    json!({
        "type": "timeout-vote",
        "view": statement.view.to_string(),
        "high_view": statement.high_view.to_string(),
        "signature": hex(statement.signature.as_bytes()),
    })
}

/// Hands in a piece of evidence: the encoding that `althing_evidence` shows as `bytes`.
pub(crate) async fn broadcast_evidence(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let evidence = decoded::<Evidence>("evidence", &params.blob("evidence", Evidence::MAX_BYTES)?)?;
    let charge = evidence.charge();
    let hash = base64(sha256(&evidence.encode()));
    submit(context, Notice::Evidence(evidence)).await?;
    Ok(json!({ "hash": hash, "epoch": charge.epoch.to_string(), "position": charge.signer.0,
        "kind": misbehaviour_kind(charge.kind).name() }))
}

/// Hands in the registration of a vote key, which `althing validator register` makes.
pub(crate) async fn althing_register(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let notice = decoded::<Notice>("registration", &params.blob("registration", Notice::MAX_BYTES)?)?;
    let Notice::Registration(registration) = &notice else {
        return Err(RpcError::params("registration: it is evidence; broadcast_evidence takes that"));
    };
    let Registration { epoch, identity, vote_key, .. } = **registration;
    submit(context, notice).await?;
    let identity = hex(identity.as_bytes());
    Ok(json!({ "epoch": epoch.to_string(), "identity": identity, "vote_key": hex(vote_key) }))
}

fn decoded<T: Encoding>(name: &str, bytes: &[u8]) -> Result<T, RpcError> {
    T::decode(bytes).map_err(|error| RpcError::params(format!("{name}: {error}")))
}

async fn submit(context: &Context, notice: Notice) -> Result<(), RpcError> {
    let outcome = context.node.submit_notice(notice).await;
    let outcome = outcome.map_err(|error| RpcError::internal(error.to_string()))?;
    outcome.map_err(|reason| RpcError::internal(format!("not taken: {reason}")))
}
