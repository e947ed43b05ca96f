//! The end of an epoch, and the beginning of the next (S9, and what ends without children).

use std::sync::Arc;
use std::time::Duration;

use althing_consensus::{
    Block, Certificate, ConsensusParams, Epoch, EpochStart, Execution, Height, Message, Micros, Phase,
    Position, ProposalDraft, SafetyRules, SignRequest, ValidatorSet, View, epoch_hash,
};
use althing_crypto::{Hash, bls, ed25519};
use althing_ledger::{ParamUpdates, ValidatorUpdate, VoteKey};
use althing_node::membership::Membership;

use super::Verdict;
use super::forge::Forge;
use super::member::Bench;
use crate::cheap_votes::CHEAP_VOTES;
use crate::modelcheck::{self, Bound, Limits, Votes};
use crate::sim::{Change, Cluster, Load, Network, Options, When};

const MS: fn(u64) -> Micros = Micros::from_millis;
const QUORUM: &[u16] = &[0, 1, 2];

/// How epoch 2 of a chain begins: with the first three members only.
fn start(forge: &Forge) -> EpochStart {
    let members = forge.setup.set().members()[..3].to_vec();
    let set = Arc::new(ValidatorSet::new(&CHEAP_VOTES, members).expect("members"));
    let params = ConsensusParams::default();
    let mut opening = forge.block(1, forge.setup.genesis(), View(0), &[]).header;
    opening.vouched.next_epoch = epoch_hash(&set, &params);
    let certificate = forge.qc(Phase::Commit, 1, opening.hash(), QUORUM);
    EpochStart { epoch: Epoch(2), opening, certificate, set, params }
}

fn enter(forge: &Forge, starts: &[EpochStart]) -> Result<(), String> {
    let genesis = forge.setup.genesis();
    let key = || forge.setup.key(Position(0)).clone();
    let (chain, set, hash) =
        (forge.setup.chain_id(), forge.setup.set().clone(), genesis.header.vouched.next_epoch);
    let identity = forge.setup.identity(Position(0)).clone();
    let mut rules = SafetyRules::new_chain(identity, key(), chain.to_owned(), genesis.hash(), set, hash);
    let entered = starts.iter().map(|start| rules.enter_epoch(start, key()).map(drop));
    entered.collect::<Result<(), _>>().map_err(|error| error.to_string())
}

/// S9: the next epoch is entered once, on what ends this one, and with its own set. And what an application may change.
pub(super) fn epochs() -> Verdict {
    let forge = Forge::four();
    let good = start(&forge);
    enter(&forge, std::slice::from_ref(&good))?;
    let refused = |what: &str, starts: &[EpochStart]| match enter(&forge, starts) {
        Ok(()) => Err(format!("an epoch is entered {what}")),
        Err(_) => Ok(()),
    };
    refused("twice", &[good.clone(), good.clone()])?;
    let other = EpochStart { set: forge.setup.set().clone(), ..good.clone() };
    refused("with another set than its opening block names", &[other])?;
    let (end, block) = (good.clone(), good.opening.hash());
    let by = |certificate| EpochStart { certificate, ..end.clone() };
    refused("on a certificate of votes", &[by(forge.qc(Phase::Vote, 1, block, QUORUM))])?;
    refused("on too few commit votes", &[by(forge.qc(Phase::Commit, 1, block, &[0, 1]))])?;
    let mut forged = forge.qc(Phase::Commit, 1, block, QUORUM);
    forged.signature = bls::Signature::from_bytes([1; 96]);
    refused("on a forged certificate", &[by(forged)])?;
    possession(&forge)?;
    strangers(&forge, &good)?;
    another_identity(&forge)?;
    other_epochs(&forge)
}

