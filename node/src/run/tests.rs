//! Four real nodes in one process, over loopback.

use std::time::Duration;

use althing_consensus::{ConsensusParams, Epoch, Height};
use althing_crypto::key_file::KeyFile;
use althing_crypto::{Encoding, TxHash, bls};
use althing_ledger::asset::{Address, Transaction};
use althing_ledger::kv::{self, KeyValue};
use althing_ledger::{
    Admission, CheckKind, CheckedTx, CommitResult, FinalizeBlock, FinalizedBlock, Info, InitChain,
    InitChainResult, ParamUpdates, Query, QueryResult, TxError, ValidatorUpdate, VoteKey,
};
use althing_mempool::Outcome;
use borsh::BorshDeserialize;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::client::Client;
use crate::config::PeerConfig;
use crate::new_chain::Kind;
use crate::{application, home::Home, new_chain};

const CHAIN: &str = "four";

struct Member {
    home: TempDir,
    identity: ed25519::SecretKey,
    peers: Vec<PeerConfig>,
}

/// Homes of the validators of a new chain, and a funded account's key.
fn homes(count: usize) -> (Vec<Member>, ed25519::SecretKey) {
    homes_of(Kind::Ledger, count, count)
}

/// The same, of an application; only the first `validators` are in the genesis document.
fn homes_of(kind: Kind, count: usize, validators: usize) -> (Vec<Member>, ed25519::SecretKey) {
    let keys: Vec<_> =
        (0..count).map(|_| (ed25519::SecretKey::generate(), bls::SecretKey::generate(&bls::BLS))).collect();
    let account = ed25519::SecretKey::generate();
    let first = keys[..validators].iter().enumerate();
    let entries = first.map(|(i, (identity, vote))| new_chain::validator(&format!("v{i}"), identity, vote));
    let address = Address::of(&account.public_key());
    let genesis = new_chain::document_of(kind, CHAIN, entries.collect(), &[address]).to_json();
    let member = |(identity, vote): (ed25519::SecretKey, bls::SecretKey)| {
        let home = tempfile::tempdir().unwrap();
        let files = (KeyFile::Identity(identity.clone()), KeyFile::Vote(vote));
        Home::new(home.path()).create(&NodeConfig::default(), &genesis, &files.0, &files.1).unwrap();
        Member { home, identity, peers: Vec::new() }
    };
    (keys.into_iter().map(member).collect(), account)
}

async fn boot(member: &Member) -> RunningNode {
    let mut config = NodeConfig { home: Home::new(member.home.path()), ..NodeConfig::default() };
    config.p2p.listen = "127.0.0.1:0".parse().unwrap();
    config.rpc.listen = "127.0.0.1:0".parse().unwrap();
    config.p2p.peers = member.peers.clone();
    let own = config.clone();
    start(config, move |state| application::open("ledger", &[], state, &own)).await.unwrap()
}

/// Starts them one after the other; each knows where those before it are.
async fn boot_all(members: &mut [Member]) -> Vec<RunningNode> {
    let mut nodes: Vec<RunningNode> = Vec::new();
    for index in 0..members.len() {
        let known = members[..index].iter().zip(&nodes).map(|(member, node)| PeerConfig {
            identity: member.identity.public_key(),
            address: Some(node.p2p_address.to_string()),
        });
        let known: Vec<_> = known.collect();
        members[index].peers.extend(known);
        nodes.push(boot(&members[index]).await);
    }
    nodes
}

async fn executed(node: &RunningNode, height: u64) {
    let mut heights = node.handle.executed();
    let reached = heights.wait_for(|now| *now >= Height(height));
    tokio::time::timeout(Duration::from_secs(60), reached).await.expect("in time").expect("running");
}

