//! One value of each kind as an honest node makes it: what fuzzing starts from.

use althing_consensus::{
    Absence, AppHash, Block, Certificate, Epoch, Evidence, Execution, Header, Height, Memory, Message,
    Notice, Phase, Position, Proposal, QuorumCertificate, Registration, SafetyRecord, Signers, Status,
    TimeoutCertificate, TimeoutVote, View, Vote, Vouched, no_evidence, notices_root, payload_root,
    registration_bytes, sponsorship_bytes, view_of,
};
use althing_crypto::{BlockHash, Encoding, Hash, TxHash, bls, ed25519, sha256};
use althing_ledger::asset::{Address, Transaction};
use althing_mempool::TxBytes;
use althing_node::body::Body;

use super::chain::{CHAIN, CHAIN_ID, GENESIS_TIME_MS, account_key};
use super::seal::Seal;

const UNSIGNED: bls::Signature = bls::Signature::from_bytes([0; 96]);

/// Signed transfers between the funded accounts.
pub(super) fn transactions() -> Vec<Vec<u8>> {
    let transfer = |sequence: u64| {
        let to = Address::of(&account_key(1).public_key());
        Transaction::transfer(CHAIN_ID, &account_key(0), sequence, 9, to, 5, "memo").encode()
    };
    (0..3).map(transfer).collect()
}

/// A block in this view, on the justify QC's block, with its transactions.
pub(super) fn body(view: u64, justify: Option<&QuorumCertificate>) -> Body {
    let bytes: Vec<TxBytes> = transactions().into_iter().map(Into::into).collect();
    let txs: Vec<TxHash> = bytes.iter().map(|tx| TxHash::of(tx)).collect();
    let execution = Execution {
        height: Height(1),
        app_hash: AppHash::new(vec![7; 32]).expect("short enough"),
        results_root: sha256(b"results"),
    };
    let vouched = match view {
        1 => CHAIN.opening.header.vouched.clone(),
        _ => Vouched {
            height: Height(1),
            app_hash: execution.app_hash.clone(),
            executed_root: Execution::root([&execution]),
            next_epoch: CHAIN.genesis.epoch_hash(),
        },
    };
    let absent = match view {
        3 => vec![Absence { member: Position(1), last: View(2), failures: 1 }],
        _ => Vec::new(),
    };
    let header = Header {
        chain_id: CHAIN_ID.to_owned(),
        epoch: Epoch(1),
        height: Height(view.min(2)),
        view: View(view),
        parent: justify.map_or(CHAIN.opening.hash(), |qc| qc.block),
        justify_view: view_of(justify),
        time_ms: GENESIS_TIME_MS + 1_000 * view,
        payload_root: payload_root(&txs),
        evidence_root: no_evidence(),
        absent,
        vouched,
    };
    Body { block: Block { header, txs, notices: Vec::new() }, txs: bytes }
}

pub(super) fn vote(signer: u16, phase: Phase, view: u64, block: BlockHash) -> Vote {
    let (view, signer) = (View(view), Position(signer));
    let mut vote = Vote { phase, epoch: Epoch(1), view, block, signer, signature: UNSIGNED };
    Seal::all(&CHAIN).vote(&mut vote);
    vote
}

fn three() -> Signers {
    [0, 1, 2].map(Position).into_iter().collect()
}

pub(super) fn qc(phase: Phase, view: u64, block: BlockHash) -> QuorumCertificate {
    let mut qc = QuorumCertificate {
        phase,
        epoch: Epoch(1),
        view: View(view),
        block,
        signers: three(),
        signature: UNSIGNED,
    };
    Seal::all(&CHAIN).qc(&mut qc);
    qc
}

/// The certificates of the first three views: view 1 certified and committed, view 2 given up.
pub(super) struct Certificates {
    pub(super) qc: QuorumCertificate,
    pub(super) commit: QuorumCertificate,
    pub(super) tc: TimeoutCertificate,
}

pub(super) fn certificates() -> Certificates {
    let block = body(1, None).block.hash();
    let qc = qc(Phase::Vote, 1, block);
    let mut tc = TimeoutCertificate {
        epoch: Epoch(1),
        view: View(2),
        signers: three(),
        high_views: [0, 1, 1].map(View).into(),
        high_qc: Some(qc.clone()),
        signature: UNSIGNED,
    };
    Seal::all(&CHAIN).tc(&mut tc);
    Certificates { commit: self::qc(Phase::Commit, 1, block), qc, tc }
}

pub(super) fn timeout(signer: u16, view: u64) -> TimeoutVote {
    let Certificates { qc, tc, .. } = certificates();
    let (high_qc, entry) = match view {
        1 => (None, None),
        2 => (Some(qc.clone()), Some(Certificate::Quorum(qc))),
        _ => (Some(qc), Some(Certificate::Timeout(tc))),
    };
    let (view, signer) = (View(view), Position(signer));
    let mut vote = TimeoutVote { epoch: Epoch(1), view, signer, signature: UNSIGNED, high_qc, entry };
    Seal::all(&CHAIN).timeout(&mut vote);
    vote
}

