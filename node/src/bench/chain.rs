//! The chain that is measured: validators started here, or nodes that run already.

use std::{path::PathBuf, time::Duration};

use althing_consensus::ConsensusParams;
use althing_ledger::asset::Address;
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::{BenchError, Options, Workload, delay::Relays};
use crate::{
    client::{Client, NodeUrl, integer},
    config::NodeConfig,
    testnet::{Extras, Layout, Process, TestnetError},
};

/// How long validators may take to make the first block: accounts are written first.
const READY: Duration = Duration::from_secs(120);
/// How often they are asked whether they have.
const ASK: Duration = Duration::from_millis(50);
/// What clients may ask for: the load is one client, and is not what is measured.
const COST_PER_S: u64 = 10_000_000;

/// A chain that runs.
pub(super) struct Chain {
    pub(super) nodes: Vec<NodeUrl>,
    pub(super) chain_id: String,
    /// The system's numbers of the validators; none of those that are joined.
    pub(super) pids: Vec<u32>,
    /// How long it took from the first process to a block that all had executed; none of those that are joined.
    pub(super) started: Option<Duration>,
    /// Where the validators' disk is.
    directory: Option<PathBuf>,
    temporary: bool,
    processes: Vec<Process>,
    /// Nothing where the validators reach one another at once.
    _relays: Option<Relays>,
    exits: mpsc::Receiver<TestnetError>,
}

/// Where the homes are, or a place like that.
pub(super) fn directory(options: &Options) -> PathBuf {
    let temporary = || std::env::temp_dir().join(format!("althing-bench-{}", std::process::id()));
    options.dir.clone().unwrap_or_else(temporary)
}

/// The consensus parameters of a workload.
fn params(options: &Options) -> Result<ConsensusParams, BenchError> {
    let mut params = ConsensusParams::default();
    if options.workload == Workload::Empty {
        // A leader with nothing to propose waits for nothing.
        params.heartbeat_ms = 1;
    }
    let mut object = serde_json::to_value(&params).unwrap_or_default();
    for (name, value) in &options.params {
        object[name] = json!(value);
    }
    let params: ConsensusParams =
        serde_json::from_value(object).map_err(|error| BenchError::Options(format!("--param: {error}")))?;
    params.validate().map_err(|error| BenchError::Options(format!("--param: {error}")))?;
    Ok(params)
}

impl Chain {
    /// Starts validators whose genesis funds these accounts.
    pub(super) async fn start(options: &Options, accounts: Vec<Address>) -> Result<Self, BenchError> {
        let params = params(options)?;
        let directory = directory(options);
        let layout = Layout::new(
            directory.clone(),
            options.validators,
            options.base_port,
            options.workload.application(),
        );
        let listening: Vec<_> = (0..options.validators).map(|index| layout.p2p_address(index)).collect();
        let relays = match options.delay {
            Some(delay) => Some(Relays::open(delay, &listening).await?),
            None => None,
        };
        let routes: Vec<Vec<_>> = (0..listening.len())
            .map(|from| (0..listening.len()).map(|to| relays.as_ref()?.address(from, to)).collect())
            .collect();
        layout.write_with(Extras {
            accounts,
            params: Box::new(move |usual| *usual = params.clone()),
            config: Box::new(|config: &mut NodeConfig| {
                (config.rpc.cost_per_s, config.rpc.client_cost_per_s) = (COST_PER_S, COST_PER_S);
            }),
            route: Box::new(move |from, to| routes[usize::from(from)][usize::from(to)]),
        })?;
        let (exits_to, exits) = mpsc::channel(usize::from(options.validators));
        let (mut processes, begun) = (Vec::new(), Instant::now());
        for home in layout.homes() {
            processes.push(Process::validator_with(&home, &options.settings, exits_to.clone())?);
        }
        let mut chain = Self {
            nodes: layout.nodes().collect(),
            chain_id: String::new(),
            started: None,
            pids: processes.iter().filter_map(Process::pid).collect(),
            directory: Some(directory),
            temporary: options.dir.is_none(),
            processes,
            _relays: relays,
            exits,
        };
        chain.ready().await?;
        chain.started = Some(begun.elapsed());
        Ok(chain)
    }

    /// Nodes that run already.
    pub(super) async fn join(nodes: &[NodeUrl]) -> Result<Self, BenchError> {
        let (_, exits) = mpsc::channel(1);
        let mut chain = Self {
            nodes: nodes.to_vec(),
            chain_id: String::new(),
            pids: Vec::new(),
            started: None,
            directory: None,
            temporary: false,
            processes: Vec::new(),
            _relays: None,
            exits,
        };
        chain.ready().await?;
        Ok(chain)
    }

    /// Waits until every node has executed a block.
    async fn ready(&mut self) -> Result<(), BenchError> {
        let deadline = Instant::now() + READY;
        for node in self.nodes.clone() {
            let mut client = Client::new(node.clone());
            loop {
                if let Ok(ended) = self.exits.try_recv() {
                    return Err(ended.into());
                }
                let status = client.call("status", json!({})).await;
                if let Ok(status) = &status
                    && integer(&status["althing"]["executed_height"]).is_some_and(|height| height > 0)
                {
                    let network = status["node_info"]["network"].as_str().unwrap_or_default();
                    network.clone_into(&mut self.chain_id);
                    break;
                }
                if Instant::now() > deadline {
                    status?;
                    let reason = format!("{node} has executed no block within {} s", READY.as_secs());
                    return Err(BenchError::Stalled(reason));
                }
                sleep(ASK).await;
            }
        }
        Ok(())
    }

    /// Takes the last validator out: it is the caller's to end.
    pub(super) fn victim(&mut self) -> Option<Process> {
        self.processes.pop()
    }

    /// Ends when a validator does.
    pub(super) async fn broken(&mut self) -> BenchError {
        match self.exits.recv().await {
            Some(ended) => ended.into(),
            // Those that were joined are others' affair.
            None => std::future::pending().await,
        }
    }

    /// Ends the validators. Homes in a place of their own are removed, unless something went wrong.
    pub(super) async fn stop(self, remove: bool) -> Result<Option<PathBuf>, BenchError> {
        let stopping: Vec<_> =
            self.processes.into_iter().map(|process| tokio::spawn(process.stop())).collect();
        for process in stopping {
            // A supervisor that panicked has nothing more to stop.
            _ = process.await;
        }
        match self.directory.filter(|_| self.temporary) {
            Some(directory) if remove => {
                std::fs::remove_dir_all(directory)?;
                Ok(None)
            }
            kept => Ok(kept),
        }
    }
}
