//! What a proof has shown, as text and as an object.

use althing_consensus::light::{Claim, LightProof, Shown, Start};
use althing_crypto::TxHash;
use althing_ledger::{
    Query, QueryResult,
    asset::{self, VerifyError},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use crate::cli::query::table;
use crate::rpc::time;

/// What the ledger answers by a claim about its state; nothing of other claims.
pub(super) fn answer(claim: &Claim) -> Result<Option<Value>, String> {
    let Claim::State { outcome, path, data, key, value, proof } = claim else { return Ok(None) };
    let height = outcome.execution.height.0;
    let query = Query { path: path.clone(), data: data.clone(), height, prove: true };
    let (key, value, proof) = (key.clone(), value.clone(), Some(proof.clone()));
    let answer = QueryResult { key, value, height, proof, ..QueryResult::default() };
    let hash = outcome.execution.app_hash.as_bytes().to_vec().try_into();
    let hash = hash.map_err(|_| "state: the application hash is not one of the asset ledger".to_owned())?;
    let wrong = |error: VerifyError| format!("state: {error}");
    asset::verify(&query, &answer, &hash).map_err(wrong)?;
    serde_json::from_slice(&answer.value).map(Some).map_err(|error| format!("state: the answer: {error}"))
}

pub(super) fn object(proof: &LightProof, shown: &Shown, answer: Option<&Value>) -> Value {
    let Shown { chain_id, from, passed, header, committed } = shown;
    let start = match &proof.start {
        Start::Genesis => json!("genesis"),
        Start::Trusted { header, .. } => json!(header.height.to_string()),
    };
    json!({
        "chain_id": chain_id,
        "from": start,
        "from_epoch": from.to_string(),
        "epochs_passed": passed,
        "epoch": header.epoch.to_string(),
        "height": header.height.to_string(),
        "header_hash": header.hash().to_string(),
        "time": time(header.time_ms),
        "committed": {
            "view": committed.view.to_string(),
            "power": committed.power.to_string(),
            "of": committed.total.to_string(),
        },
        "shown": claim(&proof.claim, answer),
    })
}

fn claim(claim: &Claim, answer: Option<&Value>) -> Value {
    match claim {
        Claim::Header(_) => json!({ "kind": "header" }),
        Claim::Transaction { tx, .. } => {
            json!({ "kind": "transaction", "hash": TxHash::of(tx).to_string(), "bytes": BASE64.encode(tx) })
        }
        Claim::Result { tx, result, outcome, .. } => {
            let (code, data) = result_parts(result);
            json!({
                "kind": "result", "hash": tx.to_string(), "code": code,
                "data": data.map(|data| BASE64.encode(data)), "vouched_by": outcome.by.to_string(),
            })
        }
        Claim::State { path, data, outcome, .. } => json!({
            "kind": "state",
            "question": { "path": path, "data": String::from_utf8_lossy(data) },
            "at": outcome.execution.height.to_string(),
            "app_hash": outcome.execution.app_hash.to_string(),
            "answer": answer,
        }),
    }
}

/// Code and data of a result, as it is hashed: a version byte, the code, the data behind their length. None where it has another form.
fn result_parts(leaf: &[u8]) -> (Option<u32>, Option<&[u8]>) {
    let read = || {
        let rest = leaf.strip_prefix(&[1])?;
        let (code, rest) = rest.split_first_chunk::<4>()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let data = rest.get(..u32::from_le_bytes(*len) as usize)?;
        Some((u32::from_le_bytes(*code), data))
    };
    read().map_or((None, None), |(code, data)| (Some(code), Some(data)))
}

pub(super) fn text(proof: &LightProof, shown: &Shown, answer: Option<&Value>) -> String {
    let Shown { chain_id, from, passed, header, committed } = shown;
    let start = match &proof.start {
        Start::Genesis => "the genesis document".to_owned(),
        Start::Trusted { header, .. } => format!("the trusted header {}, in epoch {from}", header.height),
    };
    let mut lines = vec![
        format!("chain      {chain_id}"),
        format!("from       {start}, over {passed} changes of epoch to epoch {}", header.epoch),
        format!("header     {}, {}", header.height, header.hash()),
        format!("time       {}", time(header.time_ms)),
        format!(
            "committed  in view {} by validators with {} of {} of the power",
            committed.view, committed.power, committed.total
        ),
    ];
    match &proof.claim {
        Claim::Header(_) => {}
        Claim::Transaction { tx, .. } => {
            lines.push(format!("holds      transaction {} of {} bytes", TxHash::of(tx), tx.len()));
        }
        Claim::Result { tx, result, outcome, .. } => {
            let (code, data) = result_parts(result);
            let code = code.map_or("of another form".to_owned(), |code| format!("code {code}"));
            let data = data.map_or(0, <[u8]>::len);
            lines.push(format!("holds      transaction {tx}"));
            lines.push(format!(
                "result     {code}, {data} bytes of data, vouched for by header {}",
                outcome.by
            ));
        }
        Claim::State { path, data, outcome, .. } => {
            // What is asked is the file's word: whoever wants another answer must see that it is not theirs.
            lines.push(format!("asked      {path:?} of {:?}", String::from_utf8_lossy(data)));
            lines.push(format!("vouches    for the state after height {}:", outcome.execution.height));
            lines.push(answer.map_or_else(String::new, table::text));
        }
    }
    lines.join("\n")
}
