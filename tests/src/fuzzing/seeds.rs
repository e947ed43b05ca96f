//! What fuzzing starts from, as each target takes it.

use althing_consensus::{Execution, Height, Message};
use althing_crypto::key_file::KeyFile;
use althing_crypto::{Encoding, Hash, TxHash, bls, merkle_proof};
use althing_genesis::Document;
use althing_ledger::{Event, TxResult};
use althing_node::body::Body;
use althing_node::config::{NodeConfig, P2pConfig, PeerConfig};
use althing_node::new_chain;
use althing_node::storage::StoredResults;
use althing_node::wire::{Gossip, Request, Response, Wire};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use super::chain::CHAIN;
use super::samples;

/// The seeds of a target, none for a name that is no target's.
pub fn seeds(target: &str) -> Option<Vec<Vec<u8>>> {
    Some(match target {
        "wire" => wire(),
        "blocks" => blocks(),
        "door" => door(),
        "transaction" => transaction(),
        "disk" => disk(),
        "documents" => documents(),
        "engine" => engine(),
        "driver" => driver(),
        "method" => super::method::seeds(),
        "p2p" => p2p(),
        "query" => super::query::seeds(),
        "rpc" => rpc(),
        "witness" => super::witness::seeds(),
        _ => return None,
    })
}

fn behind(head: &[u8], rest: impl AsRef<[u8]>) -> Vec<u8> {
    [head, rest.as_ref()].concat()
}

fn wire() -> Vec<Vec<u8>> {
    let txs: Vec<_> = samples::transactions().into_iter().map(Into::into).collect();
    let body = samples::body(1, None);
    let certificates = samples::certificates();
    let consensus = samples::messages().into_iter().map(|message| Wire::Consensus(message).encode());
    let others = [
        Wire::Transactions(txs.clone()).encode(),
        Gossip { to_all: false, txs: txs.clone() }.encode(),
        Request::Block(certificates.qc.block).encode(),
        Request::Blocks { from: Height(3) }.encode(),
        Request::Transactions { block: certificates.qc.block, txs: body.block.txs.clone() }.encode(),
        Response::Block(body.clone()).encode(),
        Response::Run { bodies: vec![body.clone(), body], commit: certificates.commit }.encode(),
        Response::Transactions(txs).encode(),
        Response::NotHere.encode(),
    ];
    let notices = samples::notices().into_iter().map(|one| Wire::Notice(Box::new(one)).encode());
    consensus.chain(others).chain(notices).chain([Response::Block(samples::noticed()).encode()]).collect()
}

fn blocks() -> Vec<Vec<u8>> {
    let certificates = samples::certificates();
    let bodies = [samples::body(1, None), samples::body(3, Some(&certificates.qc)), samples::noticed()];
    let of = |body: &Body| [body.encode(), body.block.encode(), body.block.header.encode()];
    let others = [
        certificates.qc.encode(),
        certificates.commit.encode(),
        certificates.tc.encode(),
        samples::safety_record().encode(),
    ];
    let evidence = samples::evidence().into_iter().map(|one| one.encode());
    let messages = samples::messages().into_iter().map(|one| one.encode());
    bodies.iter().flat_map(of).chain(others).chain(evidence).chain(messages).collect()
}

/// Sent by validator 1, signed anew and not.
fn door() -> Vec<Vec<u8>> {
    let messages = samples::messages().into_iter().map(|one: Message| one.encode());
    let notices = samples::notices().into_iter().map(|one| one.encode());
    let evidence = samples::evidence().into_iter().map(|one| one.encode());
    let all: Vec<Vec<u8>> = messages.chain(evidence).chain(notices).collect();
    all.iter().flat_map(|one| [behind(&[0b10], one), behind(&[0b11], one)]).collect()
}

fn transaction() -> Vec<Vec<u8>> {
    let txs = samples::transactions();
    let leaves: Vec<[u8; 1]> = (0..11).map(|leaf| [leaf]).collect();
    let proof = merkle_proof(&leaves, 6).expect("a leaf");
    let chunk = |tx: &Vec<u8>| [&[0], &(tx.len() as u16).to_le_bytes()[..], tx].concat();
    let mut seeds: Vec<Vec<u8>> = txs.iter().map(|tx| behind(&[0], tx)).collect();
    seeds.push(behind(&[1, 3], txs.iter().flat_map(chunk).collect::<Vec<u8>>()));
    seeds.push(vec![1, 2, 0b01, 2, 9, 0, 0, 0, 0b10, 1, 3, 0, 4, 1, 2, 0b11, 3, 1, 0, 0, 0]);
    for text in [
        "al1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnrujsuw",
        "0001020304050607080910111213141516171819202122232425262728293031",
        r#"{"assets":[],"balances":[],"submission":"open"}"#,
    ] {
        seeds.push(behind(&[2], text));
    }
    seeds.push(behind(&[2, 14], "account01234567890123456789"));
    seeds.push(behind(&[2, 12], "supply"));
    seeds.push(behind(&[3, 11, 6, 6], serde_json::to_vec(&proof).expect("text keys")));
    seeds.push(behind(&[3, 11, 6, 6], borsh::to_vec(&proof).expect("memory")));
    seeds
}

