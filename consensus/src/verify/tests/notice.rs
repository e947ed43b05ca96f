use althing_crypto::ed25519;

use super::*;
use crate::{Notice, Registration, registration_bytes, sponsorship_bytes};

fn newcomer(epoch: Epoch) -> Registration {
    let (identity, sponsor) = (ed25519::SecretKey::from_seed([9; 32]), crate::testing::identity(1));
    let key = bls::SecretKey::from_seed(&bls::BLS, &[9; 32]);
    let vote_key = *key.public_key().bytes();
    let word = sponsorship_bytes(CHAIN, epoch, &identity.public_key(), &vote_key);
    Registration {
        epoch,
        identity: identity.public_key(),
        vote_key,
        proof: key.prove_possession(),
        signature: identity.sign(&registration_bytes(CHAIN, epoch, &vote_key, &sponsor.public_key())),
        sponsor: sponsor.public_key(),
        sponsor_signature: sponsor.sign(&word),
    }
}

#[test]
fn a_registration_is_signed_by_its_owner_and_by_a_validator_for_a_key_that_somebody_holds() {
    let world = World::new();
    let door = world.door();
    let good = newcomer(Epoch(1));
    let other = bls::SecretKey::from_seed(&bls::BLS, &[8; 32]);
    let stranger = ed25519::SecretKey::from_seed([8; 32]);
    let sponsored = |one: &mut Registration, by: &ed25519::SecretKey| {
        one.sponsor = by.public_key();
        one.sponsor_signature = by.sign(&sponsorship_bytes(CHAIN, one.epoch, &one.identity, &one.vote_key));
    };
    let table: [(&str, Registration, Option<&str>); 10] = [
        ("good", good.clone(), None),
        ("of the epoch before", newcomer(Epoch(0)), Some("epoch 0")),
        (
            "of another epoch than it was signed for",
            with(&newcomer(Epoch(2)), |one| one.epoch = Epoch(1)),
            Some("signed by its sponsor"),
        ),
        ("its sponsor is nobody", with(&good, |one| sponsored(one, &stranger)), Some("no validator")),
        (
            "taken over by another validator",
            with(&good, |one| sponsored(one, &crate::testing::identity(0))),
            Some("signed by identity"),
        ),
        (
            "for another newcomer",
            with(&good, |one| one.identity = stranger.public_key()),
            Some("signed by its sponsor"),
        ),
        (
            "another identity's signature",
            with(&good, |one| {
                one.identity = stranger.public_key();
                sponsored(one, &crate::testing::identity(1));
            }),
            Some("signed by identity"),
        ),
        (
            "a key that it did not sign",
            with(&good, |one| {
                one.vote_key = *other.public_key().bytes();
                sponsored(one, &crate::testing::identity(1));
            }),
            Some("signed by identity"),
        ),
        (
            "the proof of another key",
            with(&good, |one| one.proof = other.prove_possession()),
            Some("proof of possession"),
        ),
        (
            "no key at all",
            with(&good, |one| {
                one.vote_key = [1; 48];
                one.signature = ed25519::SecretKey::from_seed([9; 32]).sign(&registration_bytes(
                    CHAIN,
                    one.epoch,
                    &one.vote_key,
                    &one.sponsor,
                ));
                sponsored(one, &crate::testing::identity(1));
            }),
            Some("its vote key"),
        ),
    ];
    for (what, registration, why) in table {
        let notice = Notice::Registration(Box::new(registration));
        let answer = door.verify_notice(&notice).map_err(|rejection| rejection.to_string());
        match why {
            None => assert_eq!(answer, Ok(()), "{what}"),
            Some(why) => {
                assert!(answer.as_ref().is_err_and(|error| error.contains(why)), "{what}: {answer:?}")
            }
        }
    }
}
