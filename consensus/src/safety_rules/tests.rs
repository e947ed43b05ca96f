use althing_crypto::TxHash;

use super::*;
use crate::testing::{CHAIN, Chain, OPENING, Unchecked, block, identity};
use crate::{Block, payload_root};

mod crash;
mod epoch;
mod record;

const EPOCH_HASH: Hash = Hash::from_bytes([9; 32]);

type Qc = Verified<QuorumCertificate>;
type Tc = Verified<TimeoutCertificate>;

fn chain() -> Chain {
    Chain::new(&Unchecked, &[1, 1, 1, 1])
}

/// The rules of validator 0, which may sign.
fn rules(chain: &Chain) -> SafetyRules {
    let mut rules = unresumed(chain);
    assert_eq!(rules.resume(None), None);
    rules
}

fn unresumed(chain: &Chain) -> SafetyRules {
    first(chain, 0)
}

/// The rules of a validator in the first epoch.
fn first(chain: &Chain, index: usize) -> SafetyRules {
    let (key, set) = (chain.keys[index].clone(), chain.set.clone());
    SafetyRules::new_chain(Arc::new(identity(index)), key, CHAIN.to_owned(), OPENING, set, EPOCH_HASH)
}

fn qc_of(chain: &Chain, block: &Block) -> Qc {
    Verified::trust(chain.qc(Phase::Vote, block.header.view.0, block.hash(), &[0, 1, 2]))
}

fn commit_of(chain: &Chain, block: &Block) -> Qc {
    Verified::trust(chain.qc(Phase::Commit, block.header.view.0, block.hash(), &[0, 1, 2]))
}

/// The TC of a view, whose signers named the view of this QC.
fn tc_of(chain: &Chain, view: u64, high_qc: Option<&Qc>) -> Tc {
    let high = high(high_qc).0;
    Verified::trust(chain.tc(view, &[(0, high), (1, 0), (2, 0)], high_qc.map(|qc| (**qc).clone())))
}

fn child(view: u64, justify: &Qc, salt: u8) -> Block {
    block(view, Some(justify), salt)
}

fn draft(block: &Block, justify: Option<&Qc>, tc: Option<&Tc>) -> ProposalDraft {
    let (block, justify, tc) = (block.clone(), justify.cloned(), tc.cloned());
    ProposalDraft { view: block.header.view, block, justify, tc, commit: None }
}

fn propose(block: &Block, justify: Option<&Qc>, tc: Option<&Tc>) -> SignRequest {
    SignRequest::Propose(Box::new(draft(block, justify, tc)))
}

fn vote(chain: &Chain, block: &Block, justify: Option<&Qc>, tc: Option<&Tc>) -> SignRequest {
    let (justify, tc) = (justify.map(|qc| (**qc).clone()), tc.map(|tc| (**tc).clone()));
    SignRequest::Vote(Box::new(Verified::trust(chain.proposal(1, block.clone(), justify, tc, None))))
}

fn commit_vote(qc: &Qc) -> SignRequest {
    SignRequest::CommitVote { qc: qc.clone() }
}

fn time_out(view: u64, high_qc: Option<&Qc>, entry: Option<Verified<Certificate>>) -> SignRequest {
    SignRequest::Timeout { view: View(view), high_qc: high_qc.cloned(), entry }
}

/// What becomes of a request.
enum Expect {
    /// A new message with a new record.
    Signs,
    /// The message of before, and no record.
    Repeats,
    /// Nothing, for this reason.
    Refuses(Reason),
}
use Expect::{Refuses, Repeats, Signs};

