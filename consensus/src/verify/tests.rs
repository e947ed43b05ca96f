use std::sync::Arc;

use althing_crypto::{BlockHash, Encoding, Hash, TxHash, bls, ed25519};

use super::*;
use crate::testing::{CHAIN, Chain, Counting, EPOCH, OPENING, block};
use crate::{
    Absence, Block, Certificate, ConsensusParams, Epoch, Height, Memory, Message, Phase, Position, Proposal,
    ProposalStatement, QuorumCertificate, Signers, Status, TimeoutCertificate, TimeoutVote, View, Vote,
    payload_root,
};

mod certificates;
mod evidence;
mod notice;
mod votes;

const ALL: [u16; 3] = [0, 1, 2];

/// A chain of four, of which this node is number 1, and good messages to spoil.
struct World {
    scheme: &'static Counting,
    chain: Chain,
    b1: Block,
    qc1: QuorumCertificate,
    commit1: QuorumCertificate,
    tc2: TimeoutCertificate,
}

impl World {
    fn new() -> Self {
        let scheme = Counting::leaked();
        let chain = Chain::new(scheme, &[1; 4]);
        let b1 = block(1, None, 0);
        let qc1 = chain.qc(Phase::Vote, 1, b1.hash(), &ALL);
        let commit1 = chain.qc(Phase::Commit, 1, b1.hash(), &[1, 2, 3]);
        let tc2 = chain.tc(2, &[(0, 0), (2, 1), (3, 1)], Some(qc1.clone()));
        Self { scheme, chain, b1, qc1, commit1, tc2 }
    }

    /// A door with an empty cache.
    fn door(&self) -> Door {
        self.door_of(1)
    }

    fn door_of(&self, me: u16) -> Door {
        let params = ConsensusParams { max_block_txs: 2, ..ConsensusParams::default() };
        Door::new(CHAIN.to_owned(), EPOCH, self.chain.set.clone(), &params, Some(Position(me)))
    }

    fn admit(&self, from: Option<u16>, message: Message) -> Result<Admitted, Rejection> {
        self.door().admit(from.map(Position), message)
    }

    /// A proposal of view 3, with everything that one can carry.
    fn proposal(&self) -> Proposal {
        let block = block(3, Some(&self.qc1), 0);
        self.chain.proposal(
            0,
            block,
            Some(self.qc1.clone()),
            Some(self.tc2.clone()),
            Some(self.commit1.clone()),
        )
    }

    /// A timeout vote of view 3 by validator 2, entered by the TC.
    fn timeout(&self) -> TimeoutVote {
        self.chain.timeout(2, 3, Some(self.qc1.clone()), Some(Certificate::Timeout(self.tc2.clone())))
    }

    /// What a peer remembers of this node.
    fn memory(&self) -> Memory {
        let block = self.b1.hash();
        let statement =
            ProposalStatement { epoch: EPOCH, view: View(1), block, justify: Hash::ZERO, tc: Hash::ZERO };
        let signature = self.chain.sign_statement(1, &statement);
        let (qc, entry) = (Some(self.qc1.clone()), Some(Certificate::Quorum(self.qc1.clone())));
        let timeout = self.chain.timeout(1, 2, qc, entry);
        Memory {
            epoch: EPOCH,
            vote: Some(self.chain.vote(1, Phase::Vote, 3, block)),
            commit_vote: Some(self.chain.vote(1, Phase::Commit, 1, block)),
            timeout: Some(timeout),
            proposal: Some((statement, signature)),
        }
    }
}

/// What a rejection is about, for tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Epoch,
    Signer,
    Signature,
    Quorum,
    Malformed(&'static str),
}
use Why::{Malformed, Quorum, Signature, Signer};

fn assert_rejected(what: &str, answer: Result<Admitted, Rejection>, why: Why) {
    let rejection = answer.err().unwrap_or_else(|| panic!("{what}: admitted"));
    assert_eq!(rejection.is_misdeed(), why != Why::Epoch, "{what}: {rejection}");
    let fits = match (&rejection, why) {
        (Rejection::WrongEpoch { .. }, Why::Epoch)
        | (Rejection::UnknownSigner { .. }, Signer)
        | (Rejection::BadSignature { .. }, Signature)
        | (Rejection::NotAQuorum { .. }, Quorum) => true,
        (Rejection::Malformed { .. }, Malformed(part)) => rejection.to_string().contains(part),
        _ => false,
    };
    assert!(fits, "{what}: expected {why:?}, got: {rejection}");
}

