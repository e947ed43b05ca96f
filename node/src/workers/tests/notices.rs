//! What a block carries besides transactions, and who hears of it.

use althing_consensus::{
    Evidence, Notice, Position, Registration, Vote, notices_root, registration_bytes, sponsorship_bytes,
    vote_bytes,
};
use althing_crypto::{bls, ed25519, sha256};
use althing_ledger::{Misbehaviour, MisbehaviourKind, NoVote, ProcessProposal, ValidatorUpdate};

use super::*;
use crate::testing::CHAIN;

/// An application that remembers whom blocks convicted, and makes a validator of the newcomer that it is told of.
#[derive(Default)]
struct Judge {
    odd: Odd,
    convicted: Mutex<Vec<Misbehaviour>>,
    /// What it was told with proposals.
    proposed: Mutex<Vec<Misbehaviour>>,
    names: Option<[u8; 32]>,
}

impl Application for Judge {
    fn info(&self) -> Result<Info, AppError> {
        self.odd.info()
    }
    fn query(&self, asked: &Query) -> QueryResult {
        self.odd.query(asked)
    }
    fn precheck(&self, txs: &[&[u8]]) -> Vec<Result<Admission, TxError>> {
        self.odd.precheck(txs)
    }
    fn check_tx(&self, tx: &[u8], kind: CheckKind) -> Result<CheckedTx, TxError> {
        self.odd.check_tx(tx, kind)
    }
    fn init_chain(&self, init: &InitChain) -> Result<InitChainResult, AppError> {
        self.odd.init_chain(init)
    }
    fn prepare_proposal(&self, asked: &PrepareProposal<'_>) -> Vec<Vec<u8>> {
        self.proposed.lock().unwrap().extend(asked.misbehaviour);
        self.odd.prepare_proposal(asked)
    }
    fn process_proposal(&self, asked: &ProcessProposal<'_>) -> Result<(), NoVote> {
        self.proposed.lock().unwrap().extend(asked.misbehaviour);
        Ok(())
    }
    fn finalize_block(&self, block: &FinalizeBlock<'_>) -> Result<FinalizedBlock, AppError> {
        self.convicted.lock().unwrap().extend(block.misbehaviour);
        let named = self.names.filter(|_| block.height == 1);
        let update = |identity| ValidatorUpdate { identity, power: 2, vote_key: None };
        let validator_updates = named.map(update).into_iter().collect();
        Ok(FinalizedBlock { validator_updates, ..FinalizedBlock::default() })
    }
    fn commit(&self) -> Result<CommitResult, AppError> {
        self.odd.commit()
    }
}

#[test]
fn what_a_block_carries_reaches_application_and_membership() {
    let bench = Bench::new();
    let vote = |block: &[u8]| {
        let (phase, epoch, view, block) = (Phase::Vote, Epoch(1), View(7), BlockHash(sha256(block)));
        let signature = bench.test.vote_keys[2].sign(&vote_bytes(CHAIN, phase, epoch, view, block));
        Vote { phase, epoch, view, block, signer: Position(2), signature }
    };
    let evidence = Notice::Evidence(Evidence::Votes(vote(b"a"), vote(b"b")));
    let newcomer = ed25519::SecretKey::from_seed([77; 32]);
    let key = bls::SecretKey::from_seed(&bls::BLS, &[77; 32]);
    let (identity, vote_key, epoch) = (newcomer.public_key(), *key.public_key().bytes(), Epoch(1));
    let sponsor = ed25519::SecretKey::from_seed([1; 32]);
    let registration = Notice::Registration(Box::new(Registration {
        epoch,
        identity,
        vote_key,
        proof: key.prove_possession(),
        signature: newcomer.sign(&registration_bytes(CHAIN, epoch, &vote_key, &sponsor.public_key())),
        sponsor: sponsor.public_key(),
        sponsor_signature: sponsor.sign(&sponsorship_bytes(CHAIN, epoch, &identity, &vote_key)),
    }));
    let mut body = (*bench.test.body(&bench.genesis, 1, Vec::new())).clone();
    body.block.notices = vec![evidence.clone(), registration.clone()];
    body.block.header.evidence_root = notices_root(&body.block.notices);
    let block = body.block.hash();

    let verifier = bench.verifier(bench.application.clone());
    let check = |notices: Vec<Notice>| match verifier.run(VerifyJob::CheckNotices { block, notices }) {
        Ok(Done::NoticesChecked { verdict, .. }) => verdict,
        other => panic!("{other:?}"),
    };
    assert_eq!(check(body.block.notices.clone()), Ok(()));
    let mut forged = vote(b"b");
    forged.signature = vote(b"a").signature;
    let forged = Notice::Evidence(Evidence::Votes(vote(b"a"), forged));
    assert!(check(vec![evidence, forged]).unwrap_err().contains("signature"), "each is looked at");
    let of_later = |vote: Vote| Vote { epoch: Epoch(5), ..vote };
    let early = Notice::Evidence(Evidence::Votes(of_later(vote(b"a")), of_later(vote(b"b"))));
    assert!(check(vec![early]).unwrap_err().contains("epoch 5"));

    let judge = Arc::new(Judge { names: Some(*identity.as_bytes()), ..Judge::default() });
    let (notices, body) = (body.block.notices.clone(), Arc::new(body));
    let build = BuildPayload {
        view: View(1),
        height: Height(1),
        parent: bench.genesis.hash(),
        parent_time_ms: 0,
        patience: althing_consensus::Micros(0),
        exclude: Default::default(),
        noticed: Default::default(),
    };
    let verifier = bench.verifier(judge.clone());
    verifier.run(VerifyJob::Prepare { epoch, build, time_ms: 1, txs: Vec::new(), notices }).unwrap();
    verifier.run(VerifyJob::Process(body.clone())).unwrap();
    bench.chain.commit(&[body], &bench.test.certificate(block, 1)).unwrap();
    let epochs = bench.test.epochs(&bench.chain);
    let executor = Executor::new(epochs.clone(), bench.chain.clone(), judge.clone());
    executor.run(ExecuteJob::Block(Height(1))).unwrap();
    let convicted = judge.convicted.lock().unwrap().clone();
    let expected = Misbehaviour {
        kind: MisbehaviourKind::DoubleVote,
        identity: *bench.test.peer(2).as_bytes(),
        power: 1,
        total_power: 4,
        epoch: 1,
        view: 7,
        height: 1,
        time_ms: bench.genesis.header.time_ms,
    };
    assert_eq!(convicted, [expected]);
    assert_eq!(*judge.proposed.lock().unwrap(), [expected; 2], "to the leader and to voters, too");
    let members = epochs.membership(Height(1)).unwrap();
    assert_eq!(members.set().members().len(), 5, "named in the very block that registers it");
    assert_eq!(*members.set().members()[4].vote_key.bytes(), vote_key);
    let events = bench.chain.results(Height(1)).unwrap().unwrap().events;
    assert_eq!(events[0].kind, "vote_key_registered");
    executor.replay().unwrap();
    assert_eq!(judge.convicted.lock().unwrap().len(), 2, "the same when it is executed again");
}
