//! Certificates out of pooled votes: aggregated, then verified as a whole, by one pairing check per message signed. Only if that
//! fails are the culprits searched for, by halving: k of them among n shares cost about 2k·log2(n/k) checks more.

use std::collections::BTreeMap;

use althing_crypto::bls::VoteScheme;
use althing_crypto::{bls, mutant};

use crate::engine::Aggregated;
use crate::message::{timeout_bytes, vote_bytes};
use crate::{
    Position, QuorumCertificate, Signers, TimeoutCertificate, TimeoutVote, ValidatorSet, Verified, View, Vote,
};

/// Aggregates votes of one phase, epoch, view and block, of members, each member's once.
///
/// # Panics
/// If there is none, or they differ in more than signer and signature: the pool they come from keeps them apart.
pub fn aggregate_votes(set: &ValidatorSet, chain_id: &str, votes: Vec<Vote>) -> Aggregated {
    let votes: BTreeMap<Position, Vote> = votes.into_iter().map(|vote| (vote.signer, vote)).collect();
    let (_, first) = votes.first_key_value().expect("a pool that is aggregated holds votes");
    let Vote { phase, epoch, view, block, .. } = *first;
    let alike = |vote: &Vote| (vote.phase, vote.epoch, vote.view, vote.block) == (phase, epoch, view, block);
    assert!(votes.values().all(alike), "votes aggregated together are for one block in one view and phase");

    let message = vote_bytes(chain_id, phase, epoch, view, block);
    let shares = votes.values().map(|vote| Share::new(set, vote.signer, &message, vote.signature)).collect();
    let (good, bad) = sift(set, shares);
    let certificate = good.map(|(signers, signature)| {
        Verified::trust(QuorumCertificate { phase, epoch, view, block, signers, signature })
    });
    Aggregated::Votes { phase, view, block, certificate, bad }
}

/// Aggregates timeout votes of one epoch and view, of members, each member's once. The certificates that they carry passed the door.
///
/// # Panics
/// If there is none, or they differ in epoch or view.
pub fn aggregate_timeouts(set: &ValidatorSet, chain_id: &str, votes: Vec<TimeoutVote>) -> Aggregated {
    let votes: BTreeMap<Position, TimeoutVote> = votes.into_iter().map(|vote| (vote.signer, vote)).collect();
    let (_, first) = votes.first_key_value().expect("a pool that is aggregated holds timeout votes");
    let TimeoutVote { epoch, view, .. } = *first;
    let alike = |vote: &TimeoutVote| (vote.epoch, vote.view) == (epoch, view);
    assert!(votes.values().all(alike), "timeout votes aggregated together are of one view");

    let messages: BTreeMap<View, Vec<u8>> = votes
        .values()
        .map(|vote| (vote.high_view(), timeout_bytes(chain_id, epoch, view, vote.high_view())))
        .collect();
    let shares = votes
        .values()
        .map(|vote| Share::new(set, vote.signer, &messages[&vote.high_view()], vote.signature))
        .collect();
    let (good, bad) = sift(set, shares);
    let certificate = good.map(|(signers, signature)| {
        let good = || signers.iter().map(|signer| &votes[&signer]);
        let high_views = good().map(TimeoutVote::high_view).collect();
        let high_qc = good().max_by_key(|vote| vote.high_view()).and_then(|vote| vote.high_qc.clone());
        Verified::trust(TimeoutCertificate { epoch, view, high_views, high_qc, signature, signers })
    });
    Aggregated::Timeouts { view, certificate, bad }
}

/// One member's part of an aggregate.
#[derive(Clone, Copy)]
struct Share<'a> {
    signer: Position,
    key: &'a bls::PublicKey,
    message: &'a [u8],
    signature: bls::Signature,
}

impl<'a> Share<'a> {
    fn new(set: &'a ValidatorSet, signer: Position, message: &'a [u8], signature: bls::Signature) -> Self {
        let member = set.get(signer).expect("the door admits votes of members only");
        Self { signer, key: &member.vote_key, message, signature }
    }
}

/// The aggregate of the good shares, if they are a quorum, and whose shares are bad.
fn sift(
    set: &ValidatorSet,
    mut shares: Vec<Share<'_>>,
) -> (Option<(Signers, bls::Signature)>, Vec<Position>) {
    let scheme = set.scheme();
    let mut bad = Vec::new();
    let mut whole = aggregate(scheme, &shares);
    if whole.is_none() {
        find_bad(scheme, &shares, &mut bad);
        shares.retain(|share| !bad.contains(&share.signer) || mutant!("bad_share_stays"));
        // Each part was good, so their sum is; that it is checked all the same makes the certificate's claim easy to believe.
        whole = aggregate(scheme, &shares);
    }
    let signers = || shares.iter().map(|share| share.signer);
    let certified = whole.filter(|_| set.is_quorum(set.power_of(signers())));
    (certified.map(|signature| (signers().collect(), signature)), bad)
}

/// The shares' aggregate, if it verifies.
fn aggregate(scheme: &dyn VoteScheme, shares: &[Share<'_>]) -> Option<bls::Signature> {
    let signatures: Vec<bls::Signature> = shares.iter().map(|share| share.signature).collect();
    let whole = scheme.aggregate(&signatures).ok()?;
    let mut groups: BTreeMap<&[u8], Vec<&bls::PublicKey>> = BTreeMap::new();
    for share in shares {
        groups.entry(share.message).or_default().push(share.key);
    }
    let groups: Vec<_> = groups.into_iter().collect();
    scheme.verify_aggregate(&groups, &whole).then_some(whole)
}

/// Finds the signers, in ascending order, of the bad shares among some that do not verify together. A half whose aggregate verifies
/// is left alone: should its members' errors cancel, then so they do in every aggregate of that half, which is all that counts.
fn find_bad(scheme: &dyn VoteScheme, shares: &[Share<'_>], bad: &mut Vec<Position>) {
    if let [share] = shares {
        bad.push(share.signer);
        return;
    }
    let (left, right) = shares.split_at(shares.len() / 2);
    for half in [left, right] {
        if !half.is_empty() && aggregate(scheme, half).is_none() {
            find_bad(scheme, half, bad);
        }
    }
}

#[cfg(test)]
mod tests;
