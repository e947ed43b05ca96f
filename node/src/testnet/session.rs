//! One run of a local chain: processes up, load on, watch, sum up, processes down.

use std::{
    fmt,
    io::{self, Write, stderr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use althing_crypto::key_file::KeyFile;
use althing_genesis::Genesis;
use serde::Serialize;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    Layout, Options, TestnetError,
    load::{self, Figures, Lane, UnderWay, lanes},
    monitor::Monitor,
    process::{self, Process},
};
use crate::{client::NodeUrl, home::Home, new_chain::Kind};

/// How often the validators are asked where they stand.
const ASK: Duration = Duration::from_millis(200);
/// How long the validators may take to make the first block.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a chain under load may stand still.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long transfers under way are waited for at the end.
const LAST_TRANSFERS: Duration = Duration::from_secs(5);

/// What a run came to.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// How many validators ran.
    pub validators: u16,
    /// The height up to which all of them executed, and at which they were compared.
    pub height: u64,
    /// Transfers that their node reported as committed.
    pub committed_txs: u64,
    /// Transfers refused, failed or lost.
    pub failed_txs: u64,
    /// Committed transfers per second.
    pub tps: f64,
    /// From the client's sending to its node's report of the commit.
    pub commit_latency_ms: LatencyMs,
    /// The application hash at that height, as `block_results` of the first validator has it.
    pub app_hash: String,
    /// Whether all validators report that same hash.
    pub agree: bool,
}

/// Percentiles of a latency, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct LatencyMs {
    /// Half took at most so long.
    pub p50: f64,
    /// 99 of 100 took at most so long.
    pub p99: f64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { validators, height, committed_txs, failed_txs, tps, app_hash, .. } = self;
        let LatencyMs { p50, p99 } = self.commit_latency_ms;
        let verdict = if self.agree { "all agree" } else { "THEY DISAGREE" };
        writeln!(f, "{validators} validators at height {height}, app hash {app_hash}: {verdict}")?;
        writeln!(f, "{committed_txs} transfers committed, {failed_txs} failed, {tps} per second")?;
        write!(f, "committed after {p50} ms (p50), {p99} ms (p99)")
    }
}

/// Runs a local chain until it has made its blocks, its time is up, or the process is interrupted.
pub async fn run(options: Options) -> Result<Summary, TestnetError> {
    let (directory, temporary) = match &options.dir {
        Some(dir) => (dir.clone(), false),
        None => (temporary_directory(), true),
    };
    let layout = Layout::new(directory, options.validators, options.base_port, options.app);
    let fresh = !layout.is_written();
    if fresh {
        layout.write()?;
    } else {
        layout.check()?;
    }
    let homes: Vec<Home> = layout.homes().collect();
    let (exits_to, exits) = mpsc::channel(2 * homes.len());
    let (mut applications, mut validators) = (Vec::new(), Vec::new());
    let mut start = || {
        for home in &homes {
            if let Some(command) = &options.app_command {
                applications.push(Process::application(home, command, exits_to.clone())?);
            }
            validators.push(Process::validator(home, exits_to.clone())?);
        }
        Ok(())
    };
    let result = match start() {
        Ok(()) => Session::new(options, &layout, homes, fresh).watch(exits).await,
        Err(error) => Err(error),
    };
    // An application that ended before its validator would be waited for.
    for processes in [validators, applications] {
        let stopping: Vec<_> = processes.into_iter().map(|process| tokio::spawn(process.stop())).collect();
        for process in stopping {
            let _ = process.await;
        }
    }
    if temporary {
        // Kept after a failure, for its logs.
        match &result {
            Ok(_) => std::fs::remove_dir_all(layout.dir())?,
            Err(_) => say(&format!("the homes are kept in {}", layout.dir().display())),
        }
    }
    result
}

fn temporary_directory() -> PathBuf {
    std::env::temp_dir().join(format!("althing-testnet-{}", std::process::id()))
}

