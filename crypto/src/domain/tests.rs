use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[test]
fn the_layout_is_as_documented() {
    let mut expected = b"ALTHING/VOTE\x01".to_vec();
    expected.extend([0, 0, 0, 0, 0, 0, 0, 2, b'a', b'b']);
    expected.extend([0, 0, 0, 0, 0, 0, 0, 3]);
    expected.extend([0, 0, 0, 0, 0, 0, 1, 4]);
    expected.extend(b"body");
    assert_eq!(sign_bytes(Domain::Vote, "ab", 3, 260, b"body"), expected);
}

#[test]
fn no_tag_is_the_beginning_of_another() {
    for a in Domain::ALL {
        for b in Domain::ALL {
            assert!(a == b || !a.tag().starts_with(b.tag()), "{a:?} starts with {b:?}");
        }
    }
    assert_eq!(Domain::ALL.iter().collect::<BTreeSet<_>>().len(), Domain::ALL.len());
}

#[test]
fn what_moves_between_chain_id_and_body_is_seen() {
    assert_ne!(sign_bytes(Domain::Vote, "ab", 0, 0, b"c"), sign_bytes(Domain::Vote, "a", 0, 0, b"bc"));
}

/// Reads the arguments back: bytes from which all of them follow can come from no others.
fn read_back(bytes: &[u8]) -> (Domain, String, u64, u64, Vec<u8>) {
    let u64_at = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
    let domain = Domain::ALL.into_iter().find(|domain| bytes.starts_with(domain.tag().as_bytes()));
    let domain = domain.expect("a known tag");
    let version = domain.tag().len();
    assert_eq!(bytes[version], SIGN_BYTES_VERSION);
    let chain_id = version + 9;
    let epoch = chain_id + u64_at(version + 1) as usize;
    let text = String::from_utf8(bytes[chain_id..epoch].to_vec()).expect("text");
    (domain, text, u64_at(epoch), u64_at(epoch + 8), bytes[epoch + 16..].to_vec())
}

proptest! {
    #[test]
    fn different_arguments_give_different_bytes(
        domain in prop::sample::select(Domain::ALL.to_vec()),
        chain_id in "\\PC{0,20}",
        epoch: u64,
        view: u64,
        body in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let bytes = sign_bytes(domain, &chain_id, epoch, view, &body);
        prop_assert_eq!(read_back(&bytes), (domain, chain_id, epoch, view, body));
    }
}