fn disk() -> Vec<Vec<u8>> {
    let record = samples::safety_record().encode();
    let results = StoredResults {
        execution: Execution { height: Height(1), app_hash: Default::default(), results_root: Hash::ZERO },
        next_epoch: Hash::ZERO,
        tx_results: vec![TxResult::default()],
        events: vec![Event { kind: "transfer".into(), attributes: Vec::new() }],
    };
    let short = |bytes: &[u8]| behind(&(bytes.len() as u16).to_le_bytes(), bytes);
    let entry = |table: u8, bytes: &[u8]| [&[table, 0, 1][..], &short(bytes)].concat();
    let body = samples::body(1, None);
    let chain = [
        entry(2, &borsh::to_vec(&(1u8, body.block.hash())).expect("memory")),
        entry(3, &samples::certificates().commit.encode()),
        entry(4, &results.encode()),
    ];
    vec![
        [&[0, 2][..], &short(b"one"), &short(b"two"), &[0, 0, 3, 0, 1]].concat(),
        [&[0, 2][..], &short(b"one"), &short(b"two"), &[1, 2, 3], &short(b"three")].concat(),
        vec![0, 0, 0, 3, 9, 9],
        behind(&[1], record),
        behind(&[2], chain.concat()),
        behind(&[2, 1, 1], short(&body.encode())),
        behind(&[2], results.encode()),
        vec![3, 0, 5, 2, 0, 9, 9],
        vec![3, 1, 0, 3, 0, 1, 2, 3],
        behind(&[3, 2], TxHash(Hash::ZERO).as_bytes()),
    ]
}

fn documents() -> Vec<Vec<u8>> {
    let config = NodeConfig {
        p2p: P2pConfig {
            peers: vec![PeerConfig {
                identity: CHAIN.identities[1].public_key(),
                address: Some("host:26656".into()),
            }],
            ..P2pConfig::default()
        },
        ..NodeConfig::default()
    };
    let mut document = CHAIN.genesis.document().clone();
    document.validators.truncate(1);
    let flag = "rpc.max_waiting=7";
    let limits = "[rpc]\nmax_body_bytes = 2048\n[mempool]\nmax_txs = 10\n[log]\nformat = \"json\"\n";
    let key = bls::SecretKey::from_seed(&bls::BLS, &[1; 32]);
    let keys = [
        KeyFile::Account(CHAIN.identities[0].clone()),
        KeyFile::Identity(CHAIN.identities[0].clone()),
        KeyFile::Vote(key.clone()),
    ];
    let real = Document {
        validators: vec![new_chain::validator("alice", &CHAIN.identities[0], &key)],
        ..document.clone()
    };
    let mut seeds: Vec<_> = keys.iter().map(|key| behind(&[2], &*key.to_json())).collect();
    seeds.push(behind(&[0], document.to_json()));
    seeds.push(behind(&[0], serde_json::to_vec(&real).expect("text keys")));
    seeds.push(behind(&[1, 0], config.to_toml()));
    seeds.push(behind(&[1, 0], limits));
    seeds.push([&[1, 1, flag.len() as u8], flag.as_bytes(), limits.as_bytes()].concat());
    seeds
}

/// Scripts: rounds, with and without transactions; a crash; lost messages; the adversary's part.
fn engine() -> Vec<Vec<u8>> {
    let rounds = [8, 7].repeat(8);
    let adversary = |kind: u8| [11, 7, kind, 1, 2, 3, 4, 5].repeat(3);
    let mut seeds = vec![
        rounds.clone(),
        [vec![1], rounds.clone()].concat(),
        [vec![3], rounds.clone(), vec![10, 1, 7, 10, 8, 3]].concat(),
        [vec![3], [7, 9, 5, 3, 0].repeat(6)].concat(),
        [vec![1], [0, 1, 4, 2, 6, 1].repeat(8)].concat(),
    ];
    seeds.extend((0..8).map(|kind| [vec![3, 8, 7], adversary(kind), rounds.clone()].concat()));
    seeds
}

