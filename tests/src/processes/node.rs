//! One validator's process.

use std::{
    fs::{self, OpenOptions},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    thread,
};

use althing_consensus::Header;
use althing_crypto::{Encoding, TxHash};
use althing_node::{
    client::{Client, ClientError, NodeUrl, integer},
    home::Home,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::{process::Child, time::timeout};

use super::{PATIENCE, binary::command, until};

/// What is shown of a log when a test fails.
const TAIL_LINES: usize = 30;

/// A running validator. Dropping it kills the process.
#[derive(Debug)]
pub struct Node {
    child: Child,
    client: Client,
    log: PathBuf,
}

/// What a node says of a submitted transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// 0 is success; in a block if there is a height, else at admission.
    pub code: u64,
    /// Whose code it is.
    pub codespace: String,
    /// Why it was refused.
    pub log: String,
    /// Where it is committed; 0 if it is not.
    pub height: u64,
}

impl Node {
    pub(super) fn start(home: &Home, url: NodeUrl) -> Self {
        let log = home.path().join("node.log");
        let file = OpenOptions::new().create(true).append(true).open(&log).expect("a log file");
        let child = command(["start", "--stop-with-stdin", "--home"])
            .arg(home.path())
            // Closed when this process ends, however it ends: then the node ends, too.
            .stdin(Stdio::piped())
            .stdout(file.try_clone().expect("a file handle"))
            .stderr(file)
            .spawn()
            .expect("the binary runs");
        Self { child, client: Client::new(url), log }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("not waited for yet")
    }

    /// All that it has logged, also before a restart.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).expect("a log file")).into_owned()
    }

    /// Waits until it has logged a line with all these words.
    pub async fn logs(&self, words: &[&str]) {
        until(&format!("a log line with {words:?}"), async || {
            let log = self.log();
            log.lines().any(|line| words.iter().all(|word| line.contains(word))).then_some(())
        })
        .await;
    }

    /// Waits until it ends by itself.
    pub async fn ends(mut self) -> ExitStatus {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        ended.expect("it ends").expect("a child can be waited for")
    }

    /// Ends it at once, by SIGKILL.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("a child can be killed");
    }

    /// Asks it to stop, by SIGTERM, and waits until it has.
    pub async fn terminate(mut self) -> ExitStatus {
        // Kept open, so that the signal alone makes it stop.
        let _stdin = self.child.stdin.take();
        let pid = Pid::from_raw(self.pid() as i32).expect("a process id is not 0");
        kill_process(pid, Signal::TERM).expect("a child can be signalled");
        let ended = timeout(PATIENCE, self.child.wait()).await;
        ended.expect("it stops").expect("a child can be waited for")
    }

    /// The result of a JSON-RPC method.
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Value, ClientError> {
        self.client.call(method, params).await
    }

    /// As [`Node::call`], for what must have a result.
    pub async fn ask(&mut self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The height that it has executed; none if it does not answer.
    pub async fn height(&mut self) -> Option<u64> {
        integer(&self.call("status", json!({})).await.ok()?["sync_info"]["latest_block_height"])
    }

    /// Waits until it has executed this height, and returns where it is then.
    pub async fn reaches(&mut self, height: u64) -> u64 {
        until(&format!("height {height}"), async || {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                panic!("it ended by itself: {status}");
            }
            self.height().await.filter(|reached| *reached >= height)
        })
        .await
    }

    /// The hash of its block at a height.
    pub async fn block_hash(&mut self, height: u64) -> String {
        let block = self.ask("block", json!({ "height": height.to_string() })).await;
        block["block_id"]["hash"].as_str().expect("a block has a hash").to_owned()
    }

    /// The application's hash after the block at a height.
    pub async fn app_hash(&mut self, height: u64) -> String {
        let results = self.ask("block_results", json!({ "height": height.to_string() })).await;
        let hash = results["app_hash"].as_str().expect("results have a hash").to_owned();
        assert!(!hash.is_empty(), "no application hash at height {height}");
        hash
    }

    /// The header of its block at a height.
    pub async fn header(&mut self, height: u64) -> Header {
        let commit = self.ask("commit", json!({ "height": height.to_string() })).await;
        let bytes = BASE64.decode(commit["signed_header"]["header_bytes"].as_str().expect("text"));
        Header::decode(&bytes.expect("base64")).expect("a header")
    }

    /// The view in which the certificate was made that commits the block at a height.
    pub async fn commit_view(&mut self, height: u64) -> u64 {
        let commit = self.ask("commit", json!({ "height": height.to_string() })).await;
        integer(&commit["signed_header"]["commit"]["althing_certificate"]["view"])
            .expect("a certificate has a view")
    }

    /// Where it finds a committed transaction, and its code; none if it does not find it.
    pub async fn find(&mut self, hash: &TxHash) -> Option<(u64, u64)> {
        let found = self.call("tx", json!({ "hash": hash.to_string() })).await.ok()?;
        Some((integer(&found["height"])?, found["tx_result"]["code"].as_u64()?))
    }

    /// Hands in a transaction and waits for its commit or refusal.
    pub async fn commit(&mut self, tx: &[u8]) -> Outcome {
        submit(&mut self.client, tx).await.unwrap_or_else(|error| panic!("broadcast_tx_commit: {error}"))
    }
}

/// Hands in a transaction until it is committed or refused: the same transaction handed in again only waits on.
pub async fn submit(client: &mut Client, tx: &[u8]) -> Result<Outcome, ClientError> {
    loop {
        let answer = match client.call("broadcast_tx_commit", json!({ "tx": BASE64.encode(tx) })).await {
            Err(ClientError::Rpc { code: -32603, data, .. }) if data.contains("may still be committed") => {
                continue;
            }
            answer => answer?,
        };
        let result = if answer["check_tx"]["code"] == 0 { &answer["tx_result"] } else { &answer["check_tx"] };
        let text = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
        return Ok(Outcome {
            code: result["code"].as_u64().expect("a code"),
            codespace: text("codespace"),
            log: text("log"),
            height: integer(&answer["height"]).expect("a height"),
        });
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(TAIL_LINES)..];
            eprintln!("the end of {}:\n    {}", self.log.display(), tail.join("\n    "));
        }
    }
}
