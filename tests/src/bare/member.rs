//! One member: engine, safety rules, and what they made durable.

use std::collections::VecDeque;
use std::sync::Arc;

use althing_consensus::engine::{BuildPayload, EpochEntered, Event, Input as Told};
use althing_consensus::{
    Action, Block, Door, Engine, Epoch, EpochStart, Message, Micros, Newest, Now, Position,
    QuorumCertificate, SafetyRecord, SafetyRules, SignRequest, ValidatorSet, aggregate_timeouts,
    aggregate_votes,
};
use althing_crypto::{BlockHash, TxHash, bls, ed25519, mutant, sha256_concat};

use super::{Durable, Input, Load, Noted, Output, Setup, Wire};

/// A validator, up and running.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    setup: Arc<Setup>,
    node: usize,
    engine: Engine,
    rules: SafetyRules,
    durable: Durable,
    given: Arc<[Position]>,
    load: Load,
    wake_at: Option<Micros>,
}

/// What is still to be told to the engine, and what has come out, within one step.
struct Step {
    told: VecDeque<Told>,
    outputs: Vec<Output>,
    /// Writes to disk that it lives to make.
    writes: usize,
}

impl Step {
    fn send(&mut self, to: Option<Position>, wire: Wire) {
        self.outputs.push(Output::Send(to, Arc::new(wire)));
    }

    fn note(&mut self, noted: Noted) {
        self.outputs.push(Output::Note(noted));
    }

    fn wrote(&mut self) {
        self.writes = self.writes.saturating_sub(1);
    }

    fn is_dead(&self) -> bool {
        self.writes == 0
    }
}

impl Member {
    /// The member at this position on a fresh chain. Before its first step, [`Input::Start`], it is down.
    pub fn new(setup: &Arc<Setup>, position: Position) -> Self {
        Self::fresh(setup, usize::from(position.0))
    }

    /// A node on a fresh chain, member or not.
    pub fn fresh(setup: &Arc<Setup>, node: usize) -> Self {
        let config = setup.engine_config(&setup.genesis().header, setup.genesis().hash(), node);
        let key = key_of(setup, node, config.epoch);
        let identity = identity_of(setup, node);
        let (chain_id, set) = (config.chain_id, config.set);
        let rules = SafetyRules::new_chain(identity, key, chain_id, config.opening, set, config.epoch_hash);
        let durable = Durable::new(rules.record().clone());
        Self::on(setup.clone(), node, rules, durable)
    }

    /// The member with this disk, whatever it has signed before. Before its first step, [`Input::Start`], it is down.
    pub fn recover(setup: &Arc<Setup>, durable: Durable) -> Self {
        let node = usize::from(durable.record.signer.0);
        Self::recover_node(setup, node, durable)
    }

    /// As a node opens its signer: from the record, into the epoch that the chain has come to.
    fn recover_node(setup: &Arc<Setup>, node: usize, mut durable: Durable) -> Self {
        let record = durable.record.clone();
        let era = setup.era(record.epoch);
        let key = key_of(setup, node, record.epoch);
        let (identity, set) = (identity_of(setup, node), era.set().clone());
        let rules = SafetyRules::recover(identity, key, setup.chain_id(), set, era.hash(), record);
        let mut rules = rules.expect("a record that these rules wrote");
        if let Some(start) = next_start(setup, &durable, rules.record().epoch) {
            let entered = rules.enter_epoch(&start, key_of(setup, node, start.epoch));
            durable.record = entered.expect("the end of its epoch is stored");
        }
        Self::on(setup.clone(), node, rules, durable)
    }

    fn on(setup: Arc<Setup>, node: usize, rules: SafetyRules, durable: Durable) -> Self {
        let recovered = durable.recovered(&setup);
        let config = setup.engine_config(&durable.head(&setup).header, durable.opening(&setup), node);
        let engine = Engine::new(config, recovered, Some(&durable.record));
        let (given, load) = (Arc::default(), Load::None);
        Self { setup, node, engine, rules, durable, given, load, wake_at: None }
    }

    /// What is left of it after a crash: another run on the same disk, with the same leaders given and no transactions waiting.
    #[must_use]
    pub fn restart(self) -> Self {
        let mut again = Self::recover_node(&self.setup, self.node, self.durable);
        again.give_leaders(self.given);
        again
    }

    /// Leaders of views 1, 2, …, instead of elected ones. The same for all members.
    pub fn give_leaders(&mut self, leaders: Arc<[Position]>) {
        self.given = leaders.clone();
        self.engine.give_leaders(leaders);
    }