/// The proposals of views 1, 2 and 3; the last one after a view that was given up.
pub(super) fn proposal(signer: u16, view: u64) -> Proposal {
    let Certificates { qc, commit, tc } = certificates();
    let later = view > 1;
    let justify = later.then_some(qc);
    let mut proposal = Proposal {
        view: View(view),
        block: body(view, justify.as_ref()).block,
        justify,
        tc: (view == 3).then_some(tc),
        commit: later.then_some(commit),
        signer: Position(signer),
        signature: ed25519::Signature::from_bytes([0; 64]),
    };
    Seal::all(&CHAIN).proposal(&mut proposal);
    proposal
}

/// Every message between validators.
pub(super) fn messages() -> Vec<Message> {
    let Certificates { qc, commit, tc } = certificates();
    let block = qc.block;
    let status = Status {
        epoch: Epoch(1),
        view: View(3),
        committed: Height(1),
        high_view: View(1),
        tc_view: View(2),
        commit_view: View(1),
        resuming: true,
    };
    let own = proposal(0, 3);
    let memory = Memory {
        epoch: Epoch(1),
        vote: Some(vote(0, Phase::Vote, 1, block)),
        commit_vote: Some(vote(0, Phase::Commit, 1, block)),
        timeout: Some(timeout(0, 2)),
        proposal: Some((own.statement(), own.signature)),
    };
    let certificates = [Certificate::Quorum(qc), Certificate::Quorum(commit), Certificate::Timeout(tc)]
        .map(Box::new)
        .map(Message::Certificate);
    (1..=3)
        .map(|view| Message::Proposal(Box::new(proposal(view as u16, view))))
        .chain([Phase::Vote, Phase::Commit].map(|phase| Message::Vote(vote(1, phase, 1, block))))
        .chain((1..=3).map(|view| Message::Timeout(Box::new(timeout(2, view)))))
        .chain(certificates)
        .chain([Message::Status(status), Message::Memory(Box::new(memory))])
        .collect()
}

/// Every kind of evidence.
pub(super) fn evidence() -> Vec<Evidence> {
    let block = body(1, None).block.hash();
    let (one, other) = (proposal(2, 1), proposal(2, 3));
    let header = body(2, Some(&certificates().qc)).block.header;
    let mut late = timeout(3, 3);
    late.high_qc = None;
    Seal::all(&CHAIN).timeout(&mut late);
    let statement = |proposal: &Proposal| (proposal.statement(), proposal.signature);
    let mut evidence = vec![
        Evidence::Votes(vote(3, Phase::Vote, 1, block), vote(3, Phase::Vote, 1, BlockHash(Hash::ZERO))),
        Evidence::Proposals { signer: Position(2), first: statement(&one), second: statement(&other) },
        Evidence::CommitAndTimeout(vote(3, Phase::Commit, 1, block), (&late).into()),
        Evidence::VoteAndTimeout(vote(3, Phase::Vote, 2, header.hash()), Box::new(header), (&late).into()),
    ];
    if let Evidence::Proposals { first, second, .. } = &mut evidence[1] {
        second.0.view = first.0.view;
    }
    evidence.iter_mut().for_each(|one| Seal::all(&CHAIN).evidence(one));
    evidence
}

/// Everything that a block carries beside transactions.
pub(super) fn notices() -> Vec<Notice> {
    let newcomer = ed25519::SecretKey::from_seed([70; 32]);
    let (epoch, identity, key) = (Epoch(1), newcomer.public_key(), &CHAIN.vote_keys[3]);
    let (sponsor, vote_key) = (&CHAIN.identities[1], *key.public_key().bytes());
    let registration = Registration {
        epoch,
        identity,
        vote_key,
        proof: key.prove_possession(),
        signature: newcomer.sign(&registration_bytes(CHAIN_ID, epoch, &vote_key, &sponsor.public_key())),
        sponsor: sponsor.public_key(),
        sponsor_signature: sponsor.sign(&sponsorship_bytes(CHAIN_ID, epoch, &identity, &vote_key)),
    };
    let evidence = evidence().into_iter().map(Notice::Evidence);
    evidence.chain([Notice::Registration(Box::new(registration))]).collect()
}

/// A body that carries them.
pub(super) fn noticed() -> Body {
    let mut body = body(1, None);
    body.block.notices = notices();
    body.block.header.evidence_root = notices_root(&body.block.notices);
    body
}

/// A safety record after three views.
pub(super) fn safety_record() -> SafetyRecord {
    let Certificates { qc, commit, tc } = certificates();
    let mut kept = proposal(0, 3);
    kept.block.txs.clear();
    kept.block.notices.clear();
    SafetyRecord {
        chain_id: CHAIN_ID.to_owned(),
        epoch: Epoch(1),
        epoch_hash: CHAIN.genesis.epoch_hash(),
        opening: CHAIN.opening.hash(),
        signer: Position(0),
        vote_key: *CHAIN.vote_keys[0].public_key().bytes(),
        floor: View(0),
        proposal: Some(kept),
        vote: Some(vote(0, Phase::Vote, 1, qc.block)),
        commit_vote: Some(vote(0, Phase::Commit, 1, qc.block)),
        timeout: Some(timeout(0, 2)),
        high_qc: Some(qc),
        tc: Some(tc),
        commit: Some(commit),
    }
}