/// A line for people.
fn say(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

struct Session {
    options: Options,
    homes: Vec<Home>,
    nodes: Vec<NodeUrl>,
    accounts: Vec<PathBuf>,
    monitor: Monitor,
    /// Whether the chain began with this run.
    fresh: bool,
}

impl Session {
    fn new(options: Options, layout: &Layout, homes: Vec<Home>, fresh: bool) -> Self {
        let nodes: Vec<_> = layout.nodes().collect();
        let names: Vec<_> = homes.iter().map(process::name).collect();
        for ((name, node), home) in names.iter().zip(&nodes).zip(&homes) {
            say(&format!("{name:13} {node}   {}", home.path().display()));
        }
        let monitor = Monitor::new(&nodes, names);
        Self { options, homes, nodes, accounts: layout.accounts().collect(), monitor, fresh }
    }

    /// The run, unless a validator ends or the process is interrupted before.
    async fn watch(mut self, mut exits: mpsc::Receiver<TestnetError>) -> Result<Summary, TestnetError> {
        let mut interrupted = Box::pin(interruption()?);
        let first = tokio::select! {
            ready = self.ready() => ready?,
            Some(ended) = exits.recv() => return Err(ended),
            () = &mut interrupted => return Err(TestnetError::Interrupted),
        };
        let lanes = self.lanes().await?;
        let mut under_way = UnderWay::default();
        let begun = Instant::now();
        let rate = self.options.tx_rate;
        let target = self.options.blocks.map(|blocks| first + blocks);
        let height = tokio::select! {
            height = self.progress(&lanes, first, target) => height?,
            () = under_way.offer(&lanes, rate) => None,
            Some(ended) = exits.recv() => return Err(ended),
            () = interrupted => None,
        };
        // Until here transfers were offered; those that come in late still count.
        let elapsed = begun.elapsed();
        under_way.end(LAST_TRANSFERS).await;
        let figures = self.monitor.finish(&lanes);
        let height = match height {
            Some(height) => height,
            None => self.common_height().await?,
        };
        self.sum_up(height, &figures, elapsed).await
    }

    /// Waits for the first block on every validator; returns the height that this run began at.
    async fn ready(&mut self) -> Result<u64, TestnetError> {
        let deadline = Instant::now() + READY_TIMEOUT;
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            self.monitor.ask().await;
            match self.monitor.height() {
                Some(height) if height > 0 => return Ok(if self.fresh { 0 } else { height }),
                _ if Instant::now() > deadline => {
                    return Err(self.stalled(format!("no first block after {} s", READY_TIMEOUT.as_secs())));
                }
                _ => {}
            }
        }
    }

    /// Watches until every validator has executed the target (its height is returned) or the time is up.
    async fn progress(
        &mut self,
        lanes: &[Arc<Lane>],
        first: u64,
        target: Option<u64>,
    ) -> Result<Option<u64>, TestnetError> {
        let begun = Instant::now();
        let (mut highest, mut risen) = (first, begun);
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            self.monitor.ask().await;
            self.monitor.show(lanes);
            let height = self.monitor.height().unwrap_or_default();
            if height > highest {
                (highest, risen) = (height, Instant::now());
            }
            if target.is_some_and(|target| height >= target) {
                return Ok(target);
            }
            if self.options.duration.is_some_and(|duration| begun.elapsed() >= duration) {
                return Ok(None);
            }
            if target.is_some() && risen.elapsed() > STALL_TIMEOUT {
                let reason = format!("height {highest} for {} s, wanted {target:?}", STALL_TIMEOUT.as_secs());
                return Err(self.stalled(reason));
            }
        }
    }

    async fn lanes(&self) -> Result<Vec<Arc<Lane>>, TestnetError> {
        let genesis = Genesis::read(&self.homes[0].genesis_file())?;
        let senders = match self.options.app {
            Kind::Ledger => {
                let keys: Result<_, _> =
                    self.accounts.iter().map(|file| KeyFile::read_account(file)).collect();
                load::accounts(&self.nodes[0], keys?).await?
            }
            Kind::Kv => load::setters(self.accounts.len()),
            Kind::Noop | Kind::Abci => load::writers(self.accounts.len()),
            Kind::Own(own) => load::of(own),
        };
        Ok(lanes(&self.nodes, genesis.chain_id(), senders))
    }

    async fn common_height(&mut self) -> Result<u64, TestnetError> {
        self.monitor.ask().await;
        self.monitor.height().ok_or_else(|| self.stalled("not every validator answers".to_owned()))
    }

    #[allow(clippy::float_arithmetic, reason = "figures for people")]
    async fn sum_up(
        &mut self,
        height: u64,
        figures: &Figures,
        elapsed: Duration,
    ) -> Result<Summary, TestnetError> {
        let hashes = self.monitor.app_hashes(height).await?;
        if let Some(fault) = &figures.fault {
            say(&format!("{} transfers failed, the last because: {fault}", figures.failed));
        }
        let tenths = |value: f64| (value * 10.0).round() / 10.0;
        let ms = |percent| tenths(figures.latencies.percentile(percent) as f64 / 1000.0);
        Ok(Summary {
            validators: self.options.validators,
            height,
            committed_txs: figures.committed,
            failed_txs: figures.failed,
            tps: tenths(figures.committed as f64 / elapsed.as_secs_f64()),
            commit_latency_ms: LatencyMs { p50: ms(50), p99: ms(99) },
            agree: hashes.iter().all(|hash| hash.is_some() && *hash == hashes[0]),
            app_hash: hashes.into_iter().next().flatten().unwrap_or_default(),
        })
    }

    fn stalled(&self, reason: String) -> TestnetError {
        let tail = |home: &Home| format!("{}:\n{}", process::name(home), process::tail(&process::log(home)));
        TestnetError::Stalled { reason, tails: self.homes.iter().map(tail).collect::<Vec<_>>().join("\n") }
    }
}

fn ticks() -> tokio::time::Interval {
    let mut ticks = interval(ASK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Ctrl-C or SIGTERM.
pub(crate) fn interruption() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
