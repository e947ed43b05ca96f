use althing_crypto::{
    TxHash,
    ed25519::{PublicKey, verify_batch},
};
use proptest::{collection::vec, prelude::*};
use serde_json::Value;

use super::*;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../vectors/transactions.json")).unwrap()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}"))
}

fn bytes(value: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(value, field)).unwrap()
}

/// Whether every signature is good.
fn signed(tx: &Transaction, encoded: &[u8]) -> bool {
    let message = tx.sign_bytes_of(encoded);
    let mut items = Vec::new();
    tx.approvals.iter().for_each(|approval| approval.items(&message, &mut items));
    verify_batch(&items).into_iter().all(|good| good)
}

/// The same transaction, its approvals made anew with the keys of the vector.
fn approved_anew(tx: &Transaction, seeds: &Value) -> Transaction {
    let seeds = seeds.as_object().unwrap();
    let key = |public: &PublicKey| {
        let seed = hex::decode(seeds.get(&public.to_string())?.as_str().unwrap()).unwrap();
        Some(SecretKey::from_seed(seed.try_into().unwrap()))
    };
    let mut anew = Transaction { approvals: vec![], ..tx.clone() };
    for approval in tx.approvals.iter().rev() {
        match approval {
            Approval::Key { key: public, .. } => anew = anew.approved_by(&key(public).unwrap()),
            Approval::Multi { policy, signatures } => {
                let signers = signatures.iter().rev().map(|(index, _)| &policy.keys[usize::from(*index)]);
                for key in signers.filter_map(key) {
                    assert!(anew.add_signature(policy, &key));
                    assert!(anew.add_signature(policy, &key), "signing twice is signing once");
                }
            }
        }
    }
    anew
}

#[test]
fn valid_vectors_are_what_we_build_and_read() {
    let vectors = vectors();
    let valid = vectors["valid"].as_array().unwrap();
    assert_eq!(valid.len(), 9);
    let mut kinds = std::collections::BTreeSet::new();
    for vector in valid {
        let name = text(vector, "name");
        let encoded = bytes(vector, "transaction");
        let tx: Transaction = serde_json::from_value(vector["fields"].clone()).unwrap();
        assert_eq!(hex::encode(tx.encode()), text(vector, "transaction"), "{name}");
        assert_eq!(hex::encode(tx.sign_bytes()), text(vector, "sign_bytes"), "{name}");
        assert_eq!(Transaction::read(&encoded, &tx.chain_id), Ok(tx.clone()), "{name}");
        assert_eq!(serde_json::to_value(&tx).unwrap(), vector["fields"], "{name}");
        assert_eq!(TxHash::of(&encoded).to_string(), text(vector, "hash"), "{name}");
        assert!(signed(&tx, &encoded), "{name}");
        assert_eq!(approved_anew(&tx, &vector["seeds"]), tx, "{name}");
        kinds.extend(tx.instructions.iter().map(|one| borsh::to_vec(one).unwrap()[0]));
    }
    assert!(kinds.into_iter().eq(0..16), "each kind of instruction has a vector");
}

#[test]
fn invalid_vectors_get_their_code() {
    let vectors = vectors();
    let chain_id = text(&vectors["invalid"], "chain_id");
    let invalid = vectors["invalid"]["transactions"].as_array().unwrap();
    assert_eq!(invalid.len(), 56);
    for vector in invalid {
        let encoded = bytes(vector, "transaction");
        let (name, expected) = (text(vector, "name"), text(vector, "refusal"));
        match Transaction::read(&encoded, chain_id) {
            Ok(tx) => {
                assert_eq!(expected, Code::BadSignature.name(), "{name}");
                assert!(!signed(&tx, &encoded), "{name}");
            }
            Err(refusal) => {
                let code = Code::ALL.iter().find(|code| code.number() == refusal.code).unwrap();
                assert_eq!(code.name(), expected, "{name}: {refusal}");
            }
        }
    }
}