/// Asks one by one; what is refused or repeated must change nothing.
fn run(rules: &mut SafetyRules, steps: Vec<(&str, SignRequest, Expect)>) {
    let mut signed: Vec<Signed> = Vec::new();
    for (what, request, expect) in steps {
        let before = rules.record().clone();
        let answer = rules.request(&request);
        match expect {
            Signs => {
                let (record, message) = answer.unwrap_or_else(|refusal| panic!("{what}: {refusal}"));
                assert_eq!(record.as_ref(), Some(rules.record()), "{what}: the record comes along");
                assert_ne!(*rules.record(), before, "{what}: and it is new");
                assert!(!signed.contains(&message), "{what}: signed before");
                signed.push(message);
            }
            Repeats => {
                let (record, message) = answer.unwrap_or_else(|refusal| panic!("{what}: {refusal}"));
                assert_eq!((record, rules.record()), (None, &before), "{what}");
                assert!(signed.contains(&message), "{what}: not signed before");
            }
            Refuses(reason) => {
                let refusal = Refusal { request: request.kind(), view: request.view(), reason };
                assert_eq!((answer, rules.record()), (Err(refusal), &before), "{what}");
            }
        }
    }
}

fn behind(signed: SignKind, last: u64) -> Expect {
    Refuses(Reason::Behind { signed, last: View(last) })
}

fn conflict(signed: &Block, asked: &Block) -> Expect {
    Refuses(Reason::Conflict { signed: signed.hash(), asked: asked.hash() })
}

fn unjustified(justify: u64, tc: Option<(u64, u64)>) -> Expect {
    let tc = tc.map(|(view, max)| (View(view), View(max)));
    Refuses(Reason::Unjustified { justify: View(justify), tc })
}

#[test]
fn s3_proposes_under_the_identity_that_the_set_has_beside_its_vote_key_and_no_other() {
    let chain = chain();
    let b1 = block(1, None, 0);
    let mut own = rules(&chain);
    let (_, signed) = own.request(&propose(&b1, None, None)).expect("its own turn");
    let Signed::Proposal(proposal) = signed else { panic!("asked for a proposal, got {signed:?}") };
    let bytes = proposal_bytes(CHAIN, &proposal.statement());
    assert!(identity(0).public_key().verify(&bytes, &proposal.signature), "others can verify it");

    let (key, set) = (chain.keys[0].clone(), chain.set.clone());
    let mut foreign = SafetyRules::new_chain(
        Arc::new(identity(1)),
        key,
        CHAIN.to_owned(),
        OPENING,
        set.clone(),
        EPOCH_HASH,
    );
    assert_eq!(foreign.resume(None), None);
    let (expected, held) = (identity(0).public_key(), identity(1).public_key());
    let other = || Refuses(Reason::OtherIdentity { signer: Position(0), expected, held });
    run(&mut foreign, vec![("another identity", propose(&b1, None, None), other())]);
    let refusal = foreign.request(&propose(&b1, None, None)).unwrap_err().to_string();
    for part in [expected.to_string(), held.to_string(), "no proposal is signed in view 1".to_owned()] {
        assert!(refusal.contains(&part), "{refusal}");
    }

    // Nor what was signed before the identity changed.
    let (key, record) = (chain.keys[0].clone(), own.record().clone());
    let again = SafetyRules::recover(Arc::new(identity(1)), key, CHAIN, set, EPOCH_HASH, record);
    let mut again = again.expect("the record is the vote key's");
    assert_eq!(again.resume(None), None);
    run(&mut again, vec![("again", propose(&b1, None, None), other())]);
}

