use proptest::prelude::*;
use serde::Deserialize;

use super::*;

/// See `vectors/README.md`: made by py_ecc.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    keys: Vec<KeyVector>,
    signatures: Vec<SignatureVector>,
    aggregates: Vec<AggregateVector>,
    keys_refused: Vec<Refused>,
    signatures_refused: Vec<Refused>,
    rogue_key: RogueKey,
}

#[derive(Deserialize)]
struct KeyVector {
    seed: String,
    secret: String,
    public: String,
    possession: ProofOfPossession,
}

#[derive(Deserialize)]
struct SignatureVector {
    secret: String,
    public: String,
    message: String,
    signature: Signature,
}

#[derive(Deserialize)]
struct AggregateVector {
    name: String,
    groups: Vec<GroupVector>,
    signature: Signature,
    valid: bool,
}

#[derive(Deserialize)]
struct GroupVector {
    message: String,
    keys: Vec<String>,
}

#[derive(Deserialize)]
struct Refused {
    why: String,
    bytes: String,
}

#[derive(Deserialize)]
struct RogueKey {
    victim: String,
    attacker: String,
    rogue: String,
    message: String,
    signature: Signature,
    possession_tried: Vec<ProofOfPossession>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../vectors/bls.json")).expect("vectors")
}

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    crate::bytes::parse_hex("a vector", text).expect("a vector in hexadecimal")
}

fn key(text: &str) -> PublicKey {
    BLS.parse_public_key(&bytes(text)).expect("a good key")
}

fn message(text: &str) -> Vec<u8> {
    hex::decode(text).expect("vectors")
}

fn secret(number: u8) -> SecretKey {
    SecretKey::from_seed(&BLS, &[number; 32])
}

fn infinity() -> [u8; 96] {
    let mut bytes = [0; 96];
    bytes[0] = 0xc0;
    bytes
}

#[test]
fn keys_and_proofs_are_those_of_the_vectors() {
    for vector in vectors().keys {
        let secret = SecretKey::from_seed(&BLS, &bytes(&vector.seed));
        assert_eq!(hex::encode(*secret.to_bytes()), vector.secret);
        assert_eq!(secret.public_key().to_string(), vector.public);
        assert_eq!(*secret.public_key(), key(&vector.public));
        assert_eq!(secret.prove_possession(), vector.possession);
        assert!(BLS.verify_possession(secret.public_key(), &vector.possession));
        assert_eq!(SecretKey::from_bytes(&BLS, &bytes(&vector.secret)), Ok(secret));
    }
}

#[test]
fn signatures_are_those_of_the_vectors() {
    for vector in vectors().signatures {
        let message = message(&vector.message);
        let secret = SecretKey::from_bytes(&BLS, &bytes(&vector.secret)).unwrap();
        assert_eq!(secret.sign(&message), vector.signature);
        assert!(BLS.verify(&key(&vector.public), &message, &vector.signature));
        assert!(!BLS.verify(&key(&vector.public), &[&message[..], b"!"].concat(), &vector.signature));
        assert!(!BLS.verify(secret_of_nobody().public_key(), &message, &vector.signature));
    }
}

fn secret_of_nobody() -> SecretKey {
    secret(99)
}

#[test]
fn aggregates_have_the_verdicts_of_the_vectors() {
    for vector in vectors().aggregates {
        let messages: Vec<Vec<u8>> = vector.groups.iter().map(|group| message(&group.message)).collect();
        let keys: Vec<Vec<PublicKey>> =
            vector.groups.iter().map(|group| group.keys.iter().map(|text| key(text)).collect()).collect();
        let groups: Vec<(&[u8], Vec<&PublicKey>)> =
            messages.iter().zip(&keys).map(|(message, keys)| (&message[..], keys.iter().collect())).collect();
        assert_eq!(BLS.verify_aggregate(&groups, &vector.signature), vector.valid, "{}", vector.name);
    }
}

