//! What is said of the methods: the OpenRPC document, the table of `docs/rpc.md`, the list for people.

use serde_json::{Value, json};

use super::{super::params::MAX_TXS, Kind, METHODS, Param, results};

/// The OpenRPC document of this interface.
pub(crate) fn discover() -> Value {
    let methods = METHODS.iter().map(|method| {
        json!({
            "name": method.name,
            "summary": method.summary,
            "paramStructure": "either",
            "params": method.params.iter().map(param).collect::<Vec<_>>(),
            "result": { "name": "result", "schema": results::schema(method.name) },
            "x-role": method.role.name(),
            "x-cost": method.cost,
        })
    });
    json!({
        "openrpc": "1.2.6",
        "info": {
            "title": "Althing JSON-RPC",
            "description": "The dialect of CometBFT 0.38, and methods of its own whose names begin with althing_.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0" },
        },
        "methods": methods.collect::<Vec<_>>(),
        "components": { "schemas": results::parts() },
    })
}

fn param(param: &Param) -> Value {
    json!({
        "name": param.name,
        "description": param.doc,
        "required": param.required,
        "schema": schema(param.kind),
    })
}

fn schema(kind: Kind) -> Value {
    match kind {
        Kind::Height => json!({ "oneOf": [
            { "type": "integer", "minimum": 1 },
            { "type": "string", "pattern": "^[1-9][0-9]*$" },
        ]}),
        Kind::Number => json!({ "oneOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": "^[0-9]+$" },
        ]}),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Text => json!({ "type": "string" }),
        Kind::Hex => json!({ "type": "string", "pattern": "^(0x)?([0-9A-Fa-f]{2})*$" }),
        Kind::Hash => json!({ "type": "string", "pattern": "^((0x)?[0-9A-Fa-f]{64}|[0-9A-Za-z+/]{43}=)$" }),
        Kind::Tx => json!({ "type": "string", "contentEncoding": "base64" }),
        Kind::Txs => json!({
            "type": "array",
            "maxItems": MAX_TXS,
            "items": { "type": "string", "contentEncoding": "base64" },
        }),
        Kind::Bytes => json!({ "type": "string" }),
    }
}

/// What can be asked, for people: one URI a line.
pub(crate) fn list() -> String {
    let lines = METHODS.iter().map(|method| {
        let params: Vec<_> = method.param_names().map(|name| format!("{name}=_")).collect();
        format!("/{}{}{}\n", method.name, if params.is_empty() { "" } else { "?" }, params.join("&"))
    });
    lines.collect()
}

/// The table of `docs/rpc.md`.
#[cfg(test)]
pub(super) fn table() -> String {
    let mut table =
        "| method | parameters | role | cost | what it answers |\n|---|---|---|---|---|\n".to_owned();
    for method in METHODS {
        let params: Vec<_> = method
            .params
            .iter()
            .map(|param| format!("`{}`{}", param.name, if param.required { "" } else { "?" }))
            .collect();
        table.push_str(&format!(
            "| `{}` | {} | {} | {} | {} |\n",
            method.name,
            params.join(" "),
            method.role.name(),
            method.cost,
            method.summary
        ));
    }
    table
}
