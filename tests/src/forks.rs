//! Forks, and what audits make of them. Members of more than a third of the power are each played by two instances of the real engine
//! and safety rules that share a key and nothing else, as [twins](crate::twins); who hears whom changes at random. The others play by
//! the rules, and keep what a node keeps: nobody but the twins may ever be named.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use althing_consensus::audit::{Dossier, Justification, Link};
use althing_consensus::light::Trail;
use althing_consensus::{
    ConsensusParams, Height, Message, Micros, Now, Phase, Position, Proposal, QuorumCertificate, View,
};
use althing_crypto::BlockHash;

use crate::bare::{Input, Load, Member, Output, Setup, Wire};
use crate::sim::Random;

/// View timers of one length.
const TIMEOUT_MS: u64 = 500;
/// How long a message is on its way.
const DELAY: Micros = Micros::from_millis(TIMEOUT_MS / 10);

/// A run, and the stores that it left.
#[derive(Debug)]
pub struct Played {
    /// The chain.
    pub setup: Arc<Setup>,
    /// Who played twice.
    pub traitors: BTreeSet<Position>,
    /// What each instance can show, and whose it is.
    pub dossiers: Vec<(Position, Dossier)>,
}

impl Played {
    /// Where audits begin.
    pub fn genesis(&self) -> Trail {
        let config = self.setup.set().clone();
        Trail::genesis(self.setup.chain_id(), config, params())
    }

    /// What those show who played once.
    pub fn honest(&self) -> Vec<&Dossier> {
        let honest = self.dossiers.iter().filter(|(owner, _)| !self.traitors.contains(owner));
        honest.map(|(_, dossier)| dossier).collect()
    }
}

struct Instance {
    owner: Position,
    member: Member,
    seen: BTreeMap<(BlockHash, View), Justification>,
    kept: BTreeMap<(BlockHash, View), Justification>,
    commits: BTreeMap<Height, (QuorumCertificate, Option<QuorumCertificate>)>,
}

struct Play {
    random: Random,
    now: Now,
    instances: Vec<Instance>,
    /// The set of each instance, of those that hear one another.
    split: Vec<u64>,
    flying: Vec<(usize, usize, Arc<Wire>)>,
    /// To arrive in a later round.
    late: Vec<(usize, usize, Arc<Wire>)>,
}

/// Plays the run of this seed.
pub fn play(seed: u64) -> Played {
    let mut random = Random::new(seed);
    let powers: Vec<u64> = (0..random.between(4, 6)).map(|_| random.between(1, 4)).collect();
    let setup = Setup::new(&powers, params());
    let mut traitors = BTreeSet::new();
    while !setup.set().is_one_honest(setup.set().power_of(traitors.iter().copied())) {
        traitors.insert(Position(random.index(powers.len()) as u16));
    }
    let owners = setup.set().positions().chain(traitors.iter().copied());
    let instance = |owner| {
        let (seen, kept, commits) = Default::default();
        Instance { owner, member: Member::new(&setup, owner), seen, kept, commits }
    };
    let instances: Vec<Instance> = owners.map(instance).collect();
    let split = vec![0; instances.len()];
    let (now, flying, late) = (Now::default(), Vec::new(), Vec::new());
    let mut play = Play { random, now, instances, split, flying, late };
    (0..play.instances.len()).for_each(|at| play.step(at, Input::Start));
    (0..4).for_each(|_| play.pass());
    (0..play.instances.len()).for_each(|at| play.step(at, Input::Load(Load::Endless(at as u8))));
    for _ in 0..play.random.between(6, 14) {
        play.round();
    }
    let dossiers = play.instances.iter().map(|one| (one.owner, one.dossier())).collect();
    Played { setup, traitors, dossiers }
}

fn params() -> ConsensusParams {
    ConsensusParams {
        timeout_min_ms: TIMEOUT_MS,
        timeout_base_max_ms: TIMEOUT_MS,
        timeout_max_ms: TIMEOUT_MS,
        repeat_interval_ms: TIMEOUT_MS,
        ..ConsensusParams::default()
    }
}

impl Play {
    /// Everybody is in one of two sets; what goes from one to the other is lost, or late.
    fn round(&mut self) {
        let (apart, whole) = (self.random.percent(60), self.random.percent(10));
        for at in 0..self.instances.len() {
            let owner = self.instances[at].owner;
            let twin = self.instances.iter().rposition(|one| one.owner == owner).filter(|last| *last != at);
            let second = self.instances.iter().position(|one| one.owner == owner) != Some(at);
            self.split[at] = match () {
                () if whole => 0,
                // The second instances hear others than the first ones do.
                () if apart && (second || twin.is_some()) => u64::from(second),
                () => self.random.below(2),
            };
        }
        self.flying.append(&mut self.late);
        for _ in 0..self.random.between(6, 30) {
            self.pass();
        }
    }