#[test]
fn bytes_that_are_no_key_are_refused_with_the_reason() {
    for refused in vectors().keys_refused {
        let error = BLS.parse_public_key(&bytes(&refused.bytes)).expect_err(&refused.why);
        let expected = match refused.why.as_str() {
            "infinity" => "the point at infinity is nobody's key",
            why if why.contains("outside the subgroup") => "the point is not in the prime-order subgroup",
            _ => "not the compressed encoding of a point of the curve",
        };
        assert_eq!(
            error.to_string(),
            format!("BLS public key {}: {expected}", refused.bytes),
            "{}",
            refused.why
        );
    }
}

#[test]
fn bytes_that_are_no_signature_are_refused_everywhere() {
    let secret = secret(1);
    let good = secret.sign(b"message");
    for refused in vectors().signatures_refused {
        let bytes = bytes(&refused.bytes);
        let bad = Signature::from_bytes(bytes);
        assert!(!BLS.verify(secret.public_key(), b"message", &bad), "{}", refused.why);
        assert!(!BLS.verify_aggregate(&[(b"message", vec![secret.public_key()])], &bad), "{}", refused.why);
        let proof = ProofOfPossession::from_bytes(bytes);
        assert!(!BLS.verify_possession(secret.public_key(), &proof), "{}", refused.why);
        let aggregate = BLS.aggregate(&[good, bad]);
        if refused.why.contains("outside the subgroup") {
            let keys = vec![secret.public_key(), secret.public_key()];
            assert!(!BLS.verify_aggregate(&[(b"message", keys)], &aggregate.unwrap()), "{}", refused.why);
        } else {
            let refusal = AggregateError::NotAPoint { index: 1, signature: bad };
            assert_eq!(aggregate, Err(refusal), "{}", refused.why);
        }
    }
}

#[test]
fn secrets_out_of_range_are_refused() {
    let order = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";
    for text in [&"0".repeat(64), order, &"f".repeat(64)] {
        assert_eq!(SecretKey::from_bytes(&BLS, &bytes(text)), Err(KeyError::SecretOutOfRange), "{text}");
    }
    let largest = order.replace("00000001", "00000000");
    assert!(SecretKey::from_bytes(&BLS, &bytes(&largest)).is_ok());
}

/// The attack that proofs of possession are there for: it works without them, and has none to show.
#[test]
fn a_rogue_key_cannot_prove_possession() {
    let vector = vectors().rogue_key;
    let rogue = key(&vector.rogue);
    let both = [key(&vector.victim), rogue.clone()];
    let message = message(&vector.message);
    assert!(BLS.verify_aggregate(&[(&message, both.iter().collect())], &vector.signature));
    assert!(BLS.verify(&key(&vector.attacker), &message, &vector.signature));
    for proof in &vector.possession_tried {
        assert!(!BLS.verify_possession(&rogue, proof));
    }
}

#[test]
fn a_proof_of_possession_and_a_signature_do_not_pass_for_each_other() {
    let secret = secret(1);
    let signature = secret.sign(secret.public_key().bytes());
    let proof = secret.prove_possession();
    assert_ne!(signature.as_bytes(), proof.as_bytes());
    assert!(
        !BLS.verify_possession(secret.public_key(), &ProofOfPossession::from_bytes(*signature.as_bytes()))
    );
    let as_signature = Signature::from_bytes(*proof.as_bytes());
    assert!(!BLS.verify(secret.public_key(), secret.public_key().bytes(), &as_signature));
    assert!(!BLS.verify_possession(secret_of_nobody().public_key(), &proof));
}

