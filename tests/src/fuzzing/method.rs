//! Every method of JSON-RPC with made-up parameters, through the real dispatcher: in a body, in a URI, or over a WebSocket.
//!
//! The first byte says which way, the second which method, then each parameter is made of a byte that says how and of those that follow.

use std::sync::LazyLock;

use althing_ledger::asset::{Address, Question};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Map, Value, json};

use super::chain::{ACCOUNTS, account_key};
use super::rpc::{body_of, envelope};
use super::samples;
use super::served::{self, exchange, exchange_until};

/// A method's name and those of its parameters.
type Method = (String, Vec<String>);

/// As the document has them that is made from the code.
static METHODS: LazyLock<Vec<Method>> = LazyLock::new(|| {
    let document: Value =
        serde_json::from_str(include_str!("../../../docs/openrpc.json")).expect("a document");
    let name = |value: &Value| value["name"].as_str().expect("a name").to_owned();
    let methods = document["methods"].as_array().expect("methods");
    let params = |method: &Value| method["params"].as_array().expect("parameters").iter().map(name).collect();
    methods.iter().map(|method| (name(method), params(method))).collect()
});

/// What some parameters may well be.
static KNOWN: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut known: Vec<String> = WORDS.map(str::to_owned).into();
    let addresses = (0..ACCOUNTS).map(|account| Address::of(&account_key(account).public_key()));
    for address in addresses {
        known.push(format!("transfer.recipient = '{address}' AND tx.height >= 2"));
        known.push(format!("tx.sender = '{address}'"));
        let question = Question::Account { account: address }.query();
        known.push(hex(&question.data));
    }
    for body in served::bodies() {
        known.push(BASE64.encode(body.block.hash()));
        known.extend(body.block.txs.iter().map(|tx| BASE64.encode(tx)));
        known.extend(body.txs.iter().map(|tx| BASE64.encode(tx)));
    }
    known.extend(samples::transactions().iter().map(|tx| BASE64.encode(tx)));
    known
});

/// Cursors, queries, orders, and paths of the ledger's questions.
const WORDS: [&str; 18] = [
    "tx.height > 0",
    "block.height > 0",
    "tm.event = 'Tx'",
    "tm.event = 'NewBlock'",
    "tx.height >= 2.5",
    "transfer.asset EXISTS",
    "transfer.sender CONTAINS '1' AND tx.height < 7",
    "block.height <= 1",
    "asc",
    "desc",
    "1.0.0",
    "3.1.1",
    "9.0.0",
    "0.0.0",
    "account",
    "assets",
    "holders",
    "locks",
];

/// Waiting is not what is looked for here.
const MAX_WAIT_MS: u64 = 1;

/// Calls a method, and looks at the answer.
pub fn method(bytes: &[u8]) {
    called(bytes);
}

/// What is answered, if there are bytes enough for a question.
fn called(bytes: &[u8]) -> Option<Value> {
    let [way, which, rest @ ..] = bytes else { return None };
    let (name, names) = &METHODS[usize::from(*which) % METHODS.len()];
    let mut made = Made { bytes: rest };
    let mut params = Map::new();
    for param in names {
        let value = made.value();
        let value = if param == "wait_ms" { Some(short(value.unwrap_or_default())) } else { value };
        params.extend(value.map(|value| (param.clone(), value)));
    }
    let answer = match way % 4 {
        0 => posted(name, Value::Object(params)),
        1 => posted(name, names.iter().map(|name| params.remove(name).unwrap_or_default()).collect()),
        2 => asked(name, &params),
        _ => spoken(name, Value::Object(params)),
    };
    check(&answer);
    Some(answer)
}

/// A time to wait that is none, or no time at all: left out it would be a long one.
fn short(value: Value) -> Value {
    let text =
        value.as_str().map_or_else(|| value.to_string(), |text| text.trim_matches(['"', '\'']).to_owned());
    let waits = text.is_empty() || value.is_null() || text.parse().is_ok_and(|ms: u64| ms <= 60_000);
    if waits { MAX_WAIT_MS.into() } else { value }
}

/// What parameters are made of.
struct Made<'a> {
    bytes: &'a [u8],
}

