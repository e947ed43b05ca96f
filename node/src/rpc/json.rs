//! How things are written in this dialect: hashes in upper-case hexadecimal, other bytes in base64, 64-bit integers as
//! strings, times by RFC 3339.

use althing_consensus::{Header, Power};
use althing_crypto::{BlockHash, Hash, ed25519, sha256};
use althing_ledger::{Event, TxResult};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

/// The time of what never happened.
pub(crate) const NO_TIME: &str = "0001-01-01T00:00:00Z";

pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    hex::encode_upper(bytes)
}

pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64.encode(bytes)
}

/// A validator's address: the first 20 bytes of SHA-256 of its identity key.
pub(crate) fn address(identity: &ed25519::PublicKey) -> String {
    hex(&sha256(identity.as_bytes()).as_bytes()[..20])
}

pub(crate) fn public_key(identity: &ed25519::PublicKey) -> Value {
    json!({ "type": "tendermint/PubKeyEd25519", "value": base64(identity) })
}

pub(crate) fn validator(identity: &ed25519::PublicKey, power: Power) -> Value {
    json!({
        "address": address(identity),
        "pub_key": public_key(identity),
        "voting_power": power.to_string(),
        "proposer_priority": "0",
    })
}

/// A change of a validator, as an application tells it; in its encoding a key has another name than elsewhere.
pub(crate) fn validator_update(identity: &ed25519::PublicKey, power: Power) -> Value {
    let key =
        json!({ "type": "tendermint.crypto.PublicKey_Ed25519", "value": { "ed25519": base64(identity) } });
    json!({ "pub_key": { "Sum": key }, "power": power.to_string() })
}

/// A block's name. There are no parts here: a block is one part, itself.
pub(crate) fn block_id(hash: &BlockHash) -> Value {
    json!({ "hash": hex(hash), "parts": { "total": 1, "hash": hex(hash) } })
}

/// The name of no block.
pub(crate) fn no_block_id() -> Value {
    json!({ "hash": "", "parts": { "total": 0, "hash": "" } })
}

/// A header. Its proposer is not in ours: it follows from the leader function. For genesis, and for the oldest block kept, whose parent
/// would tell, it is 20 bytes of 0: clients refuse a header without one.
pub(crate) fn header(header: &Header, epoch_hash: &Hash, proposer: Option<&ed25519::PublicKey>) -> Value {
    let epoch_hash = hex(epoch_hash);
    let first = header.height.0 <= 1;
    json!({
        "version": { "block": "1", "app": "0" },
        "chain_id": header.chain_id,
        "height": header.height.0.to_string(),
        "time": time(header.time_ms),
        "last_block_id": if first { no_block_id() } else { block_id(&header.parent) },
        "last_commit_hash": "",
        "data_hash": hex(header.payload_root),
        "validators_hash": epoch_hash,
        "next_validators_hash": hex(header.vouched.next_epoch),
        "consensus_hash": epoch_hash,
        "app_hash": hex(header.vouched.app_hash.as_bytes()),
        "last_results_hash": hex(header.vouched.executed_root),
        "evidence_hash": hex(header.evidence_root),
        "proposer_address": proposer.map_or_else(|| "0".repeat(40), address),
    })
}

pub(crate) fn events(events: &[Event]) -> Value {
    events.iter().map(event).collect()
}

pub(crate) fn event(event: &Event) -> Value {
    let attributes = event.attributes.iter();
    let attributes: Vec<_> =
        attributes.map(|a| json!({ "key": a.key, "value": a.value, "index": a.index })).collect();
    json!({ "type": event.kind, "attributes": attributes })
}

pub(crate) fn tx_result(result: &TxResult) -> Value {
    json!({
        "code": result.code,
        "data": if result.data.is_empty() { Value::Null } else { base64(&result.data).into() },
        "log": result.log,
        "info": "",
        "gas_wanted": result.gas_wanted.to_string(),
        "gas_used": result.gas_used.to_string(),
        "events": events(&result.events),
        "codespace": result.codespace,
    })
}

/// Milliseconds since 1970 as `2024-05-01T12:00:00.5Z`.
pub(crate) fn time(ms: u64) -> String {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(day);
    let fraction = match ms {
        0 => String::new(),
        ms => format!(".{ms:03}").trim_end_matches('0').to_owned(),
    };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01 the leap day is the last of its year, and 146,097 days are 400 years.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next_year, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (ms, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (951_868_800_000, "2000-03-01T00:00:00Z"),
            (1_709_210_096_500, "2024-02-29T12:34:56.5Z"),
            (4_107_542_400_010, "2100-03-01T00:00:00.01Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(time(ms), expected);
        }
    }

    #[test]
    fn an_address_is_20_bytes_of_the_hash() {
        let key = ed25519::PublicKey::from_bytes([0; 32]);
        // sha256 of 32 zero bytes begins so.
        assert_eq!(address(&key), "66687AADF862BD776C8FC18B8E9F8E2008971485");
    }
}