async fn transfer(node: &RunningNode, account: &ed25519::SecretKey, sequence: u64) -> TxHash {
    let to = Address::of(&ed25519::SecretKey::generate().public_key());
    let tx = Transaction::transfer(CHAIN, account, sequence, 0, to, 5, "");
    let answer = node.handle.submit(tx.encode()).await.unwrap();
    assert_eq!(answer.outcome, Outcome::Accepted { duplicate: false });
    answer.hash
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_chain_makes_block_1_and_a_transfer_is_executed_and_vouched_for_everywhere() {
    let (mut members, account) = homes(4);
    let nodes = boot_all(&mut members).await;
    for node in &nodes {
        executed(node, 1).await;
    }
    let hash = transfer(&nodes[2], &account, 0).await;
    // In block 2, unless a leader that had not heard of the transfer made an empty one first.
    let location = || nodes[0].handle.chain().tx_location(&hash).unwrap();
    let mut heights = nodes[0].handle.executed();
    let found = heights.wait_for(|_| location().is_some());
    tokio::time::timeout(Duration::from_secs(60), found).await.expect("in time").expect("running");
    let height = location().expect("committed").height;
    let results = nodes[0].handle.chain().results(height).unwrap().unwrap();
    assert_eq!(results.tx_results[0].code, 0);
    for node in &nodes {
        executed(node, height.0 + 1).await;
        assert_eq!(node.handle.chain().tx_location(&hash).unwrap().expect("committed").height, height);
        assert_eq!(node.handle.chain().results(height).unwrap().unwrap(), results);
    }
    for node in nodes {
        node.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_down_catches_up_while_the_chain_goes_on() {
    let (mut members, account) = homes(4);
    let mut nodes = boot_all(&mut members).await;
    for node in &nodes {
        executed(node, 1).await;
    }
    nodes.pop().expect("four").stop().await.unwrap();
    let mut hashes = Vec::new();
    for sequence in 0..20 {
        hashes.push(transfer(&nodes[0], &account, sequence).await);
        executed(&nodes[0], 3 + 2 * sequence).await;
    }
    let back = boot(&members[3]).await;
    for sequence in 20..25 {
        hashes.push(transfer(&nodes[1], &account, sequence).await);
        executed(&nodes[0], 3 + 2 * sequence).await;
    }
    let newest = nodes[0].handle.status().executed;
    executed(&back, newest.0).await;
    for hash in hashes {
        assert!(back.handle.chain().tx_location(&hash).unwrap().is_some());
    }
    let results = |node: &RunningNode| node.handle.chain().results(newest).unwrap().unwrap();
    assert_eq!(results(&back), results(&nodes[0]));
    nodes.push(back);
    for node in nodes {
        node.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_one_member_works_and_a_node_that_is_no_validator_follows_it() {
    followed(1, 5).await;
}

/// It is sent no certificates, and one validator's votes make none: what it has is what it fetches.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_of_one_validator_of_four_catches_up_at_rest_however_little_it_lacks() {
    followed(4, 1).await;
}

/// So many transfers before a follower joins, connected to one validator only, and two while it is there.
async fn followed(validators: usize, before: u64) {
    let (mut members, account) = homes(validators);
    let follower = ed25519::SecretKey::generate();
    members[0].peers = vec![PeerConfig { identity: follower.public_key(), address: None }];
    let nodes = boot_all(&mut members).await;
    let validator = &nodes[0];
    executed(validator, 1).await;
    for sequence in 0..before {
        transfer(validator, &account, sequence).await;
        executed(validator, 3 + 2 * sequence).await;
    }

    let genesis = std::fs::read(Home::new(members[0].home.path()).genesis_file()).unwrap();
    let home = tempfile::tempdir().unwrap();
    let unused = KeyFile::Vote(bls::SecretKey::generate(&bls::BLS));
    let identity = KeyFile::Identity(follower.clone());
    Home::new(home.path()).create(&NodeConfig::default(), &genesis, &identity, &unused).unwrap();
    let address = Some(validator.p2p_address.to_string());
    let peers = vec![PeerConfig { identity: members[0].identity.public_key(), address }];
    let member = Member { home, identity: follower, peers };
    let follower = boot(&member).await;
    executed(&follower, 1 + 2 * before).await;
    for (sequence, through) in [(before, validator), (before + 1, &follower)] {
        let hash = transfer(through, &account, sequence).await;
        for node in [validator, &follower] {
            executed(node, 3 + 2 * sequence).await;
            assert!(node.handle.chain().tx_location(&hash).unwrap().is_some());
        }
    }
    assert_eq!(follower.handle.status().position, None);
    follower.stop().await.unwrap();
    for node in nodes {
        node.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stops_a_start_is_said_with_what_to_do() {
    let (mut members, _) = homes(4);
    let node = boot(&members[0]).await;
    let config = |member: &Member| {
        let mut config = NodeConfig { home: Home::new(member.home.path()), ..NodeConfig::default() };
        config.p2p.listen = "127.0.0.1:0".parse().unwrap();
        config.rpc.listen = "127.0.0.1:0".parse().unwrap();
        config
    };
    let fails = |config: NodeConfig| async {
        let own = config.clone();
        let started = start(config, move |state| application::open("ledger", &[], state, &own)).await;
        started.err().expect("it must not start").to_string()
    };
    let twice = fails(config(&members[0])).await;
    assert!(twice.contains("in use by another process"), "{twice}");

    let mut taken = config(&members[1]);
    taken.rpc.listen = node.rpc_address;
    let taken = fails(taken).await;
    assert!(taken.contains("rpc.listen") && taken.contains("another node"), "{taken}");
    let mut taken = config(&members[1]);
    taken.p2p.listen = node.p2p_address;
    let taken = fails(taken).await;
    assert!(taken.contains("p2p.listen") && taken.contains("in use"), "{taken}");
    node.stop().await.unwrap();

    // Another validator's vote key.
    let key = std::fs::read(Home::new(members[2].home.path()).vote_key()).unwrap();
    let path = Home::new(members[3].home.path()).vote_key();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, key).unwrap();
    let swapped = fails(config(&members[3])).await;
    assert!(swapped.contains("put the right key there"), "{swapped}");
    members.clear();
}

/// The key-value sample, with transactions more that change validators and parameters, whoever sends them.
struct Governed(KeyValue);

const CHANGE: &[u8] = b"change:";

/// What to change; what comes behind it is of any length.
#[derive(Default, borsh::BorshSerialize, borsh::BorshDeserialize)]
struct ChangeTx {
    validators: Vec<ValidatorUpdate>,
    params: ParamUpdates,
}

fn change_of(tx: &[u8]) -> Option<ChangeTx> {
    ChangeTx::deserialize(&mut tx.strip_prefix(CHANGE)?).ok()
}

impl Application for Governed {
    fn info(&self) -> Result<Info, AppError> {
        self.0.info()
    }

    fn query(&self, q: &Query) -> QueryResult {
        self.0.query(q)
    }

    fn precheck(&self, txs: &[&[u8]]) -> Vec<Result<Admission, TxError>> {
        let admission = Admission { sender: None, sequence: 0, priority: 0, expiry_height: None };
        let one = |tx: &&[u8]| match change_of(tx) {
            Some(_) => Ok(admission.clone()),
            None => self.0.precheck(&[tx]).remove(0),
        };
        txs.iter().map(one).collect()
    }

    fn check_tx(&self, tx: &[u8], kind: CheckKind) -> Result<CheckedTx, TxError> {
        match change_of(tx) {
            Some(_) => Ok(CheckedTx { next_sequence: None }),
            None => self.0.check_tx(tx, kind),
        }
    }

    fn init_chain(&self, init: &InitChain) -> Result<InitChainResult, AppError> {
        self.0.init_chain(init)
    }

    /// A change is no transaction of the sample: there it fails, which changes nothing.
    fn finalize_block(&self, block: &FinalizeBlock<'_>) -> Result<FinalizedBlock, AppError> {
        let changes: Vec<ChangeTx> = block.txs.iter().filter_map(|tx| change_of(tx)).collect();
        let param_updates = changes.last().map(|change| change.params.clone()).unwrap_or_default();
        let validator_updates = changes.into_iter().flat_map(|change| change.validators).collect();
        let finalized = self.0.finalize_block(block)?;
        Ok(FinalizedBlock { validator_updates, param_updates, ..finalized })
    }

    fn commit(&self) -> Result<CommitResult, AppError> {
        self.0.commit()
    }
}

async fn boot_governed(member: &Member) -> RunningNode {
    let mut config = NodeConfig { home: Home::new(member.home.path()), ..NodeConfig::default() };
    config.p2p.listen = "127.0.0.1:0".parse().unwrap();
    config.rpc.listen = "127.0.0.1:0".parse().unwrap();
    config.p2p.peers = member.peers.clone();
    start(config, |state| Ok(Arc::new(Governed(KeyValue::open(state, 10)?)))).await.unwrap()
}

async fn in_epoch(node: &RunningNode, epoch: u64) -> NodeStatus {
    let mut status = node.handle.status_changes();
    let reached = status.wait_for(|now| now.epoch >= Epoch(epoch));
    tokio::time::timeout(Duration::from_secs(60), reached).await.expect("in time").expect("running").clone()
}

async fn change(node: &RunningNode, updates: &[ValidatorUpdate]) {
    let change = ChangeTx { validators: updates.to_vec(), ..ChangeTx::default() };
    assert_eq!(submit_change(node, &change).await, Outcome::Accepted { duplicate: false });
}

async fn submit_change(node: &RunningNode, change: &ChangeTx) -> Outcome {
    let tx = [CHANGE, &borsh::to_vec(change).unwrap()].concat();
    node.handle.submit(tx).await.unwrap().outcome
}

fn update(member: &Member, power: u64, key: Option<&bls::SecretKey>) -> ValidatorUpdate {
    let vote_key =
        key.map(|key| VoteKey { key: *key.public_key().bytes(), proof: *key.prove_possession().as_bytes() });
    ValidatorUpdate { identity: *member.identity.public_key().as_bytes(), power, vote_key }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_is_admitted_with_its_epoch_and_its_vote_counts() {
    let (mut members, _) = homes_of(Kind::Kv, 5, 4);
    let newcomer = members.pop().unwrap();
    let (mut members, mut nodes) = (members, Vec::new());
    for index in 0..4 {
        let known = members[..index].iter().zip(&nodes).map(|(member, node): (&Member, &RunningNode)| {
            PeerConfig { identity: member.identity.public_key(), address: Some(node.p2p_address.to_string()) }
        });
        let known: Vec<_> = known.collect();
        members[index].peers.extend(known);
        nodes.push(boot_governed(&members[index]).await);
    }
    executed(&nodes[3], 1).await;
    // Nobody's configuration names it: it is refused until it is a member, then fetches the chain and votes.
    let mut newcomer = newcomer;
    newcomer.peers = members
        .iter()
        .zip(&nodes)
        .map(|(member, node)| PeerConfig {
            identity: member.identity.public_key(),
            address: Some(node.p2p_address.to_string()),
        })
        .collect();
    let vote = KeyFile::read_vote(&Home::new(newcomer.home.path()).vote_key()).unwrap();
    let fifth = boot_governed(&newcomer).await;
    assert_eq!(fifth.handle.status().position, None);
    change(&nodes[0], &[update(&newcomer, 1, Some(&vote))]).await;
    let status = in_epoch(&fifth, 2).await;
    assert_eq!((status.validators.len(), status.position.map(|place| place.0)), (5, Some(4)));

    // Two more changes: one changes its key, which lies in its home, and one goes; then the newcomer's vote is needed.
    let next = bls::SecretKey::generate(&bls::BLS);
    KeyFile::Vote(next.clone()).write_new(&Home::new(members[1].home.path()).next_vote_key()).unwrap();
    // It listens elsewhere then, so it has to know where the newcomer is.
    let fifth_at = Some(fifth.p2p_address.to_string());
    members[1].peers.push(PeerConfig { identity: newcomer.identity.public_key(), address: fifth_at });
    let stopped = nodes.remove(1);
    stopped.stop().await.unwrap();
    nodes.insert(1, boot_governed(&members[1]).await);
    change(&nodes[2], &[update(&members[1], 1, Some(&next)), update(&members[3], 0, None)]).await;
    for node in nodes.iter().chain([&fifth]) {
        assert_eq!(in_epoch(node, 3).await.validators.len(), 4);
    }
    assert_eq!(nodes[3].handle.status().position, None, "it is out, and follows");
    let (out, down) = (nodes.pop().unwrap(), nodes.pop().unwrap());
    down.stop().await.unwrap();
    let height = fifth.handle.status().executed.0;
    let tx = kv::Transaction { nonce: 1, key: b"a".to_vec(), operation: kv::Operation::Set(b"b".to_vec()) };
    nodes[0].handle.submit(tx.encode()).await.unwrap();
    for node in nodes.iter().chain([&fifth, &out]) {
        executed(node, height + 1).await;
    }
    for node in nodes.into_iter().chain([fifth, out]) {
        node.stop().await.unwrap();
    }
}

/// The largest transactions that may ever be, eight to a block, which no node that went by the first epoch's parameters would pass on.
#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_of_larger_blocks_needs_no_restart() {
    let few = [CHANGE, &borsh::to_vec(&ChangeTx::default()).unwrap()].concat();
    let (mut members, _) = homes_of(Kind::Kv, 3, 2);
    let mut nodes = Vec::new();
    for index in 0..2 {
        let known = members[..index].iter().zip(&nodes).map(|(member, node): (&Member, &RunningNode)| {
            PeerConfig { identity: member.identity.public_key(), address: Some(node.p2p_address.to_string()) }
        });
        members[index].peers = known.collect();
        // The one that will fetch the chain.
        let late = PeerConfig { identity: members[2].identity.public_key(), address: None };
        members[index].peers.push(late);
        nodes.push(boot_governed(&members[index]).await);
    }
    executed(&nodes[1], 1).await;
    let large =
        |n: u8| [few.as_slice(), &vec![n; ConsensusParams::MAX_TX_BYTES as usize - few.len()]].concat();
    let refused = nodes[0].handle.submit(large(0)).await.unwrap();
    assert!(matches!(refused.outcome, Outcome::Refused(refusal) if refusal.log.contains("at most 65536")));
    let params = ParamUpdates {
        max_block_bytes: Some(ConsensusParams::MAX_BLOCK_BYTES),
        max_tx_bytes: Some(ConsensusParams::MAX_TX_BYTES),
        ..ParamUpdates::default()
    };
    submit_change(&nodes[0], &ChangeTx { params, ..ChangeTx::default() }).await;
    for node in &nodes {
        assert_eq!(in_epoch(node, 2).await.params.max_tx_bytes, ConsensusParams::MAX_TX_BYTES);
    }
    // How many are in a block is a matter of time: there is a full one once enough wait at once.
    let mut hashes = Vec::new();
    let full = |node: &RunningNode, from: Height| {
        let chain = node.handle.chain();
        let sizes = (from.0..=chain.executed().unwrap().0).map(|height| chain.block(Height(height)).unwrap());
        sizes.flatten().any(|body| body.txs.len() == 8)
    };
    let full_blocks = async {
        let mut numbers = 0..=u8::MAX;
        while !full(&nodes[0], Height(1)) {
            for n in numbers.by_ref().take(20) {
                hashes.push(TxHash::of(&large(n)));
                let answer = nodes[0].handle.submit(large(n)).await.unwrap();
                assert_eq!(answer.outcome, Outcome::Accepted { duplicate: false });
            }
            let mut heights = nodes[0].handle.executed();
            let all =
                || hashes.iter().all(|hash| nodes[0].handle.chain().tx_location(hash).unwrap().is_some());
            heights.wait_for(|_| all()).await.expect("running");
        }
    };
    tokio::time::timeout(Duration::from_secs(120), full_blocks).await.expect("a block was full");
    members[2].peers = vec![PeerConfig {
        identity: members[1].identity.public_key(),
        address: Some(nodes[1].p2p_address.to_string()),
    }];
    nodes.push(boot_governed(&members[2]).await);
    for node in &nodes {
        let all = || hashes.iter().all(|hash| node.handle.chain().tx_location(hash).unwrap().is_some());
        let mut heights = node.handle.executed();
        let there = heights.wait_for(|_| all());
        tokio::time::timeout(Duration::from_secs(60), there).await.expect("in time").expect("running");
    }
    let chain = nodes[2].handle.chain();
    let in_block = |height| chain.block(Height(height)).unwrap().map_or(0, |body| body.txs.len());
    assert_eq!((1..=chain.executed().unwrap().0).map(in_block).max(), Some(8), "a block was full");

    let mut client = Client::new(format!("http://{}", nodes[0].rpc_address).parse().unwrap());
    for (height, epoch, max_bytes) in [(Some("1"), "1", "2097152"), (None, "2", "8388608")] {
        let asked = height.map_or(json!({}), |height| json!({ "height": height }));
        let answer = client.call("consensus_params", asked).await.unwrap();
        assert_eq!(answer["consensus_params"]["block"]["max_bytes"], max_bytes, "{answer}");
        assert_eq!(answer["althing"]["epoch"], epoch, "{answer}");
    }
    for node in nodes {
        node.stop().await.unwrap();
    }
}
