//! Notices by hand: what the chain takes of them (V4, V10, V11), and what a node does with them (K1 to K3).

use std::collections::BTreeMap;
use std::sync::Arc;

use althing_consensus::engine::Recovered;
use althing_consensus::{
    Admitted, Block, Certificate, Counted, Epoch, Evidence, Height, Micros, Notice, Now, Phase, Position,
    Registration, Verified, View, notices_root, registration_bytes, sponsorship_bytes,
};
use althing_crypto::{BlockHash, Hash, bls, ed25519, sha256};
use althing_ledger::{AssetLedger, ParamUpdates, ValidatorUpdate, state::MemoryFiles};
use althing_mempool::Limits;
use althing_node::body::Body;
use althing_node::driver::{
    Done, Driver, Effect, Event, Job, NoticeSource, Peer, Start, StoreJob, VerifyJob,
};
use althing_node::epochs::Epochs;
use althing_node::membership::Membership;
use althing_node::storage::{ChainStore, MemoryStore, StoredResults};
use althing_node::wire::{Request, Response, Wire};
use althing_node::workers::Verifier;

use super::Verdict;
use super::forge::Forge;
use super::storage::config;
use crate::cheap_votes::CHEAP_VOTES;

fn must(holds: bool, what: &str) -> Verdict {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// Two votes of a member in one view for different blocks.
fn evidence(forge: &Forge, signer: u16, view: u64) -> Evidence {
    let vote = |name: &[u8]| forge.vote(signer, Phase::Vote, view, BlockHash(sha256(name)));
    Evidence::Votes(vote(b"a"), vote(b"b"))
}

/// The same, the second vote with the first one's signature.
fn forged(forge: &Forge, signer: u16, view: u64) -> Evidence {
    let Evidence::Votes(first, mut second) = evidence(forge, signer, view) else { unreachable!() };
    second.signature = first.signature;
    Evidence::Votes(first, second)
}

/// The identity key of a member of every [`Forge`].
fn identity(index: u8) -> ed25519::SecretKey {
    ed25519::SecretKey::from_seed(*sha256(&[b'm', index]).as_bytes())
}

fn registration(forge: &Forge, sponsor: &ed25519::SecretKey) -> Registration {
    let newcomer = ed25519::SecretKey::from_seed([77; 32]);
    let key = bls::SecretKey::from_seed(&CHEAP_VOTES, &[77; 32]);
    let (identity, vote_key, epoch) = (newcomer.public_key(), *key.public_key().bytes(), Epoch(1));
    let chain_id = forge.setup.chain_id();
    Registration {
        epoch,
        identity,
        vote_key,
        proof: key.prove_possession(),
        signature: newcomer.sign(&registration_bytes(chain_id, epoch, &vote_key, &sponsor.public_key())),
        sponsor: sponsor.public_key(),
        sponsor_signature: sponsor.sign(&sponsorship_bytes(chain_id, epoch, &identity, &vote_key)),
    }
}

/// What a block may carry, whoever judges it.
pub(super) fn notices() -> Verdict {
    let forge = Forge::four();
    let notice = Notice::Evidence(evidence(&forge, 3, 5));
    let mut carried = Counted::default();
    let may = |carried: &Counted, epoch| carried.admits(&Counted::default(), &notice, Epoch(epoch)).is_ok();
    must(may(&carried, 1) && may(&carried, 9), "V10: evidence is not taken in time")?;
    must(!may(&carried, 10), "V10: evidence of an epoch nine before is taken")?;
    carried.count(&notice);
    must(!may(&carried, 1), "V10: the same conviction comes twice")?;
    let mut block = forge.block(1, forge.setup.genesis(), View(0), &[]);
    block.notices = vec![notice];
    must(!block.notices_match(), "V4: notices need no root")?;
    block.header.evidence_root = notices_root(&block.notices);
    must(block.notices_match(), "V4: notices do not match their own root")?;

    let door = forge.setup.door(Position(0));
    let good = registration(&forge, &identity(1));
    must(door.verify_registration(&good).is_ok(), "V11: a good registration is refused")?;
    let stranger = registration(&forge, &ed25519::SecretKey::from_seed([5; 32]));
    must(door.verify_registration(&stranger).is_err(), "V11: a stranger sponsors")?;
    let forged = Registration { signature: ed25519::Signature::from_bytes([0; 64]), ..good.clone() };
    must(door.verify_registration(&forged).is_err(), "V11: nobody signed the registration")?;
    let unproven = Registration { proof: bls::ProofOfPossession::from_bytes([0; 96]), ..good.clone() };
    must(door.verify_registration(&unproven).is_err(), "V11: nobody proved to hold the key")?;
    nobody_takes_the_key_of_another(&forge, &good)?;
    found_evidence_is_kept(&forge)?;
    by_the_set_of_its_epoch(&forge)
}

fn nobody_takes_the_key_of_another(forge: &Forge, good: &Registration) -> Verdict {
    let set = forge.setup.set();
    let membership = Membership::new((**set).clone(), config(forge).params);
    must(membership.register(good).is_ok(), "a newcomer's key is refused")?;
    let of_member = Registration { vote_key: *set.members()[2].vote_key.bytes(), ..good.clone() };
    must(membership.register(&of_member).is_err(), "a member's key is registered for another identity")
}

/// K1.
fn found_evidence_is_kept(forge: &Forge) -> Verdict {
    let disk = Arc::new(MemoryStore::new());
    let evidence = evidence(forge, 3, 5);
    ChainStore::new(disk.clone()).keep_evidence(&evidence).map_err(|error| error.to_string())?;
    let kept = ChainStore::new(disk).kept_evidence(9).map_err(|error| error.to_string())?;
    must(kept == [evidence], "K1: evidence that was found is gone after a restart")
}

/// V11: evidence of epoch 1, judged in epoch 2, which its author is no member of.
fn by_the_set_of_its_epoch(forge: &Forge) -> Verdict {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let chain = ChainStore::new(Arc::new(MemoryStore::new()));
    let genesis = Body { block: forge.setup.genesis().clone(), txs: Vec::new() };
    chain.begin(Hash::ZERO, &genesis).map_err(|error| text(&error))?;
    let epochs = Arc::new(Epochs::beginning(config(forge), chain.clone()));
    let before = Membership::new((**forge.setup.set()).clone(), config(forge).params);
    let gone = *forge.setup.set().members()[3].identity.as_bytes();
    let update = ValidatorUpdate { identity: gone, power: 0, vote_key: None };
    let after = before.after(&[update], &ParamUpdates::default())?;
    let one = forge.block(1, forge.setup.genesis(), View(0), &[]);
    let mut two = forge.block(2, &one, View(1), &[]);
    two.header.vouched.height = Height(1);
    two.header.vouched.next_epoch = after.hash();
    for block in [one, two] {
        let height = block.header.height;
        let certificate = forge.qc(Phase::Commit, height.0, block.hash(), &[0, 1, 2]);
        let body = Arc::new(Body { block, txs: Vec::new() });
        chain.commit(&[body], &certificate).map_err(|error| text(&error))?;
        if height == Height(1) {
            let app_hash = Default::default();
            let execution = althing_consensus::Execution { height, app_hash, results_root: Hash::ZERO };
            let (tx_results, events) = (Vec::new(), Vec::new());
            let results = StoredResults { execution, next_epoch: after.hash(), tx_results, events };
            chain.put_results(&[], &results, Some(&after)).map_err(|error| text(&error))?;
        }
    }
    let newest = epochs.newest().map_err(|error| text(&error))?;
    must(newest.config.epoch == Epoch(2), "epoch 2 has not begun")?;
    let ledger = AssetLedger::open(Arc::new(MemoryFiles::new()), 10).expect("memory");
    let verifier = Verifier::new(epochs, chain, Arc::new(ledger));
    let notice = Box::new(Notice::Evidence(evidence(forge, 3, 5)));
    let job = VerifyJob::CheckNotice { from: NoticeSource::Client(1), notice };
    match verifier.run(job).map_err(|error| text(&error))? {
        Done::NoticeChecked { verdict: Ok(()), .. } => Ok(()),
        other => Err(format!("V11: evidence is not judged by the set of its own epoch: {other:?}")),
    }
}

/// A follower's driver on a fresh chain, connected to all members, and what it did.
struct Bench {
    forge: Forge,
    driver: Driver,
    verifier: Verifier,
    now: Now,
    checks: usize,
    penalties: usize,
    told: usize,
    asked: Vec<(u64, Request)>,
}

impl Bench {
    fn new() -> Self {
        let forge = Forge::four();
        let config = config(&forge);
        let recovered = Recovered {
            committed: forge.setup.genesis().clone(),
            unvouched: Vec::new(),
            commit: None,
            uncommitted: Vec::new(),
            executions: BTreeMap::new(),
            executed: Height(0),
            counted: Counted::default(),
        };
        let (found, bodies, recent) = (Vec::new(), Vec::new(), Vec::new());
        let start = Start { recovered, found, bodies, recent, record: None, opened_by: None };
        let chain = ChainStore::new(Arc::new(MemoryStore::new()));
        let epochs = Arc::new(Epochs::beginning(config.clone(), chain.clone()));
        let ledger = AssetLedger::open(Arc::new(MemoryFiles::new()), 10).expect("memory");
        let verifier = Verifier::new(epochs, chain, Arc::new(ledger));
        let driver = Driver::new(config, Limits::default(), start);
        let now = Now { mono: Micros(0), unix_ms: 1_000_000 };
        let (checks, penalties, told, asked) = (0, 0, 0, Vec::new());
        let mut bench = Self { forge, driver, verifier, now, checks, penalties, told, asked };
        bench.step(Event::Started);
        for member in 0..4 {
            let peer = bench.peer(member);
            bench.step(Event::PeerConnected(peer));
        }
        bench
    }

    fn peer(&self, member: u16) -> Peer {
        self.forge.setup.set().get(Position(member)).expect("a member").identity
    }

    fn step(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for effect in self.driver.step(self.now, event) {
                match effect {
                    Effect::Broadcast(Wire::Notice(_)) => self.told += 1,
                    Effect::Penalise { .. } => self.penalties += 1,
                    Effect::Request { id, request, .. } => self.asked.push((id, request)),
                    Effect::Job(Job::Store(StoreJob::KeepEvidence(_))) => {
                        events.push(Event::Done(Done::EvidenceKept));
                    }
                    Effect::Job(Job::Verify(job)) => {
                        self.checks += usize::from(matches!(job, VerifyJob::CheckNotice { .. }));
                        events.push(Event::Done(self.verifier.run(job).expect("no disk, no failure")));
                    }
                    _ => {}
                }
            }
        }
    }

    fn hear(&mut self, from: u16, evidence: Evidence) {
        let from = self.peer(from);
        self.step(Event::Wire { from, wire: Wire::Notice(Box::new(Notice::Evidence(evidence))) });
    }

    fn admitted(&mut self, message: Admitted) {
        let (epoch, from, outcome) = (Epoch(1), self.peer(1), Box::new(Ok(message)));
        self.step(Event::Done(Done::Admitted { epoch, from, proposal: false, outcome }));
    }

    fn pending(&self) -> usize {
        self.driver.pending_notices().count()
    }

    fn block_with(&self, evidence: Evidence) -> Block {
        let mut block = self.forge.block(1, self.forge.setup.genesis(), View(0), &[]);
        block.notices = vec![Notice::Evidence(evidence)];
        block.header.evidence_root = notices_root(&block.notices);
        block
    }
}