#[test]
fn a_quorum_signs_one_message_with_one_signature() {
    let secrets: Vec<SecretKey> = (1..=67).map(secret).collect();
    let signatures: Vec<Signature> = secrets.iter().map(|secret| secret.sign(b"block")).collect();
    let aggregate = BLS.aggregate(&signatures).unwrap();
    let keys: Vec<&PublicKey> = secrets.iter().map(SecretKey::public_key).collect();
    let verify =
        |message: &[u8], keys: &[&PublicKey]| BLS.verify_aggregate(&[(message, keys.to_vec())], &aggregate);
    assert!(verify(b"block", &keys));
    assert!(!verify(b"other", &keys));
    assert!(!verify(b"block", &keys[1..]));
    assert!(!verify(b"block", &[&keys[..], &[secret_of_nobody().public_key()]].concat()));
    let reversed: Vec<&PublicKey> = keys.iter().rev().copied().collect();
    assert!(verify(b"block", &reversed), "the order of signers does not matter");
}

#[test]
fn several_messages_share_one_signature() {
    let secrets: Vec<SecretKey> = (1..=12).map(secret).collect();
    let messages: Vec<Vec<u8>> = (0..4).map(|view: u8| vec![view; 9]).collect();
    let signatures: Vec<Signature> =
        secrets.iter().enumerate().map(|(place, secret)| secret.sign(&messages[place % 4])).collect();
    let aggregate = BLS.aggregate(&signatures).unwrap();
    let keys = |rest: usize| -> Vec<&PublicKey> {
        secrets.iter().skip(rest).step_by(4).map(SecretKey::public_key).collect()
    };
    let groups: Vec<(&[u8], Vec<&PublicKey>)> =
        (0..4).map(|view| (&messages[view][..], keys(view))).collect();
    assert!(BLS.verify_aggregate(&groups, &aggregate));

    assert!(!BLS.verify_aggregate(&groups[1..], &aggregate), "a group less");
    let mut changed = groups.clone();
    changed[2].0 = b"other";
    assert!(!BLS.verify_aggregate(&changed, &aggregate), "another message");
    let mut changed = groups.clone();
    let moved = changed[0].1.remove(0);
    changed[1].1.push(moved);
    assert!(!BLS.verify_aggregate(&changed, &aggregate), "a signer in another group");
    let mut changed = groups.clone();
    changed.push((b"empty", vec![]));
    assert!(!BLS.verify_aggregate(&changed, &aggregate), "a group without signers");
}

#[test]
fn nothing_is_signed_by_nobody() {
    let infinity = Signature::from_bytes(infinity());
    let secret = secret(1);
    for signature in [infinity, secret.sign(b"message")] {
        assert!(!BLS.verify_aggregate(&[], &signature));
        assert!(!BLS.verify_aggregate(&[(b"message", vec![])], &signature));
    }
    assert_eq!(BLS.aggregate(&[]), Err(AggregateError::Empty));
}

/// The secret whose signatures cancel those of `secret`: the group order minus it.
fn cancelling(secret: &SecretKey) -> SecretKey {
    let mut difference = bytes::<32>("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001");
    let mut borrow = 0;
    for (byte, minus) in difference.iter_mut().zip(secret.to_bytes().iter()).rev() {
        let value = i16::from(*byte) - i16::from(*minus) - borrow;
        borrow = i16::from(value < 0);
        *byte = value.rem_euclid(256) as u8;
    }
    SecretKey::from_bytes(&BLS, &difference).expect("in range")
}

/// Two members may choose keys that cancel, and prove possession of both. It wins them nothing, and spoils nothing.
#[test]
fn keys_that_cancel_neither_sign_alone_nor_spoil_the_signatures_of_others() {
    let (one, honest) = (secret(1), secret(2));
    let two = cancelling(&one);
    for secret in [&one, &two] {
        assert!(BLS.verify_possession(secret.public_key(), &secret.prove_possession()));
    }
    let pair = vec![one.public_key(), two.public_key()];
    let signed = [one.sign(b"a"), two.sign(b"a")];
    assert_eq!(BLS.aggregate(&signed), Err(AggregateError::Cancelled));
    for signature in [Signature::from_bytes(infinity()), signed[0], honest.sign(b"a")] {
        assert!(!BLS.verify_aggregate(&[(b"a", pair.clone())], &signature));
    }

    let aggregate = BLS.aggregate(&[signed[0], honest.sign(b"b"), signed[1]]).unwrap();
    let groups = [(&b"a"[..], pair), (&b"b"[..], vec![honest.public_key()])];
    assert!(BLS.verify_aggregate(&groups, &aggregate));
    assert!(!BLS.verify_aggregate(&groups, &BLS.aggregate(&[signed[0], honest.sign(b"b")]).unwrap()));
}

