use althing_crypto::bls::{BLS, SecretKey};

use super::*;
use crate::testing::TestChain;

fn genesis() -> Membership {
    Membership::of_genesis(&TestChain::new().genesis)
}

fn identity(seed: u8) -> [u8; 32] {
    *ed25519::SecretKey::from_seed([seed; 32]).public_key().as_bytes()
}

fn no_point() -> [u8; 32] {
    let no = |bytes: &[u8; 32]| !ed25519::PublicKey::from_bytes(*bytes).is_point();
    (0..=255).map(|byte| [byte; 32]).find(no).expect("half of all strings are no point")
}

fn vote_key(seed: u8) -> VoteKey {
    let key = SecretKey::from_seed(&BLS, &[seed; 32]);
    VoteKey { key: *key.public_key().bytes(), proof: *key.prove_possession().as_bytes() }
}

fn update(seed: u8, power: u64, vote_key: Option<VoteKey>) -> ValidatorUpdate {
    ValidatorUpdate { identity: identity(seed), power, vote_key }
}

fn after(membership: &Membership, updates: &[ValidatorUpdate]) -> Result<Membership, String> {
    membership.after(updates, &ParamUpdates::default())
}

fn powers(membership: &Membership) -> Vec<u64> {
    membership.set().members().iter().map(|member| member.power.0).collect()
}

#[test]
fn several_changes_at_once_are_one_change() {
    let before = genesis();
    let updates = [
        update(1, 5, None),
        update(2, 0, None),
        update(9, 3, Some(vote_key(9))),
        update(4, 1, Some(vote_key(44))),
    ];
    let params = ParamUpdates { max_block_txs: Some(7), ..ParamUpdates::default() };
    let next = before.after(&updates, &params).unwrap();
    assert_eq!(powers(&next), [5, 1, 1, 3], "who stays keeps the order, who comes stands behind");
    assert_eq!(*next.set().members()[2].vote_key.bytes(), vote_key(44).key, "rotated");
    assert_eq!(next.params().max_block_txs, 7);
    assert_ne!(next.hash(), before.hash());
    assert_eq!(after(&before, &[]).unwrap(), before, "nothing changes nothing");

    let back = after(&next, &[update(2, 1, None)]).unwrap();
    assert_eq!(powers(&back), [5, 1, 1, 3, 1], "who comes back has its key of before");
    let stored = Stored::decode(&next.to_stored().encode()).unwrap();
    assert_eq!(Membership::from_stored(stored, &BLS).unwrap(), next);
}

#[test]
fn one_impossible_change_drops_all() {
    let mut forged = vote_key(9);
    forged.proof = vote_key(10).proof;
    let off_curve = VoteKey { key: [7; 48], ..vote_key(9) };
    let everyone: Vec<ValidatorUpdate> = (1..=4).map(|seed| update(seed, 0, None)).collect();
    let table: &[(&str, Vec<ValidatorUpdate>)] = &[
        ("validator set of 0 members", everyone),
        ("no registered vote key", vec![update(9, 1, None)]),
        ("without a proof of possession that holds", vec![update(9, 1, Some(forged))]),
        ("its vote key: ", vec![update(9, 1, Some(off_curve))]),
        ("the vote key of an earlier one", vec![update(9, 1, Some(vote_key(1)))]),
        ("lifts the set's power above 2^60", vec![update(1, 1 << 60, None)]),
        ("lifts the set's power above 2^60", vec![update(1, u64::MAX, None), update(2, 1, None)]),
        ("is named twice", vec![update(1, 2, None), update(1, 3, None)]),
        ("is to be removed and is none", vec![update(9, 0, None)]),
        ("is no identity key", vec![ValidatorUpdate { identity: no_point(), power: 1, vote_key: None }]),
    ];
    for (reason, updates) in table {
        let all = [&[update(3, 8, None)], &updates[..]].concat();
        let all = if reason.contains("0 members") { updates.clone() } else { all };
        let told = after(&genesis(), &all).unwrap_err();
        assert!(told.contains(reason), "{reason}: {told}");
    }
    let params = ParamUpdates { max_block_txs: Some(0), ..ParamUpdates::default() };
    let told = genesis().after(&[update(3, 8, None)], &params).unwrap_err();
    assert!(told.contains("max_block_txs"), "{told}");
}