/// Nothing is signed without a place in the set, nor at once with a key that may have signed elsewhere.
fn strangers(forge: &Forge, next: &EpochStart) -> Verdict {
    let genesis = forge.setup.genesis();
    let hash = genesis.header.vouched.next_epoch;
    let entered = |place: u16, key: bls::SecretKey| {
        let own = forge.setup.key(Position(place)).clone();
        let (chain, set) = (forge.setup.chain_id().to_owned(), forge.setup.set().clone());
        let identity = forge.setup.identity(Position(place)).clone();
        let mut rules = SafetyRules::new_chain(identity, own, chain, genesis.hash(), set, hash);
        let first = rules.resume(None);
        let entered = rules.enter_epoch(next, key).map_err(|error| error.to_string());
        entered.map(|_| (rules, first))
    };
    let (rules, _) = entered(0, forge.setup.key(Position(1)).clone())?;
    if rules.is_resumed() {
        return Err("a changed key signs before anyone was asked what it has signed".into());
    }
    // The fourth member is no more.
    let (mut rules, _) = entered(3, forge.setup.key(Position(3)).clone())?;
    let _ = rules.resume(None);
    let request = SignRequest::Timeout { view: View(1), high_qc: None, entry: None };
    match rules.request(&request) {
        Ok(_) => Err("who was removed signs in the next epoch".into()),
        Err(_) => Ok(()),
    }
}

/// A proposal under an identity that the set does not have beside the vote key verifies nowhere: none is signed.
fn another_identity(forge: &Forge) -> Verdict {
    let genesis = forge.setup.genesis();
    let (leader, hash) = (Position(forge.leader(1, &[])), genesis.header.vouched.next_epoch);
    let propose = |identity: Position| {
        let (identity, key) = (forge.setup.identity(identity).clone(), forge.setup.key(leader).clone());
        let (chain, set) = (forge.setup.chain_id().to_owned(), forge.setup.set().clone());
        let mut rules = SafetyRules::new_chain(identity, key, chain, genesis.hash(), set, hash);
        let _ = rules.resume(None);
        let block = forge.block(1, genesis, View(0), &[]);
        let draft = ProposalDraft { view: View(1), block, justify: None, tc: None, commit: None };
        rules.request(&SignRequest::Propose(Box::new(draft)))
    };
    propose(leader).map_err(|refusal| format!("the leader may not propose: {refusal}"))?;
    match propose(Position(1 - leader.0.min(1))) {
        Ok(_) => Err("a process proposes under another identity than its place has".into()),
        Err(_) => Ok(()),
    }
}

/// The door of an epoch lets in what is of that epoch.
fn other_epochs(forge: &Forge) -> Verdict {
    let me = Position(0);
    let mut vote = forge.vote(1, Phase::Vote, 1, forge.setup.genesis().hash());
    vote.epoch = Epoch(2);
    match forge.setup.door(me).admit(Some(Position(1)), Message::Vote(vote)) {
        Ok(_) => Err("a vote of another epoch is let in".into()),
        Err(_) => Ok(()),
    }
}

/// One change of members, in all orders of what can happen, as far as a search of some seconds goes.
pub(super) fn boundary() -> Verdict {
    let bound = Bound { members: 4, faulty: 1, views: 2, then: 1, names: 1, whole: false, exact: false };
    let (time, model) = (Duration::from_secs(120), Votes::new(bound));
    let searched = modelcheck::search(&model, Limits { time, states: 20_000, progress: &mut |_| () });
    searched.broken.map_or(Ok(()), |(law, path)| {
        let run = model.retrace(&path).map(|deeds| model.replay(&deeds).0.join("; "));
        Err(format!("broken: {law}: {}", run.unwrap_or_else(|| "no run of real members leads there".into())))
    })
}

/// Votes of the old epoch's first views are at a member when it enters the next, and too few of them are of the new one.
pub(super) fn left_over() -> Verdict {
    let mut cluster = cluster(10);
    cluster.run_for(MS(2_000));
    for nonce in 0..3 {
        change(&mut cluster, nonce);
        super::network::cut(&mut cluster, &[1]);
        cluster.run_for(MS(2_000));
        cluster.network.cut.clear();
        cluster.run_for(MS(3_000));
    }
    in_epoch(&mut cluster, 4, 7)
}

