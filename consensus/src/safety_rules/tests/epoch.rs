//! S9: entering an epoch.

use super::*;
use crate::testing::{Counting, EPOCH};
use crate::{ConsensusParams, Rejection, epoch_hash};

fn real() -> Chain {
    Chain::new(Counting::leaked(), &[1, 1, 1, 1])
}

/// How epoch 2 begins: with a set that lacks the last member.
fn start(chain: &Chain) -> EpochStart {
    let members = chain.set.members()[..3].to_vec();
    let set = Arc::new(ValidatorSet::new(chain.set.scheme(), members).expect("distinct members"));
    let params = ConsensusParams { max_unexecuted_blocks: 3, ..ConsensusParams::default() };
    let mut opening = block(4, None, 0).header;
    opening.vouched.next_epoch = epoch_hash(&set, &params);
    let certificate = chain.qc(Phase::Commit, 6, opening.hash(), &[1, 2, 3]);
    EpochStart { epoch: Epoch(2), opening, certificate, set, params }
}

#[test]
fn s9_the_next_epoch_is_entered_once_with_its_own_views_and_nothing_is_signed_in_the_old_one() {
    let chain = real();
    let mut rules = rules(&chain);
    let b1 = block(1, None, 0);
    run(
        &mut rules,
        vec![("vote", vote(&chain, &b1, None, None), Signs), ("timeout", time_out(1, None, None), Signs)],
    );
    let start = start(&chain);
    let record = rules.enter_epoch(&start, chain.keys[0].clone()).expect("the next epoch");
    assert_eq!((record.epoch, record.opening), (Epoch(2), start.opening.hash()));
    assert_eq!(record.epoch_hash, start.opening.vouched.next_epoch);
    assert_eq!(record.views(), [View(0); 9], "views begin anew");
    assert_eq!(&record, rules.record());
    assert!(rules.is_resumed(), "its record was the newest");

    let old =
        rules.request(&vote(&chain, &child(2, &qc_of(&chain, &b1), 0), Some(&qc_of(&chain, &b1)), None));
    assert!(matches!(old.unwrap_err().reason, Reason::Mismatch { field: "the header's epoch", .. }));
    let again = rules.enter_epoch(&start, chain.keys[0].clone());
    assert_eq!(again, Err(EnterError::Behind { epoch: Epoch(2), own: Epoch(2) }));
    assert!(rules.request(&time_out(1, None, None)).is_ok(), "view 1 of the new epoch is another view 1");

    let set = start.set.clone();
    let (key, hash) = (chain.keys[0].clone(), record.epoch_hash);
    let back = SafetyRules::recover(Arc::new(identity(0)), key, CHAIN, set, hash, record.clone());
    assert_eq!(back.expect("its own record").record(), &record);
}

#[test]
fn s9_what_does_not_end_the_epoch_changes_nothing() {
    let chain = real();
    let good = start(&chain);
    let with = |change: &dyn Fn(&mut EpochStart)| {
        let mut start = good.clone();
        change(&mut start);
        let mut rules = rules(&chain);
        let before = rules.clone();
        let error = rules.enter_epoch(&start, chain.keys[0].clone()).expect_err("not entered");
        assert_eq!(rules, before);
        error
    };
    let skips = with(&|start| start.epoch = Epoch(3));
    assert_eq!(skips, EnterError::Skips { epoch: Epoch(3), own: EPOCH });
    assert!(matches!(with(&|start| start.epoch = EPOCH), EnterError::Behind { .. }));
    let other_set = with(&|start| start.set = chain.set.clone());
    assert!(matches!(other_set, EnterError::OtherSet { .. }), "{other_set}");
    let votes = with(&|start| {
        start.certificate = chain.qc(Phase::Vote, 6, start.opening.hash(), &[1, 2, 3]);
    });
    assert!(matches!(votes, EnterError::OtherCertificate { .. }), "certified is not committed: {votes}");
    let other = with(&|start| start.certificate = chain.qc(Phase::Commit, 6, OPENING, &[1, 2, 3]));
    assert_eq!(other, EnterError::OtherCertificate { block: OPENING });
    let few = with(&|start| {
        start.certificate = chain.qc(Phase::Commit, 6, start.opening.hash(), &[1, 2]);
    });
    assert!(matches!(few, EnterError::Certificate(Rejection::NotAQuorum { .. })), "{few}");
    let forged = with(&|start| start.certificate.signers = [0, 1, 2].map(Position).into_iter().collect());
    assert!(matches!(forged, EnterError::Certificate(Rejection::BadSignature { .. })), "{forged}");
    let of_other_chain = with(&|start| start.opening.chain_id = "another".to_owned());
    assert!(matches!(of_other_chain, EnterError::NoEnd { .. }), "{of_other_chain}");
}