#[test]
fn the_documentation_shows_the_first_vector() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/transactions.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, dump) = page.split_once("```text\n").unwrap();
    let (_, dump) = dump.split_once("\n\n").unwrap();
    let (dump, _) = dump.split_once("\n\nhash ").unwrap();
    // Of each line the leading hexadecimal groups; a comment begins after two spaces.
    let shown: String = dump.lines().map(|line| line.split("  ").next().unwrap().replace(' ', "")).collect();
    let vectors = vectors();
    let first = &vectors["valid"][0];
    assert_eq!(shown, text(first, "transaction"));
    assert!(page.contains(text(first, "hash")) && page.contains(text(&first["fields"], "sender")));
    for (public, seed) in first["seeds"].as_object().unwrap() {
        assert!(page.contains(public) && page.contains(seed.as_str().unwrap()));
    }
}

/// The page's program is run, if there is a Python with the package that it needs.
#[test]
fn the_documented_program_prints_the_first_vector() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/transactions.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, program) = page.split_once("```python\n").unwrap();
    let (program, _) = program.split_once("```").unwrap();
    let python = |program: &str| std::process::Command::new("python3").args(["-c", program]).output();
    if !python("import cryptography").is_ok_and(|found| found.status.success()) {
        eprintln!("no python3 with the package cryptography: the program was not run");
        return;
    }
    let output = python(program).unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let vectors = vectors();
    let first = &vectors["valid"][0];
    let expected = [text(first, "transaction"), text(first, "hash")];
    assert!(printed.lines().eq(expected), "{printed}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn size_limit_is_exact_and_huge_input_is_refused_by_length_alone() {
    let empty = Transaction::new("c", Address::from_bytes([1; 20]), 0, vec![]);
    let room = Transaction::MAX_BYTES - empty.encode().len();
    let code = |memo: usize| {
        let tx = Transaction { memo: "x".repeat(memo), ..empty.clone() };
        Transaction::read(&tx.encode(), "c").unwrap_err().code
    };
    assert_eq!(code(room), Code::NoInstructions.number(), "as large as allowed, refused for another reason");
    assert_eq!(code(room + 1), Code::TooLarge.number());
    assert_eq!(Transaction::read(&vec![2; 10_000_000], "c").unwrap_err().code, Code::TooLarge.number());
}

#[test]
fn a_hostile_chain_id_does_not_fill_the_log() {
    let key = SecretKey::from_seed([1; 32]);
    let tx = Transaction::transfer(&"\u{1}".repeat(60_000), &key, 0, 0, Address::from_bytes([0; 20]), 1, "");
    let refusal = Transaction::read(&tx.encode(), "c").unwrap_err();
    assert_eq!(refusal.code, Code::WrongChain.number());
    assert!(refusal.log.len() < 1000, "{} bytes", refusal.log.len());
}

#[test]
fn expiry_is_the_last_height_that_will_do() {
    let key = SecretKey::from_seed([1; 32]);
    let tx = |expiry| Transaction::transfer("c", &key, 0, expiry, Address::from_bytes([0; 20]), 1, "");
    assert!(!tx(5).expired_at(5));
    assert!(tx(5).expired_at(6));
    assert!(!tx(0).expired_at(u64::MAX));
    assert!(!tx(u64::MAX).expired_at(u64::MAX));
}

proptest! {
    #[test]
    fn garbage_is_refused_and_never_panics(garbage in vec(any::<u8>(), 0..400)) {
        prop_assert!(Transaction::read(&garbage, "c").is_err());
        prop_assert!(Transaction::read(&[&[2], garbage.as_slice()].concat(), "c").is_err());
    }

    /// One byte changed anywhere: either refused, or another transaction with exactly these bytes and no valid signature.
    #[test]
    fn no_second_form_of_a_signed_transaction(at in 0usize..1000, flip in 1u8.., which in 0usize..7) {
        let vectors = vectors();
        let vector = &vectors["valid"][which];
        let mut changed = bytes(vector, "transaction");
        let at = at % changed.len();
        changed[at] ^= flip;
        if let Ok(read) = Transaction::read(&changed, text(&vector["fields"], "chain_id")) {
            prop_assert_eq!(read.encode(), changed.clone());
            prop_assert!(!signed(&read, &changed));
        }
    }
}
