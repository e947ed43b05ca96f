use std::sync::{Arc, Mutex};

use althing_consensus::{AppHash, Block, Execution, Height};
use althing_crypto::{Encoding, Hash};
use althing_genesis::Genesis;
use althing_ledger::{
    Application, AssetLedger, FinalizeBlock, InitChain,
    asset::{Address, COIN, Instruction, Symbol, Transaction},
    state::MemoryFiles,
};
use althing_mempool::TxBytes;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use super::*;
use crate::{
    cli::testing::scripted,
    testing::{CHAIN, TestChain},
};

/// A ledger at height 2, and headers up to 3: the second vouches for 1, the third, which has a certificate, for 2.
struct Proving {
    chain: TestChain,
    ledger: AssetLedger,
    headers: Vec<Block>,
    /// The genesis document in a file.
    genesis: tempfile::NamedTempFile,
}

/// The third transaction, which makes an asset that nobody holds.
fn silver(chain: &TestChain) -> TxBytes {
    let create = Instruction::CreateAsset {
        symbol: Symbol::literal("SILVER"),
        decimals: 0,
        cap: 0,
        metadata: String::new(),
    };
    Transaction::sign(CHAIN, &chain.account, 2, 0, vec![create], "").encode().into()
}

/// How a node lies.
type Lie = fn(&str, &mut Value);

impl Proving {
    fn new() -> Self {
        let chain = TestChain::new();
        let ledger = AssetLedger::open(Arc::new(MemoryFiles::new()), 10).unwrap();
        let app_state = chain.genesis.app_state().as_bytes().to_vec();
        let init = InitChain {
            chain_id: CHAIN.to_owned(),
            initial_height: 1,
            time_ms: 0,
            app_state,
            ..Default::default()
        };
        let mut app_hash = ledger.init_chain(&init).unwrap().app_hash;
        let mut headers = vec![chain.genesis.block(AppHash::default())];
        for height in 1..=3 {
            let mut block = chain.body(&headers[height - 1], height as u64, Vec::new()).block.clone();
            block.header.vouched.height = Height(height as u64 - 1);
            block.header.vouched.app_hash = AppHash::new(app_hash.as_bytes().to_vec()).unwrap();
            headers.push(block);
            if height < 3 {
                let txs = [chain.transfer(height as u64 - 1), silver(&chain)];
                let txs: Vec<&[u8]> = txs.iter().take(height).map(|tx| &tx[..]).collect();
                let block = FinalizeBlock {
                    height: height as u64,
                    time_ms: 0,
                    hash: Hash::ZERO,
                    txs: &txs,
                    ..Default::default()
                };
                app_hash = ledger.finalize_block(&block).unwrap().app_hash;
                ledger.commit().unwrap();
            }
        }
        let genesis = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(genesis.path(), chain.genesis.document().to_json()).unwrap();
        Self { chain, ledger, headers, genesis }
    }

    fn commit(&self, params: &Value) -> Value {
        let height = params["height"].as_str().map_or(3, |height| height.parse().unwrap());
        let certificate = self.chain.certificate(self.headers[3].hash(), 3);
        json!({ "signed_header": {
            "header_bytes": BASE64.encode(self.headers[height].header.encode()),
            "commit": { "althing_certificate": { "bytes": BASE64.encode(certificate.encode()) } },
        }})
    }

    fn query(&self, params: &Value) -> Value {
        let query = Query {
            path: params["path"].as_str().unwrap().to_owned(),
            data: hex::decode(params["data"].as_str().unwrap()).unwrap(),
            height: params["height"].as_str().unwrap().parse().unwrap(),
            prove: params["prove"] == true,
        };
        let answer = self.ledger.query(&query);
        let proof = answer.proof.map(|proof| json!({ "ops": [{ "data": BASE64.encode(proof) }] }));
        json!({ "response": {
            "code": answer.code, "key": BASE64.encode(answer.key), "value": BASE64.encode(answer.value),
            "proofOps": proof, "height": answer.height.to_string(),
        }})
    }
}

