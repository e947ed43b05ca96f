//! Queries, over events and over an index.
//!
//! The first line is a query; each further one is an event, as key, `=` and value.

use std::sync::{Arc, LazyLock};

use althing_consensus::{AppHash, Epoch, Execution, Height, Phase, payload_root};
use althing_crypto::{Hash, TxHash};
use althing_ledger::{Attribute, Event, TxResult};
use althing_node::body::Body;
use althing_node::query::{MAX_QUERY_BYTES, Query, TX_HASH, TX_HEIGHT, TX_SENDER};
use althing_node::search::{Direction, Search};
use althing_node::storage::{ChainStore, Indexing, MemoryStore, StoredResults, TxLocation};

use super::chain::CHAIN;
use super::samples;

/// Blocks of the chain that is searched.
const HEIGHTS: u64 = 12;
/// The digits that numbers are filled up to, so that texts can be compared.
const DIGITS: usize = MAX_QUERY_BYTES * 2;

/// A transaction's place, and all that can be asked about it.
type Seen = (TxLocation, Vec<(String, String)>);

/// An indexed chain, and what a reader of every block sees.
static INDEXED: LazyLock<(ChainStore, Vec<Seen>)> = LazyLock::new(|| {
    let chain = ChainStore::new(Arc::new(MemoryStore::new())).indexed(Indexing::On);
    let genesis = Body { block: CHAIN.opening.clone(), txs: Vec::new() };
    chain.begin(CHAIN.genesis.hash(), &genesis).expect("memory");
    let mut seen = Vec::new();
    for height in (1..=HEIGHTS).map(Height) {
        let mut block = CHAIN.opening.clone();
        let txs: Vec<Vec<u8>> = (0..height.0 % 4).map(|n| format!("{height} {n}").into_bytes()).collect();
        block.txs = txs.iter().map(|tx| TxHash::of(tx)).collect();
        (block.header.height, block.header.epoch) = (height, Epoch(1));
        block.header.payload_root = payload_root(&block.txs);
        let certificate = samples::qc(Phase::Commit, height.0, block.hash());
        let hashes = block.txs.clone();
        let body = Body { block, txs: txs.into_iter().map(Into::into).collect() };
        chain.commit(&[Arc::new(body)], &certificate).expect("memory");

        let (mut senders, mut tx_results) = (Vec::new(), Vec::new());
        for (index, hash) in (0u32..).zip(&hashes) {
            let (sender, amount) = (format!("s{}", index % 2), format!("{}.{index}", height.0 * 5));
            let named = [("to", format!("a{}", height.0 % 3)), ("amount", amount)];
            let attributes = named.map(|(key, value)| Attribute { key: key.into(), value, index: true });
            let mut events: Vec<_> =
                attributes.iter().map(|one| (format!("t.{}", one.key), one.value.clone())).collect();
            events.push((TX_HEIGHT.into(), height.to_string()));
            events.push((TX_HASH.into(), hash.to_string().to_uppercase()));
            events.push((TX_SENDER.into(), sender.clone()));
            seen.push((TxLocation { height, index }, events));
            senders.push(Some(sender));
            let event = Event { kind: "t".into(), attributes: attributes.into() };
            tx_results.push(TxResult { events: vec![event], ..TxResult::default() });
        }
        let execution = Execution { height, app_hash: AppHash::default(), results_root: Hash::ZERO };
        let results = StoredResults { execution, next_epoch: Hash::ZERO, tx_results, events: Vec::new() };
        chain.put_sent_results(&hashes, &senders, &results, None).expect("memory");
    }
    (chain, seen)
});

/// Reads the query; what it means of the events and of the chain is restated here.
pub fn query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.lines();
    let text = lines.next().unwrap_or_default();
    let query = match Query::parse(text) {
        Ok(query) => query,
        Err(error) => {
            assert!(error.to_string().len() < 300, "{error}");
            return;
        }
    };
    assert!(text.len() <= MAX_QUERY_BYTES);
    let written = query.to_string();
    if written.len() <= MAX_QUERY_BYTES {
        assert_eq!(Query::parse(&written), Ok(query.clone()), "{text}");
    }
    let events: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    assert_eq!(query.matches(&events), holds(&written, &events), "{text} of {events:?}");
    // Of a hash the digits may be of either case.
    if !written.contains("tx.hash =") {
        searched(&query);
    }
}