/// Scripts: submissions and rounds; messages of every kind; proposals of the hostile validator, its answers and questions.
fn driver() -> Vec<Vec<u8>> {
    let short = |bytes: Vec<u8>| behind(&(bytes.len() as u16).to_le_bytes(), bytes);
    let round = [8, 9, 15, 8, 4, 15].repeat(4);
    let submit = |account: u8, sequence: u8| vec![6, account, sequence, 15];
    let mut seeds = vec![
        [submit(1, 0), submit(1, 1), submit(2, 0), round.clone()].concat(),
        [submit(1, 0), [9, 0, 10, 3, 11, 1, 9, 2, 9, 4, 9, 5].repeat(6), round.clone()].concat(),
        [submit(1, 0), round.clone(), [2, 2, 9, 0, 15, 5, 3, 15, 8, 6].repeat(4), round.clone()].concat(),
        [submit(1, 0), round.clone(), vec![3, 2, 9, 1, 10, 2, 0, 15, 4, 1, 0, 15, 4, 2, 1, 15, 4, 3, 0, 15]]
            .concat(),
        [submit(3, 0), round.clone(), [1, 0, 1, 9, 0, 7, 15].repeat(4), vec![7, 1, 7, 0], round.clone()]
            .concat(),
    ];
    seeds.extend(
        samples::messages()
            .into_iter()
            .map(|message| [&[0][..], &short(Wire::Consensus(message).encode()), &[15], &round].concat()),
    );
    seeds
}

fn p2p() -> Vec<Vec<u8>> {
    let framed =
        |kind: u8, payload: &[u8]| [&[1, kind], &(payload.len() as u32).to_be_bytes()[..], payload].concat();
    let hello = borsh::to_vec(&super::p2p::hello()).expect("memory");
    let mut other = super::p2p::hello();
    other.chain_id = "another".into();
    let other = borsh::to_vec(&other).expect("memory");
    let frames =
        [framed(0, b""), framed(1, b""), framed(2, b"message"), framed(3, b"request"), framed(5, b"no")];
    vec![
        behind(&[8], frames.concat()),
        behind(&[254], framed(4, b"answer")),
        behind(&[9], [framed(6, &hello), framed(7, b"")].concat()),
        behind(&[255], [framed(6, &hello), framed(5, b"kept out")].concat()),
        behind(&[255], framed(6, &other)),
        behind(&[255], framed(5, b"not on the list")),
    ]
}

fn rpc() -> Vec<Vec<u8>> {
    let tx = BASE64.encode(&samples::transactions()[0]);
    let hash = TxHash::of(&samples::transactions()[0]).to_string();
    let calls = [
        ("abci_info", "{}".to_owned()),
        ("abci_query", r#"{"path":"account","data":"0x00","height":"0","prove":false}"#.into()),
        ("block", r#"{"height":"1"}"#.into()),
        ("block_results", "[1]".into()),
        ("broadcast_tx_async", format!(r#"{{"tx":"{tx}"}}"#)),
        ("broadcast_tx_commit", format!(r#"["{tx}"]"#)),
        ("broadcast_tx_sync", format!(r#"{{"tx":"{tx}"}}"#)),
        ("commit", "null".into()),
        ("genesis", "[]".into()),
        ("health", "{}".into()),
        ("net_info", "{}".into()),
        ("num_unconfirmed_txs", "{}".into()),
        ("status", "{}".into()),
        ("tx", format!(r#"{{"hash":"{hash}","prove":true}}"#)),
        ("unconfirmed_txs", r#"{"limit":2}"#.into()),
        ("validators", r#"{"height":1,"page":"1","per_page":2}"#.into()),
        ("consensus_params", r#"{"height":"1"}"#.into()),
    ];
    let call = |(method, params): &(&str, String)| {
        format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{params}}}"#)
    };
    let mut seeds: Vec<Vec<u8>> = calls.iter().map(|one| behind(&[1], call(one))).collect();
    seeds.push(behind(&[1], format!("[{},{}]", call(&calls[9]), call(&calls[12]))));
    for uri in ["status", "block?height=1", "abci_query?path=\"supply\"&prove=true", "", "tx?hash=0x00"] {
        seeds.push(behind(&[2], uri));
    }
    let post =
        "POST / HTTP/1.1\r\nhost: n\r\ncontent-length: 2\r\n\r\n{}GET /health HTTP/1.1\r\nhost: n\r\n\r\n";
    seeds.push(behind(&[0], post));
    seeds.push(behind(&[0], "GET /block?height=\"1\" HTTP/1.1\r\nhost: n\r\nconnection: close\r\n\r\n"));
    seeds.push(behind(
        &[0],
        "POST / HTTP/1.1\r\nhost: n\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ));
    seeds
}