#[test]
fn s3_proposes_once_per_view_and_only_forwards() {
    let chain = chain();
    let (b1, b1x) = (block(1, None, 0), block(1, None, 1));
    let qc1 = qc_of(&chain, &b1);
    let other_qc1 = Verified::trust(chain.qc(Phase::Vote, 1, b1.hash(), &[1, 2, 3]));
    let (b3, tc2) = (child(3, &qc1, 0), tc_of(&chain, 2, Some(&qc1)));
    let other_tc2 = Verified::trust(chain.tc(2, &[(0, 0), (1, 1), (2, 0)], Some((*qc1).clone())));
    let b2 = child(2, &qc1, 0);
    let mut rules = rules(&chain);
    run(
        &mut rules,
        vec![
            ("view 1 on the opening block", propose(&b1, None, None), Signs),
            ("the same again", propose(&b1, None, None), Repeats),
            ("another block", propose(&b1x, None, None), conflict(&b1, &b1x)),
            ("view 3 beside a TC", propose(&b3, Some(&qc1), Some(&tc2)), Signs),
            (
                "the same on a certificate that says the same",
                propose(&b3, Some(&other_qc1), Some(&tc2)),
                Repeats,
            ),
            (
                "the same on another TC",
                propose(&b3, Some(&qc1), Some(&other_tc2)),
                Refuses(Reason::OtherCertificates { block: b3.hash() }),
            ),
            ("back to view 2", propose(&b2, Some(&qc1), None), behind(SignKind::Proposal, 3)),
            ("back to view 1", propose(&b1, None, None), behind(SignKind::Proposal, 3)),
        ],
    );
    let record = rules.record();
    assert_eq!(record.high_qc.as_ref(), Some(&*qc1));
    assert_eq!(record.tc.as_ref(), Some(&*tc2));
    assert_eq!(record.proposal.as_ref().unwrap().block.txs, [], "the record holds no transactions");
    assert_eq!((record.voted(), record.timed_out(), record.commit_voted()), (View(0), View(0), View(0)));
}

#[test]
fn s3_a_proposal_is_whole_and_of_its_own_signature() {
    let chain = chain();
    let b1 = block(1, None, 0);
    let qc1 = qc_of(&chain, &b1);
    let mut rules = rules(&chain);
    let mut draft = draft(&child(2, &qc1, 0), Some(&qc1), None);
    draft.commit = Some(commit_of(&chain, &b1));
    let request = SignRequest::Propose(Box::new(draft.clone()));
    for _ in 0..2 {
        let (_, Signed::Proposal(proposal)) = rules.request(&request).unwrap() else { panic!("a proposal") };
        let expected = chain.proposal(
            0,
            draft.block.clone(),
            draft.justify.as_deref().cloned(),
            None,
            draft.commit.as_deref().cloned(),
        );
        assert_eq!(*proposal, expected, "with its transactions, the first time and again");
    }
    assert_eq!(rules.record().commit.as_ref(), draft.commit.as_deref());
}

/// What is wrong with a block, and what S3 and S4 alike say to it.
fn faulty_blocks() -> Vec<(&'static str, Block, Expect)> {
    let chain = chain();
    let qc1 = qc_of(&chain, &block(1, None, 0));
    let good = || child(2, &qc1, 0);
    let with = |change: &dyn Fn(&mut Header)| {
        let mut block = good();
        change(&mut block.header);
        block
    };
    let mismatch = |field, found: &dyn ToString, expected: &dyn ToString| {
        Refuses(Reason::Mismatch { field, found: found.to_string(), expected: expected.to_string() })
    };
    vec![
        (
            "chain",
            with(&|h| h.chain_id = "other".into()),
            mismatch("the header's chain id", &"other", &CHAIN),
        ),
        ("epoch", with(&|h| h.epoch = Epoch(2)), mismatch("the header's epoch", &2, &1)),
        ("view above", with(&|h| h.view = View(3)), mismatch("the header's view", &3, &2)),
        ("view below", with(&|h| h.view = View(1)), mismatch("the header's view", &1, &2)),
        ("justify view", with(&|h| h.justify_view = View(0)), mismatch("the header's justify view", &0, &1)),
        ("parent", with(&|h| h.parent = OPENING), mismatch("the header's parent", &OPENING, &qc1.block)),
    ]
}

#[test]
fn s3_and_s4_refuse_blocks_that_do_not_extend_their_certificate() {
    let chain = chain();
    let qc1 = qc_of(&chain, &block(1, None, 0));
    for (what, faulty, expect) in faulty_blocks() {
        let mut draft = draft(&faulty, Some(&qc1), None);
        draft.view = View(2);
        let Refuses(reason) = &expect else { panic!("faulty") };
        let request = SignRequest::Propose(Box::new(draft));
        run(&mut rules(&chain), vec![(what, request, Refuses(reason.clone()))]);

        let mut proposal = chain.proposal(1, faulty, Some((*qc1).clone()), None, None);
        proposal.view = View(2);
        let request = SignRequest::Vote(Box::new(Verified::trust(proposal)));
        run(&mut rules(&chain), vec![(what, request, expect)]);
    }
}

