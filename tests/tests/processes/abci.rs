//! Applications in processes of their own, which die at any moment.

use std::{
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use althing_crypto::Hash;
use althing_node::{
    client::{Client, integer},
    home::Home,
};
use althing_tests::{
    abci::link,
    processes::{Chain, PATIENCE, submit, until},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use tokio::{
    process::{Child, Command},
    task::JoinSet,
    time::timeout,
};

/// So long a client leaves a node alone that cannot reach its application.
const AGAIN: Duration = Duration::from_millis(20);

/// The application of one validator.
struct App {
    home: Home,
    child: Child,
}

impl App {
    fn start(home: Home, death: &[&str]) -> Self {
        let socket = home.path().join("app.sock");
        // What a process that was killed leaves there.
        let _ = std::fs::remove_file(&socket);
        let mut command = Command::new(env!("CARGO_BIN_EXE_hash_chain"));
        command.arg("--listen").arg(socket).arg("--state").arg(Self::state(&home)).args(death);
        let child = command.stdin(Stdio::null()).kill_on_drop(true).spawn().expect("the fixture runs");
        Self { home, child }
    }

    fn state(home: &Home) -> PathBuf {
        home.path().join("app.state")
    }

    /// Kills it, wherever it is.
    async fn kill(mut self) -> Home {
        self.child.kill().await.expect("a child can be killed");
        self.home
    }

    /// Waits until it has ended by itself.
    async fn dies(mut self) -> Home {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        assert!(!ended.expect("it dies").expect("a child").success());
        self.home
    }
}

/// Hands in distinct transactions, one after the other at each validator, until it is told to stop.
struct Load {
    senders: JoinSet<()>,
    stop: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
}

impl Load {
    fn start(chain: &Chain) -> Self {
        let (stop, committed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut senders = JoinSet::new();
        for index in 0..chain.len() {
            let (url, stop, committed) = (chain.url(index), stop.clone(), committed.clone());
            senders.spawn(async move {
                let mut client = Client::new(url);
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    let tx = format!("{index}={number}");
                    let outcome = submit(&mut client, tx.as_bytes()).await.expect("the node answers");
                    // Its application may be away.
                    if outcome.code == 0 {
                        committed.fetch_add(1, Ordering::Relaxed);
                    } else {
                        assert_eq!(outcome.codespace, "abci", "{outcome:?}");
                        // Nothing tells a client when it is back.
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            });
        }
        Self { senders, stop, committed }
    }

    /// Waits for so many more commits.
    async fn commits(&self, more: u64) {
        let goal = self.committed.load(Ordering::Relaxed) + more;
        until("commits", async || (self.committed.load(Ordering::Relaxed) >= goal).then_some(())).await;
    }

    async fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.senders.join_next().await {
            ended.expect("no sender fails");
        }
        self.committed.load(Ordering::Relaxed)
    }
}

/// The hash of all blocks, as the chain has them.
async fn replayed(chain: &mut Chain, height: u64) -> Hash {
    let mut hash = Hash::ZERO;
    for height in 1..=height {
        let block = chain.node(0).ask("block", json!({ "height": height.to_string() })).await;
        let txs = block["block"]["data"]["txs"].as_array().expect("a list");
        let bytes = |tx: &Value| BASE64.decode(tx.as_str().expect("base64")).expect("base64");
        hash = link(&hash, height, &txs.iter().map(bytes).collect::<Vec<_>>());
    }
    hash
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_killed_at_any_moment_execute_every_block_once() {
    const DEATHS: u64 = 50;

    let mut chain = Chain::init_of("abci", 4).await;
    let mut apps: Vec<_> = (0..4).map(|index| Some(App::start(chain.home(index), &[]))).collect();
    (0..4).for_each(|index| chain.start(index));
    chain.all_reach(1).await;
    let load = Load::start(&chain);
    for nth in 0..DEATHS {
        let victim = (nth % 4) as usize;
        let app = apps[victim].take().expect("it runs");
        // How far the chain is then, depends on the machine: that is the random moment.
        load.commits(1 + nth % 7).await;
        let mut home = app.kill().await;
        // Every other one dies once more by itself, on either side of what makes its state durable.
        let blocks = (1 + nth % 3).to_string();
        // Over the rounds each validator's dies on either side.
        let death = match (nth + nth / 4) % 4 {
            1 => Some("--die-before-commit"),
            3 => Some("--die-after-commit"),
            _ => None,
        };
        if let Some(death) = death {
            home = App::start(home, &[death, &blocks]).dies().await;
        }
        apps[victim] = Some(App::start(home, &[]));
        if nth % 10 == 9 {
            // All at once.
            let homes =
                futures::future::join_all(apps.drain(..).map(|app| app.expect("it runs").kill())).await;
            apps = homes.into_iter().map(|home| Some(App::start(home, &[]))).collect();
        }
    }
    load.commits(20).await;
    let committed = load.stop().await;

    let height = chain.level().await;
    for index in 0..chain.len() {
        // What the application itself says, past all that the nodes remember of it; a closing block may still have come.
        let info = chain.node(index).ask("abci_info", json!({})).await;
        let reached = integer(&info["response"]["last_block_height"]).expect("a height");
        assert!(reached >= height, "{info}");
        let expected = BASE64.encode(replayed(&mut chain, reached).await.as_bytes());
        assert_eq!(info["response"]["last_block_app_hash"], json!(expected));
        assert_eq!(chain.node(index).app_hash(reached).await, expected);
    }
    eprintln!("{committed} transactions committed in {height} blocks over {DEATHS} deaths and more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_waits_for_its_application_and_says_so() {
    let mut chain = Chain::init_of("abci", 1).await;
    chain.start(0);
    chain.node(0).logs(&["waiting", "app.sock", "No such file"]).await;
    let app = App::start(chain.home(0), &[]);
    chain.node(0).reaches(1).await;
    let status = chain.node(0).ask("status", json!({})).await;
    assert_eq!(status["althing"]["application"], Value::Null);

    let home = app.kill().await;
    let said = until("the status names the trouble", async || {
        let status = chain.node(0).ask("status", json!({})).await;
        status["althing"]["application"].as_str().map(str::to_owned)
    })
    .await;
    // How a killed process ends a connection depends on what was under way.
    assert!(said.contains("app.sock: ") && said.contains("connection"), "{said}");
    chain.node(0).logs(&["lost: the application at", "app.sock: "]).await;
    // Nobody says whether the transaction is any good: it is refused, and the node lives.
    let refused = chain.node(0).commit(b"a=1").await;
    assert_eq!((refused.codespace.as_str(), refused.height), ("abci", 0));
    let app = App::start(home, &[]);
    until("it is asked again", async || (chain.node(0).commit(b"a=1").await.code == 0).then_some(())).await;

    // It stops also while it waits.
    app.kill().await;
    assert!(chain.take(0).terminate().await.success());
    std::fs::write(chain.home(0).path().join("node.log"), "").expect("its log");
    chain.start(0);
    chain.node(0).logs(&["waiting"]).await;
    assert!(chain.take(0).terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_changes_its_past_is_named() {
    let mut chain = Chain::init_of("abci", 1).await;
    let app = App::start(chain.home(0), &[]);
    chain.start(0);
    chain.node(0).reaches(1).await;
    let node = chain.take(0);
    assert!(node.terminate().await.success());
    let home = app.kill().await;
    // The same height with another hash.
    let state = App::state(&home);
    let mut bytes = std::fs::read(&state).expect("its state");
    *bytes.last_mut().expect("a hash") ^= 1;
    std::fs::write(&state, bytes).expect("its state");
    let _app = App::start(home, &[]);
    let ended = chain.start_in_vain(0).await;
    assert_ne!(ended.code, Some(0));
    assert!(ended.stderr.contains("changed its past"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_go_that_the_application_lets_go_but_none_that_it_may_come_back_for() {
    let mut chain = Chain::init_of("abci", 1).await;
    let config = chain.home(0).config_file();
    let text = std::fs::read_to_string(&config).expect("its configuration");
    let keeping = text.replace("[storage]\n", "[storage]\nkept_blocks = 100\n");
    assert_ne!(keeping, text);
    std::fs::write(&config, keeping).expect("its configuration");
    let app = App::start(chain.home(0), &[]);
    chain.start(0);
    chain.node(0).reaches(1).await;
    let load = Load::start(&chain);
    chain.node(0).reaches(110).await;
    assert_eq!(earliest(&mut chain).await, 1, "it was met at height 0, and may come back there");
    let home = app.kill().await;
    let app = App::start(home, &[]);
    load.commits(30).await;
    let oldest =
        until("old blocks go", async || Some(earliest(&mut chain).await).filter(|oldest| *oldest > 1)).await;
    load.stop().await;
    // What is left is whole, and what is gone is said to be.
    let block = chain.node(0).ask("block", json!({ "height": (oldest + 20).to_string() })).await;
    assert_eq!(block["block"]["header"]["height"], json!((oldest + 20).to_string()));

    let home = app.kill().await;
    assert!(chain.take(0).terminate().await.success());
    std::fs::remove_file(App::state(&home)).expect("its state");
    let _app = App::start(home, &[]);
    let ended = chain.start_in_vain(0).await;
    ended.failed_saying(&["stands at height 0", "lost state that it had said was safe"]);
}

async fn earliest(chain: &mut Chain) -> u64 {
    let status = chain.node(0).ask("status", json!({})).await;
    integer(&status["sync_info"]["earliest_block_height"]).expect("a height")
}