    /// What is on its way arrives, and timers fire.
    fn pass(&mut self) {
        self.now.mono = self.now.mono.after(DELAY);
        for (from, to, wire) in std::mem::take(&mut self.flying) {
            self.instances[to].hears(&wire);
            let from = self.instances[from].owner;
            self.step(to, Input::Received(from, wire));
        }
        for at in 0..self.instances.len() {
            if self.instances[at].member.wake_at().is_some_and(|wake| wake <= self.now.mono) {
                self.step(at, Input::Wake);
            }
        }
    }

    fn step(&mut self, at: usize, input: Input) {
        self.now.unix_ms += 1;
        let outputs = self.instances[at].step(self.now, input);
        for output in outputs {
            let Output::Send(to, wire) = output else { continue };
            for other in 0..self.instances.len() {
                if other != at && to.is_none_or(|to| self.instances[other].owner == to) {
                    let letter = (at, other, wire.clone());
                    if self.split[at] == self.split[other] {
                        self.flying.push(letter);
                    } else if self.random.percent(40) {
                        self.late.push(letter);
                    }
                }
            }
        }
    }
}

impl Instance {
    fn hears(&mut self, wire: &Wire) {
        if let Wire::Consensus(Message::Proposal(proposal)) = wire {
            let (key, why) = justification(proposal);
            self.seen.insert(key, why);
        }
    }

    /// As a node does: what a proposal was justified with is stored with its vote, the certificate with the commit, and the votes beside
    /// that if they are at hand.
    fn step(&mut self, now: Now, input: Input) -> Vec<Output> {
        let before = self.member.durable().height();
        let outputs = self.member.step(now, input);
        for output in &outputs {
            let Output::Send(_, wire) = output else { continue };
            match &**wire {
                Wire::Consensus(Message::Proposal(proposal)) if proposal.signer == self.owner => {
                    let (key, why) = justification(proposal);
                    self.seen.insert(key, why);
                }
                Wire::Consensus(Message::Vote(vote))
                    if vote.signer == self.owner && vote.phase == Phase::Vote =>
                {
                    let key = (vote.block, vote.view);
                    let why = self.seen.get(&key).cloned();
                    self.kept.extend(why.map(|why| (key, why)));
                }
                _ => {}
            }
        }
        let durable = self.member.durable();
        if let Some(certificate) = durable.certificate.as_ref().filter(|_| durable.height() > before) {
            let high = self.member.engine().newest().high_qc.map(|qc| qc.into_inner());
            let beneath = |qc: &QuorumCertificate| {
                !qc.is_commit() && (qc.view, qc.block) == (certificate.view, certificate.block)
            };
            self.commits.insert(durable.height(), (certificate.clone(), high.filter(beneath)));
        }
        outputs
    }

    fn dossier(&self) -> Dossier {
        let link = |stored: &crate::bare::Stored| {
            let commit = self.commits.get(&stored.block.header.height);
            let of_block = self.kept.iter().filter(|((block, _), _)| *block == stored.hash);
            Link {
                header: stored.block.header.clone(),
                commit: commit.map(|(commit, _)| commit.clone()),
                votes: commit.and_then(|(_, votes)| votes.clone()),
                proposals: of_block.map(|(_, why)| why.clone()).collect(),
            }
        };
        let links = self.member.durable().chain.iter().map(|stored| link(stored)).collect();
        Dossier { ends: Vec::new(), links }
    }
}

fn justification(proposal: &Proposal) -> ((BlockHash, View), Justification) {
    let Proposal { view, block, justify, tc, .. } = proposal;
    ((block.hash(), *view), Justification { view: *view, justify: justify.clone(), tc: tc.clone() })
}

#[cfg(test)]
mod tests {
    use althing_consensus::audit::{Kind, audit};
    use althing_consensus::light::Anchor;

    use super::*;
    use crate::light::LightChain;

    /// So many runs, each with some pairs of stores.
    const RUNS: u64 = 400;

