//! What the application says for itself: `abci_info`, `abci_query`, `check_tx`.
//!
//! It commits a height a moment before the node tells of it: an answer waits until clients find that height's results and index, too.

use std::{sync::Arc, time::Duration};

use althing_consensus::Height;
use althing_ledger::{Application, CheckKind, Query, TxError, TxResult};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    Context, RpcError,
    json::{base64, tx_result},
    params::Params,
};

/// How long the node may take to tell of a height that the application has committed.
const TELL_TIMEOUT: Duration = Duration::from_secs(10);

/// The height and the hash that the application's durable state stands at.
pub(crate) async fn abci_info(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let info = context
        .ask(params.asked_by(), |application| application.info())
        .await?
        .map_err(RpcError::internal)?;
    told(context, info.last_height).await?;
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
    let ask = move |application: &dyn Application| (application.query(&query), application.info());
    let (answer, info) = context.ask(params.asked_by(), ask).await?;
    // An application may name any height in an answer, also one that it has not come to.
    told(context, answer.height.min(info.map_err(RpcError::internal)?.last_height)).await?;
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

/// Waits until the node tells of a height.
async fn told(context: &Context, height: u64) -> Result<(), RpcError> {
    let mut executed = context.node.executed();
    let told = timeout(TELL_TIMEOUT, executed.wait_for(|told| *told >= Height(height))).await;
    match told {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err(RpcError::internal("the node is stopping")),
        Err(_) => Err(RpcError::internal(format!(
            "the application stands at height {height}, whose results this node has not stored yet"
        ))),
    }
}

/// What the mempool would ask the application about a transaction. It is not handed in.
pub(crate) async fn check_tx(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let tx = params.tx("tx")?;
    let verdict = context
        .ask(params.asked_by(), move |application| {
            let stateless = application.precheck(&[&tx]).into_iter().next();
            stateless.map(|verdict| verdict.and_then(|_| application.check_tx(&tx, CheckKind::New)))
        })
        .await?
        .ok_or_else(|| RpcError::internal("the application gave no verdict"))?;
    Ok(tx_result(&match verdict {
        Ok(_) => TxResult::default(),
        Err(TxError { code, codespace, log }) => TxResult { code, codespace, log, ..TxResult::default() },
    }))
}
