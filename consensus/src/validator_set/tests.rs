use althing_crypto::bls::BLS;

use super::*;
use crate::testing::{Chain, Unchecked};

fn member(index: u64, power: u64) -> Validator {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&index.to_be_bytes());
    let mut key = [0; 48];
    key[..32].copy_from_slice(&seed);
    Validator {
        identity: ed25519::SecretKey::from_seed(seed).public_key(),
        vote_key: bls::PublicKey::opaque(key),
        power: Power(power),
    }
}

fn set(members: Vec<Validator>) -> Result<ValidatorSet, SetError> {
    ValidatorSet::new(&Unchecked, members)
}

#[test]
fn takes_1_to_1024_distinct_members_with_power() {
    assert_eq!(set(vec![]), Err(SetError::Size { members: 0 }));
    let many = |count| (0..count).map(|index| member(index, 1)).collect::<Vec<_>>();
    assert_eq!(set(many(1024)).unwrap().total(), Power(1024));
    assert_eq!(set(many(1025)), Err(SetError::Size { members: 1025 }));

    let identity = member(1, 1).identity;
    assert_eq!(set(vec![member(0, 1), member(1, 0)]), Err(SetError::NoPower { position: 1, identity }));
    let twin = Validator { vote_key: member(1, 1).vote_key, ..member(0, 1) };
    assert_eq!(
        set(vec![member(0, 1), twin.clone()]),
        Err(SetError::DuplicateIdentity { position: 1, identity: twin.identity })
    );
    let thief = Validator { vote_key: member(0, 1).vote_key, ..member(1, 1) };
    assert_eq!(set(vec![member(0, 1), thief]), Err(SetError::DuplicateVoteKey { position: 1, identity }));
}

#[test]
fn bounds_the_total_power_without_overflow() {
    let top = ValidatorSet::MAX_POWER.0;
    assert_eq!(set(vec![member(0, top - 1), member(1, 1)]).unwrap().total(), Power(top));
    for power in [2, top, u64::MAX] {
        let identity = member(1, 1).identity;
        let refused = SetError::TooMuchPower { position: 1, identity, power: Power(power) };
        assert_eq!(set(vec![member(0, top - 1), member(1, power)]), Err(refused));
    }
    // At the bound the comparisons neither overflow nor round.
    let set = set(vec![member(0, top)]).unwrap();
    assert!(set.is_quorum(Power(top)) && set.is_one_honest(Power(top / 3 + 1)));
    assert!(!set.is_quorum(Power(top / 3 * 2)) && !set.is_one_honest(Power(top / 3)));
}

#[test]
fn a_quorum_is_strictly_more_than_two_thirds_and_one_honest_than_one() {
    // total, the least power that is one honest, the least that is a quorum
    for (total, honest, quorum) in
        [(1, 1, 1), (2, 1, 2), (3, 2, 3), (4, 2, 3), (5, 2, 4), (6, 3, 5), (7, 3, 5), (100, 34, 67)]
    {
        let set = set(vec![member(0, total)]).unwrap();
        for power in 0..=total {
            assert_eq!(set.is_one_honest(Power(power)), power >= honest, "{power} of {total}");
            assert_eq!(set.is_quorum(Power(power)), power >= quorum, "{power} of {total}");
        }
    }
}

#[test]
fn finds_members_and_adds_their_power() {
    let Chain { keys, set } = Chain::new(&BLS, &[5, 1, 9]);
    assert_eq!(set.len(), 3);
    assert_eq!(set.positions().collect::<Vec<_>>(), [Position(0), Position(1), Position(2)]);
    for (position, key) in set.positions().zip(&keys) {
        assert_eq!(set.position_of(&set.get(position).unwrap().identity), Some(position));
        assert_eq!(set.position_of_vote_key(key.public_key()), Some(position));
    }
    assert_eq!(set.position_of(&member(9, 1).identity), None);
    assert_eq!(set.position_of_vote_key(&member(9, 1).vote_key), None);
    assert_eq!(set.get(Position(3)), None);
    assert_eq!(set.power(Position(3)), Power(0));
    assert_eq!(set.power_of([Position(0), Position(2)]), Power(14));
    assert_eq!(set.power_of([]), Power(0));
}

#[test]
fn the_epoch_hash_binds_every_member_their_order_and_the_parameters() {
    let validator = |byte: u8, power| Validator {
        identity: ed25519::PublicKey::from_bytes([byte; 32]),
        vote_key: bls::PublicKey::opaque([byte ^ 0xff; 48]),
        power: Power(power),
    };
    let of = |members: Vec<Validator>, params: &ConsensusParams| epoch_hash(&set(members).unwrap(), params);
    let params = ConsensusParams::default();
    let members = vec![validator(0x11, 7), validator(0x22, 1 << 40)];
    let hash = of(members.clone(), &params);
    // Computed once by hand, in another language, from the layout that `hash_bytes` and `epoch_hash` state.
    assert_eq!(hash.to_string(), "345b6854987a05adfe803314bb45ceed1d35221bfccf6f8ee4307de5329adf82");

    let changes: [(&str, Hash); 6] = [
        ("order", of(members.iter().rev().cloned().collect(), &params)),
        ("one fewer", of(members[..1].to_vec(), &params)),
        ("power", of(vec![validator(0x11, 8), members[1].clone()], &params)),
        (
            "identity",
            of(
                vec![
                    Validator { vote_key: members[0].vote_key.clone(), ..validator(0x33, 7) },
                    members[1].clone(),
                ],
                &params,
            ),
        ),
        (
            "vote key",
            of(
                vec![Validator { identity: members[0].identity, ..validator(0x33, 7) }, members[1].clone()],
                &params,
            ),
        ),
        ("parameter", of(members.clone(), &ConsensusParams { max_block_txs: 1, ..params.clone() })),
    ];
    for (what, changed) in changes {
        assert_ne!(changed, hash, "{what}");
    }
}
