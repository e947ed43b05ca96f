use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Sample {
    number: u32,
    text: String,
    list: Vec<Option<u16>>,
    set: BTreeSet<u8>,
}

impl Encoding for Sample {
    const NAME: &'static str = "sample";
    const VERSION: u8 = 3;
    const MAX_BYTES: usize = 300;
}

fn sample() -> Sample {
    Sample { number: 7, text: "ab".into(), list: vec![None, Some(5)], set: [1, 2].into() }
}

/// The encoding of `sample()`, spelled out: a change of it is a change of the protocol.
const SAMPLE: [u8; 30] = [
    3, // version
    7, 0, 0, 0, // number
    2, 0, 0, 0, b'a', b'b', // text
    2, 0, 0, 0, 0, 1, 5, 0, // list
    2, 0, 0, 0, 1, 2, // set
    0, 0, 0, 0, 0, // not part of it
];
const SAMPLE_LEN: usize = 25;

#[test]
fn the_encoding_is_the_version_and_then_borsh() {
    assert_eq!(sample().encode(), SAMPLE[..SAMPLE_LEN]);
    assert_eq!(Sample::decode(&SAMPLE[..SAMPLE_LEN]), Ok(sample()));
}

#[test]
fn what_is_no_encoding_is_refused_with_the_reason() {
    let name = "sample";
    assert_eq!(Sample::decode(&[]), Err(DecodeError::Empty { name }));
    assert_eq!(Sample::decode(&[3; 301]), Err(DecodeError::TooLarge { name, len: 301, max: 300 }));
    let mut other_version = SAMPLE[..SAMPLE_LEN].to_vec();
    other_version[0] = 2;
    assert_eq!(Sample::decode(&other_version), Err(DecodeError::Version { name, found: 2, expected: 3 }));
    for cut in 1..SAMPLE_LEN {
        let error = Sample::decode(&SAMPLE[..cut]).expect_err("cut short");
        assert!(matches!(error, DecodeError::Malformed { .. }), "cut to {cut} bytes: {error}");
    }
    for len in SAMPLE_LEN + 1..=SAMPLE.len() {
        let error = Sample::decode(&SAMPLE[..len]).expect_err("bytes left over");
        assert!(matches!(error, DecodeError::Malformed { .. }), "{len} bytes: {error}");
    }
}

/// Whether a number is odd, read from any number: a decoder that is not strict.
#[derive(Debug, PartialEq, Eq)]
struct Odd(bool);

impl BorshSerialize for Odd {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        u8::from(self.0).serialize(writer)
    }
}

impl BorshDeserialize for Odd {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        Ok(Self(u8::deserialize_reader(reader)? % 2 == 1))
    }
}

impl Encoding for Odd {
    const NAME: &'static str = "odd";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 2;
}

#[test]
fn a_second_form_of_a_value_is_refused() {
    assert_eq!(Odd::decode(&[1, 1]), Ok(Odd(true)));
    assert_eq!(Odd::decode(&[1, 3]), Err(DecodeError::NotCanonical { name: "odd" }));
    // Whether borsh itself refuses these depends on a feature of it that any crate may turn on.
    let mut unordered = SAMPLE[..SAMPLE_LEN].to_vec();
    unordered.swap(23, 24);
    let mut doubled = SAMPLE[..SAMPLE_LEN].to_vec();
    doubled[24] = 1;
    for bytes in [unordered, doubled] {
        assert!(Sample::decode(&bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_length_that_lies_costs_no_memory() {
    let mut bytes = SAMPLE[..SAMPLE_LEN].to_vec();
    bytes[11..15].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(Sample::decode(&bytes), Err(DecodeError::Malformed { .. })));
}

#[test]
fn errors_say_what_and_how_much() {
    let text = |error: DecodeError| error.to_string();
    assert_eq!(
        text(DecodeError::TooLarge { name: "vote", len: 9, max: 5 }),
        "vote: 9 bytes, at most 5 are accepted"
    );
    assert_eq!(
        text(DecodeError::Version { name: "vote", found: 2, expected: 1 }),
        "vote: encoding version 2, this build reads version 1 only"
    );
}

fn samples() -> impl Strategy<Value = Sample> {
    let list = prop::collection::vec(any::<Option<u16>>(), 0..20);
    let set = prop::collection::btree_set(any::<u8>(), 0..20);
    (any::<u32>(), "[a-zå]{0,30}", list, set).prop_map(|(number, text, list, set)| Sample {
        number,
        text,
        list,
        set,
    })
}

proptest! {
    #[test]
    fn every_value_survives(value in samples()) {
        prop_assert_eq!(Sample::decode(&value.encode()), Ok(value));
    }

    /// One value, one byte string: bytes near an encoding are refused, or are the encoding of another value.
    #[test]
    fn what_decodes_encodes_to_the_same_bytes(value in samples(), at: prop::sample::Index, to: u8) {
        let mut bytes = value.encode();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(decoded) = Sample::decode(&bytes) {
            prop_assert_eq!(decoded.encode(), bytes);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 1..400)) {
        bytes[0] = Sample::VERSION;
        if let Ok(decoded) = Sample::decode(&bytes) {
            prop_assert_eq!(decoded.encode(), bytes);
        }
    }
}
