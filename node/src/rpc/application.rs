//! What the application says for itself: `abci_info`, `abci_query`.

use std::sync::Arc;

use althing_ledger::Query;
use serde_json::{Value, json};

use super::{Context, RpcError, json::base64, params::Params};

/// The height and the hash that the application's durable state stands at.
pub(crate) async fn abci_info(context: &Arc<Context>) -> Result<Value, RpcError> {
    let info = context.ask(|application| application.info()).await?.map_err(RpcError::internal)?;
    Ok(json!({ "response": {
        "data": info.name,
        "version": info.version,
        "app_version": "0",
        "last_block_height": info.last_height.to_string(),
        "last_block_app_hash": base64(info.app_hash.as_bytes()),
    }}))
}

/// A question to the application. That it cannot be answered is an answer, too, with a code.
pub(crate) async fn abci_query(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let query = Query {
        path: params.text("path")?,
        data: params.hex("data")?,
        height: params.number("height")?.unwrap_or(0),
        prove: params.flag("prove")?,
    };
    let answer = context.ask(move |application| application.query(&query)).await?;
    let bytes = |bytes: &[u8]| if bytes.is_empty() { Value::Null } else { base64(bytes).into() };
    let op = |kind: &str, key: &[u8], data: &[u8]| json!({ "type": kind, "key": bytes(key), "data": base64(data) });
    let ops: Vec<Value> = match &answer.proof {
        // The form of this proof is the application's own.
        Some(proof) => vec![op("althing", &answer.key, proof)],
        None => answer.proof_ops.iter().map(|one| op(&one.kind, &one.key, &one.data)).collect(),
    };
    Ok(json!({ "response": {
        "code": answer.code,
        "log": answer.log,
        "info": answer.info,
        "index": "0",
        "key": bytes(&answer.key),
        "value": bytes(&answer.value),
        "proofOps": (!ops.is_empty()).then(|| json!({ "ops": ops })),
        "height": answer.height.to_string(),
        "codespace": answer.codespace,
    }}))
}
