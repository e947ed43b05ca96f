//! What counts as a certificate is one: distinct members of more than two thirds of the power, of one epoch, and their aggregate
//! signature is right. Recomputed from the members' keys and powers, once per distinct certificate.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use althing_consensus::{
    Epoch, Micros, Position, QuorumCertificate, Signers, TimeoutCertificate, View, timeout_bytes, vote_bytes,
};
use althing_crypto::bls;

use super::carried::{Carried, vouched_for};
use super::{Checker, Seen};
use crate::sim::world::World;

/// How many certificates are known as good: those that all nodes speak of at one time, and many more.
const KNOWN: usize = 8_192;

/// Certificates that were recomputed. A certificate is known by 64 bits of a hash over all of it.
#[derive(Default)]
pub(super) struct Certificates {
    known: BTreeSet<u64>,
    order: VecDeque<u64>,
}

impl Certificates {
    /// Whether it is new; it is known from now on.
    fn is_new(&mut self, certificate: &impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        certificate.hash(&mut hasher);
        let hash = hasher.finish();
        if !self.known.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > KNOWN {
            self.order.pop_front().map(|oldest| self.known.remove(&oldest));
        }
        true
    }

    fn take(&mut self, world: &World, carried: Carried<'_>) -> Result<(), String> {
        match carried {
            Carried::Quorum(qc) if self.is_new(qc) => quorum_certificate(world, qc),
            Carried::Timeout(tc) if self.is_new(tc) => timeout_certificate(world, tc),
            _ => Ok(()),
        }
    }
}

/// Why something is no quorum certificate.
pub(super) fn quorum_certificate(world: &World, qc: &QuorumCertificate) -> Result<(), String> {
    let world = &of_the_epoch(world, qc.epoch, qc.view)?;
    let keys = quorum(world, &qc.signers)?;
    let message = vote_bytes(world.chain_id, qc.phase, qc.epoch, qc.view, qc.block);
    aggregate(world, &[(&message, keys)], &qc.signature)
}

/// Why something is no timeout certificate. What it carries is looked at apart from it.
pub(super) fn timeout_certificate(world: &World, tc: &TimeoutCertificate) -> Result<(), String> {
    let world = &of_the_epoch(world, tc.epoch, tc.view)?;
    let keys = quorum(world, &tc.signers)?;
    if keys.len() != tc.high_views.len() {
        return Err(format!("{} signers name {} views", keys.len(), tc.high_views.len()));
    }
    let highest = tc.high_views.iter().copied().max().unwrap_or_default();
    let carried = tc.high_qc.as_ref().map_or(View(0), |qc| qc.view);
    if highest != carried || highest >= tc.view {
        return Err(format!(
            "view {highest} is the highest named, the certificate within is of view {carried}"
        ));
    }
    let mut groups: BTreeMap<View, Vec<&bls::PublicKey>> = BTreeMap::new();
    for (key, named) in keys.into_iter().zip(&tc.high_views) {
        groups.entry(*named).or_default().push(key);
    }
    let messages: Vec<(Vec<u8>, Vec<&bls::PublicKey>)> = groups
        .into_iter()
        .map(|(named, keys)| (timeout_bytes(world.chain_id, tc.epoch, tc.view, named), keys))
        .collect();
    let messages: Vec<(&[u8], Vec<&bls::PublicKey>)> =
        messages.iter().map(|(message, keys)| (message.as_slice(), keys.clone())).collect();
    aggregate(world, &messages, &tc.signature)
}

/// The signers' keys, if they are distinct members of more than two thirds of the power.
fn quorum<'w>(world: &'w World, signers: &Signers) -> Result<Vec<&'w bls::PublicKey>, String> {
    let members = world.set.members();
    let (mut keys, mut power, mut last) = (Vec::new(), 0u128, None);
    for Position(position) in signers.iter() {
        let member = members
            .get(usize::from(position))
            .ok_or_else(|| format!("signer {position} of {} members", members.len()))?;
        if last.is_some_and(|last| last >= position) {
            return Err(format!("signer {position} twice, or out of order"));
        }
        last = Some(position);
        power += u128::from(member.power.0);
        keys.push(&member.vote_key);
    }
    let total: u128 = members.iter().map(|member| u128::from(member.power.0)).sum();
    if power * 3 > total * 2 {
        return Ok(keys);
    }
    let signers: Vec<u16> = signers.iter().map(|one| one.0).collect();
    Err(format!("signers {signers:?} hold power {power} of {total}, not above two thirds"))
}