/// What a node takes from peers and clients, what it tells of it, and when it lets it go.
pub(super) fn notices_at_a_node() -> Verdict {
    what_peers_send_costs_little()?;
    what_holds_is_told_until_it_is_carried()?;
    no_vote_for_forged_evidence()
}

/// K2.
fn what_peers_send_costs_little() -> Verdict {
    let mut bench = Bench::new();
    for view in 1..=200 {
        let forged = forged(&bench.forge, (view % 4) as u16, view);
        bench.hear(1, forged);
    }
    must(bench.checks <= 8, &format!("K2: {} forged notices are checked at once", bench.checks))?;
    must(bench.penalties > 0, "K2: forged notices cost their sender nothing")?;
    must(bench.pending() == 0, "K2: a forged notice is taken")?;
    let before = bench.checks;
    for _ in 0..2 {
        let good = evidence(&bench.forge, 3, 5);
        bench.hear(2, good);
    }
    must(bench.pending() == 1, "K2: good evidence is not taken")?;
    must(bench.checks == before + 1, "K2: known evidence is checked again")
}

/// W1, R8, and the end of it.
fn what_holds_is_told_until_it_is_carried() -> Verdict {
    let mut bench = Bench::new();
    let good = evidence(&bench.forge, 3, 5);
    let notice = Box::new(Notice::Evidence(good.clone()));
    bench.step(Event::SubmitNotice { ticket: 1, notice });
    must(bench.told == 1, "a client's notice is told to nobody")?;
    must(bench.driver.has_pending(), "W1: a notice is no work")?;
    for _ in 0..120 {
        bench.now.mono = bench.now.mono.after(Micros::from_millis(500));
        bench.step(Event::Woken);
    }
    must(bench.told > 1, "R8: a notice is not sent again while the chain is stuck")?;

    let block = bench.block_with(good);
    let qc = bench.forge.qc(Phase::Commit, 1, block.hash(), &[0, 1, 2]);
    let qc = Verified::<Certificate>::from(bench.forge.verified_qc(&qc));
    bench.asked.clear();
    bench.admitted(Admitted::Certificate(qc));
    let asked = std::mem::take(&mut bench.asked);
    for (id, _) in asked.into_iter().filter(|(_, request)| *request == Request::Block(block.hash())) {
        let body = Body { block: block.clone(), txs: Vec::new() };
        bench.step(Event::Response { id, response: Ok(Response::Block(body)) });
    }
    must(bench.driver.engine().committed().height == Height(1), "the block is not committed")?;
    must(bench.pending() == 0, "what a committed block carries waits on")
}

/// K3.
fn no_vote_for_forged_evidence() -> Verdict {
    let mut bench = Bench::new();
    let block = bench.block_with(forged(&bench.forge, 3, 5));
    let leader = bench.forge.leader(1, &[]);
    let proposal = bench.forge.verified_proposal(bench.forge.proposal(leader, block, None, None));
    bench.admitted(Admitted::Proposal(proposal.ok_or("the door refuses the proposal")?));
    must(bench.penalties == 1, "K3: a proposal with forged evidence is as good as any")
}