impl Made<'_> {
    fn take(&mut self, len: usize) -> &[u8] {
        let (taken, rest) = self.bytes.split_at(len.min(self.bytes.len()));
        self.bytes = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    fn number(&mut self) -> u64 {
        self.take(8).iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// None is left out.
    fn value(&mut self) -> Option<Value> {
        Some(match self.byte() % 12 {
            0 => return None,
            1 => Value::Null,
            2 => self.number().into(),
            3 => self.number().to_string().into(),
            4 => self.byte().into(),
            5 => (-i64::from(self.byte())).into(),
            6 => self.byte().is_multiple_of(2).into(),
            7 => json!([self.byte()]),
            8 => KNOWN[usize::from(self.byte()) % KNOWN.len()].clone().into(),
            how => {
                let len = usize::from(self.byte());
                let bytes = self.take(len);
                match how {
                    9 => String::from_utf8_lossy(bytes).into(),
                    10 => BASE64.encode(bytes).into(),
                    _ => hex(bytes).into(),
                }
            }
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn request(name: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 7, "method": name, "params": params }).to_string()
}

fn posted(name: &str, params: Value) -> Value {
    let body = request(name, params);
    let head =
        format!("POST / HTTP/1.1\r\nhost: n\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    body_of(&exchange(format!("{head}{body}").into_bytes(), false)).expect("a request is answered")
}

fn asked(name: &str, params: &Map<String, Value>) -> Value {
    let value = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let escaped = |text: String| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let query: Vec<_> = params.iter().map(|(name, one)| format!("{name}={}", escaped(value(one)))).collect();
    let line = format!("GET /{name}?{} HTTP/1.1\r\nhost: n\r\nconnection: close\r\n\r\n", query.join("&"));
    body_of(&exchange(line.into_bytes(), false)).expect("a request is answered")
}

/// Says it over a WebSocket, then that it leaves.
fn spoken(name: &str, params: Value) -> Value {
    let text = request(name, params);
    let mut said = b"GET /websocket HTTP/1.1\r\nhost: n\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        .to_vec();
    // Frames of a client are masked; with zeros they stay as they are.
    said.extend([0x81, 0x80 | 126]);
    said.extend(u16::try_from(text.len()).expect("parameters are short").to_be_bytes());
    said.extend([0; 4]);
    said.extend(text.bytes());
    let answer = exchange_until_answered(said);
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    let (kind, payload) = frame(&answer[end..]).expect("an answer");
    assert_eq!(kind, 0x81, "whole, and text");
    serde_json::from_slice(payload).expect("JSON")
}

/// The first frame of a server, if it is whole: its kind and its payload.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (len, rest) = match bytes.get(1)? {
        126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
        len => (u64::from(*len), 2),
    };
    Some((bytes[0], bytes.get(rest..rest + usize::try_from(len).ok()?)?))
}

/// What the server says to these bytes until it has sent a frame.
fn exchange_until_answered(said: Vec<u8>) -> Vec<u8> {
    let answered = |heard: &[u8]| {
        let end = heard.windows(4).position(|window| window == b"\r\n\r\n");
        end.is_some_and(|end| !heard.starts_with(b"HTTP/1.1 101 ") || frame(&heard[end + 4..]).is_some())
    };
    exchange_until(said, answered)
}

/// An answer is a result, or an error of those that a method may give.
fn check(answer: &Value) {
    envelope(answer);
    if let Some(code) = answer["error"]["code"].as_i64() {
        assert!([-32601, -32602, -32603, -32004].contains(&code), "{answer}");
    }
}

/// Each method in each way, with nothing and with something; then what finds something.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let methods = 0..u8::try_from(METHODS.len()).expect("not so many");
    let params: [&[u8]; 4] =
        [&[], &[4, 1, 4, 1, 4, 1], &[8, 0, 6, 0, 4, 1], &[8, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1]];
    let seed = |method: u8| params.map(|params| [&[method % 4, method], params].concat());
    methods.flat_map(seed).chain(finding()).collect()
}

/// Questions that the chain has an answer to.
fn finding() -> Vec<Vec<u8>> {
    let bodies = served::bodies();
    let (block, tx) = (&bodies[6].block, BASE64.encode(bodies[6].block.txs[1]));
    let block = BASE64.encode(block.hash());
    let account = Question::Account { account: Address::of(&account_key(1).public_key()) }.query();
    let account = hex(&account.data);
    let text = |text: &str| {
        let index = KNOWN.iter().position(|known| known == text).expect("it is known");
        vec![8, u8::try_from(index).expect("not so many")]
    };
    let (number, yes, none) = (|number: u8| vec![4, number], vec![6, 0], vec![0]);
    let found = [
        ("tx_search", vec![text("tx.height > 0"), yes.clone(), number(2), number(3), text("desc")]),
        (
            "tx_search",
            vec![text("transfer.asset EXISTS"), yes.clone(), none.clone(), none.clone(), none.clone()],
        ),
        ("block_search", vec![text("block.height > 0"), number(1), number(2), text("asc")]),
        ("althing_events", vec![text("1.0.0"), text("tx.height > 0"), number(4)]),
        ("althing_events", vec![text("3.1.1"), none.clone(), number(200)]),
        ("tx", vec![text(&tx), yes.clone()]),
        ("althing_tx_status", vec![text(&tx)]),
        ("althing_tx_wait", vec![text(&tx)]),
        ("althing_proof", vec![none.clone(), text(&tx)]),
        ("althing_proof", vec![none.clone(), none.clone(), text(&tx)]),
        ("althing_proof", vec![none.clone(), none.clone(), none.clone(), number(3)]),
        ("althing_links", vec![number(2), number(4)]),
        ("althing_start", vec![number(4)]),
        ("althing_certificate", vec![number(6)]),
        ("abci_query", vec![text("account"), text(&account), number(4), yes]),
        ("block", vec![number(5)]),
        ("block_by_hash", vec![text(&block)]),
        ("block_results", vec![number(7)]),
        ("blockchain", vec![number(2), number(6)]),
        ("validators", vec![number(3), number(2), number(2)]),
    ];
    let seed = |(way, (name, params)): (u8, (&str, Vec<Vec<u8>>))| {
        let method = METHODS.iter().position(|(method, _)| method == name).expect("a method");
        [vec![way, method as u8], params.concat()].concat()
    };
    (0..).zip(found).map(seed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_reach_what_the_chain_holds() {
        let mut seen = String::new();
        for seed in finding() {
            let answer = called(&seed).expect("a question");
            let result = &answer["result"];
            assert!(result.is_object(), "{seed:?}: {answer}");
            assert!(result["total_count"].as_str() != Some("0"), "{seed:?}: {answer}");
            assert!(
                result["events"].as_array().is_none_or(|events| !events.is_empty()),
                "{seed:?}: {answer}"
            );
            assert_eq!(result["response"]["code"].as_u64().unwrap_or(0), 0, "{seed:?}: {answer}");
            seen.push_str(&answer.to_string());
        }
        for found in ["transfer", "evidence", "\"proof\"", "proofOps", "\"code\":0", "committed"] {
            assert!(seen.contains(found), "no {found}: {seen}");
        }
    }
}
