//! Where an epoch ends: who enters the next one, and with which key.

use althing_consensus::{Execution, Position, Validator, ValidatorSet};
use althing_crypto::{Hash, bls, ed25519};
use althing_ledger::{ParamUpdates, ValidatorUpdate};

use super::*;
use crate::driver::StoreJob;
use crate::membership::Membership;
use crate::storage::StoredResults;
use crate::workers::signer::key_in;

/// A chain whose second block ends the first epoch: the last member goes.
fn ended() -> (Bench, Membership) {
    let bench = Bench::new();
    let genesis = Membership::of_genesis(&bench.test.genesis);
    let gone = ValidatorUpdate { identity: *bench.test.peer(3).as_bytes(), power: 0, vote_key: None };
    let changed = genesis.after(&[gone], &ParamUpdates::default()).unwrap();
    grow_to_the_end(&bench, &changed);
    (bench, changed)
}

fn grow_to_the_end(bench: &Bench, changed: &Membership) {
    let one = bench.commit(1, 1).remove(0);
    let execution = Execution { height: Height(1), app_hash: AppHash::default(), results_root: Hash::ZERO };
    let results =
        StoredResults { execution, next_epoch: changed.hash(), tx_results: Vec::new(), events: Vec::new() };
    bench.chain.put_results(&[], &results, Some(changed)).unwrap();
    let mut end = (*bench.test.body(&one.block, 2, Vec::new())).clone();
    end.block.header.vouched.height = Height(1);
    end.block.header.vouched.next_epoch = changed.hash();
    let certificate = bench.test.certificate(end.block.hash(), 2);
    bench.chain.commit(&[Arc::new(end)], &certificate).unwrap();
}

#[test]
fn the_next_epoch_is_entered_durably_by_whoever_signs_and_whoever_follows() {
    let (bench, changed) = ended();
    let mut slots = Slots::default();
    SafetyStore::format(&mut slots).unwrap();
    // A record of the first epoch, on a chain that has not ended it.
    let young = Bench::new();
    let mut signer = young.signer(&slots).unwrap();
    assert_eq!((signer.record().epoch, signer.place(Epoch(1))), (Epoch(1), Some(Position(0))));
    grow_to_the_end(&young, &changed);
    let entered = signer.run(SafetyJob::EnterEpoch(Epoch(2))).unwrap();
    let Done::EpochEntered { next, certificate } = entered else { panic!("{entered:?}") };
    assert_eq!((next.config.epoch_hash, next.config.set.len()), (changed.hash(), 3));
    assert_eq!((next.config.me, next.resumed), (Some(Position(0)), false));
    assert_eq!((certificate.epoch, slots.record().epoch), (Epoch(1), Epoch(2)));
    assert_eq!((signer.place(Epoch(1)), signer.place(Epoch(2))), (None, Some(Position(0))));

    let keeper = Keeper::new(bench.chain.clone(), bench.test.epochs(&bench.chain));
    let entered = keeper.run(StoreJob::EnterEpoch(Epoch(2))).unwrap();
    let Done::EpochEntered { next, .. } = entered else { panic!("{entered:?}") };
    assert_eq!((next.config.epoch, next.config.me, next.record), (Epoch(2), None, None));
}

/// While the identity changes its node has the old one; whichever key the record is of, that one has to stay in the home.
#[test]
fn an_epoch_without_a_place_for_the_identity_is_entered_with_the_key_that_has_one_or_with_the_newest() {
    let bench = Bench::new();
    let next = bls::SecretKey::from_seed(&bls::BLS, &[77; 32]);
    let keys = [bench.test.vote_keys[0].clone(), next.clone()];
    let genesis = Membership::of_genesis(&bench.test.genesis);
    let set = genesis.set();
    let key_of = |set: &ValidatorSet, me| *key_in(&keys, set, me).public_key().bytes();
    let [old, new] = [&keys[0], &keys[1]].map(|key| *key.public_key().bytes());
    assert_eq!(key_of(set, Some(Position(0))), old);
    assert_eq!(key_of(set, None), old, "the set has it");
    let others = ValidatorSet::new(set.scheme(), set.members()[1..].to_vec()).unwrap();
    assert_eq!(key_of(&others, None), new, "nobody has either");
    let mut changed = others.members().to_vec();
    changed.push(Validator { vote_key: next.public_key().clone(), ..set.members()[0].clone() });
    let changed = ValidatorSet::new(set.scheme(), changed).unwrap();
    assert_eq!(key_of(&changed, None), new, "the set has the next one");
}

/// Whoever has the new identity signs with the key from then on: this process does not.
#[test]
fn a_node_whose_identity_was_replaced_signs_nothing_in_the_next_epoch() {
    let bench = Bench::new();
    let genesis = Membership::of_genesis(&bench.test.genesis);
    let identity = ed25519::SecretKey::from_seed([55; 32]).public_key();
    let old = bench.test.peer(0);
    let mut members = genesis.set().members().to_vec();
    members.iter_mut().filter(|one| one.identity == old).for_each(|one| one.identity = identity);
    let set = ValidatorSet::new(genesis.set().scheme(), members).unwrap();
    let changed = Membership::new(set, genesis.params().clone());
    let mut slots = Slots::default();
    SafetyStore::format(&mut slots).unwrap();
    let mut signer = bench.signer(&slots).unwrap();
    grow_to_the_end(&bench, &changed);
    let entered = signer.run(SafetyJob::EnterEpoch(Epoch(2))).unwrap();
    let Done::EpochEntered { next, .. } = entered else { panic!("{entered:?}") };
    assert_eq!((next.config.me, signer.place(Epoch(2))), (None, None));
}

#[test]
fn a_record_behind_the_chain_enters_its_epochs_and_one_ahead_of_it_signs_nothing_until_the_chain_is_back() {
    let (bench, changed) = ended();
    let mut slots = Slots::default();
    SafetyStore::format(&mut slots).unwrap();
    Bench::new().signer(&slots).unwrap();
    assert_eq!(slots.record().epoch, Epoch(1));
    assert_eq!(bench.signer(&slots).unwrap().record().epoch, Epoch(2), "at once");
    assert_eq!(slots.record().epoch, Epoch(2));

    let lost = Bench::new();
    let mut signer = lost.signer(&slots).unwrap();
    assert_eq!((signer.place(Epoch(1)), signer.place(Epoch(2))), (None, None));
    let body = lost.test.body(&lost.genesis, 1, Vec::new());
    assert!(matches!(signer.run(propose(&body)), Err(Fatal::NoKey)));
    grow_to_the_end(&lost, &changed);
    signer.run(SafetyJob::EnterEpoch(Epoch(2))).unwrap();
    assert_eq!(signer.place(Epoch(2)), Some(Position(0)));
    assert!(
        matches!(signer.run(propose(&body)).unwrap(), Done::Refused(_)),
        "not resumed, and of another epoch"
    );
}
