//! The members of a running chain change, one after another, while clients go on sending: what an operator does, with real processes and
//! the commands of the program.

use std::collections::{BTreeMap, BTreeSet};

use althing_consensus::Header;
use althing_crypto::{Encoding, TxHash, key_file::KeyFile, sha256};
use althing_node::client::integer;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::Serialize;
use serde_json::{Value, json};

use crate::processes::{Acknowledged, Chain, Route, Stream, althing, until};

/// Accounts that vote for validators: those of the first members. The others send.
const VOTERS: usize = 4;
const SENDERS: std::ops::Range<usize> = 4..9;
/// Whose account votes for the newcomer.
const NEWCOMERS: usize = 9;
/// Blocks between one change and the next, and at the end without the member that was killed.
const BLOCKS: u64 = 20;

/// What a run came to.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// The height at which the nodes were compared.
    pub height: u64,
    /// Whether all that still run have the same block and application hash there.
    pub agree: bool,
    /// Transfers that were due, per second.
    pub rate: u32,
    /// Transfers handed in.
    pub sent: u64,
    /// Of these, not found in any block, or failed there.
    pub lost: u64,
    /// Of these, executed more than once.
    pub doubled: u64,
    /// Half of the blocks came at most so long after the one before, in milliseconds.
    pub block_interval_ms: u64,
    /// Each change, in order.
    pub changes: Vec<Change>,
    /// Blocks at the end that were committed without the member that was killed, each with the newcomer's vote.
    pub blocks_after_the_death: u64,
}

/// One change of members.
#[derive(Debug, Serialize)]
pub struct Change {
    /// What was done.
    pub what: String,
    /// The epoch that began with it.
    pub epoch: u64,
    /// The height of the block that ended the epoch before.
    pub ended_at: u64,
    /// Views without a block around it: before that block, until its commit, and before the first block of the epoch.
    pub views_lost: u64,
    /// From that block to the first one of the epoch, by their times.
    pub pause_ms: u64,
    /// What two views may take that fail, one after the other.
    pub allowed_ms: u64,
}

impl Summary {
    /// What must not be, in words.
    pub fn violations(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut expect = |holds: bool, what: String| {
            if !holds {
                all.push(what)
            }
        };
        expect(self.agree, format!("the nodes disagree at height {}", self.height));
        expect(self.lost == 0, format!("{} transfers were lost", self.lost));
        expect(self.doubled == 0, format!("{} transfers were executed twice", self.doubled));
        for Change { what, views_lost, pause_ms, allowed_ms, .. } in &self.changes {
            expect(*views_lost <= 2, format!("{what}: {views_lost} views without a block"));
            expect(pause_ms <= allowed_ms, format!("{what}: {pause_ms} ms without a block"));
        }
        expect(self.changes.len() == 4, format!("{} changes, not 4", self.changes.len()));
        expect(
            self.blocks_after_the_death >= BLOCKS,
            format!("the newcomer signed {} of {BLOCKS} blocks and more", self.blocks_after_the_death),
        );
        all
    }
}

/// Four validators under a steady load: a fifth is added, one changes its vote key, one its power, one is removed, one of the first is
/// killed, so that the newcomer's vote is needed. `tell` hears how far it is.
pub async fn run(rate: u32, tell: impl Fn(&str)) -> Summary {
    let mut chain = Chain::init(4).await;
    let newcomer = chain.add().await;
    (0..newcomer).for_each(|index| chain.start(index));
    chain.node(0).reaches(1).await;
    let route = Route::through(&chain, 4);
    let stream = Stream::start(&chain, SENDERS, route.clone(), rate);
    let mut members = Members { chain, proposals: 0 };
    members.blocks(BLOCKS).await;
    tell("four validators under load");
    members.chain.start(newcomer);
    members.caught_up(newcomer).await;
    tell("a node has caught up with them");

    let mut what = Vec::new();
    members.admit(newcomer).await;
    what.push("a fifth validator".to_owned());
    tell("the fifth validates");
    members.blocks(BLOCKS).await;

    members.prepare_key(1).await;
    members.enact(&["rotate-key", "validator-1", "--vote-key", &members.file(1, "vote-next.json")]).await;
    what.push("another vote key of validator-1".to_owned());
    tell("validator-1 has another vote key");
    members.blocks(BLOCKS).await;

    members.enact(&["power", "validator-0", "2"]).await;
    what.push("power 2 of validator-0".to_owned());
    tell("validator-0 has power 2");
    members.blocks(BLOCKS).await;

    members.enact(&["remove", "validator-2"]).await;
    what.push("validator-2 removed".to_owned());
    route.close(2);
    tell("validator-2 is gone");
    members.blocks(BLOCKS).await;

    route.close(3);
    members.chain.take(3).kill().await;
    let death = members.chain.node(0).reaches(1).await;
    // Blocks under way then may be its work.
    members.blocks(BLOCKS + 4).await;
    tell("validator-3 is killed: of 5 power 4 is left, all of which is needed");
    let sent = stream.sent();
    let acknowledged = stream.stop().await;
    tell(&format!("{sent} transfers sent; looking for each on the chain"));
    members.sum_up(rate, what, acknowledged, death + 4, newcomer).await
}

