//! What the methods answer, as the schemas of `rpc.discover`.
//!
//! Written in a notation of one line each: `{ name: type, may_be_missing?: type }`, `{ *: type }` with any names, `[type]`, `type?` that may
//! be null, words joined by `|` of which it is one, a part's name with a capital. `int` is a whole number in a string, `number` one
//! without, `hex` has upper-case digits, `any` is anything.

use serde_json::{Map, Value, json};

/// Whole numbers of 64 bits.
const INT: &str = "^-?[0-9]+$";
const HEX: &str = "^([0-9A-F]{2})*$";

/// By method.
const RESULTS: &[(&str, &str)] = &[
    (
        "abci_info",
        "{ response: { data: text, version: text, app_version: int, last_block_height: int, last_block_app_hash: base64 } }",
    ),
    (
        "abci_query",
        "{ response: { code: number, log: text, info: text, index: int, key: base64?, value: base64?, proofOps: { ops: [{ type: text, \
         key: base64?, data: base64 }] }?, height: int, codespace: text } }",
    ),
    ("althing_block_hashes", "{ executed: int, time_ms: int?, count: number?, hashes: base64? }"),
    (
        "althing_broadcast_txs",
        "{ codes: [number], refusals: [{ index: number, hash: hex, code: number, codespace: text, log: text }] }",
    ),
    ("althing_certificate", "{ height: int, certificate: Certificate }"),
    ("althing_epochs", "{ ends: [base64] }"),
    (
        "althing_events",
        "{ events: [{ cursor: text, height: int, tx_index: number?, hash: hex?, type: text, attributes: [Attribute] }], cursor: text, \
         latest_height: int }",
    ),
    ("althing_evidence", "{ count: int, total: int, evidence: [Notice] }"),
    ("althing_links", "{ links: [base64] }"),
    ("althing_proof", "{ runs: [base64], claim: base64 }"),
    ("althing_register", "{ epoch: int, identity: hex, vote_key: hex }"),
    ("althing_start", "{ start: base64 }"),
    ("althing_tx_status", "Fate"),
    ("althing_tx_wait", "Fate"),
    ("block", "{ block_id: BlockId, block: Block }"),
    ("block_by_hash", "{ block_id: BlockId, block: Block? }"),
    (
        "block_results",
        "{ height: int, txs_results: [TxResult], finalize_block_events: [Event], validator_updates: [ValidatorUpdate], \
         consensus_param_updates: null, app_hash: base64, results_root: hex }",
    ),
    ("block_search", "{ blocks: [{ block_id: BlockId, block: Block }], total_count: int }"),
    (
        "blockchain",
        "{ last_height: int, block_metas: [{ block_id: BlockId, block_size: int, header: Header, num_txs: int }] }",
    ),
    ("broadcast_evidence", "{ hash: base64, epoch: int, position: number, kind: text }"),
    ("broadcast_tx_async", "Admission"),
    ("broadcast_tx_commit", "{ check_tx: TxResult, tx_result: TxResult, hash: hex, height: int }"),
    ("broadcast_tx_sync", "Admission"),
    ("check_tx", "TxResult"),
    (
        "commit",
        "{ signed_header: { header: Header, header_bytes: base64, commit: Commit }, canonical: flag }",
    ),
    (
        "consensus_params",
        "{ block_height: int, consensus_params: ConsensusParams, althing: { epoch: int, consensus_params: { *: number } } }",
    ),
    (
        "consensus_state",
        "{ round_state: { height/round/step: text, start_time: time, proposal_block_hash: hex, locked_block_hash: hex, \
         valid_block_hash: hex, height_vote_set: [any], proposer: { address: hex, index: number }? } }",
    ),
    (
        "dump_consensus_state",
        "{ round_state: { height: int, round: number, step: number, start_time: time, validators: { validators: [Validator], \
         proposer: Validator? }, proposal: null, locked_block: null, valid_block: null, votes: [any], last_commit: null }, althing: { \
         epoch: int, view: int, committed_height: int, executed_height: int, app_hash: hex, position: number?, catching_up: flag, \
         halted: text? }, peers: [{ node_address: text, peer_state: null }] }",
    ),
    (
        "genesis",
        "{ genesis: { genesis_time: time, chain_id: text, initial_height: int, consensus_params: ConsensusParams, validators: [{ \
         address: hex, pub_key: PublicKey, power: int, name: text }], app_hash: hex, app_state: any } }",
    ),
    ("genesis_chunked", "{ chunk: int, total: int, data: base64 }"),
    ("header", "{ header: Header }"),
    ("header_by_hash", "{ header: Header? }"),
    ("health", "{}"),
    (
        "net_info",
        "{ listening: flag, listeners: [text], n_peers: int, peers: [{ node_info: NodeInfo, is_outbound: flag, connection_status: { \
         Duration: int, SendMonitor: Monitor, RecvMonitor: Monitor, Channels: [any] }, remote_ip: text }] }",
    ),
    ("num_unconfirmed_txs", "{ n_txs: int, total: int, total_bytes: int }"),
    ("rpc.discover", "{ *: any }"),
    (
        "status",
        "{ node_info: NodeInfo, sync_info: { latest_block_hash: hex, latest_app_hash: hex, latest_block_height: int, \
         latest_block_time: time, earliest_block_hash: hex, earliest_app_hash: hex, earliest_block_height: int, \
         earliest_block_time: time, catching_up: flag }, validator_info: { address: hex, pub_key: PublicKey, voting_power: int }, \
         althing: { epoch: int, view: int, committed_height: int, executed_height: int, pending_txs: int, halted: text?, \
         application: text? } }",
    ),
    ("subscribe", "{}"),
    ("tx", "Tx"),
    ("tx_search", "{ txs: [Tx], total_count: int }"),
    ("unconfirmed_txs", "{ n_txs: int, total: int, total_bytes: int, txs: [base64] }"),
    ("unsubscribe", "{}"),
    ("unsubscribe_all", "{}"),
    ("validators", "{ block_height: int, count: int, total: int, validators: [Validator] }"),
];