/// What the asset ledger lets be proposed no node drops: its bounds are as narrow as those here.
#[test]
fn parameters_that_the_ledger_takes_are_taken() {
    use althing_ledger::asset::{ConsensusParameter, check_params};

    let (mut taken, mut refused, mut state) = (0, 0, 7u64);
    let interesting = [
        0,
        1,
        499,
        500,
        501,
        8_191,
        8_192,
        60_000,
        60_001,
        65_536,
        600_001,
        1 << 20,
        8 << 20,
        86_400_001,
        u64::MAX,
    ];
    for _ in 0..20_000 {
        let mut updates = ParamUpdates::default();
        for parameter in ConsensusParameter::ALL {
            parameter.set(&mut updates, parameter.of(&as_updates(&ConsensusParams::default())).unwrap());
        }
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let parameter = ConsensusParameter::ALL[(state >> 33) as usize % ConsensusParameter::ALL.len()];
            parameter.set(&mut updates, interesting[(state >> 45) as usize % interesting.len()]);
        }
        if check_params(&updates).is_ok() {
            taken += 1;
            assert!(genesis().after(&[], &updates).is_ok(), "{updates:?}");
        } else {
            refused += 1;
        }
    }
    assert!(taken > 1_000 && refused > 1_000, "{taken} {refused}");
}

/// A registration of this key for this identity, whose signatures were checked.
fn registration(identity_seed: u8, key_seed: u8, sponsor_seed: u8) -> Registration {
    let VoteKey { key, proof } = vote_key(key_seed);
    Registration {
        epoch: althing_consensus::Epoch(1),
        identity: ed25519::PublicKey::from_bytes(identity(identity_seed)),
        vote_key: key,
        proof: ProofOfPossession::from_bytes(proof),
        signature: ed25519::Signature::from_bytes([0; 64]),
        sponsor: ed25519::PublicKey::from_bytes(identity(sponsor_seed)),
        sponsor_signature: ed25519::Signature::from_bytes([0; 64]),
    }
}

#[test]
fn who_registered_a_key_can_be_named_by_its_identity() {
    let before = genesis();
    assert!(after(&before, &[update(9, 3, None)]).unwrap_err().contains("no registered vote key"));
    let registered = before.register(&registration(9, 9, 1)).unwrap();
    assert_eq!(
        (registered.hash(), registered.set()),
        (before.hash(), before.set()),
        "that alone changes no set"
    );
    let stored = Stored::decode(&registered.to_stored().encode()).unwrap();
    assert_eq!(Membership::from_stored(stored, &BLS).unwrap(), registered);
    let next = after(&registered, &[update(9, 3, None)]).unwrap();
    assert_eq!(*next.set().members()[4].vote_key.bytes(), vote_key(9).key);
    let gone = after(&next, &[update(9, 0, None)]).unwrap();
    assert_eq!(
        after(&gone, &[update(9, 2, None)]).unwrap().set().members()[4].power.0,
        2,
        "known from then on"
    );
}

#[test]
fn a_members_new_key_counts_when_the_application_names_the_member() {
    let registered = genesis().register(&registration(2, 22, 2)).unwrap();
    let key = |membership: &Membership| *membership.set().members()[1].vote_key.bytes();
    let other = after(&registered, &[update(1, 5, None)]).unwrap();
    assert_eq!(key(&other), vote_key(2).key, "another is named");
    assert_eq!(key(&after(&other, &[update(2, 1, None)]).unwrap()), vote_key(22).key);
    let told = after(&registered, &[update(2, 1, Some(vote_key(33)))]).unwrap();
    assert_eq!(key(&told), vote_key(33).key, "what the application says goes first");
    assert_eq!(key(&after(&told, &[update(2, 4, None)]).unwrap()), vote_key(33).key, "and for good");
}

#[test]
fn nobody_registers_the_key_of_another_or_blocks_what_the_application_does() {
    let before = genesis();
    assert!(before.register(&registration(9, 2, 1)).unwrap_err().contains("another identity's"));
    let offered = before.register(&registration(9, 9, 1)).unwrap();
    assert!(offered.register(&registration(8, 9, 1)).is_err(), "offered by another");
    assert_eq!(offered.register(&registration(9, 7, 1)).unwrap().offered.len(), 1, "changed its mind");
    // The application gives the offered key to somebody else: the offer is void, and the update is not.
    let given = after(&offered, &[update(8, 1, Some(vote_key(9)))]).unwrap();
    assert!(given.offered.is_empty());
    let again = before.register(&registration(2, 2, 2)).unwrap();
    assert!(again.offered.is_empty(), "it votes with that key already");
}

#[test]
fn a_sponsors_ninth_newcomer_takes_the_place_of_its_first() {
    let mut membership = genesis();
    for seed in 10..18 {
        membership = membership.register(&registration(seed, seed, 1)).unwrap();
    }
    membership = membership.register(&registration(30, 30, 2)).unwrap();
    membership = membership.register(&registration(3, 33, 1)).unwrap();
    assert_eq!(membership.offered.len(), 10, "members and other sponsors' newcomers do not count");
    membership = membership.register(&registration(18, 18, 1)).unwrap();
    let offers = |seed| membership.offered.contains_key(&identity(seed));
    assert!(!offers(10) && offers(11) && offers(18) && offers(30) && offers(3));
    assert_eq!(
        membership.register(&registration(11, 44, 1)).unwrap().offered.len(),
        10,
        "a new key is no newcomer"
    );
}
