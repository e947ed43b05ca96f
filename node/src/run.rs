//! A node from its home to its end: [`run`] or [`run_until`] for a program whose whole purpose it is, [`start`] for one that
//! has others.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use althing_consensus::engine::EngineConfig;
use althing_consensus::{Epoch, ValidatorSet};
use althing_crypto::ed25519;
use althing_crypto::key_file::KeyFileError;
use althing_genesis::GenesisError;
use althing_ledger::{AppError, Application};
use althing_p2p as p2p;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::{NodeConfig, PeerConfig};
use crate::driver::Driver;
use crate::handle::{self, NodeHandle, NodeStatus, Parts};
use crate::journal::{self, JournalError};
use crate::recovery::RecoveryError;
use crate::rpc::{self, RpcRuntime};
use crate::session::Session;
use crate::shell::{Actor, Lanes, Revival, Wiring, admit, limits, pump};
use crate::storage::{ChainStore, DirectoryFiles, SafetyStoreError, StoreError};
use crate::wire::PROTOCOL_VERSION;
use crate::workers::{Fatal, SignerError};

mod ending;
mod opening;

use ending::{CloseJournal, Kept, Supervised, drive, supervise};
use opening::{GiveUp, Opened, Opening, open};

/// Arrivals that may wait for the driver; the network is read no further meanwhile.
const ARRIVALS: usize = 1_024;

/// Why a node did not start, or has ended.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The genesis document.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The chain data.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The safety file.
    #[error(transparent)]
    Safety(#[from] SafetyStoreError),
    /// The vote key and its record.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The vote key is not the one in the genesis document.
    #[error(
        "{path} holds vote key {found}, but the genesis document gives this node's identity the vote key {expected}: put the \
         right key there"
    )]
    VoteKey {
        /// The key file.
        path: String,
        /// Its public key.
        found: String,
        /// That of the genesis document.
        expected: String,
    },
    /// The journal of acknowledged transactions.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Disk and application do not fit together.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The application could not be made.
    #[error("the application did not start: {0}")]
    Application(#[from] AppError),
    /// The address for peers.
    #[error("p2p.listen: {0}")]
    Network(#[from] p2p::StartError),
    /// The address for clients.
    #[error(transparent)]
    Rpc(#[from] rpc::BindError),
    /// A thread could not be started, or the system refused something else.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
    /// Something that stops a node happened while it ran.
    #[error("the node has stopped: {0}")]
    Fatal(#[from] Fatal),
}

/// Runs a node until SIGTERM or SIGINT, or until something stops it.
///
/// `application` makes what the chain runs. It is handed durable files of its own, which it may use or not:
///
/// ```no_run
/// # use std::sync::Arc;
/// # use althing_ledger::AssetLedger;
/// # async fn example(config: althing_node::config::NodeConfig) -> Result<(), althing_node::run::NodeError> {
/// althing_node::run(config, |state| Ok(Arc::new(AssetLedger::open(state, 100)?))).await
/// # }
/// ```
pub async fn run(
    config: NodeConfig,
    application: impl FnOnce(Arc<DirectoryFiles>) -> Result<Arc<dyn Application>, AppError> + Send + 'static,
) -> Result<(), NodeError> {
    run_until(config, application, signalled()?).await
}

/// Runs a node until `stop` is done, or until something stops it; otherwise as [`run`], which see.
pub async fn run_until(
    config: NodeConfig,
    application: impl FnOnce(Arc<DirectoryFiles>) -> Result<Arc<dyn Application>, AppError> + Send + 'static,
    stop: impl Future<Output = ()>,
) -> Result<(), NodeError> {
    tokio::pin!(stop);
    let mut node = tokio::select! {
        node = start(config, application) => node?,
        // It may have waited for its application.
        () = &mut stop => return Ok(()),
    };
    tokio::select! {
        ended = node.ended() => return ended,
        () = &mut stop => {}
    }
    node.stop().await
}

/// Waits for SIGTERM or SIGINT. From the call on, neither ends the process by itself.
pub(crate) fn signalled() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        }
    })
}

/// A node that runs in this process. Dropped, it is told to stop, and nobody waits for it.
pub struct RunningNode {
    /// What it may be asked.
    pub handle: NodeHandle,
    /// Where it serves JSON-RPC.
    pub rpc_address: SocketAddr,
    /// Where it listens for peers.
    pub p2p_address: SocketAddr,
    stop: watch::Sender<bool>,
    end: oneshot::Receiver<Result<(), NodeError>>,
}

impl RunningNode {
    /// Waits for the end that comes by itself.
    pub async fn ended(&mut self) -> Result<(), NodeError> {
        let broken = || Err(Fatal::Broken("its supervisor has ended".to_owned()).into());
        (&mut self.end).await.unwrap_or_else(|_| broken())
    }

    /// Stops it: no new work, the jobs at hand are finished, the data is closed.
    pub async fn stop(mut self) -> Result<(), NodeError> {
        self.stop.send_replace(true);
        self.ended().await
    }
}

