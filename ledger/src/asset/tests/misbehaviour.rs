//! Validators that contradicted themselves: how they lose their power, how they get it back, and how they do not.

use super::{validators::*, *};

fn piece(n: u8, epoch: u64, first: u64) -> Misbehaviour {
    Misbehaviour {
        kind: MisbehaviourKind::DoubleVote,
        identity: *identity(n).as_bytes(),
        power: n.into(),
        total_power: 6,
        epoch,
        view: 7,
        height: first,
        time_ms: 0,
    }
}

fn reinstate(n: u8) -> ValidatorChange {
    ValidatorChange::Reinstate { identity: identity(n) }
}

fn moved(n: u8, to: u8) -> ValidatorChange {
    ValidatorChange::Identity { identity: identity(n), to: identity(to) }
}

fn one(chain: &Chain, n: u8) -> ValidatorView {
    validators(chain).into_iter().find(|one| one.identity == identity(n)).unwrap()
}

fn pieces(chain: &Chain) -> Page<MisbehaviourView, u64> {
    chain.ask(&Question::Misbehaviour { before: None, limit: MAX_LIMIT })
}

fn outcomes(chain: &Chain) -> Vec<Outcome> {
    pieces(chain).items.iter().rev().map(|one| one.outcome).collect()
}

fn refused(done: &FinalizedBlock) -> Vec<&'static str> {
    let name = |code: u32| Code::ALL.iter().find(|one| one.number() == code).map_or("ok", |code| code.name());
    codes(done).into_iter().map(name).collect()
}