    #[test]
    fn an_audit_names_more_than_a_third_and_none_but_those_who_played_twice() {
        let (mut conflicts, mut complete, mut kinds) = (0u32, 0u32, BTreeSet::new());
        for seed in 0..RUNS {
            let played = play(seed);
            let (genesis, honest) = (played.genesis(), played.honest());
            for (index, first) in honest.iter().enumerate() {
                for second in &honest[index + 1..] {
                    let report = audit(&genesis, first, second, &honest).expect("chains of one genesis");
                    assert!(
                        report.culprits.is_subset(&played.traitors),
                        "seed {seed}: names {:?}, and only {:?} played twice",
                        report.culprits,
                        played.traitors
                    );
                    let parted =
                        first.links.iter().zip(&second.links).any(|(one, two)| one.header != two.header);
                    assert_eq!(report.conflict.is_some(), parted, "seed {seed}");
                    if !parted {
                        assert!(
                            report.missing.is_empty() && report.proofs.is_empty(),
                            "seed {seed}: {report:?}"
                        );
                        continue;
                    }
                    conflicts += 1;
                    assert!(report.conflict.as_ref().is_some_and(|conflict| conflict.from_here));
                    assert_eq!(report.is_complete(), report.missing.is_empty(), "seed {seed}: {report:?}");
                    complete += u32::from(report.is_complete());
                    kinds.extend(report.proofs.iter().map(|proof| proof.kind));
                }
            }
        }
        eprintln!("{complete} of {conflicts} conflicts name more than a third, by {kinds:?}");
        assert!(conflicts > 50, "{conflicts} conflicts");
        assert!(complete * 10 >= conflicts * 9, "{complete} of {conflicts} conflicts");
        assert!(kinds.contains(&Kind::ForgottenCommitVote) && kinds.contains(&Kind::DoubleVote), "{kinds:?}");
    }

    #[test]
    fn chains_part_in_the_first_epoch_that_they_end_differently() {
        let chain = |heartbeat_ms| {
            let mut chain = LightChain::new(4);
            chain.replace_one();
            let params = ConsensusParams { heartbeat_ms, ..chain.params().clone() };
            chain.end(chain.set().members().to_vec(), params);
            chain.replace_one();
            chain
        };
        let (one, other) = (chain(1), chain(2));
        let Anchor::Genesis { chain_id, set, params } = one.anchor() else { panic!("it begins there") };
        let genesis = Trail::genesis(&chain_id, set, params);
        let dossier = |chain: &LightChain| Dossier { ends: chain.ends.clone(), links: Vec::new() };
        let report = audit(&genesis, &dossier(&one), &dossier(&other), &[]).expect("chains of one genesis");
        assert_eq!((report.epoch.0, report.agreed), (2, Height(10)));
        let conflict = report.conflict.as_ref().expect("two ends of epoch 2");
        assert_eq!((conflict.first.height, conflict.from_here), (Height(20), true));
        assert!(report.is_complete() && report.missing.is_empty(), "{report:?}");
        assert_eq!(report.proofs[0].kind, Kind::DoubleCommitVote);

        let mut behind = dossier(&other);
        behind.ends.truncate(1);
        let report = audit(&genesis, &dossier(&one), &behind, &[]).expect("chains of one genesis");
        assert!(report.conflict.is_none() && report.culprits.is_empty(), "one is only shorter: {report:?}");
    }

    #[test]
    fn what_is_not_kept_is_asked_for() {
        let mut asked = BTreeSet::new();
        for seed in 0..RUNS {
            let played = play(seed);
            let mut honest: Vec<Dossier> = played.honest().into_iter().cloned().collect();
            for link in honest.iter_mut().flat_map(|dossier| &mut dossier.links) {
                (link.votes, link.proposals) = (None, Vec::new());
            }
            for (index, first) in honest.iter().enumerate() {
                for second in &honest[index + 1..] {
                    let report = audit(&played.genesis(), first, second, &[]).expect("chains of one genesis");
                    assert!(report.culprits.is_subset(&played.traitors));
                    asked.extend(
                        report.missing.iter().map(|text| text.split_whitespace().next().map(str::to_owned)),
                    );
                }
            }
        }
        assert!(asked.contains(&Some("by".to_owned())), "{asked:?}");
    }

    #[test]
    fn a_forged_dossier_names_nobody_who_is_innocent() {
        for seed in 0..60 {
            let played = play(seed);
            let honest = played.honest();
            let [first, second, ..] = honest[..] else { continue };
            // Certificates with other signers, views and blocks than they had.
            let mut forged = second.clone();
            let everybody: althing_consensus::Signers = played.setup.set().positions().collect();
            for link in &mut forged.links {
                for qc in link
                    .votes
                    .iter_mut()
                    .chain(link.proposals.iter_mut().filter_map(|one| one.justify.as_mut()))
                {
                    qc.signers = everybody.clone();
                }
                for tc in link.proposals.iter_mut().filter_map(|one| one.tc.as_mut()) {
                    tc.high_views.iter_mut().for_each(|view| *view = View(0));
                    tc.high_qc = None;
                }
            }
            let report = audit(&played.genesis(), first, second, &[&forged]).expect("chains of one genesis");
            assert!(report.culprits.is_subset(&played.traitors), "seed {seed}");
        }
    }
}