/// Changes in blocks one after the other, so that an epoch may be no longer than its opening block's height; over them one member's disk is
/// set back, and one ends and starts twice.
pub(super) fn one_by_one() -> Verdict {
    for (restored, twice) in [(None, None), (Some(2), None), (None, Some(1)), (Some(0), Some(4))] {
        let mut cluster = cluster(10);
        cluster.run_for(MS(2_000));
        let backup = restored.map(|node| (node, cluster.backup(node)));
        for nonce in 0..6u64 {
            let validators = vec![cluster.change(4, 1 + nonce % 3, Some(0))];
            let tx = Change { nonce, validators, ..Change::default() };
            cluster.submit(cluster.now(), 1, tx.encode());
            cluster.run_for(MS(if nonce == 2 { 1_000 } else { 45 }));
            if nonce == 1 || nonce == 3 {
                twice.into_iter().for_each(|node| {
                    cluster.kill(node);
                    cluster.run_for(MS(30));
                    cluster.restart(node);
                });
            }
        }
        cluster.run_for(MS(3_000));
        if let Some((node, image)) = backup {
            cluster.restore(node, &image);
        }
        cluster.run_for(MS(20_000));
        super::network::settled(&mut cluster, 3)?;
        let newest = cluster.world().sets.keys().next_back().copied().unwrap_or_default();
        let all = (0..cluster.nodes()).filter_map(|node| cluster.driver(node));
        if newest < Epoch(3) || all.map(|driver| driver.validators().0).any(|epoch| epoch != newest) {
            return Err(format!("not all nodes are in the newest epoch, {newest}"));
        }
    }
    Ok(())
}

/// A key enters a set only with a proof that its owner holds it.
fn possession(forge: &Forge) -> Verdict {
    let set = ValidatorSet::clone(forge.setup.set());
    let membership = Membership::new(set, ConsensusParams::default());
    let key = bls::SecretKey::from_seed(&CHEAP_VOTES, &[77; 32]);
    let other = bls::SecretKey::from_seed(&CHEAP_VOTES, &[78; 32]);
    let identity = *forge.setup.set().members()[0].identity.as_bytes();
    let update = |proof: &bls::SecretKey| {
        let vote_key =
            VoteKey { key: *key.public_key().bytes(), proof: *proof.prove_possession().as_bytes() };
        let update = ValidatorUpdate { identity, power: 1, vote_key: Some(vote_key) };
        membership.after(&[update], &ParamUpdates::default())
    };
    let known = forge.setup.set().members()[1].identity;
    let change = |power, identity: &[u8; 32]| ValidatorUpdate { identity: *identity, power, vote_key: None };
    let stranger = ed25519::SecretKey::from_seed([99; 32]).public_key();
    let both = [change(3, known.as_bytes()), change(0, stranger.as_bytes())];
    if membership.after(&both, &ParamUpdates::default()).is_ok() {
        return Err("of updates of which one is impossible the other counts".into());
    }
    update(&key).map_err(|reason| format!("a good proof of possession is refused: {reason}"))?;
    match update(&other) {
        Ok(_) => Err("a vote key comes in with the proof of another".into()),
        Err(_) => Ok(()),
    }
}