/// What the command comes to at a node that lies so, asked about the balance of the account that pays.
async fn asked(lie: Lie, height: Option<u64>, checked: bool) -> Result<(Value, Option<Vouched>), String> {
    let proving = Proving::new();
    let genesis = checked.then(|| proving.genesis.path().to_owned());
    let account = Address::of(&proving.chain.account.public_key());
    let proving = Mutex::new(proving);
    let mut client = scripted(move |method, params| {
        let proving = proving.lock().unwrap();
        let mut answer = if method == "commit" { proving.commit(params) } else { proving.query(params) };
        lie(method, &mut answer);
        Some(answer)
    })
    .await;
    let found =
        vouched::find(&mut client, height, genesis.as_deref()).await.map_err(|error| error.to_string())?;
    let mut at = At { height: found.height, vouched: Some(found), behind: None };
    let question = Question::Balance { asset: COIN, account };
    let answer = answer(&mut client, &question, &mut at).await.map_err(|error| error.to_string())?;
    Ok((answer, at.vouched))
}

/// Changes the byte in the middle of base64 text.
fn flip(text: &mut Value) {
    let mut bytes = BASE64.decode(text.as_str().unwrap()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    *text = BASE64.encode(bytes).into();
}

#[tokio::test]
async fn an_honest_answer_is_proved_and_who_committed_it_is_told() {
    let honest = |_: &str, _: &mut Value| {};
    for (height, checked, amount) in
        [(None, false, "999999999990"), (None, true, "999999999990"), (Some(1), true, "999999999995")]
    {
        let (answer, vouched) = asked(honest, height, checked).await.unwrap();
        assert_eq!(answer["amount"], amount);
        let committed = vouched.unwrap().committed;
        assert_eq!(committed.map(|one| (one.power.0, one.total.0)), checked.then_some((4, 4)));
    }
    let early = asked(honest, Some(3), true).await.unwrap_err();
    assert!(early.contains("no header vouches for height 3 yet: the newest vouched for is 2"), "{early}");
}

/// What came of a height at the node below: its application hash is the height.
fn outcome(height: u64) -> Execution {
    let app_hash = AppHash::new(vec![height as u8]).unwrap();
    Execution { height: Height(height), app_hash, results_root: Hash::ZERO }
}

/// The height and the hash that are proved at a node of six headers that vouch for these; `None` asks for the newest. It says of every
/// height that it had the outcome of `told(height)`.
async fn proved(
    vouched: fn(Option<u64>) -> u64,
    told: fn(u64) -> u64,
    asked: u64,
) -> Result<(u64, AppHash), String> {
    let chain = TestChain::new();
    let first = chain.genesis.block(AppHash::default());
    let certificate = BASE64.encode(chain.certificate(first.hash(), 3).encode());
    let block = chain.body(&first, 1, Vec::new()).block.clone();
    let mut client = scripted(move |method, params| {
        let height = params["height"].as_str().map(|height| height.parse().unwrap());
        if method == "block_results" {
            let Execution { app_hash, results_root, .. } = outcome(told(height.unwrap()));
            let app_hash = BASE64.encode(app_hash.as_bytes());
            return Some(json!({ "app_hash": app_hash, "results_root": results_root.to_string() }));
        }
        let mut header = block.header.clone();
        header.height = Height(height.unwrap_or(6));
        let (below, to) = (vouched(Some(header.height.0 - 1)), vouched(height));
        let run: Vec<_> = (below + 1..=to).map(outcome).collect();
        header.vouched.height = Height(to);
        header.vouched.app_hash = outcome(to).app_hash;
        header.vouched.executed_root = Execution::root(&run);
        Some(json!({ "signed_header": {
            "header_bytes": BASE64.encode(header.encode()),
            "commit": { "althing_certificate": { "bytes": certificate } },
        }}))
    })
    .await;
    let found = vouched::find(&mut client, Some(asked), None).await.map_err(|error| error.to_string())?;
    Ok((found.height, found.app_hash))
}

#[tokio::test]
async fn a_height_that_headers_skip_is_proved_by_the_root_over_its_run() {
    let skipping = |asked: Option<u64>| [0, 0, 0, 1, 1, 4, 5][asked.unwrap_or(6) as usize];
    for asked in 1..=5 {
        let hash = outcome(asked).app_hash;
        assert_eq!(proved(skipping, |height| height, asked).await, Ok((asked, hash)));
    }
    let all_in_one = |asked: Option<u64>| if asked.unwrap_or(6) < 4 { 0 } else { 3 };
    assert_eq!(proved(all_in_one, |height| height, 1).await.map(|(height, _)| height), Ok(1));
    // A node that says something else of the height, or of another one of the run.
    for lied in [|height| if height == 2 { 9 } else { height }, |height| if height == 4 { 9 } else { height }]
    {
        let error = proved(skipping, lied, 2).await.unwrap_err();
        assert!(error.contains("is not what header 5 vouches for"), "{error}");
    }
    // A node that would be asked for ever.
    let contradicting = |asked: Option<u64>| if asked.is_some() { 1 } else { 5 };
    let error = proved(contradicting, |height| height, 3).await.unwrap_err();
    assert!(error.contains("contradict each other"), "{error}");
}

#[tokio::test]
async fn a_lie_is_not_proved() {
    let lies: [(Lie, bool, &str); 6] = [
        (
            |method, answer| {
                if method == "abci_query" {
                    let value = BASE64.decode(answer["response"]["value"].as_str().unwrap()).unwrap();
                    let value = String::from_utf8(value).unwrap().replace("99999", "88888");
                    answer["response"]["value"] = BASE64.encode(value).into();
                }
            },
            false,
            "another answer",
        ),
        (
            |method, answer| {
                if method == "abci_query" {
                    flip(&mut answer["response"]["proofOps"]["ops"][0]["data"]);
                }
            },
            false,
            "NOT proved",
        ),
        (
            |method, answer| {
                if method == "abci_query" {
                    answer["response"]["proofOps"] = Value::Null;
                }
            },
            false,
            "holds no proof",
        ),
        (
            |method, answer| {
                if method == "abci_query" {
                    answer["response"]["height"] = "1".into();
                }
            },
            false,
            "NOT proved",
        ),
        (
            |method, answer| {
                if method == "commit" {
                    flip(&mut answer["signed_header"]["commit"]["althing_certificate"]["bytes"]);
                }
            },
            true,
            "certificate",
        ),
        (
            // Another header than the one that was committed: of a later time.
            |method, answer| {
                if method == "commit" {
                    let text = &mut answer["signed_header"]["header_bytes"];
                    let bytes = BASE64.decode(text.as_str().unwrap()).unwrap();
                    let mut header = althing_consensus::Header::decode(&bytes).unwrap();
                    header.time_ms += 1;
                    *text = BASE64.encode(header.encode()).into();
                }
            },
            true,
            "another",
        ),
    ];
    for (index, (lie, checked, expected)) in lies.into_iter().enumerate() {
        let error = asked(lie, None, checked).await.map(|(answer, _)| answer).unwrap_err();
        assert!(error.contains(expected), "lie {index}: {error}");
    }
}

#[tokio::test]
async fn a_genesis_document_of_another_chain_is_not_taken() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let proving = Proving::new();
    let mut document = proving.chain.genesis.document().clone();
    document.chain_id = "other-chain".to_owned();
    std::fs::write(file.path(), document.to_json()).unwrap();
    Genesis::read(file.path()).unwrap();
    let proving = Mutex::new(proving);
    let mut client = scripted(move |_, params| Some(proving.lock().unwrap().commit(params))).await;
    let error = vouched::find(&mut client, None, Some(file.path())).await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("the genesis document of \"other-chain\""), "{error}");
}

