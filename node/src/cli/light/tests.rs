use std::sync::{Arc, Mutex};

use althing_consensus::engine::Aggregated;
use althing_consensus::{
    AppHash, Block, Execution, Phase, Position, QuorumCertificate, ValidatorSet, View, Vote, aggregate_votes,
    payload_root, vote_bytes,
};
use althing_crypto::merkle_root;
use althing_ledger::{
    Application, AssetLedger, FinalizeBlock, InitChain, ValidatorUpdate, asset::Address, state::MemoryFiles,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use clap::Parser;

use super::*;
use crate::body::Body;
use crate::cli::testing::scripted;
use crate::epochs::Epochs;
use crate::light::{Source, Subject};
use crate::storage::{ChainStore, MemoryStore, StoredResults};
use crate::testing::{CHAIN, TestChain};

/// A node at height 3: block 1 holds a transfer, block 2 ends epoch 1, as validator 0 gets more power after block 1, and block 3 is the
/// first of epoch 2. Each vouches for the one below it.
struct Node {
    test: TestChain,
    ledger: AssetLedger,
    store: ChainStore,
    epochs: Arc<Epochs>,
    blocks: Vec<Block>,
}

impl Node {
    fn new() -> Self {
        let test = TestChain::new();
        let ledger = AssetLedger::open(Arc::new(MemoryFiles::new()), 10).unwrap();
        let app_state = test.genesis.app_state().as_bytes().to_vec();
        let init =
            InitChain { chain_id: CHAIN.to_owned(), initial_height: 1, app_state, ..Default::default() };
        let app_hash = AppHash::new(ledger.init_chain(&init).unwrap().app_hash.as_bytes().to_vec()).unwrap();
        let store = ChainStore::new(Arc::new(MemoryStore::default()));
        let genesis = test.genesis.block(app_hash);
        store.begin(test.genesis.hash(), &Body { block: genesis.clone(), txs: Vec::new() }).unwrap();
        let epochs = test.epochs(&store);
        let mut node = Self { test, ledger, store, epochs, blocks: vec![genesis] };
        (1..=3).for_each(|height| node.append(height));
        node
    }

    fn append(&mut self, height: u64) {
        let below = self.blocks.last().unwrap();
        let txs = if height == 1 { vec![self.test.transfer(0)] } else { Vec::new() };
        let mut body = (*self.test.body(below, height, txs)).clone();
        let header = &mut body.block.header;
        if height == 3 {
            (header.epoch, header.view, header.justify_view) = (Epoch(2), View(1), View(0));
        }
        if let Some(results) = self.store.results(Height(height - 1)).unwrap() {
            header.vouched.height = Height(height - 1);
            header.vouched.app_hash = results.execution.app_hash.clone();
            header.vouched.executed_root = Execution::root([&results.execution]);
            header.vouched.next_epoch = results.next_epoch;
        }
        header.payload_root = payload_root(&body.block.txs);
        self.blocks.push(body.block.clone());
        let set = self.epochs.entered(body.block.header.epoch).unwrap().config.set.clone();
        let certificate = self.certificate(&body.block, &set);
        let body = Arc::new(body);
        self.store.commit(std::slice::from_ref(&body), &certificate).unwrap();
        self.execute(&body);
    }

    fn certificate(&self, block: &Block, set: &ValidatorSet) -> QuorumCertificate {
        let (phase, epoch, view) = (Phase::Commit, block.header.epoch, block.header.view);
        let block = block.hash();
        let bytes = vote_bytes(CHAIN, phase, epoch, view, block);
        let vote = |(signer, key): (u16, &althing_crypto::bls::SecretKey)| Vote {
            phase,
            epoch,
            view,
            block,
            signer: Position(signer),
            signature: key.sign(&bytes),
        };
        let votes = (0u16..).zip(&self.test.vote_keys).map(vote).collect();
        match aggregate_votes(set, CHAIN, votes) {
            Aggregated::Votes { certificate: Some(certificate), .. } => certificate.into_inner(),
            other => panic!("good votes make a certificate, got {other:?}"),
        }
    }

    fn execute(&self, body: &Body) {
        let height = body.block.header.height;
        let txs: Vec<&[u8]> = body.txs.iter().map(|tx| &tx[..]).collect();
        let block =
            FinalizeBlock { height: height.0, hash: body.block.hash().0, txs: &txs, ..Default::default() };
        let done = self.ledger.finalize_block(&block).unwrap();
        self.ledger.commit().unwrap();
        let leaves: Vec<Vec<u8>> = done.tx_results.iter().map(|one| one.results_leaf()).collect();
        let app_hash = AppHash::new(done.app_hash.as_bytes().to_vec()).unwrap();
        let before = self.epochs.membership(Height(height.0 - 1)).unwrap();
        let stronger = ValidatorUpdate { identity: *self.test.peer(0).as_bytes(), power: 2, vote_key: None };
        let after = match height.0 {
            1 => before.after(&[stronger], &Default::default()).unwrap(),
            _ => before.clone(),
        };
        let results = StoredResults {
            execution: Execution { height, app_hash, results_root: merkle_root(&leaves) },
            next_epoch: after.hash(),
            tx_results: done.tx_results,
            events: Vec::new(),
        };
        self.store.put_results(&body.block.txs, &results, Some(&after).filter(|_| after != before)).unwrap();
    }

    fn answer(&self, method: &str, params: &Value) -> Value {
        let source = Source::new(&self.store, &self.epochs);
        let number = |name: &str| params[name].as_str().map(|text| text.parse::<u64>().unwrap());
        let hash = |name: &str| params[name].as_str().map(|text| text.parse::<TxHash>().unwrap());
        match method {
            "althing_epochs" => {
                let ends = source.ends(Epoch(number("from").unwrap()), 2, 1 << 20).unwrap();
                json!({ "ends": ends.iter().map(|end| BASE64.encode(end.encode())).collect::<Vec<_>>() })
            }
            "althing_start" => {
                let start = source.start(Height(number("height").unwrap())).unwrap();
                json!({ "start": BASE64.encode(start.encode()) })
            }
            "althing_proof" => {
                let subject = match (hash("tx"), hash("result"), number("state")) {
                    (Some(tx), ..) => Subject::Transaction(tx),
                    (_, Some(tx), _) => Subject::Result(tx),
                    (.., Some(height)) => Subject::State(Height(height)),
                    _ => Subject::Header(Height(number("height").unwrap_or(3))),
                };
                let (runs, claim) = source.proof(subject).unwrap();
                let runs: Vec<_> = runs.iter().map(|run| BASE64.encode(run.encode())).collect();
                json!({ "runs": runs, "claim": BASE64.encode(claim.encode()) })
            }
            "commit" => {
                let header = &self.blocks[number("height").unwrap_or(3) as usize].header;
                let certificate = self.store.certificate_at(header.height).unwrap().unwrap();
                json!({ "signed_header": {
                    "header_bytes": BASE64.encode(header.encode()),
                    "commit": { "althing_certificate": { "bytes": BASE64.encode(certificate.encode()) } },
                }})
            }
            "abci_query" => {
                let query = Query {
                    path: params["path"].as_str().unwrap().to_owned(),
                    data: hex::decode(params["data"].as_str().unwrap()).unwrap(),
                    height: number("height").unwrap(),
                    prove: params["prove"] == true,
                };
                let answer = self.ledger.query(&query);
                let proof = answer.proof.map(|proof| json!({ "ops": [{ "data": BASE64.encode(proof) }] }));
                json!({ "response": {
                    "code": answer.code, "key": BASE64.encode(answer.key), "value": BASE64.encode(answer.value),
                    "proofOps": proof, "height": answer.height.to_string(),
                }})
            }
            other => panic!("nobody asks {other}"),
        }
    }

    fn transfer(&self) -> TxHash {
        TxHash::of(&self.test.transfer(0))
    }

    fn anchor(&self) -> Anchor {
        let genesis = &self.test.genesis;
        let (chain_id, set) = (genesis.chain_id().to_owned(), genesis.validator_set().clone());
        Anchor::Genesis { chain_id, set, params: genesis.params().clone() }
    }
}

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    export: Export,
}

