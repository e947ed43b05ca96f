//! A client's request, from the bytes of its body to transactions.

use althing_node::rpc::submitted;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;

use super::inputs::transfers;
use super::{Row, Run, run};

pub(super) const PATHS: &[Row] = &[("rpc.read_broadcast_txs_256", broadcast)];

fn broadcast() -> Run {
    let txs: Vec<_> = transfers(256).into_iter().map(|tx| BASE64.encode(tx)).collect();
    let request =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "althing_broadcast_txs", "params": { "txs": txs } });
    let body = request.to_string();
    run(move || {
        let txs = submitted(body.as_bytes()).expect("a sound request");
        assert_eq!(txs.len(), 256);
        (txs, body)
    })
}