struct Members {
    chain: Chain,
    proposals: u64,
}

impl Members {
    fn file(&self, index: usize, name: &str) -> String {
        let file = self.chain.home(index).path().join("keys").join(name);
        file.to_str().expect("a path that is text").to_owned()
    }

    fn account(&self, index: usize) -> String {
        let file = self.chain.accounts_dir().join(format!("{index}.key"));
        file.to_str().expect("a path that is text").to_owned()
    }

    /// A command for the first node, which must succeed. What it says, as an object.
    async fn command(&self, args: &[&str]) -> Value {
        let url = self.chain.url(0).to_string();
        let ended = althing([args, &["--node", &url, "--json"]].concat()).await;
        assert_eq!(ended.code, Some(0), "{args:?}: {ended:#?}");
        ended.object()
    }

    async fn blocks(&mut self, count: u64) {
        let height = self.chain.node(0).reaches(1).await;
        self.chain.node(0).reaches(height + count).await;
    }

    /// Waits until a node is where the first one is, but for the blocks of a moment.
    async fn caught_up(&mut self, index: usize) {
        let near = async || {
            let (own, first) = (self.chain.node(index).height().await?, self.chain.node(0).height().await?);
            (own + 3 >= first).then_some(())
        };
        until("a node that has caught up", near).await;
    }

    async fn admit(&mut self, newcomer: usize) {
        let (identity, vote) = (self.file(newcomer, "identity.json"), self.file(newcomer, "vote.json"));
        let url = self.chain.url(newcomer).to_string();
        let address = althing(["keys", "address", &self.account(NEWCOMERS)]).await.stdout;
        let keys = ["--identity", &identity, "--vote-key", &vote, "--account", address.trim()];
        let name = format!("validator-{newcomer}");
        self.enact(&[&["add", "--name", &name, "--newcomer", &url], &keys[..]].concat()).await;
    }

    /// The next vote key lies in the home before it counts.
    async fn prepare_key(&mut self, index: usize) {
        let made = althing(["keys", "generate", &self.file(index, "vote-next.json"), "--kind", "vote"]).await;
        assert_eq!(made.code, Some(0), "{made:#?}");
        assert_eq!(self.chain.take(index).terminate().await.code(), Some(0));
        let height = self.chain.node(0).reaches(1).await;
        self.chain.start(index);
        self.chain.node(index).reaches(height).await;
    }

    /// A proposal about the validators, approved until it is enacted; waits until all nodes are in the epoch that it begins.
    async fn enact(&mut self, change: &[&str]) {
        let epoch = self.epoch(0).await.expect("an answer");
        let proposer = self.account(0);
        self.command(&[&["validator"], change, &["--from", &proposer, "--wait"]].concat()).await;
        self.proposals += 1;
        let number = self.proposals.to_string();
        for voter in 1..VOTERS {
            let approver = self.account(voter);
            self.command(&["tx", "approve", "--proposal", &number, "--from", &approver, "--wait"]).await;
            let open = self.command(&["query", "proposals"]).await;
            let open = open["answer"].as_array().expect("a list");
            if open.iter().all(|one| integer(&one["number"]) != Some(self.proposals)) {
                break;
            }
        }
        for index in 0..self.chain.len() {
            let what = format!("validator {index} in epoch {}", epoch + 1);
            until(&what, async || self.epoch(index).await.filter(|now| *now > epoch)).await;
        }
    }

    async fn epoch(&mut self, index: usize) -> Option<u64> {
        integer(&self.chain.node(index).call("status", json!({})).await.ok()?["althing"]["epoch"])
    }