fn said(events: &[crate::Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

#[test]
fn who_contradicts_itself_loses_its_power_until_it_is_reinstated() {
    let chain = Chain::begin(&init());
    let done = chain.block_with(&[], &[piece(3, 1, 1)]);
    assert_eq!(done.validator_updates, [update(3, 0, None)]);
    assert_eq!(said(&done.events), ["misbehaviour", "validator_suspended"]);
    let found = one(&chain, 3);
    let why = Suspension {
        power: 3,
        kind: MisbehaviourKind::DoubleVote,
        epoch: 1,
        view: 7,
        since: 1,
        misbehaviour: 0,
    };
    assert_eq!((found.power, found.since, found.suspended), (0, 1, Some(why)));
    let kept = pieces(&chain).items.remove(0);
    assert_eq!((kept.identity, kept.power, kept.total_power, kept.height), (identity(3), 3, 6, 1));
    assert_eq!((kept.outcome, kept.now), (Outcome::Suspended, Some(MisbehaviourStatus::Suspended)));

    // Of the whole, 3, its power is no part any more: 2 alone is not more than two thirds, and 3 adds nothing.
    let done = chain.block(&[propose(2, 0, vec![reinstate(3)]), approve(3, 0, 1)]);
    assert_eq!((codes(&done), done.validator_updates.len()), (vec![0, 0], 0));
    let open: Vec<ProposalView> = chain.ask(&Question::Proposals {});
    assert_eq!(open[0].power, Some(PowerView { approved: 2, of: 3 }));
    let done = chain.block(&[approve(1, 0, 1)]);
    assert_eq!(done.validator_updates, [update(3, 3, Some(3))]);
    assert_eq!(said(&done.tx_results[0].events), ["approved", "proposal_enacted", "validator_reinstated"]);
    let found = one(&chain, 3);
    assert_eq!((found.power, found.since, found.suspended), (3, 3, None));
    assert_eq!(pieces(&chain).items[0].now, Some(MisbehaviourStatus::Reinstated));
}

#[test]
fn what_is_proved_comes_before_what_is_decided() {
    let chain = Chain::begin(&init());
    chain.block(&[propose(1, 0, vec![power(1, 9)]), approve(2, 0, 1)]);
    // 3 would have made it pass; now it has no voice, and 1 and 2, who have approved it before, are all.
    let done = chain.block_with(&[approve(3, 0, 1)], &[piece(3, 1, 1)]);
    let mut told = done.validator_updates.clone();
    told.sort_by_key(|one| one.power);
    assert_eq!((refused(&done), told), (vec!["ok"], vec![update(3, 0, None), update(1, 9, Some(1))]));
    // What comes and goes within a block is not told.
    let chain = Chain::begin(&init());
    let back = [propose(2, 0, vec![reinstate(3)]), approve(1, 0, 1)];
    let done = chain.block_with(&back, &[piece(3, 1, 1)]);
    assert_eq!((refused(&done), done.validator_updates.len()), (vec!["ok", "ok"], 0));
    assert_eq!(one(&chain, 3).power, 3);
}

#[test]
fn a_second_piece_changes_nothing_nor_does_one_from_before_the_reinstatement() {
    let chain = Chain::begin(&init());
    let commit = Misbehaviour { kind: MisbehaviourKind::DoubleCommitVote, ..piece(3, 1, 1) };
    let done = chain.block_with(&[], &[piece(3, 1, 1), commit]);
    assert_eq!(said(&done.events), ["misbehaviour", "validator_suspended", "misbehaviour"]);
    chain.block(&[propose(2, 0, vec![reinstate(3)]), approve(1, 0, 1)]);
    assert_eq!(one(&chain, 3).since, 2);
    // Kept back by somebody.
    let done = chain.block_with(&[], &[Misbehaviour { kind: MisbehaviourKind::DoubleProposal, ..commit }]);
    assert_eq!((done.validator_updates.len(), one(&chain, 3).suspended), (0, None));
    // Of the epoch that it came back with.
    let done = chain.block_with(&[], &[piece(3, 2, 3)]);
    assert_eq!(done.validator_updates, [update(3, 0, None)]);
    use Outcome::*;
    assert_eq!(outcomes(&chain), [Suspended, AlreadySuspended, Forgiven, Suspended]);
    let now: Vec<_> = pieces(&chain).items.iter().filter_map(|one| one.now).collect();
    assert_eq!(now, [MisbehaviourStatus::Suspended, MisbehaviourStatus::Reinstated], "newest first");
}

#[test]
fn what_was_before_members_added_somebody_anew_is_over() {
    let chain = Chain::begin(&init());
    chain.block_with(&[], &[piece(3, 1, 1)]);
    chain.block(&[propose(2, 0, vec![reinstate(3)]), approve(1, 0, 1)]);
    chain.block(&[propose(2, 1, vec![remove(3)]), approve(3, 0, 2)]);
    let done = chain.block(&[propose(2, 2, vec![add(3, 1)]), approve(1, 1, 3)]);
    assert_eq!((refused(&done), one(&chain, 3).since), (vec!["ok", "ok"], 4));
    chain.block_with(&[], &[piece(3, 2, 2)]);
    // The first epoch with it again begins after the block that added it.
    chain.block_with(&[], &[piece(3, 3, 5)]);
    use Outcome::*;
    assert_eq!(outcomes(&chain), [Suspended, Forgiven, Suspended]);
}

#[test]
fn somebody_is_left_whoever_misbehaves() {
    let chain = Chain::begin(&init());
    let done = chain.block_with(&[], &[piece(2, 1, 1), piece(9, 1, 1), piece(3, 1, 1), piece(1, 1, 1)]);
    let gone: Vec<u64> = done.validator_updates.iter().map(|one| one.power).collect();
    assert_eq!(gone, [0, 0]);
    use Outcome::*;
    assert_eq!(outcomes(&chain), [Suspended, NoValidator, Suspended, LastValidator]);
    assert_eq!(one(&chain, 1).power, 1);
    // 1 decides alone now, and cannot go.
    let done = chain.block(&[propose(1, 0, vec![remove(1)]), propose(1, 0, vec![reinstate(2), remove(1)])]);
    assert_eq!(refused(&done), ["last_validator", "wrong_sequence"]);
    let done = chain.block(&[propose(1, 1, vec![reinstate(2), remove(1)])]);
    assert_eq!((refused(&done), one(&chain, 2).power), (vec!["ok"], 2));
}

#[test]
fn a_suspended_one_comes_back_by_nothing_else() {
    let chain = Chain::begin(&init());
    chain.block_with(&[], &[piece(3, 1, 1)]);
    let done = chain.block(&[propose(1, 0, vec![add(3, 5)]), propose(1, 0, vec![power(3, 3)])]);
    assert_eq!(refused(&done), ["validator_exists", "wrong_sequence"]);
    // Its key, power, identity and account can be changed: it stays suspended.
    let key = ValidatorChange::VoteKey { identity: identity(3), vote_key: vote_key(8) };
    let account = ValidatorChange::Account { identity: identity(4), account: address(9) };
    let changes = vec![key, power(3, 5), moved(3, 4), account];
    let done = chain.block(&[propose(1, 1, changes), approve(2, 0, 1)]);
    assert_eq!((refused(&done), done.validator_updates.len()), (vec!["ok", "ok"], 0));
    let found = one(&chain, 4);
    assert_eq!((found.power, found.suspended.unwrap().power, found.account), (0, 5, Some(address(9))));
    assert_eq!(pieces(&chain).items[0].now, Some(MisbehaviourStatus::Suspended), "under its new identity");
    // Neither as one that it was before.
    let done = chain.block(&[
        propose(1, 2, vec![add(3, 5)]),
        propose(1, 3, vec![moved(2, 3)]),
        propose(1, 4, vec![reinstate(1)]),
        propose(1, 5, vec![reinstate(9)]),
    ]);
    assert_eq!(refused(&done), ["suspended", "suspended", "not_suspended", "unknown_validator"]);
    // Nor when it was removed, under either, nor in one go.
    let done = chain.block(&[propose(1, 6, vec![remove(4), add(4, 1)])]);
    assert_eq!(refused(&done), ["barred"]);
    let done = chain.block(&[propose(1, 7, vec![remove(4)]), approve(2, 1, 2)]);
    assert_eq!((refused(&done), done.validator_updates.len()), (vec!["ok", "ok"], 0));
    let done = chain.block(&[propose(1, 8, vec![add(3, 1)]), propose(1, 9, vec![moved(2, 4)])]);
    assert_eq!(refused(&done), ["barred", "barred"]);
    assert_eq!(pieces(&chain).items[0].now, Some(MisbehaviourStatus::Removed));
    // The others' identities are their own.
    let done = chain.block(&[propose(1, 10, vec![moved(2, 5)]), approve(2, 2, 3)]);
    assert_eq!(refused(&done), ["ok", "ok"]);
    // The ledger tells all of this before a block does, but for what only its records know.
    let told = preview(&validators(&chain), &[remove(1), remove(5)]).unwrap_err();
    assert_eq!(told.code, Code::LastValidator.number());
}

#[test]
fn a_new_identity_in_between_does_not_hide_anyone() {
    let chain = Chain::begin(&init());
    chain.block(&[propose(2, 0, vec![moved(3, 4)]), approve(3, 0, 1)]);
    chain.block(&[propose(2, 1, vec![moved(4, 3)]), approve(3, 1, 2)]);
    chain.block(&[propose(2, 2, vec![moved(3, 5)]), approve(3, 2, 3)]);
    let done = chain.block_with(&[], &[piece(4, 1, 1)]);
    assert_eq!(done.validator_updates, [update(5, 0, None)]);
    let of = |event: &crate::Event| event.attributes.iter().map(|one| one.value.clone()).collect::<Vec<_>>();
    assert!(of(&done.events[0]).contains(&identity(4).to_string()));
    assert!(of(&done.events[1]).contains(&identity(5).to_string()));
    // Another one under an identity that was once another's is that other one no more.
    let chain = Chain::begin(&init());
    chain.block(&[propose(2, 0, vec![moved(3, 4), add(3, 1)]), approve(3, 0, 1)]);
    let done = chain.block_with(&[], &[piece(3, 2, 2)]);
    assert_eq!(done.validator_updates, [update(3, 0, None)]);
}

#[test]
fn genesis_may_say_that_it_is_recorded_only() {
    let genesis = GenesisState { evidence: OnEvidence::Record, ..genesis_with(&[]) };
    let chain = Chain::begin(&InitChain { app_state: init_of(&genesis).app_state, ..init() });
    assert_eq!(chain.ask::<Parameters>(&Question::Parameters {}).evidence, OnEvidence::Record);
    let done = chain.block_with(&[], &[piece(3, 1, 1)]);
    assert_eq!((done.validator_updates.len(), said(&done.events)), (0, vec!["misbehaviour"]));
    assert_eq!((outcomes(&chain), one(&chain, 3).power), (vec![Outcome::Recorded], 3));
    let worded = |rule: &str| format!(r#"{{"assets":[],"balances":[],"evidence":"{rule}"}}"#);
    let read = |rule: &str| GenesisState::from_json(worded(rule).as_bytes()).map(|state| state.evidence);
    assert_eq!(read("suspend").unwrap(), OnEvidence::Suspend);
    assert!(read("forget").unwrap_err().to_string().contains("unknown variant"));
}

/// However much is proved, so much is kept; and each answer has a proof.
#[test]
fn the_newest_pieces_are_kept_and_proved() {
    let chain = Chain::begin(&init());
    assert_eq!(pieces(&chain), Page { items: vec![], next: None });
    let kept = super::super::misbehaviour::KEPT;
    for block in 0..=kept / 16 {
        chain.block_with(&[], &(0..16).map(|nth| piece(9, 16 * block + nth, 1)).collect::<Vec<_>>());
    }
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let query = Query { prove: true, ..Question::Misbehaviour { before, limit: 90 }.query() };
        let answer = chain.ledger.query(&query);
        verify(&query, &answer, &chain.ledger.info().unwrap().app_hash).unwrap();
        let page: Page<MisbehaviourView, u64> = serde_json::from_slice(&answer.value).unwrap();
        all.extend(page.items.iter().map(|one| one.number));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(all, (16..16 + kept).rev().collect::<Vec<_>>());
    let stored = crate::state::Records::range(&chain.ledger.state.newest(), b"m/", b"m0", 1_000).unwrap();
    assert_eq!(stored.len() as u64, kept);
}