#[test]
fn s3_refuses_drafts_whose_parts_do_not_fit() {
    let chain = chain();
    let b1 = block(1, None, 0);
    let mut thinner = b1.clone();
    thinner.txs.pop();
    let mut fuller = b1.clone();
    fuller.txs.push(TxHash::of(b"smuggled"));
    let root = |block: &Block| {
        let (found, expected) =
            (block.header.payload_root.to_string(), "that of the transactions".to_owned());
        Refuses(Reason::Mismatch { field: "the payload root", found, expected })
    };
    let mut of_votes = draft(&b1, None, None);
    of_votes.commit = Some(qc_of(&chain, &b1));
    let mut of_epoch = draft(&b1, None, None);
    of_epoch.commit = Some(other_epoch(commit_of(&chain, &b1)));
    let mut rules = rules(&chain);
    run(
        &mut rules,
        vec![
            ("a transaction is missing", propose(&thinner, None, None), root(&thinner)),
            ("one too many", propose(&fuller, None, None), root(&fuller)),
            (
                "votes do not commit",
                SignRequest::Propose(Box::new(of_votes)),
                Refuses(mismatch("the commit certificate", "made of votes", "made of commit votes")),
            ),
            (
                "a commit certificate of another epoch",
                SignRequest::Propose(Box::new(of_epoch)),
                Refuses(mismatch("the commit certificate's epoch", 2, 1)),
            ),
            ("the whole one", propose(&b1, None, None), Signs),
            ("again without a transaction", propose(&thinner, None, None), root(&thinner)),
        ],
    );
    assert_eq!(payload_root(&b1.txs), b1.header.payload_root);
}

fn other_epoch(qc: Qc) -> Qc {
    Verified::trust(QuorumCertificate { epoch: Epoch(2), ..qc.into_inner() })
}

#[test]
fn s4_votes_once_per_view_and_never_after_giving_it_up() {
    let chain = chain();
    let (b1, b1x) = (block(1, None, 0), block(1, None, 1));
    let (qc1, qc1x) = (qc_of(&chain, &b1), qc_of(&chain, &b1x));
    let (b2, b2x) = (child(2, &qc1, 0), child(2, &qc1x, 1));
    let qc2 = qc_of(&chain, &b2);
    let b3 = child(3, &qc2, 0);
    let b4 = child(4, &qc_of(&chain, &b3), 0);
    let qc3 = qc_of(&chain, &b3);
    let entry = Some(qc2.clone().into());
    let mut rules = rules(&chain);
    run(
        &mut rules,
        vec![
            ("view 1", vote(&chain, &b1, None, None), Signs),
            ("the same again", vote(&chain, &b1, None, None), Repeats),
            ("another block of view 1", vote(&chain, &b1x, None, None), conflict(&b1, &b1x)),
            ("view 2", vote(&chain, &b2, Some(&qc1), None), Signs),
            ("back to view 1", vote(&chain, &b1, None, None), behind(SignKind::Vote, 2)),
            ("another block of view 2", vote(&chain, &b2x, Some(&qc1x), None), conflict(&b2, &b2x)),
            ("view 3 is given up", time_out(3, Some(&qc2), entry), Signs),
            ("too late for a vote", vote(&chain, &b3, Some(&qc2), None), behind(SignKind::Timeout, 3)),
            ("what was signed before is repeated", vote(&chain, &b2, Some(&qc1), None), Repeats),
            ("the next view is open", vote(&chain, &b4, Some(&qc3), None), Signs),
        ],
    );
    assert_eq!(rules.record().high_qc.as_ref(), Some(&*qc3), "a vote raises the high QC to the justify QC");
}

