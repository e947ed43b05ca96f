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
    let memory = Memory { vote: Some(cast), ..Memory::default() };
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
    let both = [Message::Certificate(Box::new(tc(5, None).into())), Message::Memory(Box::default())];
    assert_eq!(told(&mut f), both, "S7's floor counts both");
    assert_eq!(told(&mut f), [], "too soon");
    f.now.mono = f.now.mono.after(Micros::from_millis(200));
    assert_eq!(told(&mut f), both);
}

#[test]
fn what_lies_below_the_records_floor_is_known() {
    let set = set(4);
    let record = |floor| SafetyRecord {
        chain_id: "table".into(),
        epoch: Epoch(1),
        epoch_hash: Hash::ZERO,
        opening: BlockHash(Hash::ZERO),
        signer: Position(0),
        vote_key: *set.members()[0].vote_key.bytes(),
        floor: View(floor),
        proposal: None,
        vote: None,
        commit_vote: None,
        timeout: None,
        high_qc: None,
        tc: None,
        commit: None,
    };
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