/// In either direction a search finds what a reading of every block finds.
fn searched(query: &Query) {
    let (chain, seen) = &*INDEXED;
    let mut expected: Vec<_> =
        seen.iter().filter(|(_, events)| query.matches(events)).map(|(at, _)| *at).collect();
    for direction in [Direction::Ascending, Direction::Descending] {
        let mut search =
            Search::txs(chain, query, Height(HEIGHTS), direction, 0..100).expect("it is indexed");
        while !search.step(chain).expect("it is little") {}
        assert_eq!((search.found(), search.total()), (&expected[..], expected.len() as u64), "{query}");
        expected.reverse();
    }
}

/// Whether every condition of a query, in the form in which it is written, holds.
fn holds(mut written: &str, events: &[(String, String)]) -> bool {
    let mut all = true;
    while !written.is_empty() {
        let (key, rest) = written.split_once(' ').expect("a key, then what must hold");
        let (sign, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let (argument, rest) = match rest.strip_prefix('\'') {
            _ if sign == "EXISTS" => ("", rest.strip_prefix("AND ").unwrap_or(rest)),
            Some(quoted) => {
                let end = quoted.find('\'').expect("a text ends");
                (&rest[..end + 2], rest[end + 2..].strip_prefix(" AND ").unwrap_or(""))
            }
            None => rest.split_once(" AND ").unwrap_or((rest, "")),
        };
        written = rest;
        let mut values = events.iter().filter(|(name, _)| name == key).map(|(_, value)| value);
        all &= values.any(|value| is_met(sign, argument, value));
    }
    all
}

fn is_met(sign: &str, argument: &str, value: &str) -> bool {
    let quoted = argument.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    match (sign, quoted) {
        ("EXISTS", _) => true,
        ("CONTAINS", part) => value.contains(part.expect("a text")),
        ("=", Some(text)) => value == text,
        // Of times: those that are not equal are before or after.
        (sign, _) if argument.starts_with("DATE") || argument.starts_with("TIME") => {
            let met = |sign: &str| {
                let query = Query::parse(&format!("k {sign} {argument}")).expect("as before");
                query.matches(&[("k", value)])
            };
            let (less, equal, more) = (met("<"), met("="), met(">"));
            assert!(u8::from(less) + u8::from(equal) + u8::from(more) <= 1);
            assert_eq!((met("<="), met(">=")), (less || equal, more || equal));
            met(sign)
        }
        (sign, _) => {
            let Some(value) = padded(value) else { return false };
            let number = padded(argument).expect("a number");
            match sign {
                "<" => value < number,
                "<=" => value <= number,
                "=" => value == number,
                ">=" => value >= number,
                ">" => value > number,
                other => panic!("no sign {other}"),
            }
        }
    }
}

/// The number at the beginning of a text, filled up with zeros on either side: texts of one length, in the order of numbers. Of a longer
/// one the first digits that are not 0 do not fit, and it is larger than all that do.
fn padded(text: &str) -> Option<(usize, String)> {
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    let whole = digits(text);
    let fraction = text[whole.len()..].strip_prefix('.').map(digits).unwrap_or_default();
    if whole.is_empty() {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    Some((whole.len(), format!("{whole}.{fraction:0<DIGITS$}").trim_end_matches('0').to_owned()))
}

/// One of every condition, with events that meet it.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    [
        "t.to = 'a1' AND tx.height > 3\nt.to=a1\ntx.height=4",
        "t.amount >= 20.1 AND t.amount < 40\nt.amount=20.10usd",
        "tx.sender EXISTS AND t.to CONTAINS '2'\ntx.sender=s1\nt.to=a2",
        "tx.sender = 's1' AND tx.height <= 7.5",
        "tx.height = '5'",
        "tx.hash CONTAINS 'A'",
        "k = TIME 2024-02-29T10:00:00.5Z\nk=2024-02-29T12:00:00.5+02:00",
        "k < DATE 2024-03-01 AND k > DATE 2023-12-31\nk=2024-02-29",
        "tx.height = 5 OR tx.height = 6",
        "k = 'it",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}