fn damaged(signature: &mut bls::Signature) {
    let mut bytes = *signature.as_bytes();
    bytes[95] ^= 1;
    *signature = bls::Signature::from_bytes(bytes);
}

fn spoilt(signature: &mut ed25519::Signature) {
    let mut bytes = *signature.as_bytes();
    bytes[31] ^= 1;
    *signature = ed25519::Signature::from_bytes(bytes);
}

fn with<T: Clone>(value: &T, change: impl FnOnce(&mut T)) -> T {
    let mut changed = value.clone();
    change(&mut changed);
    changed
}

#[test]
fn admits_what_correct_validators_send() {
    let world = World::new();
    let (proposal, timeout, memory) = (world.proposal(), world.timeout(), world.memory());
    let vote = world.chain.vote(2, Phase::Vote, 9, OPENING);
    let certificate = Certificate::Timeout(world.tc2.clone());
    let status = Status { view: View(8), resuming: true, ..Status::default() };
    let messages = [
        (Message::Proposal(Box::new(proposal.clone())), Admitted::Proposal(Verified::trust(proposal))),
        (Message::Vote(vote.clone()), Admitted::Vote(vote)),
        (Message::Timeout(Box::new(timeout.clone())), Admitted::Timeout(timeout)),
        (
            Message::Certificate(Box::new(certificate.clone())),
            Admitted::Certificate(Verified::trust(certificate)),
        ),
        (Message::Status(status.clone()), Admitted::Status(status)),
        (Message::Memory(Box::new(memory.clone())), Admitted::Memory(memory)),
    ];
    for (message, admitted) in messages {
        let decoded = Message::decode(&message.encode()).expect("its own encoding");
        for from in [None, Some(2), Some(3)] {
            assert_eq!(world.admit(from, decoded.clone()), Ok(admitted.clone()));
        }
    }
    // In view 1 nothing is carried, and the first proposal of an epoch needs none of it.
    let first = world.chain.proposal(0, world.b1.clone(), None, None, None);
    assert!(world.admit(None, Message::Proposal(Box::new(first))).is_ok());
    assert!(world.admit(None, Message::Timeout(Box::new(world.chain.timeout(0, 1, None, None)))).is_ok());
}