    async fn sum_up(
        mut self,
        rate: u32,
        what: Vec<String>,
        acknowledged: Vec<Acknowledged>,
        death: u64,
        newcomer: usize,
    ) -> Summary {
        let height = self.chain.level().await;
        let agree = self.chain.all_have_one(height).await;
        let blocks = self.read(height).await;
        let mut executed = BTreeMap::new();
        for tx in blocks.iter().flat_map(|block| &block.executed) {
            *executed.entry(*tx).or_insert(0_u64) += 1;
        }
        let sent: BTreeSet<TxHash> = acknowledged.iter().map(|one| one.hash).collect();
        let times = |hash: &TxHash| executed.get(hash).copied().unwrap_or(0);
        let ends = blocks.windows(3).filter(|three| three[1].header.epoch < three[2].header.epoch);
        let allowed = 2 * self.chain.genesis().params().timeout_min_ms;
        let changes: Vec<_> =
            what.into_iter().zip(ends).map(|(what, three)| change(what, three, allowed)).collect();
        let mut intervals: Vec<u64> =
            blocks.windows(2).map(|pair| pair[1].header.time_ms - pair[0].header.time_ms).collect();
        intervals.sort_unstable();
        let own = self.position(newcomer, height).await;
        let after = blocks.iter().filter(|block| block.header.height.0 > death);
        Summary {
            height,
            agree,
            rate,
            sent: sent.len() as u64,
            lost: sent.iter().filter(|hash| times(hash) == 0).count() as u64,
            doubled: sent.iter().filter(|hash| times(hash) > 1).count() as u64,
            block_interval_ms: intervals[intervals.len() / 2],
            changes,
            blocks_after_the_death: after.filter(|block| block.signers.contains(&own)).count() as u64,
        }
    }

    /// The place of a member among those of a height.
    async fn position(&mut self, member: usize, height: u64) -> u64 {
        let own = address(&self.chain, member);
        let set = self.chain.node(0).ask("validators", json!({ "height": height.to_string() })).await;
        let members = set["validators"].as_array().expect("a list");
        let position = members.iter().position(|one| one["address"] == own.as_str());
        position.expect("it validates") as u64
    }

    /// The chain up to a height, as the first node has it.
    async fn read(&mut self, height: u64) -> Vec<Block> {
        let node = self.chain.node(0);
        let mut blocks = Vec::new();
        for height in 1..=height {
            let params = json!({ "height": height.to_string() });
            let commit = node.ask("commit", params.clone()).await;
            let block = node.ask("block", params.clone()).await;
            let results = node.ask("block_results", params).await;
            blocks.push(Block::read(&commit["signed_header"], &block["block"], &results));
        }
        blocks
    }
}

/// What is compared of a block.
struct Block {
    header: Header,
    /// The view of the certificate that commits it, or one above it.
    committed_in: u64,
    /// The places of those who signed that, among the members of its epoch.
    signers: BTreeSet<u64>,
    /// Transactions that did not fail.
    executed: Vec<TxHash>,
}

impl Block {
    fn read(signed: &Value, block: &Value, results: &Value) -> Self {
        let bytes = |text: &Value| BASE64.decode(text.as_str().expect("text")).expect("base64");
        let list = |value: &Value| value.as_array().expect("a list").clone();
        let hashes = list(&block["data"]["txs"]).into_iter().map(|tx| TxHash::of(&bytes(&tx)));
        let done = list(&results["txs_results"]).into_iter().map(|result| result["code"] == 0);
        let certificate = &signed["commit"]["althing_certificate"];
        Self {
            header: Header::decode(&bytes(&signed["header_bytes"])).expect("a header"),
            committed_in: integer(&certificate["view"]).expect("a view"),
            signers: list(&certificate["signers"])
                .iter()
                .map(|place| place.as_u64().expect("a place"))
                .collect(),
            executed: hashes.zip(done).filter(|(_, done)| *done).map(|(hash, _)| hash).collect(),
        }
    }
}

/// The block before the end of an epoch, that end, and the first block of the next.
fn change(what: String, blocks: &[Block], allowed_ms: u64) -> Change {
    let [before, end, first] = blocks else { unreachable!("three blocks") };
    // Where an epoch has one block, the one before is of another.
    let begun = if before.header.epoch == end.header.epoch { before.header.view.0 } else { 0 };
    let (before_end, until_commit) = (end.header.view.0 - begun - 1, end.committed_in - end.header.view.0);
    Change {
        what,
        epoch: first.header.epoch.0,
        ended_at: end.header.height.0,
        views_lost: before_end + until_commit + first.header.view.0 - 1,
        pause_ms: first.header.time_ms - end.header.time_ms,
        allowed_ms,
    }
}

/// What JSON-RPC calls a validator.
fn address(chain: &Chain, index: usize) -> String {
    let key = KeyFile::read_identity(&chain.home(index).identity_key()).expect("an identity key");
    let digits = sha256(key.public_key().as_bytes()).to_string();
    digits[..40].to_uppercase()
}