/// What several results are made of.
const PARTS: &[(&str, &str)] = &[
    ("Admission", "{ code: number, data: text, log: text, codespace: text, hash: hex }"),
    ("Attribute", "{ key: text, value: text, index: flag }"),
    (
        "Block",
        "{ header: Header, data: { txs: [base64] }, evidence: { evidence: [{ type: text, value: { vote_a: Vote, vote_b: Vote, \
         TotalVotingPower: int, ValidatorPower: int, Timestamp: time } }] }, althing_notices: [Notice], last_commit: Commit }",
    ),
    ("BlockId", "{ hash: hex, parts: { total: number, hash: hex } }"),
    (
        "Certificate",
        "{ epoch: int, view: int, block: hex, signers: [number], signature: hex, bytes: base64 }",
    ),
    (
        "Commit",
        "{ height: int, round: number, block_id: BlockId, signatures: [{ block_id_flag: number, validator_address: hex, \
         timestamp: time, signature: base64? }], althing_certificate?: Certificate }",
    ),
    (
        "ConsensusParams",
        "{ block: { max_bytes: int, max_gas: int }, evidence: { max_age_num_blocks: int, max_age_duration: int, max_bytes: int }, \
         validator: { pub_key_types: [text] }, version: { app: int }, abci: { vote_extensions_enable_height: int } }",
    ),
    ("Event", "{ type: text, attributes: [Attribute] }"),
    (
        "Fate",
        "{ hash: hex, status: unknown|pending|committed|failed|expired|evicted, final: flag, height: int?, index: number?, \
         code: number, codespace: text, reason: text }",
    ),
    (
        "Header",
        "{ version: { block: int, app: int }, chain_id: text, height: int, time: time, last_block_id: BlockId, last_commit_hash: hex, \
         data_hash: hex, validators_hash: hex, next_validators_hash: hex, consensus_hash: hex, app_hash: hex, last_results_hash: hex, \
         evidence_hash: hex, proposer_address: hex }",
    ),
    (
        "Message",
        "{ type: text, view: int, signature: hex, block?: hex, justify?: hex, tc?: hex, high_view?: int, header?: base64, \
         justify_view?: int }",
    ),
    (
        "Monitor",
        "{ Active: flag, Start: time, Duration: int, Idle: int, Bytes: int, Samples: int, InstRate: int, CurRate: int, AvgRate: int, \
         PeakRate: int, BytesRem: int, TimeRem: int, Progress: number }",
    ),
    (
        "NodeInfo",
        "{ protocol_version: { p2p: int, block: int, app: int }, id: text, listen_addr: text, network: text, version: text, \
         channels: text, moniker: text, other: { tx_index: on|off, rpc_address: text, software: text, identity: text } }",
    ),
    (
        "Notice",
        "{ type: evidence|registration, epoch: int, identity: hex, address: hex, bytes: base64, height?: int, view?: int, \
         kind?: text, position?: number, messages?: [Message], vote_key?: hex, sponsor?: hex }",
    ),
    ("PublicKey", "{ type: text, value: base64 }"),
    (
        "Tx",
        "{ hash: hex, height: int, index: number, tx_result: TxResult, tx: base64, proof?: { root_hash: hex, data: base64, proof: { \
         total: int, index: int, leaf_hash: base64, aunts: [base64] } } }",
    ),
    (
        "TxResult",
        "{ code: number, data: base64?, log: text, info: text, gas_wanted: int, gas_used: int, events: [Event], codespace: text }",
    ),
    ("Validator", "{ address: hex, pub_key: PublicKey, voting_power: int, proposer_priority: int }"),
    ("ValidatorUpdate", "{ pub_key: { Sum: { type: text, value: { ed25519: base64 } } }, power: int }"),
    (
        "Vote",
        "{ type: number, height: int, round: number, block_id: BlockId, timestamp: time, validator_address: hex, \
         validator_index: number, signature: base64 }",
    ),
];