/// What `export` with these arguments writes.
async fn exported(node: Node, arguments: &[&str]) -> Vec<u8> {
    let node = Mutex::new(node);
    let mut client = scripted(move |method, params| Some(node.lock().unwrap().answer(method, params))).await;
    let Line { export } = Line::try_parse_from([&["export", "--out", "file"], arguments].concat()).unwrap();
    make(&mut client, &export, &Output::new(false)).await.unwrap().encode()
}

#[tokio::test]
async fn what_a_node_shows_is_shown_offline_across_epochs() {
    let (transfer, anchor) = (Node::new().transfer().to_string(), Node::new().anchor());
    let account = Address::of(&Node::new().test.account.public_key()).to_string();
    let balance = format!("balance {account}");
    for (arguments, passed, height, kind) in [
        (&[][..], 1, 3, "header"),
        (&["--height", "2"], 0, 2, "header"),
        (&["--tx", &transfer], 0, 1, "transaction"),
        (&["--result", &transfer], 0, 1, "result"),
        (&["--state", &balance, "--height", "1"], 0, 2, "state"),
        (&["--state", &balance], 1, 3, "state"),
    ] {
        let bytes = exported(Node::new(), arguments).await;
        let (proof, shown, answer) = check(&bytes, &anchor).unwrap();
        assert_eq!((shown.passed, shown.header.height.0), (passed, height), "{arguments:?}");
        let object = words::object(&proof, &shown, answer.as_ref());
        assert_eq!(object["shown"]["kind"], kind);
        let of = if shown.header.epoch == Epoch(1) { "4" } else { "5" };
        assert_eq!(object["committed"]["of"], of, "the power of the epoch's set");
        match kind {
            "state" => assert_eq!(object["shown"]["answer"]["amount"], "999999999995", "{object}"),
            "result" => assert_eq!(
                (&object["shown"]["code"], &object["shown"]["hash"]),
                (&json!(0), &json!(transfer))
            ),
            "transaction" => assert_eq!(object["shown"]["hash"], json!(transfer)),
            _ => assert_eq!(answer, None),
        }
        assert!(words::text(&proof, &shown, answer.as_ref()).starts_with("chain      test-chain\n"));
    }
}

