use althing_consensus::{Height, View};
use serde_json::{Value, json};

use super::*;

fn entry(name: &str, seed: u8) -> ValidatorEntry {
    let vote = bls::SecretKey::from_seed(&bls::BLS, &[seed; 32]);
    ValidatorEntry {
        name: name.into(),
        identity: ed25519::SecretKey::from_seed([seed; 32]).public_key().to_string(),
        vote_key: vote.public_key().to_string(),
        proof_of_possession: vote.prove_possession().to_string(),
        power: u64::from(seed),
    }
}

fn document() -> Document {
    Document {
        version: 1,
        chain_id: "test-1".into(),
        genesis_time_ms: 1_700_000_000_000,
        validators: vec![entry("alice", 1), entry("bob", 2)],
        params: ConsensusParams::default(),
        application: crate::Application {
            kind: "ledger".into(),
            state: json!({"b": [1, -2, "x\n"], "a": {}}),
        },
    }
}

/// The default document with one change to its JSON.
fn changed(change: impl FnOnce(&mut Value)) -> Result<Genesis, GenesisError> {
    let mut json = serde_json::to_value(document()).unwrap();
    change(&mut json);
    Genesis::from_json(json.to_string().as_bytes())
}

#[test]
fn what_is_written_is_read() {
    let genesis = Genesis::from_json(&document().to_json()).unwrap();
    assert_eq!(genesis.document(), &document());
    assert_eq!(genesis.app_state(), r#"{"a":{},"b":[1,-2,"x\n"]}"#);
    assert_eq!(genesis.validator_set().members()[1].power, Power(2));
    let bob = ed25519::SecretKey::from_seed([2; 32]).public_key();
    assert_eq!(genesis.validator_name(&bob), Some("bob"));
}

#[test]
fn the_hash_is_that_of_the_meaning() {
    let original = Genesis::from_json(&document().to_json()).unwrap();
    // If this value changes, existing chains cannot be read any more: a new version of the format.
    assert_eq!(
        original.hash().to_string(),
        "ef6e128ee4334b024cfe21c05dabe84c8892ff05e0b0f1de614400e1b98dfd0a"
    );

    let compact = serde_json::to_string(&document()).unwrap();
    assert_eq!(Genesis::from_json(compact.as_bytes()).unwrap().hash(), original.hash());
    let same = [
        changed(|json| json["validators"][0]["power"] = json!(1)),
        changed(|json| json["params"] = json!({})),
    ];
    for genesis in same {
        assert_eq!(genesis.unwrap().hash(), original.hash());
    }
    let other = [
        changed(|json| json["chain_id"] = json!("test-2")),
        changed(|json| json["genesis_time_ms"] = json!(1)),
        changed(|json| json["validators"][0]["power"] = json!("3")),
        changed(|json| json["validators"][0]["name"] = json!("eve")),
        changed(|json| json["validators"].as_array_mut().unwrap().swap(0, 1)),
        changed(|json| json["params"]["max_block_txs"] = json!(7)),
        changed(|json| json["application"]["kind"] = json!("kv")),
        changed(|json| json["application"]["state"]["b"][0] = json!(2)),
    ];
    let mut hashes: Vec<Hash> = other.into_iter().map(|genesis| genesis.unwrap().hash()).collect();
    hashes.push(original.hash());
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 9);
}

/// What the error must say, and the change that provokes it.
type Case = (&'static str, fn(&mut Value));

#[test]
fn a_fault_is_named_with_its_field() {
    let bad: &[Case] = &[
        ("field version: 2 is not known", |json| json["version"] = json!(2)),
        ("field chain_id: \"\"", |json| json["chain_id"] = json!("")),
        ("field chain_id: \"a b\"", |json| json["chain_id"] = json!("a b")),
        ("field chain_id", |json| json["chain_id"] = json!("x".repeat(51))),
        ("field genesis_time_ms", |json| json["genesis_time_ms"] = json!(MAX_TIME_MS + 1)),
        ("field application.kind", |json| json["application"]["kind"] = json!("Ledger")),
        ("field application.state.b[0]: 1.5 is no 64-bit integer", |json| {
            json["application"]["state"]["b"][0] = json!(1.5);
        }),
        ("field validators: there is none", |json| json["validators"] = json!([])),
        ("field validators", |json| json["validators"][1] = json["validators"][0].clone()),
        ("field validators", |json| json["validators"][1]["power"] = json!((1u64 << 60).to_string())),
        ("field validators[1].identity", |json| json["validators"][1]["identity"] = json!("ab")),
        ("field validators[0].vote_key", |json| json["validators"][0]["vote_key"] = json!("00".repeat(48))),
        ("field validators[0].proof_of_possession", |json| {
            json["validators"][0]["proof_of_possession"] =
                json["validators"][1]["proof_of_possession"].clone();
        }),
        ("field validators[0].power: is 0", |json| json["validators"][0]["power"] = json!(0)),
        ("field params.max_tx_bytes", |json| json["params"]["max_tx_bytes"] = json!(0)),
        ("field validators[1].name", |json| json["validators"][1]["name"] = json!("a\tb")),
    ];
    for &(expected, change) in bad {
        let error = changed(change).expect_err(expected).to_string();
        assert!(error.contains(expected), "expected {expected:?} in {error:?}");
    }
}

#[test]
fn what_is_not_of_the_document_is_refused() {
    let unknown: &[Case] = &[
        ("unknown field `colour`", |json| json["colour"] = json!(1)),
        ("unknown field `stake`", |json| json["validators"][0]["stake"] = json!(1)),
        ("unknown field `max_blok_txs`", |json| json["params"]["max_blok_txs"] = json!(1)),
        ("power \"1e3\" is not a whole number", |json| json["validators"][0]["power"] = json!("1e3")),
        ("power of another type is not a whole number", |json| json["validators"][0]["power"] = json!(-1)),
    ];
    for &(expected, change) in unknown {
        let error = changed(change).expect_err(expected).to_string();
        assert!(error.contains(expected), "expected {expected:?} in {error:?}");
    }
    assert!(Genesis::from_json(b"{").is_err());
    assert!(Genesis::from_json(&[0xff; 10]).is_err());
}

#[test]
fn block_0_binds_document_state_and_epoch() {
    let genesis = Genesis::from_json(&document().to_json()).unwrap();
    let app_hash = AppHash::new(vec![5; 32]).unwrap();
    let block = genesis.block(app_hash.clone());
    assert_eq!((block.header.height, block.header.view, block.header.epoch), (Height(0), View(0), Epoch(0)));
    assert_eq!(block.header.payload_root, genesis.hash());
    assert_eq!(block.header.vouched.app_hash, app_hash);
    assert_eq!(block.header.vouched.next_epoch, genesis.epoch_hash());
    assert!(block.txs.is_empty());
    assert_ne!(block.hash(), genesis.block(AppHash::default()).hash());
}
