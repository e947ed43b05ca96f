//! S7: what a validator does before it signs.

use super::*;

fn resumed(actions: &[Action]) -> Option<Option<View>> {
    actions.iter().find_map(|action| match action {
        Action::Resume { floor } => Some(*floor),
        _ => None,
    })
}

fn shows(view: u64) -> Admitted {
    let vote = vote(Phase::Vote, view, BlockHash(Hash::ZERO), 0);
    Admitted::Memory(Memory { vote: Some(vote), ..Memory::default() })
}

/// The record of member 0 of four, which has signed nothing.
fn empty_record() -> SafetyRecord {
    SafetyRecord {
        chain_id: "table".into(),
        epoch: Epoch(1),
        epoch_hash: Hash::ZERO,
        opening: BlockHash(Hash::ZERO),
        signer: Position(0),
        vote_key: *set(4).members()[0].vote_key.bytes(),
        floor: View(0),
        proposal: None,
        vote: None,
        commit_vote: None,
        timeout: None,
        high_qc: None,
        tc: None,
        commit: None,
    }
}

#[test]
fn a_chain_of_one_may_sign_at_once() {
    assert_eq!(resumed(&Fixture::new(1, 0).step(Input::Start)), Some(None));
}

#[test]
fn nothing_is_signed_before_a_quorum_has_answered() {
    let mut f = Fixture::new(4, 0);
    let actions = f.step(Input::Start);
    assert!(matches!(&actions[..], [Action::Broadcast(Message::Status(status))] if status.resuming));
    assert_eq!(Fixture::asked(&f.wait(600)), []);
    assert_eq!(resumed(&f.receive(1, Admitted::Memory(Memory::default()))), None);
    assert_eq!(resumed(&f.receive(1, Admitted::Memory(Memory::default()))), None, "one answer for each");
    assert_eq!(resumed(&f.receive(2, Admitted::Memory(Memory::default()))), Some(None));
    assert_eq!(Fixture::asked(&f.step(Input::Resumed)), []);
}

#[test]
fn a_stale_record_needs_a_quorum_of_others_and_leaves_the_shown_views_alone() {
    let mut f = Fixture::new(4, 0);
    f.step(Input::Start);
    assert_eq!(resumed(&f.receive(1, shows(5))), None);
    assert_eq!(resumed(&f.receive(2, shows(3))), None, "itself does not count any more");
    assert_eq!(resumed(&f.receive(3, Admitted::Memory(Memory::default()))), Some(Some(View(6))));
    f.step(Input::Resumed);
    f.certificate(tc(5, None));
    assert_eq!(Fixture::asked(&f.wait(2_000)), [], "view 6 is not safe");
    f.certificate(tc(6, None));
    assert_eq!(Fixture::asked(&f.wait(4_000)).last(), Some(&(SignKind::Timeout, View(7))));
}

/// The floor that member 0 with this record asks for, one peer having shown this and two nothing.
fn floor_after(record: Option<&SafetyRecord>, shown: Memory) -> Option<View> {
    let mut f = Fixture::recovered(4, 0, record);
    f.step(Input::Start);
    assert_eq!(resumed(&f.receive(1, Admitted::Memory(shown))), None);
    let second = resumed(&f.receive(2, Admitted::Memory(Memory::default())));
    let third = resumed(&f.receive(3, Admitted::Memory(Memory::default())));
    second.or(third).expect("three others of four have answered")
}