/// The `query account` that these arguments ask.
fn account(arguments: &[&str], account: Address) -> Ask {
    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(subcommand)]
        ask: Ask,
    }
    let account = account.to_string();
    let line = [&["query", "account", account.as_str()], arguments].concat();
    <Line as clap::Parser>::try_parse_from(line).unwrap().ask
}

#[tokio::test]
async fn what_an_account_holds_is_paged_and_each_page_is_proved() {
    let proving = Proving::new();
    let owner = Address::of(&proving.chain.account.public_key());
    let proving = Mutex::new(proving);
    let mut client = scripted(move |method, params| {
        let proving = proving.lock().unwrap();
        Some(if method == "commit" { proving.commit(params) } else { proving.query(params) })
    })
    .await;
    for (arguments, held, next) in [
        (&[][..], vec!["COIN"], Value::Null),
        (&["--limit", "1"], vec!["COIN"], "COIN".into()),
        (&["--limit", "1", "--after", "COIN"], vec![], Value::Null),
    ] {
        let vouched = vouched::find(&mut client, None, None).await.unwrap();
        let mut at = At { height: vouched.header.vouched.height.0, vouched: Some(vouched), behind: None };
        let answer = whole_answer(&mut client, account(arguments, owner), &mut at).await.unwrap();
        assert_eq!(answer["sequence"], "3", "{answer}");
        let items = answer["balances"].as_array().unwrap();
        assert_eq!(items.iter().map(|item| item["asset"].as_str().unwrap()).collect::<Vec<_>>(), held);
        assert_eq!(answer["next"], next, "{arguments:?}");
        assert_eq!(table::text(&answer).contains("next      COIN"), next.is_string(), "what follows is said");
    }
}