#[test]
fn refuses_a_proposal_with_any_field_changed() {
    let world = World::new();
    let World { chain, qc1, commit1, tc2, .. } = &world;
    let good = world.proposal();
    // Signed again after the change, so that it is not the signature that gives it away.
    let signed = |change: &dyn Fn(&mut Proposal)| chain.signed(with(&good, |proposal| change(proposal)));
    let txs = |txs: Vec<TxHash>| {
        signed(&|proposal| {
            proposal.block.header.payload_root = payload_root(&txs);
            proposal.block.txs.clone_from(&txs);
        })
    };
    let absent = |members: &[u16]| {
        signed(&|proposal| {
            proposal.block.header.absent = members
                .iter()
                .map(|member| Absence { member: Position(*member), last: View(1), failures: 1 })
                .collect();
        })
    };
    let three = |byte: u8| TxHash::of(&[byte]);
    let qc2 = chain.qc(Phase::Vote, 2, OPENING, &ALL);
    let table = [
        ("view, unsigned", with(&good, |p| p.view = View(4)), Malformed("not justified")),
        ("block, unsigned", with(&good, |p| p.block.header.time_ms += 1), Signature),
        ("justify, unsigned", with(&good, |p| p.justify = Some(commit1.clone())), Signature),
        (
            "TC, unsigned",
            with(&good, |p| p.tc = Some(chain.tc(2, &[(1, 0), (2, 1), (3, 1)], Some(qc1.clone())))),
            Signature,
        ),
        ("signer, unsigned", with(&good, |p| p.signer = Position(2)), Signature),
        ("signature", with(&good, |p| spoilt(&mut p.signature)), Signature),
        ("a stranger", with(&good, |p| p.signer = Position(4)), Signer),
        ("epoch", signed(&|p| p.block.header.epoch = Epoch(2)), Why::Epoch),
        ("chain", signed(&|p| p.block.header.chain_id = "other".into()), Malformed("of chain \"other\"")),
        ("view 2^62", signed(&|p| p.view = View::LIMIT), Malformed("out of bounds")),
        ("the last view", signed(&|p| p.view = View(u64::MAX)), Malformed("out of bounds")),
        ("header view above", signed(&|p| p.block.header.view = View(4)), Malformed("made in view 4")),
        ("header view 0", signed(&|p| p.block.header.view = View(0)), Malformed("made in view 0")),
        (
            "header justify view",
            signed(&|p| p.block.header.justify_view = View(3)),
            Malformed("on one of view 3"),
        ),
        ("height 0", signed(&|p| p.block.header.height = Height(0)), Malformed("height 0")),
        (
            "height near 2^64",
            signed(&|p| p.block.header.height = Height(u64::MAX)),
            Malformed("out of bounds"),
        ),
        ("time near 2^64", signed(&|p| p.block.header.time_ms = u64::MAX), Malformed("out of bounds")),
        (
            "vouches for itself",
            signed(&|p| p.block.header.vouched.height = Height(3)),
            Malformed("vouches for the execution of height 3"),
        ),
        ("payload root", signed(&|p| p.block.header.payload_root = Hash::ZERO), Malformed("payload root")),
        ("a transaction more", with(&good, |p| p.block.txs.push(three(9))), Malformed("3 transactions")),
        ("a transaction less", with(&good, |p| p.block.txs.truncate(1)), Malformed("payload root")),
        (
            "three transactions, two allowed",
            txs(vec![three(1), three(2), three(3)]),
            Malformed("3 transactions, at most 2"),
        ),
        ("absent out of order", absent(&[2, 1]), Malformed("absent list")),
        ("absent twice", absent(&[1, 1]), Malformed("absent list")),
        ("absent stranger", absent(&[1, 4]), Malformed("absent list")),
        ("no justification", signed(&|p| p.tc = None), Malformed("and no TC")),
        ("no justify QC", signed(&|p| p.justify = None), Malformed("not justified")),
        ("a TC too many", signed(&|p| p.justify = Some(qc2.clone())), Malformed("not justified")),
        (
            "TC of another view",
            signed(&|p| p.tc = Some(chain.tc(1, &[(0, 0), (1, 0), (2, 0)], None))),
            Malformed("the TC of view 1"),
        ),
        ("bad justify QC", signed(&|p| p.justify = Some(with(qc1, |qc| qc.block = OPENING))), Signature),
        ("bad TC", signed(&|p| p.tc = Some(with(tc2, |tc| damaged(&mut tc.signature)))), Signature),
        (
            "commit certificate of votes",
            signed(&|p| p.commit = Some(qc1.clone())),
            Malformed("made of votes"),
        ),
        (
            "bad commit certificate",
            signed(&|p| p.commit = Some(with(commit1, |qc| qc.view = View(2)))),
            Signature,
        ),
        (
            "justify QC of another epoch",
            signed(&|p| p.justify = Some(with(qc1, |qc| qc.epoch = Epoch(2)))),
            Malformed("certificate of epoch 2"),
        ),
        (
            "TC of another epoch",
            signed(&|p| p.tc = Some(with(tc2, |tc| tc.epoch = Epoch(2)))),
            Malformed("certificate of epoch 2"),
        ),
        (
            "commit certificate of another epoch",
            signed(&|p| p.commit = Some(with(commit1, |qc| qc.epoch = Epoch(2)))),
            Malformed("certificate of epoch 2"),
        ),
    ];
    for (what, changed, why) in table {
        // Whoever sends it: a proposal's own signature always counts.
        for from in [None, Some(changed.signer.0)] {
            assert_rejected(what, world.admit(from, Message::Proposal(Box::new(changed.clone()))), why);
        }
    }
    for members in [&[][..], &[0], &[0, 3]] {
        assert!(
            world.admit(None, Message::Proposal(Box::new(absent(members)))).is_ok(),
            "absent: {members:?}"
        );
    }
}

