use proptest::prelude::*;

use super::*;

/// FIPS 180-4: the examples that NIST publishes with the standard.
#[test]
fn sha256_gives_the_published_answers() {
    let million = vec![b'a'; 1_000_000];
    let cases: [(&[u8], &str); 5] = [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (
            b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
        ),
        (&million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ];
    for (input, expected) in cases {
        assert_eq!(sha256(input).to_string(), expected, "{} bytes", input.len());
    }
}

#[test]
fn a_hash_is_written_in_lowercase_and_read_in_either_case() {
    let hash = sha256(b"abc");
    let text = hash.to_string();
    assert_eq!(text.parse(), Ok(hash));
    assert_eq!(text.to_uppercase().parse(), Ok(hash));
    assert_eq!(format!("{hash:?}"), "Hash(ba7816bf…)");
    assert_eq!(format!("{:?}", TxHash(hash)), "TxHash(ba7816bf…)");
    assert_eq!(BlockHash(hash).to_string(), text);
    assert_eq!(text.parse(), Ok(BlockHash(hash)));
}

#[test]
fn text_that_is_no_hash_is_refused_with_the_reason() {
    let error = |text: &str| text.parse::<Hash>().expect_err("not a hash").to_string();
    let digits = "0".repeat(64);
    assert_eq!(error(""), "a hash is written as 64 hexadecimal digits, got 0 characters");
    assert_eq!(error(&digits[1..]), "a hash is written as 64 hexadecimal digits, got 63 characters");
    assert_eq!(
        error(&format!("0x{digits}")),
        "a hash is written as 64 hexadecimal digits, got 66 characters"
    );
    let reason = "a hash is written in hexadecimal digits only (0-9, a-f), without a prefix";
    assert_eq!(error(&format!("0x{}", &digits[2..])), reason);
    assert_eq!(error(&"é".repeat(32)), reason);
}

#[test]
fn json_has_hashes_as_text() {
    let hash = TxHash::of(b"abc");
    let json = serde_json::to_string(&hash).unwrap();
    assert_eq!(json, format!("\"{hash}\""));
    assert_eq!(serde_json::from_str::<TxHash>(&json).unwrap(), hash);
    assert_eq!(serde_json::from_str::<Hash>(&json).unwrap(), hash.0);
    assert!(serde_json::from_str::<Hash>("\"abc\"").is_err());
    assert!(serde_json::from_str::<Hash>("7").is_err());
}

#[test]
fn borsh_has_hashes_as_their_bytes() {
    let hash = BlockHash(sha256(b"abc"));
    let bytes = borsh::to_vec(&hash).unwrap();
    assert_eq!(bytes, hash.as_bytes());
    assert_eq!(borsh::from_slice::<BlockHash>(&bytes).unwrap(), hash);
    assert!(borsh::from_slice::<BlockHash>(&bytes[1..]).is_err());
}

proptest! {
    #[test]
    fn borders_of_parts_are_not_hashed(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..5)) {
        let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(sha256_concat(&slices), sha256(&parts.concat()));
    }

    #[test]
    fn order_is_that_of_the_bytes(one: [u8; 32], alike in 0usize..=32, other: [u8; 32]) {
        let mut second = other;
        second[..alike].copy_from_slice(&one[..alike]);
        prop_assert_eq!(Hash::from_bytes(one).cmp(&Hash::from_bytes(second)), one.cmp(&second));
    }

    #[test]
    fn text_and_back(bytes: [u8; 32]) {
        let hash = Hash::from_bytes(bytes);
        prop_assert_eq!(hash.to_string().parse(), Ok(hash));
        prop_assert_eq!(hash.to_string(), hash.to_string().to_lowercase());
    }
}

/// Short input is padded in place: at each length as by the hasher that takes any.
#[test]
fn short_input_is_hashed_as_long_input_is() {
    let bytes: Vec<u8> = (0..=255).collect();
    for len in 0..bytes.len() {
        let expected = Hash(Sha256::digest(&bytes[..len]).into());
        assert_eq!(sha256(&bytes[..len]), expected, "{len} bytes");
        for cut in [0, len / 3, len] {
            assert_eq!(
                sha256_concat(&[&bytes[..cut], &bytes[cut..len]]),
                expected,
                "{len} bytes, cut at {cut}"
            );
        }
    }
}