impl Drop for RunningNode {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// Starts a node; see [`run`]. Waits for an application that is a process of its own; dropped, it no longer does.
pub async fn start(
    config: NodeConfig,
    application: impl FnOnce(Arc<DirectoryFiles>) -> Result<Arc<dyn Application>, AppError> + Send + 'static,
) -> Result<RunningNode, NodeError> {
    let opening = Arc::new(Opening::default());
    let given_up = GiveUp(opening.clone());
    let at = config.clone();
    let opened = tokio::task::spawn_blocking(move || open(&at, application, &opening)).await;
    let opened = opened.map_err(|error| Fatal::Broken(error.to_string()))??;
    let Opened { genesis, identity, epochs, config: engine, data, chain, .. } = opened;
    let Opened { application, driver, workers, journal: (journal, journal_thread), .. } = opened;
    let closing = CloseJournal(journal.clone());
    std::mem::forget(given_up);

    // After the home: a second process on it is to be told of the first, not of its port.
    let rpc = rpc::Server::bind(config.rpc.clone(), config.home.path()).await?;
    let rpc_threads = RpcRuntime::start(config.rpc.threads)?;
    let rpc_address = rpc.address()?;
    let before = epochs.of(Epoch(engine.epoch.0.saturating_sub(1)))?;
    let sets: Vec<&ValidatorSet> =
        before.iter().map(|before| &*before.config.set).chain([&*engine.set]).collect();
    let (network, events) = p2p::start(p2p::Config {
        identity: &identity,
        listen: config.p2p.listen,
        peers: peers(&config.p2p.peers, &sets),
        hello: p2p::Hello {
            chain_id: genesis.chain_id().to_owned(),
            genesis: genesis.hash(),
            protocol_version: PROTOCOL_VERSION,
            software: concat!("althing/", env!("CARGO_PKG_VERSION")).to_owned(),
        },
        limits: limits(),
    })
    .await?;
    let p2p_address = network.listen_address();
    let revival =
        Revival { genesis: genesis.clone(), chain: chain.clone(), application: application.clone() };
    let status = status(&engine, &driver, &chain)?;
    let session = session(genesis.chain_id(), &identity)?;
    let driver = driver.in_session(session);
    let identity = identity.public_key();
    let parts = Parts { genesis, chain, application: application.clone(), epochs, identity, journal };
    let (handle, backend) = handle::channel(parts, status.clone());
    let (lanes, results, mut threads) = Lanes::start(workers, revival, handle.meters().clone())?;
    threads.push(journal_thread);
    let (answers, arrivals) = mpsc::channel(ARRIVALS);
    let (stop, stopped) = watch::channel(false);
    tracing::info!(
        chain = handle.genesis().chain_id(), epoch = %engine.epoch, height = %status.executed, validator = engine.me.is_some(),
        rpc = %rpc_address, p2p = %p2p_address, "started"
    );

    tokio::spawn(pump(network.clone(), events, answers.clone()));
    let (admitted, to_admit) = watch::channel(Vec::new());
    tokio::spawn(admit(network.clone(), to_admit));
    let wiring = Wiring {
        lanes,
        results,
        network: network.clone(),
        arrivals,
        answers,
        backend,
        peers: config.p2p.peers.clone(),
        session,
        admitted,
        stop: stopped.clone(),
    };
    let actor = drive(Actor::new(driver, wiring, status))?;
    // Where old blocks go, the chain may forget a transaction before the time is over for which its status is promised.
    let chain_tells = config.storage.kept_blocks.is_none();
    let followers = [
        tokio::spawn(journal::follow(handle.clone(), chain_tells)),
        tokio::spawn(journal::again(handle.clone(), Some(network.clone()), chain_tells)),
    ];
    let mut asked_to_stop = stopped;
    let until = async move { _ = asked_to_stop.changed().await };
    let serving = rpc_threads.spawn(rpc.on_network(network.clone()).serve(handle.clone(), until));
    let (ended, end) = oneshot::channel();
    let journal = Kept { closing, followers };
    let parts = Supervised {
        actor,
        serving,
        rpc_threads,
        network,
        application,
        journal,
        threads,
        data,
        stop: stop.clone(),
    };
    tokio::spawn(async move { _ = ended.send(supervise(parts).await) });
    Ok(RunningNode { handle, rpc_address, p2p_address, stop, end })
}

/// This process, as it begins.
fn session(chain_id: &str, identity: &ed25519::SecretKey) -> Result<Session, NodeError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let nonce = getrandom::u64().map_err(io::Error::other)?;
    Ok(Session::new(chain_id, identity, u64::try_from(now.as_millis()).unwrap_or(u64::MAX), nonce))
}

/// The validators of these sets, and whom the operator admits or knows the address of.
pub(crate) fn peers(configured: &[PeerConfig], sets: &[&ValidatorSet]) -> Vec<p2p::Peer> {
    let known = |key: &ed25519::PublicKey| configured.iter().find(|peer| peer.identity == *key);
    let members: BTreeSet<ed25519::PublicKey> =
        sets.iter().flat_map(|set| set.members()).map(|member| member.identity).collect();
    let mut peers: Vec<p2p::Peer> = members
        .into_iter()
        .map(|key| p2p::Peer { key, address: known(&key).and_then(|peer| peer.address.clone()) })
        .collect();
    for peer in configured {
        if peers.iter().all(|one| one.key != peer.identity) {
            peers.push(p2p::Peer { key: peer.identity, address: peer.address.clone() });
        }
    }
    peers
}

fn status(engine: &EngineConfig, driver: &Driver, chain: &ChainStore) -> Result<NodeStatus, NodeError> {
    let executed = driver.executed_height();
    let app_hash = match chain.results(executed)? {
        Some(results) => Some(results.execution.app_hash),
        None => chain.block(executed)?.map(|genesis| genesis.block.header.vouched.app_hash),
    };
    Ok(NodeStatus {
        epoch: driver.engine().epoch(),
        view: driver.engine().view(),
        committed: driver.stored_height(),
        executed,
        app_hash: app_hash.unwrap_or_default(),
        catching_up: false,
        pending_txs: 0,
        pending_bytes: 0,
        validators: engine.set.clone(),
        params: Arc::new(engine.params.clone()),
        position: engine.me,
        peers: Arc::new([]),
        halted: None,
    })
}

#[cfg(test)]
mod tests;