#[test]
fn one_message_of_any_kind_shown_by_one_peer_raises_the_floor() {
    let block = BlockHash(Hash::ZERO);
    let f = Fixture::new(4, 0);
    let proposal =
        Proposal { signer: Position(0), ..f.proposal(f.block(5, &f.genesis, None, &[]), None, None) };
    let none = Memory::default;
    assert_eq!(floor_after(None, none()), None);
    for (kind, shown) in [
        ("proposal", Memory { proposal: Some((proposal.statement(), no_signature())), ..none() }),
        ("vote", Memory { vote: Some(vote(Phase::Vote, 5, block, 0)), ..none() }),
        ("commit vote", Memory { commit_vote: Some(vote(Phase::Commit, 5, block, 0)), ..none() }),
        ("timeout vote", Memory { timeout: Some(timeout(5, 0, None, None)), ..none() }),
    ] {
        assert_eq!(floor_after(None, shown), Some(View(6)), "{kind}");
    }
}

#[test]
fn a_timeout_vote_that_names_more_than_the_record_s_raises_the_floor() {
    let block = BlockHash(Hash::ZERO);
    let gave_up = |high| timeout(5, 0, Some(qc(high, block, Phase::Vote)), None);
    let held = Some(gave_up(3));
    let record = SafetyRecord { timeout: held, high_qc: Some(qc(3, block, Phase::Vote)), ..empty_record() };
    for (high, floor) in [(2, None), (3, None), (4, Some(View(6)))] {
        let shown = Memory { timeout: Some(gave_up(high)), ..Memory::default() };
        assert_eq!(floor_after(Some(&record), shown), floor, "named {high}");
    }
}

#[test]
fn where_the_others_are_no_quorum_only_an_operator_can_tell() {
    let mut f = Fixture::new(3, 0);
    f.step(Input::Start);
    let actions = f.receive(1, shows(5));
    assert!(matches!(&actions[..], [Action::Halt(Halt::StaleRecord { floor: View(6) })]), "{actions:?}");
}

#[test]
fn a_starting_validator_is_told_what_is_held_of_it() {
    let mut f = Fixture::started(0);
    let cast = vote(Phase::Vote, 1, f.genesis.hash(), 3);
    f.receive(3, Admitted::Vote(cast.clone()));
    let asks = crate::Status { epoch: Epoch(1), view: View(1), resuming: true, ..crate::Status::default() };
    let actions = f.receive(3, Admitted::Status(asks));
    let memory = Memory { epoch: Epoch(1), vote: Some(cast), ..Memory::default() };
    assert!(actions.contains(&Action::Send(Position(3), Message::Memory(Box::new(memory)))), "{actions:?}");
}

#[test]
fn a_starting_validator_gets_certificates_first_and_memories_at_no_high_rate() {
    let mut f = Fixture::started(0);
    f.certificate(tc(5, None));
    let asks = crate::Status { epoch: Epoch(1), view: View(1), resuming: true, ..crate::Status::default() };
    let told = |f: &mut Fixture| -> Vec<Message> {
        let actions = f.receive(3, Admitted::Status(asks.clone()));
        actions
            .into_iter()
            .filter_map(|a| if let Action::Send(_, message) = a { Some(message) } else { None })
            .collect()
    };
    let none = Memory { epoch: Epoch(1), ..Memory::default() };
    let both = [Message::Certificate(Box::new(tc(5, None).into())), Message::Memory(Box::new(none))];
    assert_eq!(told(&mut f), both, "S7's floor counts both");
    assert_eq!(told(&mut f), [], "too soon");
    f.now.mono = f.now.mono.after(Micros::from_millis(200));
    assert_eq!(told(&mut f), both);
}

#[test]
fn what_lies_below_the_records_floor_is_known() {
    let record = |floor| SafetyRecord { floor: View(floor), ..empty_record() };
    for (floor, known) in [(4, false), (5, true)] {
        let mut f = Fixture::recovered(4, 0, Some(&record(floor)));
        f.step(Input::Start);
        f.receive(1, shows(5));
        let answered = resumed(&f.receive(2, Admitted::Memory(Memory::default())));
        assert_eq!(answered, known.then_some(None), "floor {floor}");
        if known {
            f.step(Input::Resumed);
            assert_eq!(Fixture::asked(&f.wait(2_000)), [], "nothing is asked for up to the floor");
        }
    }
}