#[test]
fn a_proposal_is_its_leaders_identity_alone_to_sign() {
    let world = World::new();
    let good = world.proposal();
    let bytes = crate::proposal_bytes(CHAIN, &good.statement());
    let by = |seed: &[u8; 32]| ed25519::SecretKey::from_seed(*seed).sign(&bytes);
    let vote_key = &world.chain.keys[0];
    let mut cut = [0; 64];
    cut.copy_from_slice(&vote_key.sign(&bytes).as_bytes()[..64]);
    let statement = good.statement();
    for (what, signature) in [
        ("the vote key's secret", by(&vote_key.to_bytes())),
        ("the beginning of the vote key's signature", ed25519::Signature::from_bytes(cut)),
        ("another member", world.chain.sign_statement(1, &statement)),
        ("a stranger", by(&[9; 32])),
        ("nobody", ed25519::Signature::from_bytes([0; 64])),
        (
            "itself, on another chain",
            crate::testing::identity(0).sign(&crate::proposal_bytes("other", &statement)),
        ),
    ] {
        let proposal = with(&good, |proposal| proposal.signature = signature);
        // Not even on its own connection.
        for from in [None, Some(0)] {
            let answer = world.admit(from, Message::Proposal(Box::new(proposal.clone())));
            let rejection = answer.expect_err(what);
            let key = KeyOf::Identity(Position(0));
            assert_eq!(rejection, Rejection::BadSignature { what: "proposal", view: View(3), key }, "{what}");
        }
        let own =
            Memory { epoch: EPOCH, proposal: Some((statement.clone(), signature)), ..Memory::default() };
        let own = world.door_of(0).admit(None, Message::Memory(Box::new(own)));
        assert_rejected(what, own, Signature);
    }
}

#[test]
fn bounds_what_a_status_may_claim() {
    let world = World::new();
    let good = Status { epoch: Epoch(77), ..Status::default() };
    assert!(world.admit(None, Message::Status(good.clone())).is_ok(), "other epochs are news, not misdeeds");
    for changed in [
        with(&good, |status| status.view = View::LIMIT),
        with(&good, |status| status.high_view = View(u64::MAX)),
        with(&good, |status| status.tc_view = View::LIMIT),
        with(&good, |status| status.commit_view = View::LIMIT),
        with(&good, |status| status.committed = Height(View::LIMIT.0)),
    ] {
        assert_rejected("status", world.admit(None, Message::Status(changed)), Malformed("out of bounds"));
    }
}

#[test]
fn what_cannot_stand_costs_no_pairing() {
    let world = World::new();
    let World { scheme, chain, qc1, tc2, .. } = &world;
    let forged = with(&world.proposal(), |proposal| {
        spoilt(&mut proposal.signature);
        proposal.tc = Some(with(tc2, |tc| damaged(&mut tc.signature)));
    });
    scheme.take();
    assert!(world.admit(None, Message::Proposal(Box::new(forged))).is_err());
    assert_eq!(
        scheme.take(),
        0,
        "a forged proposal costs its own Ed25519 signature, not those of what it carries"
    );
    let few = chain.tc(2, &[(2, 1), (3, 1)], Some(qc1.clone()));
    scheme.take();
    assert!(world.door().verify_timeout_certificate(&few).is_err());
    assert_eq!(scheme.take(), 0, "no quorum");
    let views = with(tc2, |tc| tc.high_views = vec![View(1); 20_000]);
    assert!(world.door().verify_timeout_certificate(&views).is_err());
    assert_eq!(scheme.take(), 0, "more views than signers");
}

#[test]
fn one_door_serves_many_threads() {
    let world = Arc::new(World::new());
    let door = Arc::new(world.door());
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (world, door) = (world.clone(), door.clone());
            std::thread::spawn(move || {
                door.admit(None, Message::Proposal(Box::new(world.proposal()))).is_ok()
            })
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().expect("no panic")));
}
