//! A view of four validators: proposal, votes, certificate, commit votes, commit. With safety rules and records, without a wire, and with
//! votes' signatures that cost next to nothing: those of the curves are paths of their own. The proposal's is Ed25519, as it is.

use std::collections::VecDeque;
use std::sync::Arc;

use althing_consensus::{ConsensusParams, Height, Micros, Now, Position};

use super::{Row, Run, run};
use crate::bare::{Input, Load, Member, Output, Setup, Wire};

pub(super) const PATHS: &[Row] = &[("consensus.view_of_4", view)];

const MEMBERS: u16 = 4;

/// Four members, and what is under way between them.
struct Four {
    now_ms: u64,
    members: Vec<Member>,
    under_way: VecDeque<(Position, Position, Arc<Wire>)>,
}

impl Four {
    fn new() -> Self {
        let setup = Setup::new(&[1; MEMBERS as usize], ConsensusParams::default());
        let members = (0..MEMBERS).map(|index| Member::new(&setup, Position(index))).collect();
        let mut four = Self { now_ms: 1, members, under_way: VecDeque::new() };
        for member in (0..MEMBERS).map(Position) {
            four.input(member, Input::Start);
            for other in (0..MEMBERS).map(Position).filter(|other| *other != member) {
                four.input(member, Input::Connected(other));
            }
            four.input(member, Input::Load(Load::Endless(member.0 as u8)));
        }
        four
    }

    fn input(&mut self, member: Position, input: Input) {
        let now = Now { mono: Micros::from_millis(self.now_ms), unix_ms: self.now_ms };
        for output in self.members[usize::from(member.0)].step(now, input) {
            let Output::Send(to, wire) = output else { continue };
            let others = (0..MEMBERS).map(Position).filter(|other| *other != member);
            for receiver in others.filter(|other| to.is_none_or(|to| to == *other)) {
                self.under_way.push_back((member, receiver, Arc::clone(&wire)));
            }
        }
    }

    /// All that is under way arrives, a millisecond later, and whoever wants to be woken is.
    fn round(&mut self) {
        self.now_ms += 1;
        for (from, to, wire) in std::mem::take(&mut self.under_way) {
            self.input(to, Input::Received(from, wire));
        }
        for member in (0..MEMBERS).map(Position) {
            let wake_at = self.members[usize::from(member.0)].wake_at();
            if wake_at.is_some_and(|at| at <= Micros::from_millis(self.now_ms)) {
                self.input(member, Input::Wake);
            }
        }
    }

    fn run_to(&mut self, height: u64) {
        let behind = |member: &Member| member.durable().height() < Height(height);
        while self.members.iter().any(behind) {
            assert!(self.now_ms < 60_000, "four members at work commit");
            self.round();
        }
    }
}

/// From one commit of all to the next.
fn view() -> Run {
    let mut four = Four::new();
    four.run_to(8);
    run(move || {
        four.run_to(9);
        four
    })
}