    /// Takes an input. When it returns, everything that came of it is durable.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Output> {
        let mut endless = usize::MAX;
        self.step_dying(now, input, &mut endless)
    }

    /// Takes an input, but dies after this many writes to its disk: what would have come after the last of them is lost, and
    /// [`Member::restart`] is all that is left to do with it. What remains of the number is returned in it.
    pub fn step_dying(&mut self, now: Now, input: Input, writes: &mut usize) -> Vec<Output> {
        let mut step = Step { told: VecDeque::new(), outputs: Vec::new(), writes: *writes };
        self.take(&mut step, input);
        while let Some(told) = step.told.pop_front().filter(|_| !step.is_dead()) {
            for action in self.engine.step(now, told) {
                if !step.is_dead() {
                    self.act(&mut step, action);
                }
            }
        }
        *writes = step.writes;
        step.outputs
    }

    fn take(&mut self, step: &mut Step, input: Input) {
        match input {
            Input::Start => step.told.push_back(Told::Start),
            Input::Connected(peer) => step.told.push_back(Told::Connected(peer)),
            Input::Wake => step.told.push_back(Told::Wake),
            Input::EnterEpoch => self.enter_epoch(step),
            Input::Load(load) => {
                self.load = load;
                step.told.push_back(Told::Pending(load != Load::None));
            }
            Input::Received(from, wire) => match Arc::unwrap_or_clone(wire) {
                Wire::Consensus(message) => self.admit(step, from, message),
                Wire::Ask(hash) => {
                    if let Some(block) = self.durable.block(&hash) {
                        step.send(Some(from), Wire::Body(block.clone()));
                    }
                }
                Wire::Body(block) if block.payload_matches() && block.notices_match() => {
                    step.told.push_back(Told::Blocks { blocks: vec![block], commit: None });
                }
                Wire::Body(_) => {}
            },
        }
    }

    fn admit(&self, step: &mut Step, from: Position, message: Message) {
        match self.door().admit(Some(from), message) {
            Ok(message) => step.told.push_back(Told::Received { from: Some(from), message }),
            Err(rejection) => step.note(Noted::Rejected(from, rejection)),
        }
    }

    fn act(&mut self, step: &mut Step, action: Action) {
        match action {
            Action::Sign { request, newest } => self.sign(step, &request, &newest),
            Action::Resume { floor } => {
                let record = self.rules.resume(floor);
                self.keep(step, record);
                step.told.push_back(Told::Resumed);
            }
            Action::Broadcast(message) => step.send(None, Wire::Consensus(message)),
            Action::Send(to, message) => step.send(Some(to), Wire::Consensus(message)),
            Action::WakeAt(at) => self.wake_at = at,
            Action::BuildPayload(BuildPayload { view, parent, .. }) => {
                let txs = self.payload(view.0, &parent);
                step.told.push_back(Told::PayloadBuilt { view, parent, txs, notices: Vec::new() });
            }
            Action::CheckPayload { block, .. } => {
                step.told.push_back(Told::PayloadChecked { block: block.hash(), verdict: Ok(()) });
            }
            Action::FetchBlock { block, from } => self.fetch(step, block, &from),
            Action::Commit { blocks, certificate } => self.commit(step, blocks, certificate.into_inner()),
            Action::AggregateVotes(votes) => {
                let (set, chain_id) = (self.set(), self.setup.chain_id());
                step.told.push_back(Told::Aggregated(aggregate_votes(set, chain_id, votes)));
            }
            Action::AggregateTimeouts(votes) => {
                let (set, chain_id) = (self.set(), self.setup.chain_id());
                step.told.push_back(Told::Aggregated(aggregate_timeouts(set, chain_id, votes)));
            }
            Action::CheckEvidence(evidence) => {
                let holds = self.door().verify_evidence(&evidence).is_ok();
                step.told.push_back(Told::EvidenceChecked(evidence, holds));
            }
            Action::Penalise(peer, misdeed) => step.note(Noted::Penalised(peer, misdeed)),
            Action::Halt(halt) => step.note(Noted::Halted(halt)),
            Action::Emit(Event::Misbehaviour(evidence)) => step.note(Noted::Convicted(evidence)),
            Action::Emit(Event::SafetyRefused(refusal)) => step.note(Noted::Refused(refusal)),
            Action::Emit(Event::StaleRecord { .. }) => step.note(Noted::Stale),
            Action::Emit(_) | Action::Forget(_) | Action::SendPending(_) | Action::PeerStatus(..) => {}
        }
    }

    /// Body, rules, record, and only then the message.
    fn sign(&mut self, step: &mut Step, request: &SignRequest, newest: &Newest) {
        let block = match request {
            SignRequest::Propose(draft) => Some(&draft.block),
            SignRequest::Vote(proposal) => Some(&proposal.block),
            SignRequest::CommitVote { .. } | SignRequest::Timeout { .. } => None,
        };
        if let Some(block) = block {
            self.durable.keep_body(block.hash(), block);
            step.wrote();
            if step.is_dead() {
                return;
            }
        }
        self.rules.note(newest);
        match self.rules.request(request) {
            Ok((record, signed)) => {
                self.keep(step, record);
                step.told.push_back(Told::Signed(Box::new(signed)));
            }
            Err(refusal) => step.told.push_back(Told::Refused(refusal)),
        }
    }

    fn keep(&mut self, step: &mut Step, record: Option<SafetyRecord>) {
        if let Some(record) = record {
            self.durable.record = record;
            step.wrote();
        }
    }

    fn payload(&self, view: u64, parent: &BlockHash) -> Vec<TxHash> {
        match self.load {
            Load::None => Vec::new(),
            Load::Endless(number) => {
                vec![TxHash(sha256_concat(&[&[number], &view.to_be_bytes(), parent.as_bytes()]))]
            }
        }
    }

    /// From its own disk, if it is there and uncommitted; else from those who should have it.
    fn fetch(&self, step: &mut Step, hash: BlockHash, from: &[Position]) {
        if let Some(block) = self.durable.bodies.get(&hash) {
            step.told.push_back(Told::Blocks { blocks: vec![Block::clone(block)], commit: None });
        } else if from.is_empty() {
            step.send(None, Wire::Ask(hash));
        } else {
            from.iter().for_each(|peer| step.send(Some(*peer), Wire::Ask(hash)));
        }
    }

    fn commit(&mut self, step: &mut Step, blocks: Vec<Block>, certificate: QuorumCertificate) {
        let before = self.durable.chain.len();
        self.durable.commit(&self.setup, blocks, certificate);
        step.wrote();
        for stored in &self.durable.chain[before..] {
            step.told.push_back(Told::Executed(stored.executed(&self.setup)));
        }
    }

    /// S9, once the end of the epoch is stored: the record first, and then the engine goes on.
    fn enter_epoch(&mut self, step: &mut Step) {
        let Some(start) = self.next_start() else { return };
        let key = key_of(&self.setup, self.node, start.epoch);
        let record = self.rules.enter_epoch(&start, key).expect("the end of its epoch is stored");
        if !mutant!("epoch_entered_and_not_stored") {
            self.keep(step, Some(record.clone()));
        }
        let opening = self.durable.opening(&self.setup);
        let config = self.setup.engine_config(&self.durable.head(&self.setup).header, opening, self.node);
        let resumed = self.rules.is_resumed();
        let next = EpochEntered { config, record: Some(record), resumed };
        step.told.push_back(Told::EpochEntered(Box::new(next)));
    }

    /// What shows that the epoch after this one begins, if it has ended and its end is stored.
    pub fn next_start(&self) -> Option<EpochStart> {
        let start = next_start(&self.setup, &self.durable, self.engine.epoch());
        start.filter(|_| !self.engine.is_halted())
    }

    fn set(&self) -> &Arc<ValidatorSet> {
        self.setup.era(self.engine.epoch()).set()
    }

    fn door(&self) -> &Door {
        let era = self.setup.era(self.engine.epoch());
        era.door(era.place(self.node))
    }

    /// Its place in the set of its epoch; none where it only follows.
    pub fn position(&self) -> Position {
        self.setup.era(self.engine.epoch()).place(self.node).unwrap_or(Position::NONE)
    }

    /// Its engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Its safety rules; the record in them may hold newer certificates than the durable one.
    pub fn rules(&self) -> &SafetyRules {
        &self.rules
    }

    /// Its disk.
    pub fn durable(&self) -> &Durable {
        &self.durable
    }

    /// When it wants [`Input::Wake`].
    pub fn wake_at(&self) -> Option<Micros> {
        self.wake_at
    }
}