/// The schema of what a method of the table answers.
pub(super) fn schema(method: &str) -> Value {
    let written = RESULTS.iter().find(|(name, _)| *name == method);
    Notation::read(written.expect("each method of the table has one").1)
}

/// The schemas of the parts, by name.
pub(super) fn parts() -> Value {
    PARTS
        .iter()
        .map(|(name, written)| ((*name).to_owned(), Notation::read(written)))
        .collect::<Map<_, _>>()
        .into()
}

/// What is still to be read of a schema. It is our own: wherever it is wrong, a test of the documents ends.
struct Notation<'a>(&'a str);

impl<'a> Notation<'a> {
    fn read(text: &'a str) -> Value {
        let mut rest = Self(text);
        let schema = rest.schema();
        assert!(rest.0.trim().is_empty(), "{:?} is left of {text:?}", rest.0);
        schema
    }

    /// Whether this is what comes next; if so it is read.
    fn takes(&mut self, sign: char) -> bool {
        let rest = self.0.trim_start().strip_prefix(sign);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, sign: char) {
        assert!(self.takes(sign), "{sign:?} expected at {:?}", self.0);
    }

    fn word(&mut self) -> &'a str {
        let text = self.0.trim_start();
        let end = text.find(|c: char| !(c.is_alphanumeric() || "_/|*".contains(c))).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        assert!(!word.is_empty(), "a word expected at {text:?}");
        self.0 = rest;
        word
    }

    fn schema(&mut self) -> Value {
        let schema = if self.takes('{') {
            self.fields()
        } else if self.takes('[') {
            let items = self.schema();
            self.expect(']');
            json!({ "type": "array", "items": items })
        } else {
            named(self.word())
        };
        if self.takes('?') { json!({ "oneOf": [schema, { "type": "null" }] }) } else { schema }
    }

    fn fields(&mut self) -> Value {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        while !self.takes('}') {
            let (name, may_be_missing) = (self.word(), self.takes('?'));
            self.expect(':');
            let schema = self.schema();
            if name == "*" {
                self.expect('}');
                return json!({ "type": "object", "additionalProperties": schema });
            }
            if !may_be_missing {
                required.push(name);
            }
            properties.insert(name.to_owned(), schema);
            self.takes(',');
        }
        json!({ "type": "object", "properties": properties, "required": required })
    }
}

fn named(word: &str) -> Value {
    match word {
        "any" => json!(true),
        "text" => json!({ "type": "string" }),
        "int" => json!({ "type": "string", "pattern": INT }),
        "hex" => json!({ "type": "string", "pattern": HEX }),
        "base64" => json!({ "type": "string", "contentEncoding": "base64" }),
        "time" => json!({ "type": "string", "format": "date-time" }),
        "number" => json!({ "type": "integer" }),
        "flag" => json!({ "type": "boolean" }),
        "null" => json!({ "type": "null" }),
        words if words.contains('|') => json!({ "enum": words.split('|').collect::<Vec<_>>() }),
        part => {
            assert!(PARTS.iter().any(|(name, _)| *name == part), "{part:?} is neither a type nor a part");
            json!({ "$ref": format!("#/components/schemas/{part}") })
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