/// Which votes a block that ends the epoch gets, and what is proposed on it.
pub(super) fn epoch_end() -> Verdict {
    let forge = Forge::four();
    // Execution leaves the set as it is: a block that names another is none.
    let (mut bench, first, qc) = after_first(&forge, &[1, 2]);
    let end = ending(&forge, &bench, &first);
    bench.hear_proposal(forge.proposal(forge.leader(2, &[]), end, Some(qc), None));
    if bench.votes(Phase::Vote).iter().any(|vote| vote.view == View(2)) {
        return Err("a block that names another set than execution gives gets a vote".into());
    }
    // Others have judged the end of the epoch, and certified it: its child is invalid, and it itself is proposed again.
    for again in [false, true] {
        let (mut bench, first, _) = after_first(&forge, &[1, 2, 3]);
        let end = ending(&forge, &bench, &first);
        let qc = forge.qc(Phase::Vote, 2, end.hash(), QUORUM);
        bench.hear_certificate(Certificate::Quorum(qc.clone()));
        bench.hear_block(&end);
        let mut proposal = forge.proposal(
            forge.leader(3, &[]),
            if again { end.clone() } else { forge.block(3, &end, View(2), &[]) },
            Some(qc),
            None,
        );
        proposal.view = View(3);
        bench.hear_proposal(forge.signed(proposal));
        let voted = bench.votes(Phase::Vote).iter().any(|vote| vote.view == View(3));
        match (voted, again) {
            (true, false) => return Err("a child of a block that ends the epoch gets a vote".into()),
            (false, true) => {
                return Err(format!("a block that ends the epoch gets no vote again: {:?}", bench.noted));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A member that leads none of these views, after the first block is committed and executed.
fn after_first(forge: &Forge, views: &[u64]) -> (Bench, Block, althing_consensus::QuorumCertificate) {
    let leaders: Vec<u16> = views.iter().map(|view| forge.leader(*view, &[])).collect();
    let me =
        forge.everyone().into_iter().find(|one| !leaders.contains(one)).expect("more members than views");
    let mut bench = Bench::resumed(forge, me);
    let first = forge.block(1, forge.setup.genesis(), View(0), &[1]);
    let qc = forge.qc(Phase::Vote, 1, first.hash(), QUORUM);
    bench.hear_proposal(forge.proposal(leaders[0], first.clone(), None, None));
    bench.hear_certificate(Certificate::Quorum(forge.qc(Phase::Commit, 1, first.hash(), QUORUM)));
    bench.hear_certificate(Certificate::Quorum(qc.clone()));
    (bench, first, qc)
}

/// The second block, which vouches for the first and names another set.
fn ending(forge: &Forge, bench: &Bench, first: &Block) -> Block {
    let executed = &bench.member.durable().chain[0].execution;
    let mut end = forge.block(2, first, View(1), &[]);
    end.header.vouched.height = Height(1);
    end.header.vouched.app_hash = executed.app_hash.clone();
    end.header.vouched.executed_root = Execution::root([executed]);
    end.header.vouched.next_epoch = Hash::ZERO;
    end
}

/// Four members and two that are to come, under load.
fn cluster(delay_ms: u64) -> Cluster {
    let params = ConsensusParams { max_unexecuted_blocks: 1, ..ConsensusParams::default() };
    let mut options = Options::new(4, params, Network::constant(MS(delay_ms), 1));
    options.spares = 2;
    Cluster::start(options)
}

/// One comes, one changes its key, one gets more power, one goes; then a parameter changes; then the one that went comes back.
fn change(cluster: &mut Cluster, nonce: u64) {
    let validators = match nonce {
        0 => vec![
            cluster.change(4, 2, Some(0)),
            cluster.change(1, 1, Some(1)),
            cluster.change(2, 3, None),
            cluster.change(3, 0, None),
        ],
        1 => Vec::new(),
        _ => vec![cluster.change(3, 1, Some(1)), cluster.change(5, 1, Some(0)), cluster.change(0, 0, None)],
    };
    let max_block_txs = Some(100).filter(|_| nonce == 1);
    let tx = Change {
        nonce,
        validators,
        params: ParamUpdates { max_block_txs, ..ParamUpdates::default() },
        padding: Vec::new(),
    };
    cluster.submit(cluster.now(), 2, tx.encode());
}

fn in_epoch(cluster: &mut Cluster, epoch: u64, height: u64) -> Verdict {
    super::network::settled(cluster, height)?;
    let epochs: Vec<u64> = (0..cluster.nodes())
        .filter_map(|node| cluster.driver(node))
        .map(|driver| driver.validators().0.0)
        .collect();
    match epochs.iter().all(|one| *one == epoch) {
        true => Ok(()),
        false => Err(format!("nodes are in epochs {epochs:?}, expected {epoch} everywhere")),
    }
}

/// Three changes under load, with a member cut off over all of them and back afterwards, and one that loses its chain data.
pub(super) fn changes() -> Verdict {
    for (cut_off, wiped) in [(None, None), (Some(1), None), (None, Some(4)), (Some(5), Some(2))] {
        let mut cluster = cluster(10);
        let mut load = Load::default();
        cluster.run_for(MS(2_000));
        if let Some(node) = cut_off {
            super::network::cut(&mut cluster, &[node]);
        }
        for nonce in 0..3 {
            for index in 0..20 {
                cluster.submit(cluster.now().after(MS(40 * index)), 2, load.transfer());
            }
            change(&mut cluster, nonce);
            cluster.run_for(MS(3_000));
        }
        cluster.network.cut.clear();
        if let Some(node) = wiped {
            cluster.wipe(node, false);
        }
        cluster.run_for(MS(30_000));
        in_epoch(&mut cluster, 4, 9)
            .map_err(|what| format!("cut off {cut_off:?}, wiped {wiped:?}: {what}"))?;
    }
    Ok(())
}

/// When the first member enters the second epoch, on an undisturbed run.
fn first_entry() -> Result<Micros, String> {
    let mut cluster = cluster(10);
    cluster.run_for(MS(2_000));
    change(&mut cluster, 0);
    let entered = |cluster: &Cluster| {
        (0..4).filter_map(|node| cluster.driver(node)).any(|driver| driver.validators().0 > Epoch(1))
    };
    match cluster.run_while(MS(10_000), |cluster| !entered(cluster)) {
        true => Ok(cluster.now()),
        false => Err("the epoch does not end".into()),
    }
}

/// One member alone has the QC of the block that ends the epoch when all others have given that view up: nobody will commit-vote for it,
/// so it has to be proposed again.
pub(super) fn lost_commit() -> Verdict {
    // Three delays after the proposal it is committed; votes leave one delay after it.
    let votes_leave = Micros(first_entry()?.0 - 25_000);
    let mut cluster = cluster(10);
    cluster.run_for(MS(2_000));
    change(&mut cluster, 0);
    cluster.run_until(votes_leave);
    for to in 1..cluster.nodes() {
        cluster.network.cut.extend((0..cluster.nodes()).filter(|from| *from != to).map(|from| (from, to)));
    }
    cluster.run_for(MS(3_000));
    cluster.network.cut.clear();
    cluster.run_for(MS(20_000));
    in_epoch(&mut cluster, 2, 3)
}

/// A member that was away while the epoch ended is told so as soon as it is back.
pub(super) fn told() -> Verdict {
    let mut cluster = cluster(10);
    cluster.run_for(MS(2_000));
    super::network::cut(&mut cluster, &[3]);
    change(&mut cluster, 0);
    cluster.run_for(MS(2_000));
    cluster.network.cut.clear();
    for other in [0, 1, 2] {
        cluster.reconnect(3, other);
    }
    cluster.run_for(MS(500));
    match cluster.driver(3).map(|driver| driver.validators().0) {
        Some(Epoch(2)) => Ok(()),
        found => Err(format!("half a second after its links are back, node 3 is in epoch {found:?}")),
    }
}

/// A member, old or new, ends before or after any of its writes while the set changes.
pub(super) fn crashes_at_the_change() -> Verdict {
    for node in [0, 1, 4] {
        let run = |burn: Option<(u64, When)>| -> Result<u64, String> {
            let mut cluster = cluster(7);
            let mut load = Load::default();
            cluster.run_for(MS(2_000));
            let before = cluster.disk(node).passed();
            if let Some((at, when)) = burn {
                cluster.disk(node).burn_at(at, when);
            }
            for index in 0..3 {
                cluster.submit(cluster.now().after(MS(15 * index)), 2, load.transfer());
            }
            change(&mut cluster, 0);
            cluster.run_for(MS(1_000));
            let passed = cluster.disk(node).passed() - before;
            cluster.run_for(MS(14_000));
            let told = |what| format!("node {node} ends at write {burn:?}: {what}");
            in_epoch(&mut cluster, 2, 3).map_err(told)?;
            Ok(passed)
        };
        for point in 0..run(None)? {
            for when in [When::Before, When::After] {
                run(Some((point, when)))?;
            }
        }
    }
    Ok(())
}
