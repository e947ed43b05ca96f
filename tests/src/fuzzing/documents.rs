//! Documents that people write: genesis, configuration, key files. The first byte says which.

use std::sync::LazyLock;

use althing_crypto::bls::BLS;
use althing_crypto::key_file::{KeyFile, KeyKind};
use althing_genesis::{Document, Genesis};
use althing_ledger::{Application, AssetLedger, InitChain, state::MemoryFiles};
use althing_node::config::NodeConfig;
use althing_node::home::Home;

use super::script::Script;
use crate::cheap_votes::CHEAP_VOTES;

/// Reads the rest as one of them.
pub fn documents(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    match kind % 3 {
        0 => genesis(rest),
        1 => config(rest),
        _ => keys(rest),
    }
}

/// A document that passes is the same chain when written and read again, and its application begins or says what is wrong.
fn genesis(bytes: &[u8]) {
    let Ok(document) = serde_json::from_slice::<Document>(bytes) else {
        assert!(Genesis::from_json(bytes).is_err());
        return;
    };
    // Real keys can only come from a seed; cheap ones from anywhere.
    let _ = Genesis::new(document.clone(), &BLS).map(|genesis| begins(&genesis));
    let document = proven(document);
    let Ok(genesis) = Genesis::new(document.clone(), &CHEAP_VOTES) else { return };
    let read: Document = serde_json::from_slice(&document.to_json()).expect("its own text");
    assert_eq!(read, document);
    let again = Genesis::new(read, &CHEAP_VOTES).expect("as before");
    assert_eq!((again.hash(), again.epoch_hash()), (genesis.hash(), genesis.epoch_hash()));
    let total: u128 = document.validators.iter().map(|one| u128::from(one.power)).sum();
    assert_eq!(u128::from(genesis.validator_set().total().0), total);
    assert!((1..=1 << 60).contains(&total));
    assert!(genesis.params().validate().is_ok());
    begins(&genesis);
}

/// Whoever has no valid proof of possession gets one of the cheap scheme, which is a function of the public key.
fn proven(mut document: Document) -> Document {
    for entry in &mut document.validators {
        let key: Vec<u8> = (0..entry.vote_key.len() / 2)
            .filter_map(|at| u8::from_str_radix(entry.vote_key.get(2 * at..2 * at + 2)?, 16).ok())
            .collect();
        if let Ok(key) = <[u8; 48]>::try_from(key) {
            entry.proof_of_possession = CHEAP_VOTES.possession(&key).to_string();
        }
    }
    document
}

fn begins(genesis: &Genesis) {
    let ledger = AssetLedger::open(std::sync::Arc::new(MemoryFiles::new()), 10).expect("an empty store");
    let init = InitChain {
        chain_id: genesis.chain_id().to_owned(),
        initial_height: 1,
        time_ms: genesis.time_ms(),
        app_state: genesis.app_state().into(),
        ..Default::default()
    };
    let begun = ledger.init_chain(&init);
    assert_eq!(begun.is_ok(), ledger.info().expect("it is in memory").initialised);
    if let Ok(begun) = begun {
        assert_eq!(ledger.init_chain(&init).expect("again"), begun);
    }
}

static HOME: LazyLock<Home> = LazyLock::new(|| Home::new("home"));

/// Up to three `--set` flags, each a line, then the file. What passes says the same again as far as the file it writes says it.
fn config(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let count = script.below(4);
    let flags: Vec<String> = (0..count)
        .map(|_| {
            let len = usize::from(script.byte());
            String::from_utf8_lossy(script.take(len)).into_owned()
        })
        .collect();
    let Ok(text) = std::str::from_utf8(script.rest()) else { return };
    match NodeConfig::from_toml(&HOME, text, &flags) {
        Ok(config) => {
            let again = NodeConfig::from_toml(&HOME, &config.to_toml(), &[]).expect("its own text");
            assert_eq!((&again.p2p, &again.storage, &again.log), (&config.p2p, &config.storage, &config.log));
            assert_eq!(again.rpc.listen, config.rpc.listen);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A key file is of one kind only, and written again it is the same key.
fn keys(bytes: &[u8]) {
    let kinds = [KeyKind::Account, KeyKind::Identity, KeyKind::Vote];
    let read: Vec<KeyFile> = kinds.iter().filter_map(|kind| KeyFile::from_json(bytes, *kind).ok()).collect();
    assert!(read.len() <= 1, "one file was read as two kinds of key");
    for key in read {
        let again = KeyFile::from_json(&key.to_json(), key.kind()).expect("its own text");
        assert_eq!((again.public_key(), again.kind()), (key.public_key(), key.kind()));
    }
}