#[test]
fn s9_who_is_left_out_signs_nothing_and_who_comes_back_asks_first() {
    let chain = real();
    let start = start(&chain);
    let key = || chain.keys[3].clone();
    let mut rules = first(&chain, 3);
    assert_eq!(rules.resume(None), None);
    rules.enter_epoch(&start, key()).expect("the next epoch");
    assert_eq!(rules.signer(), None);
    let refused = rules.request(&time_out(1, None, None)).unwrap_err();
    assert_eq!(refused.reason, Reason::NotAMember { epoch: Epoch(2) });

    let mut opening = start.opening.clone();
    (opening.epoch, opening.height) = (Epoch(2), crate::Height(9));
    opening.vouched.next_epoch = epoch_hash(&chain.set, &start.params);
    let bytes = vote_bytes(CHAIN, Phase::Commit, Epoch(2), View(1), opening.hash());
    let shares: Vec<_> = (0..3).map(|signer| chain.sign(signer, &bytes)).collect();
    let certificate = QuorumCertificate {
        epoch: Epoch(2),
        view: View(1),
        signature: chain.set.scheme().aggregate(&shares).expect("good shares"),
        ..chain.qc(Phase::Commit, 1, opening.hash(), &[0, 1, 2])
    };
    let third =
        EpochStart { epoch: Epoch(3), opening, certificate, set: chain.set.clone(), params: start.params };
    rules.enter_epoch(&third, key()).expect("the third epoch");
    assert_eq!(rules.signer(), Some(Position(3)));
    assert_eq!(rules.request(&time_out(1, None, None)).unwrap_err().reason, Reason::NotResumed);
}

#[test]
fn s9_another_key_and_a_record_that_was_stale_ask_before_they_sign() {
    let chain = real();
    for (key, floor, resumed) in [(0, None, true), (1, None, false), (0, Some(View(4)), false)] {
        let mut rules = unresumed(&chain);
        drop(rules.resume(floor));
        rules.enter_epoch(&start(&chain), chain.keys[key].clone()).expect("the next epoch");
        assert_eq!(rules.signer(), Some(Position(key as u16)));
        assert_eq!(rules.is_resumed(), resumed);
    }
}

#[test]
fn s4_an_epoch_ending_block_is_voted_for_again_as_it_was_made() {
    let chain = chain();
    let mut ending = block(1, None, 0);
    ending.header.vouched.next_epoch = Hash::from_bytes([1; 32]);
    let qc1 = qc_of(&chain, &ending);
    let again = |view: u64, block: &Block, justify: &Qc| {
        let mut proposal = chain.proposal(1, block.clone(), Some((**justify).clone()), None, None);
        proposal.view = View(view);
        SignRequest::Vote(Box::new(Verified::trust(chain.signed(proposal))))
    };
    let mut one = rules(&chain);
    run(
        &mut one,
        vec![
            ("first", vote(&chain, &ending, None, None), Signs),
            ("again", again(2, &ending, &qc1), Signs),
            (
                "in a view that does not follow",
                again(4, &ending, &qc1),
                Refuses(Reason::Unjustified { justify: View(1), tc: None }),
            ),
        ],
    );
    // A block that ends nothing does not come again.
    let mut plain = block(1, None, 0);
    plain.header.vouched.next_epoch = EPOCH_HASH;
    let refused = rules(&chain).request(&again(2, &plain, &qc_of(&chain, &plain))).unwrap_err();
    assert!(matches!(refused.reason, Reason::Mismatch { field: "the header's view", .. }), "{refused}");
}
