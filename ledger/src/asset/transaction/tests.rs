use althing_crypto::TxHash;
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

fn built_from(vector: &Value) -> Transaction {
    let instruction = |transfer: &Value| Instruction::Transfer {
        to: text(transfer, "to").parse().unwrap(),
        amount: text(transfer, "amount").parse().unwrap(),
    };
    let instructions = vector["transfers"].as_array().unwrap().iter().map(instruction).collect();
    let key = SecretKey::from_seed(bytes(vector, "seed").try_into().unwrap());
    let (sequence, expiry) = (text(vector, "sequence").parse(), text(vector, "expiry_height").parse());
    let memo = text(vector, "memo");
    Transaction::sign(text(vector, "chain_id"), &key, sequence.unwrap(), expiry.unwrap(), instructions, memo)
}

#[test]
fn valid_vectors_are_what_we_build_and_read() {
    let vectors = vectors();
    let valid = vectors["valid"].as_array().unwrap();
    assert_eq!(valid.len(), 3);
    for vector in valid {
        let (tx, encoded) = (built_from(vector), bytes(vector, "transaction"));
        assert_eq!(hex::encode(tx.sign_bytes()), text(vector, "sign_bytes"));
        assert_eq!(hex::encode(tx.encode()), text(vector, "transaction"));
        assert_eq!(Transaction::read(&encoded, text(vector, "chain_id")), Ok(tx.clone()));
        assert!(tx.sender.verify(&sign_bytes(&encoded), &tx.signature));
        assert_eq!(tx.sender.to_string(), text(vector, "public_key"));
        assert_eq!(tx.sender_address().to_string(), text(vector, "sender"));
        assert_eq!(TxHash::of(&encoded).to_string(), text(vector, "hash"));
    }
}

#[test]
fn invalid_vectors_get_their_code() {
    let vectors = vectors();
    let chain_id = text(&vectors["invalid"], "chain_id");
    let invalid = vectors["invalid"]["transactions"].as_array().unwrap();
    assert_eq!(invalid.len(), 19);
    for vector in invalid {
        let encoded = bytes(vector, "transaction");
        let name = text(vector, "name");
        let expected = text(vector, "refusal");
        match Transaction::read(&encoded, chain_id) {
            Ok(tx) => {
                assert_eq!(expected, Code::BadSignature.name(), "{name}");
                assert!(!tx.sender.verify(&sign_bytes(&encoded), &tx.signature), "{name}");
            }
            Err(refusal) => {
                let code = Code::ALL.into_iter().find(|code| code.number() == refusal.code).unwrap();
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
    assert_eq!(shown, text(&vectors["valid"][0], "transaction"));
    for field in ["hash", "sender", "public_key", "seed"] {
        assert!(page.contains(text(&vectors["valid"][0], field)), "{field}");
    }
}

#[test]
fn size_limit_is_exact_and_huge_input_is_refused_by_length_alone() {
    let key = SecretKey::from_seed([1; 32]);
    let empty = Transaction::sign("c", &key, 0, 0, vec![], "");
    let room = Transaction::MAX_BYTES - empty.encode().len();
    let code = |memo: usize| {
        let tx = Transaction { memo: "x".repeat(memo), instructions: vec![], ..empty.clone() };
        Transaction::read(&tx.encode(), "c").unwrap_err().code
    };
    assert_eq!(code(room), Code::NoInstructions.number(), "as large as allowed, refused for another reason");
    assert_eq!(code(room + 1), Code::TooLarge.number());
    assert_eq!(Transaction::read(&vec![1; 10_000_000], "c").unwrap_err().code, Code::TooLarge.number());
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

#[test]
fn as_json_for_people() {
    let to = Address::from_bytes([7; 20]);
    let tx = Transaction::transfer("c", &SecretKey::from_seed([1; 32]), 3, 9, to, u128::MAX, "hi");
    let json = serde_json::to_value(&tx).unwrap();
    assert_eq!(json["instructions"][0]["transfer"]["to"], to.to_string());
    assert_eq!(json["instructions"][0]["transfer"]["amount"], u128::MAX.to_string());
    assert_eq!(json["sender"], tx.sender.to_string());
}

proptest! {
    #[test]
    fn garbage_is_refused_and_never_panics(garbage in vec(any::<u8>(), 0..400)) {
        prop_assert!(Transaction::read(&garbage, "c").is_err());
    }

    /// One byte changed anywhere: either refused, or another transaction with exactly these bytes and no valid signature.
    #[test]
    fn no_second_form_of_a_signed_transaction(at in 0usize..1000, flip in 1u8..) {
        let key = SecretKey::from_seed([1; 32]);
        let tx = Transaction::transfer("chain", &key, 1, 2, Address::from_bytes([3; 20]), 4, "memo");
        let mut changed = tx.encode();
        let at = at % changed.len();
        changed[at] ^= flip;
        if let Ok(read) = Transaction::read(&changed, "chain") {
            prop_assert_eq!(read.encode(), changed.clone());
            prop_assert!(!read.sender.verify(&sign_bytes(&changed), &read.signature));
        }
    }
}
