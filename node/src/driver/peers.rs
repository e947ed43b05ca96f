//! Peers: their messages to the door, their questions to the store, and what any one of them may have under way.

use std::collections::{BTreeMap, BTreeSet};

use althing_consensus::engine::Misdeed;
use althing_consensus::{Admitted, Input, Message, Position, Rejection, ValidatorSet};

use super::{Driver, Effect, Job, Peer, ServeJob, Step, VerifyJob};
use crate::wire::{Request, Response, Wire};

/// Messages of one peer at the door at once; further ones are dropped. Consensus repeats what matters.
const MAX_AT_DOOR: usize = 128;
/// Proposals among them, which may be large.
const MAX_PROPOSALS_AT_DOOR: usize = 8;
/// Questions of one peer answered at once; further ones are answered with "not here".
const MAX_SERVED: usize = 4;

/// Who is connected, and what is under way for whom. Only admitted peers get here, so their number is bounded.
#[derive(Clone, Debug)]
pub(super) struct Peers {
    positions: BTreeMap<Peer, Position>,
    connected: BTreeSet<Peer>,
    loads: BTreeMap<Peer, Load>,
    /// The mempool's numbers for peers.
    numbers: Vec<Peer>,
}

/// What is under way for one peer.
#[derive(Clone, Debug, Default)]
struct Load {
    at_door: usize,
    proposals: usize,
    served: usize,
}

impl Peers {
    pub(super) fn new(set: &ValidatorSet) -> Self {
        let positions = set.positions().zip(set.members()).map(|(position, member)| (member.identity, position));
        Self {
            positions: positions.collect(),
            connected: BTreeSet::new(),
            loads: BTreeMap::new(),
            numbers: Vec::new(),
        }
    }

    pub(super) fn connected_peers(&self) -> Vec<Peer> {
        self.connected.iter().copied().collect()
    }

    pub(super) fn disconnected(&mut self, peer: &Peer) {
        self.connected.remove(peer);
    }

    pub(super) fn number(&mut self, peer: Peer) -> u64 {
        let known = self.numbers.iter().position(|one| *one == peer);
        known.unwrap_or_else(|| {
            self.numbers.push(peer);
            self.numbers.len() - 1
        }) as u64
    }

    pub(super) fn of_number(&self, number: u64) -> Option<Peer> {
        self.numbers.get(usize::try_from(number).ok()?).copied()
    }
}

impl Driver {
    /// The key of a member that is connected.
    pub(super) fn connected_member(&self, position: Position) -> Option<Peer> {
        let peer = self.config.set.get(position)?.identity;
        self.peers.connected.contains(&peer).then_some(peer)
    }

    pub(super) fn connected(&mut self, step: &mut Step, peer: Peer) {
        self.peers.connected.insert(peer);
        if let Some(position) = self.peers.positions.get(&peer) {
            step.tell(Input::Connected(*position));
        }
    }

    pub(super) fn send(&self, step: &mut Step, position: Position, message: Message) {
        if let Some(to) = self.connected_member(position) {
            step.act(Effect::Send { to, wire: message.into() });
        }
    }

    pub(super) fn wire_arrived(&mut self, step: &mut Step, from: Peer, wire: Wire) {
        let message = match wire {
            Wire::Consensus(message) => Box::new(message),
            Wire::Transactions(txs) => return self.transactions_arrived(step, from, txs),
        };
        let proposal = matches!(*message, Message::Proposal(_));
        let load = self.peers.loads.entry(from).or_default();
        if load.at_door >= MAX_AT_DOOR || (proposal && load.proposals >= MAX_PROPOSALS_AT_DOOR) {
            return;
        }
        load.at_door += 1;
        load.proposals += usize::from(proposal);
        let position = self.peers.positions.get(&from).copied();
        step.act(Effect::Job(Job::Verify(VerifyJob::Admit { from, position, message })));
    }

    pub(super) fn admitted(
        &mut self,
        step: &mut Step,
        from: Peer,
        proposal: bool,
        outcome: Result<Admitted, Rejection>,
    ) {
        if let Some(load) = self.peers.loads.get_mut(&from) {
            load.at_door -= 1;
            load.proposals -= usize::from(proposal);
        }
        match outcome {
            Ok(message) => {
                let from = self.peers.positions.get(&from).copied();
                step.tell(Input::Received { from, message });
            }
            Err(rejection) if rejection.is_misdeed() => {
                step.act(Effect::Penalise { peer: from, reason: rejection.to_string() });
            }
            Err(_) => {}
        }
    }

    /// A question, answered from the store elsewhere.
    pub(super) fn asked(&mut self, step: &mut Step, from: Peer, id: u64, request: Request) {
        let load = self.peers.loads.entry(from).or_default();
        if load.served >= MAX_SERVED {
            return step.act(Effect::Reply { id, response: Response::NotHere });
        }
        load.served += 1;
        step.act(Effect::Job(Job::Serve(ServeJob { from, id, request })));
    }

    pub(super) fn served(&mut self, step: &mut Step, from: Peer, id: u64, response: Response) {
        if let Some(load) = self.peers.loads.get_mut(&from) {
            load.served -= 1;
        }
        step.act(Effect::Reply { id, response });
    }

    pub(super) fn penalise(&self, step: &mut Step, position: Position, misdeed: &Misdeed) {
        let Some(member) = self.config.set.get(position) else { return };
        let reason = match misdeed {
            Misdeed::BadSignature => "a vote with a bad signature".to_owned(),
            Misdeed::BadProposal(reason) => format!("a proposal that no correct leader makes: {reason}"),
        };
        step.act(Effect::Penalise { peer: member.identity, reason });
    }
}