#[test]
fn an_opaque_key_passes_no_check() {
    let secret = secret(1);
    let opaque = PublicKey::opaque(*secret.public_key().bytes());
    assert_eq!(&opaque, secret.public_key());
    let signature = secret.sign(b"message");
    assert!(!BLS.verify(&opaque, b"message", &signature));
    assert!(!BLS.verify_possession(&opaque, &secret.prove_possession()));
    assert!(!BLS.verify_aggregate(&[(b"message", vec![&opaque])], &signature));
    let aggregate = BLS.aggregate(&[signature, signature]).unwrap();
    assert!(!BLS.verify_aggregate(&[(b"message", vec![secret.public_key(), &opaque])], &aggregate));
}

#[test]
fn keys_are_compared_by_their_public_bytes() {
    let (one, again, two) = (secret(1), secret(1), secret(2));
    assert_eq!(one, again);
    assert_ne!(one, two);
    let by_bytes = one.public_key().bytes().cmp(two.public_key().bytes());
    assert_eq!(one.public_key().cmp(two.public_key()), by_bytes);
    assert_ne!(SecretKey::generate(&BLS), SecretKey::generate(&BLS));
}

#[test]
fn debug_shows_the_public_key_and_not_the_secret() {
    let secret = secret(1);
    let start = &secret.public_key().to_string()[..8];
    assert_eq!(format!("{secret:?}"), format!("bls::SecretKey(redacted, of PublicKey({start}…))"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A signature with a bit changed is no encoding of it, nor of another one that verifies.
    #[test]
    fn a_signature_has_one_encoding(number: u8, message: Vec<u8>, bit in 0_usize..768) {
        let secret = secret(number);
        let mut bytes = *secret.sign(&message).as_bytes();
        prop_assert!(BLS.verify(secret.public_key(), &message, &Signature::from_bytes(bytes)));
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!BLS.verify(secret.public_key(), &message, &Signature::from_bytes(bytes)));
    }

    #[test]
    fn what_parses_as_a_key_is_written_the_same(number: u8, bit in 0_usize..384) {
        let mut bytes = *secret(number).public_key().bytes();
        prop_assert!(BLS.parse_public_key(&bytes).is_ok_and(|key| *key.bytes() == bytes));
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(key) = BLS.parse_public_key(&bytes) {
            prop_assert_eq!(key.bytes(), &bytes);
        }
    }

    /// One multi-pairing says what checking each signature says.
    #[test]
    fn an_aggregate_verifies_exactly_if_each_part_does(signers in prop::collection::vec((1_u8..20, 0_u8..3, prop::bool::weighted(0.9)), 1..8)) {
        let secrets: Vec<SecretKey> = signers.iter().map(|(number, ..)| secret(*number)).collect();
        let messages: Vec<[u8; 1]> = signers.iter().map(|(_, message, _)| [*message]).collect();
        let signatures: Vec<Signature> = signers
            .iter()
            .zip(&secrets)
            .map(|((_, message, honest), secret)| secret.sign(&[if *honest { *message } else { 100 }]))
            .collect();
        let groups: Vec<(&[u8], Vec<&PublicKey>)> = secrets
            .iter()
            .zip(&messages)
            .map(|(secret, message)| (&message[..], vec![secret.public_key()]))
            .collect();
        let each = secrets
            .iter()
            .zip(&messages)
            .zip(&signatures)
            .all(|((secret, message), signature)| BLS.verify(secret.public_key(), message, signature));
        let aggregate = BLS.aggregate(&signatures).expect("no signatures that cancel");
        prop_assert_eq!(BLS.verify_aggregate(&groups, &aggregate), each);
    }
}
