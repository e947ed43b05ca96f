use std::collections::VecDeque;

use althing_consensus::{ConsensusParams, Height, View};

use super::*;
use althing_consensus::{Micros, Now, Position};
use std::sync::Arc;

/// Four members and what is on its way: everything arrives at once, in the order it was sent.
struct Four {
    now: Now,
    members: Vec<Member>,
    queue: VecDeque<(usize, Input)>,
    noted: Vec<Noted>,
}

impl Four {
    fn start() -> Self {
        let setup = Setup::new(&[1; 4], ConsensusParams::default());
        let members = (0..4).map(|position| Member::new(&setup, Position(position))).collect();
        let queue = (0..4).map(|member| (member, Input::Start)).collect();
        Self { now: Now::default(), members, queue, noted: Vec::new() }
    }

    fn step(&mut self, to: usize, input: Input) {
        // Block times grow by a millisecond at least.
        self.now.unix_ms += 1;
        let from = Position(to as u16);
        for output in self.members[to].step(self.now, input) {
            match output {
                Output::Note(noted) => self.noted.push(noted),
                Output::Send(Some(to), wire) => {
                    self.queue.push_back((usize::from(to.0), Input::Received(from, wire)));
                }
                Output::Send(None, wire) => {
                    let others = (0..4).filter(|other| *other != to);
                    self.queue.extend(others.map(|to| (to, Input::Received(from, wire.clone()))));
                }
            }
        }
    }

    fn deliver(&mut self, most: usize) {
        for _ in 0..most {
            let Some((to, input)) = self.queue.pop_front() else { return };
            self.step(to, input);
        }
    }

    /// Lets so much time pass, timers firing on the way.
    fn pass(&mut self, ms: u64) {
        let end = self.now.mono.after(Micros::from_millis(ms));
        loop {
            self.deliver(usize::MAX);
            let next = self.members.iter().enumerate().filter_map(|(at, one)| Some((one.wake_at()?, at)));
            let Some((at, member)) = next.min().filter(|(at, _)| *at <= end) else { break };
            self.now.mono = at.max(self.now.mono);
            self.step(member, Input::Wake);
        }
        self.now.mono = end;
    }

    fn load(&mut self, load: Load) {
        (0..4).for_each(|member| self.step(member, Input::Load(load)));
    }

    fn heights(&self) -> Vec<u64> {
        self.members.iter().map(|member| member.durable().height().0).collect()
    }
}

#[test]
fn a_fresh_chain_makes_block_one_and_rests() {
    let mut four = Four::start();
    four.pass(10_000);
    assert_eq!(four.heights(), [1; 4]);
    assert_eq!(four.noted, []);
    assert!(four.members.iter().all(|member| member.durable().chain == four.members[0].durable().chain));
}

#[test]
fn transactions_are_committed_and_a_closing_block_vouches_for_them() {
    let mut four = Four::start();
    four.load(Load::Endless(7));
    four.deliver(400);
    four.load(Load::None);
    four.pass(10_000);
    let chain = &four.members[0].durable().chain;
    let newest = &chain.last().expect("blocks").block;
    assert!(chain.iter().any(|stored| stored.block.txs.len() == 1), "a block with a transaction");
    assert!(newest.txs.is_empty() && newest.header.vouched.height.next() == newest.header.height);
    assert_eq!(four.noted, []);
}

#[test]
fn the_same_inputs_make_the_same_member() {
    let (mut one, mut other) = (Four::start(), Four::start());
    one.pass(5_000);
    other.pass(5_000);
    assert_eq!(one.members, other.members);
    let setup = Setup::new(&[1; 4], ConsensusParams::default());
    assert_ne!(one.members[0], Member::new(&setup, Position(0)));
}

#[test]
fn a_member_that_lost_everything_it_sent_goes_on_from_its_disk() {
    let mut four = Four::start();
    four.load(Load::Endless(0));
    four.deliver(400);
    let crashed = four.members[1].clone();
    let voted = crashed.durable().record.voted();
    assert!(voted > View(1), "it has voted");
    four.queue.clear();
    four.members[1] = crashed.restart();
    assert_eq!(four.members[1].durable().record.voted(), voted);
    four.step(1, Input::Start);
    four.load(Load::None);
    four.pass(30_000);
    assert_eq!(four.heights(), [four.heights()[0]; 4]);
    assert!(four.members[1].durable().height() > Height(1));
    assert_eq!(four.noted, []);
}

#[test]
fn one_that_was_cut_off_fetches_what_it_missed() {
    let mut four = Four::start();
    // As no time passes, the one cut off must not lead.
    let leaders: Arc<[Position]> = (0..30).map(|view| Position(view % 3)).collect();
    four.members.iter_mut().for_each(|member| member.give_leaders(leaders.clone()));
    four.deliver(100);
    four.load(Load::Endless(0));
    for _ in 0..800 {
        four.queue.retain(|(to, _)| *to != 3);
        four.deliver(1);
    }
    four.load(Load::None);
    let heights = four.heights();
    assert!(heights[0] > heights[3] + 3, "{heights:?}");
    four.pass(30_000);
    assert_eq!(four.heights(), [four.heights()[0]; 4]);
    let chain = |member: usize| -> Vec<Arc<Stored>> { four.members[member].durable().chain.clone() };
    assert_eq!(chain(3), chain(0));
}
