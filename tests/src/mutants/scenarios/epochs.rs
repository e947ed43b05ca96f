//! The end of an epoch, and the beginning of the next (S9, and what ends without children).

use std::sync::Arc;

use althing_consensus::{
    Block, Certificate, ConsensusParams, Epoch, EpochStart, Execution, Height, Micros, Phase, SafetyRules,
    ValidatorSet, View, epoch_hash,
};
use althing_crypto::{Hash, bls};
use althing_ledger::{ParamUpdates, ValidatorUpdate, VoteKey};
use althing_node::membership::Membership;

use super::Verdict;
use super::forge::Forge;
use super::member::Bench;
use crate::cheap_votes::CHEAP_VOTES;
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
    let key = || forge.setup.key(althing_consensus::Position(0)).clone();
    let (chain, set, hash) =
        (forge.setup.chain_id(), forge.setup.set().clone(), genesis.header.vouched.next_epoch);
    let mut rules = SafetyRules::new_chain(key(), chain.to_owned(), genesis.hash(), set, hash);
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
    possession(&forge)
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
    let tx = Change { nonce, validators, params: ParamUpdates { max_block_txs, ..ParamUpdates::default() } };
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