#[tokio::test]
async fn no_byte_of_a_file_can_be_another() {
    let anchor = Node::new().anchor();
    let account = Address::of(&Node::new().test.account.public_key()).to_string();
    let bytes = exported(Node::new(), &["--state", &format!("balance {account}"), "--height", "1"]).await;
    assert!(check(&bytes, &anchor).is_ok());
    for at in 0..bytes.len() {
        let mut bent = bytes.clone();
        bent[at] ^= 1 << (at % 8);
        assert!(check(&bent, &anchor).is_err(), "byte {at} of {}", bytes.len());
    }
}

#[tokio::test]
async fn who_trusts_a_header_needs_no_genesis() {
    for (from, epoch, passed) in [("1", "1", 1), ("2", "2", 0)] {
        let bytes = exported(Node::new(), &["--from", from, "--height", "3"]).await;
        let header = Node::new().blocks[from.parse::<usize>().unwrap()].header.clone();
        let trusted = Trusted { height: header.height, hash: header.hash() };
        let (proof, shown, _) = check(&bytes, &Anchor::Trusted(trusted, &BLS)).unwrap();
        assert_eq!((shown.from.to_string(), shown.passed), (epoch.to_owned(), passed));
        assert_eq!(words::object(&proof, &shown, None)["from"], from);
        let other = Trusted { hash: BlockHash::ZERO, ..trusted };
        assert!(check(&bytes, &Anchor::Trusted(other, &BLS)).unwrap_err().starts_with("start: its header"));
    }
}

#[test]
fn a_trusted_header_and_a_question_are_read_or_refused() {
    let hash = "ab".repeat(32);
    assert_eq!(trusted(&format!("7:{hash}")).unwrap().height, Height(7));
    for text in ["7", "x:00", &format!("-1:{hash}"), &format!("7:{hash}0")] {
        assert!(trusted(text).is_err(), "{text}");
    }
    assert!(question("roles member").is_ok());
    assert!(question("").is_err() && question("fly").is_err());
}