/// The key that a node votes with in an epoch; where it does not vote, that of an epoch in which it does.
fn key_of(setup: &Setup, node: usize, epoch: Epoch) -> bls::SecretKey {
    let eras = [epoch, Epoch(1), Epoch(2)].map(|epoch| setup.era(epoch));
    let key = eras.into_iter().find_map(|era| Some(era.key(era.place(node)?).clone()));
    key.expect("a member of some epoch")
}

/// A node's identity stays the same in all epochs.
fn identity_of(setup: &Setup, node: usize) -> Arc<ed25519::SecretKey> {
    let eras = [Epoch(1), Epoch(2)].map(|epoch| setup.era(epoch));
    let key = eras.into_iter().find_map(|era| Some(era.identity(era.place(node)?).clone()));
    key.expect("a member of some epoch")
}

/// S9: what shows that the epoch after this one begins.
fn next_start(setup: &Setup, durable: &Durable, epoch: Epoch) -> Option<EpochStart> {
    let opening = &durable.head(setup).header;
    let ends = opening.epoch == epoch && setup.ends_epoch(opening);
    let certificate = durable.certificate.clone().filter(|_| ends)?;
    let next = setup.era(Epoch(epoch.0 + 1));
    let (set, params) = (next.set().clone(), next.config.params.clone());
    Some(EpochStart { epoch: Epoch(epoch.0 + 1), opening: opening.clone(), certificate, set, params })
}