#[test]
fn s4_needs_the_certificate_of_the_view_before_or_its_tc_below_the_justify() {
    let chain = chain();
    let b1 = block(1, None, 0);
    let qc1 = qc_of(&chain, &b1);
    let b2 = child(2, &qc1, 0);
    let qc2 = qc_of(&chain, &b2);
    let tc = |view, high: Option<&Qc>| tc_of(&chain, view, high);
    let (on0, on1, on2) = (block(4, None, 0), child(4, &qc1, 0), child(4, &qc2, 0));
    let on3 = qc_of(&chain, &child(3, &qc2, 0));
    let after = child(4, &on3, 0);
    let table: Vec<(&str, SignRequest, Expect)> = vec![
        ("a gap without a TC", vote(&chain, &on2, Some(&qc2), None), unjustified(2, None)),
        ("opening block, no TC", vote(&chain, &on0, None, None), unjustified(0, None)),
        (
            "TC of a view too early",
            vote(&chain, &on1, Some(&qc1), Some(&tc(2, Some(&qc1)))),
            unjustified(1, Some((2, 1))),
        ),
        (
            "TC of the view itself",
            vote(&chain, &on1, Some(&qc1), Some(&tc(4, Some(&qc1)))),
            unjustified(1, Some((4, 1))),
        ),
        (
            "the TC names a higher QC",
            vote(&chain, &on1, Some(&qc1), Some(&tc(3, Some(&qc2)))),
            unjustified(1, Some((3, 2))),
        ),
        (
            "or the first at all",
            vote(&chain, &on0, None, Some(&tc(3, Some(&qc1)))),
            unjustified(0, Some((3, 1))),
        ),
        (
            "a TC beside the QC of its view",
            vote(&chain, &after, Some(&on3), Some(&tc(3, None))),
            unjustified(3, Some((3, 0))),
        ),
        ("the TC names the justify QC", vote(&chain, &on2, Some(&qc2), Some(&tc(3, Some(&qc2)))), Signs),
    ];
    run(&mut rules(&chain), table);
    for (what, request) in [
        ("the TC names a lower one", vote(&chain, &on2, Some(&qc2), Some(&tc(3, Some(&qc1))))),
        ("all named the opening block", vote(&chain, &on0, None, Some(&tc(3, None)))),
        ("the QC of the view before", vote(&chain, &after, Some(&on3), None)),
    ] {
        let mut rules = rules(&chain);
        run(&mut rules, vec![(what, request, Signs)]);
    }
    let mut rules = rules(&chain);
    run(&mut rules, vec![("TC", vote(&chain, &on0, None, Some(&tc(3, None))), Signs)]);
    assert_eq!(rules.record().tc.as_ref(), Some(&*tc(3, None)), "whoever restarts starts no lower");
}

#[test]
fn s5_commit_votes_once_per_view_unless_given_up() {
    let chain = chain();
    let (b1, b1x) = (block(1, None, 0), block(1, None, 1));
    let (qc1, qc1x) = (qc_of(&chain, &b1), qc_of(&chain, &b1x));
    let b2 = child(2, &qc1, 0);
    let qc2 = qc_of(&chain, &b2);
    let b3 = child(3, &qc2, 0);
    let qc3 = qc_of(&chain, &b3);
    let qc4 = qc_of(&chain, &child(4, &qc3, 0));
    let mut rules = rules(&chain);
    run(
        &mut rules,
        vec![
            ("view 1", commit_vote(&qc1), Signs),
            ("the same again", commit_vote(&qc1), Repeats),
            ("another block of view 1", commit_vote(&qc1x), conflict(&b1, &b1x)),
            (
                "commit votes cause no commit vote",
                commit_vote(&commit_of(&chain, &b2)),
                Refuses(Reason::CommitCertificate),
            ),
            (
                "nor does another epoch's certificate",
                commit_vote(&other_epoch(qc2.clone())),
                Refuses(mismatch("the certificate's epoch", 2, 1)),
            ),
            ("being in a later view does not matter", vote(&chain, &b3, Some(&qc2), None), Signs),
            ("view 2", commit_vote(&qc2), Signs),
            ("back to view 1", commit_vote(&qc1), behind(SignKind::CommitVote, 2)),
            ("view 3 is given up", time_out(3, Some(&qc2), Some(qc2.clone().into())), Signs),
            ("too late for a commit vote", commit_vote(&qc3), behind(SignKind::Timeout, 3)),
            ("what was signed before is repeated", commit_vote(&qc2), Repeats),
            ("the next view is open", commit_vote(&qc4), Signs),
        ],
    );
    assert_eq!(rules.record().high_qc.as_ref(), Some(&*qc4), "a commit vote raises the high QC");
}