/// View 0 is that of the epoch's opening block, which has no certificate in it.
fn of_the_epoch(world: &World, epoch: Epoch, view: View) -> Result<World, String> {
    world.at(epoch).filter(|_| view > View(0)).ok_or_else(|| format!("of epoch {epoch}, view {view}"))
}

fn aggregate(
    world: &World,
    groups: &[(&[u8], Vec<&bls::PublicKey>)],
    signature: &bls::Signature,
) -> Result<(), String> {
    if world.set.scheme().verify_aggregate(groups, signature) {
        return Ok(());
    }
    Err("its aggregate signature is not that of its signers".to_owned())
}

impl Checker for Certificates {
    fn name(&self) -> &'static str {
        "certificates"
    }

    fn see(&mut self, world: &World, _: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        vouched_for(seen, &mut |carried| {
            self.take(world, carried).map_err(|why| {
                let what = match carried {
                    Carried::Quorum(qc) => {
                        format!("{:?} certificate of view {} for {}", qc.phase, qc.view, qc.block)
                    }
                    Carried::Timeout(tc) => format!("timeout certificate of view {}", tc.view),
                };
                format!("node {node} shows a {what} that is none: {why}")
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::Phase;

    use super::super::testing::{Bench, block, found, shows, shows_tc};
    use super::*;

    #[test]
    fn good_certificates_pass() {
        let (bench, mut checker) = (Bench::with_powers(&[5, 3, 1, 1]), Certificates::default());
        let qc = bench.qc(Phase::Vote, 2, block("a"), &[0, 1]);
        let tc = bench.tc(4, &[(0, Some(qc.clone())), (1, None)]);
        for message in [shows(qc), shows(bench.qc(Phase::Commit, 2, block("a"), &[0, 2, 3])), shows_tc(tc)] {
            bench.sends(&mut checker, 0, &message).expect("a quorum");
        }
        assert_eq!(checker.known.len(), 3);
    }

    #[test]
    fn two_thirds_exactly_are_no_quorum() {
        let bench = Bench::with_powers(&[1; 3]);
        let qc = shows(bench.qc(Phase::Vote, 2, block("a"), &[0, 1]));
        found(bench.sends(&mut Certificates::default(), 3, &qc), &["node 3", "power 2 of 3", "view 2"]);
        let tc = shows_tc(bench.tc(4, &[(0, None), (1, None)]));
        found(bench.sends(&mut Certificates::default(), 3, &tc), &["power 2 of 3", "view 4"]);
    }

    #[test]
    fn a_stranger_among_the_signers_is_found() {
        let bench = Bench::new();
        let mut qc = bench.qc(Phase::Vote, 2, block("a"), &[0, 1, 2]);
        qc.signers = [0, 1, 2, 9].map(Position).into_iter().collect();
        found(bench.sends(&mut Certificates::default(), 0, &shows(qc)), &["signer 9 of 4 members"]);
    }

    #[test]
    fn another_signature_block_or_phase_is_found() {
        let bench = Bench::new();
        let good = bench.qc(Phase::Vote, 2, block("a"), &[0, 1, 2]);
        let mut wrong = vec![good.clone(); 4];
        wrong[0].block = block("b");
        wrong[1].phase = Phase::Commit;
        wrong[2].view = View(3);
        wrong[3].signers = [0, 1, 3].map(Position).into_iter().collect();
        for qc in wrong {
            let mut checker = Certificates::default();
            bench.sends(&mut checker, 0, &shows(good.clone())).expect("good");
            found(bench.sends(&mut checker, 0, &shows(qc)), &["aggregate"]);
        }
    }

    #[test]
    fn a_timeout_certificate_that_names_other_views_is_found() {
        let bench = Bench::new();
        let qc = bench.qc(Phase::Vote, 2, block("a"), &[0, 1, 2]);
        let good = bench.tc(4, &[(0, Some(qc)), (1, None), (2, None)]);
        let mut moved = good.clone();
        moved.high_views = [0, 2, 0].map(View).to_vec();
        found(bench.sends(&mut Certificates::default(), 0, &shows_tc(moved)), &["aggregate"]);
        let mut without = good.clone();
        without.high_qc = None;
        found(
            bench.sends(&mut Certificates::default(), 0, &shows_tc(without)),
            &["view 2 is the highest named"],
        );
        let mut fewer = good;
        fewer.high_views.pop();
        found(bench.sends(&mut Certificates::default(), 0, &shows_tc(fewer)), &["3 signers name 2 views"]);
    }
}