#[test]
fn s6_gives_up_the_view_it_is_in_and_never_lowers_the_high_qc() {
    let chain = chain();
    let b1 = block(1, None, 0);
    let qc1 = qc_of(&chain, &b1);
    let b2 = child(2, &qc1, 0);
    let qc2 = qc_of(&chain, &b2);
    let (tc1, tc2, tc2of1) = (tc_of(&chain, 1, None), tc_of(&chain, 2, None), tc_of(&chain, 2, Some(&qc1)));
    let by_qc = |qc: &Qc| Some(qc.clone().into());
    let by_tc = |tc: &Tc| Some(tc.clone().into());
    let lowered = |named, held| Refuses(Reason::Lowered { named: View(named), held: View(held) });
    let not_entered = |entry| Refuses(Reason::NotEntered { entry: View(entry) });
    let mut rules = rules(&chain);
    run(
        &mut rules,
        vec![
            ("view 1 needs no entry", time_out(1, None, by_tc(&tc1)), not_entered(1)),
            ("there is no view 0", time_out(0, None, None), Refuses(Reason::Floor { floor: View(0) })),
            (
                "nor is one of view 1 below it",
                time_out(1, Some(&qc1), None),
                Refuses(Reason::NotBelow { named: View(1) }),
            ),
            ("view 1", time_out(1, None, None), Signs),
            ("the same again", time_out(1, None, None), Repeats),
            ("view 2 needs an entry", time_out(2, None, None), not_entered(0)),
            ("of view 1", time_out(2, None, by_tc(&tc2)), not_entered(2)),
            ("by a TC", time_out(2, None, by_tc(&tc1)), Signs),
            ("again with a higher high QC", time_out(2, Some(&qc1), by_tc(&tc1)), Signs),
            ("again, however entered", time_out(2, Some(&qc1), by_qc(&qc1)), Repeats),
            ("not with the lower one of before", time_out(2, None, by_tc(&tc1)), lowered(0, 1)),
            ("view 3 with a lower one than held", time_out(3, None, by_tc(&tc2)), lowered(0, 1)),
            ("than the entry QC", time_out(3, Some(&qc1), by_qc(&qc2)), lowered(1, 2)),
            ("back to view 1", time_out(1, None, None), behind(SignKind::Timeout, 2)),
            ("view 3", time_out(3, Some(&qc1), by_tc(&tc2of1)), Signs),
        ],
    );
    assert_eq!(rules.record().high_qc.as_ref(), Some(&*qc1));
    assert_eq!(rules.record().tc.as_ref(), Some(&*tc2of1));

    run(
        &mut self::rules(&chain),
        vec![
            ("lower than the entry TC names", time_out(3, None, by_tc(&tc2of1)), lowered(0, 1)),
            (
                "an entry of another epoch",
                time_out(2, None, by_qc(&other_epoch(qc1.clone()))),
                Refuses(mismatch("a certificate's epoch", 2, 1)),
            ),
            ("a vote in view 2", vote(&chain, &b2, Some(&qc1), None), Signs),
            ("view 1 is behind it", time_out(1, None, None), behind(SignKind::Vote, 2)),
            ("lower than what the vote built on", time_out(2, None, by_tc(&tc1)), lowered(0, 1)),
            ("a commit vote in view 2", commit_vote(&qc2), Signs),
            ("names a QC below a commit vote's", time_out(3, Some(&qc1), by_tc(&tc2of1)), lowered(1, 2)),
            ("view 3", time_out(3, Some(&qc2), by_tc(&tc2of1)), Signs),
        ],
    );
}
