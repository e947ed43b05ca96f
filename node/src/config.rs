//! What each operator may choose: `config.toml`, overridden by `ALTHING_…` variables, overridden by flags.
//!
//! A key has one name everywhere: `rpc.listen` is `listen` of `[rpc]` in the file, `ALTHING_RPC__LISTEN` in the environment and
//! `--set rpc.listen=…` on the command line. A key that does not exist is an error that names the nearest one that does.

use std::{net::SocketAddr, path::PathBuf};

use althing_crypto::ed25519;
use althing_ledger::abci::Address;
use serde::{Deserialize, Serialize};

use crate::{
    home::Home,
    rpc::{ForwardedHeader, Role},
    storage::BackendKind,
};

mod layers;
mod text;

pub use layers::ConfigError;

/// Everything a node is told by its operator. What all nodes must share is in the genesis document instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Where the node's files are. Not a key of the file.
    #[serde(skip)]
    pub home: Home,
    /// Towards other nodes.
    pub p2p: P2pConfig,
    /// Towards clients.
    pub rpc: RpcConfig,
    /// Pending transactions.
    pub mempool: MempoolConfig,
    /// What clients were told is taken.
    pub journal: JournalConfig,
    /// What the chain runs.
    pub application: ApplicationConfig,
    /// The chain data.
    pub storage: StorageConfig,
    /// What is logged.
    pub log: LogConfig,
}

/// `[p2p]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct P2pConfig {
    /// Where other nodes connect.
    pub listen: SocketAddr,
    /// Whom to connect to, and who may connect beside the validators.
    pub peers: Vec<PeerConfig>,
}

/// One of `p2p.peers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// Its Ed25519 identity key.
    pub identity: ed25519::PublicKey,
    /// `host:port`; without it this node waits to be dialled.
    pub address: Option<String>,
}

/// `[rpc]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RpcConfig {
    /// Where JSON-RPC is served. Whoever reaches it can submit transactions, so loopback by default.
    pub listen: SocketAddr,
    /// Threads for the server's own work; reads have some more.
    pub threads: usize,
    /// What a client without a key may do.
    pub anonymous: Anonymous,
    /// The file with the hashes of bearer keys and their roles; relative to the home.
    pub keys: Option<PathBuf>,
    /// The certificate for TLS; without it HTTP is plain.
    pub tls: Option<TlsConfig>,
    /// Names, beside those of loopback, that clients may call this node in the Host header. On loopback it answers to no others;
    /// elsewhere to any if none is listed.
    pub hosts: Vec<String>,
    /// The origins (`https://host:port`, or `*`) whose web pages may ask this node.
    pub origins: Vec<String>,
    /// Addresses or networks of proxies that say truly for whom they ask.
    pub proxies: Vec<String>,
    /// The header in which they say it.
    pub forwarded: ForwardedHeader,
    /// Whether `/metrics` takes no key, whatever `anonymous` says.
    pub open_metrics: bool,
    /// Longest request body, in bytes.
    pub max_body_bytes: usize,
    /// Clients that wait for something to happen, as in `broadcast_tx_commit`, at once.
    pub max_waiting: usize,
    /// Of these, for one client.
    pub max_waiting_per_client: usize,
    /// Connections open at once.
    pub max_connections: usize,
    /// Of these, for one client.
    pub max_connections_per_client: usize,
    /// Requests under way at once.
    pub max_requests: usize,
    /// Of these, for one client.
    pub max_requests_per_client: usize,
    /// Subscriptions at once.
    pub max_subscriptions: usize,
    /// Of these, for one client.
    pub max_subscriptions_per_client: usize,
    /// Bytes of requests, and of answers that are not sent yet, at once.
    pub max_bytes: usize,
    /// Of these, for one client.
    pub max_bytes_per_client: usize,
    /// Bytes of events that wait to be sent over one WebSocket; beyond them events are left out, and the client is told.
    pub max_unsent_bytes: usize,
    /// What all clients without a key may ask for in a second, and as much again all with one, and all who connect, in the costs that
    /// `docs/rpc.md` gives each method.
    pub cost_per_s: u64,
    /// Of this, one client.
    pub client_cost_per_s: u64,
    /// How long `broadcast_tx_commit` waits for the commit, in milliseconds.
    pub commit_timeout_ms: u64,
}

/// `[rpc.tls]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The node's certificate and those between it and its root, in PEM; relative to the home.
    pub certificate: PathBuf,
    /// Its private key, in PEM; relative to the home.
    pub key: PathBuf,
}

/// What a client without a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Anonymous {
    /// Nothing.
    None,
    /// Read.
    Read,
    /// Also submit.
    Submit,
    /// Everything, if no proxy passed it on. Only on loopback.
    Admin,
}

impl Anonymous {
    /// The role, if there is one.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::None => None,
            Self::Read => Some(Role::Read),
            Self::Submit => Some(Role::Submit),
            Self::Admin => Some(Role::Admin),
        }
    }
}

/// `[mempool]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MempoolConfig {
    /// Transactions kept.
    pub max_txs: usize,
    /// Their bytes together.
    pub max_bytes: usize,
    /// Transactions kept of one sender.
    pub max_txs_per_sender: usize,
}

/// `[journal]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JournalConfig {
    /// Acknowledged transactions kept that no block has; one client may have an eighth of them.
    pub max_txs: usize,
    /// Their bytes together.
    pub max_bytes: usize,
    /// For how long the status of a transaction is told after its end, in milliseconds.
    pub status_kept_ms: u64,
}

/// `[application]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct ApplicationConfig {
    /// Where an application of kind `abci` listens: `unix:///run/app.sock` or `tcp://127.0.0.1:26658`.
    pub address: Option<Address>,
}

/// `[storage]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// The database; cannot be changed later.
    pub backend: BackendKind,
    /// How many of the newest heights of the application's state can be asked about; fewer where they changed so much that they
    /// would take too much memory. No other node sees a difference.
    pub kept_heights: u64,
    /// How many of the newest blocks are kept even where the application lets older ones go; without it, all.
    pub kept_blocks: Option<u64>,
    /// Whether executed blocks are indexed for `tx_search` and `block_search`. Without it both refuse; `tx` finds by hash in any case.
    pub index: bool,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter by module: `info,althing_node=debug`.
    pub level: String,
    /// How lines are written.
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl Default for P2pConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 26656)), peers: Vec::new() }
    }
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 26657)),
            threads: 2,
            anonymous: Anonymous::Admin,
            keys: None,
            tls: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            proxies: Vec::new(),
            forwarded: ForwardedHeader::default(),
            open_metrics: false,
            max_body_bytes: 1 << 20,
            max_waiting: 512,
            max_waiting_per_client: 128,
            max_connections: 1024,
            max_connections_per_client: 256,
            max_requests: 512,
            max_requests_per_client: 128,
            max_subscriptions: 1024,
            max_subscriptions_per_client: 128,
            max_bytes: 128 << 20,
            max_bytes_per_client: 64 << 20,
            max_unsent_bytes: 8 << 20,
            cost_per_s: 3_000,
            client_cost_per_s: 2_000,
            commit_timeout_ms: 10_000,
        }
    }
}

impl Default for MempoolConfig {
    fn default() -> Self {
        Self { max_txs: 50_000, max_bytes: 64 << 20, max_txs_per_sender: 10_000 }
    }
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self { max_txs: 200_000, max_bytes: 128 << 20, status_kept_ms: 3_600_000 }
    }
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self { backend: BackendKind::default(), kept_heights: 10_000, kept_blocks: None, index: true }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

impl NodeConfig {
    /// Reads the home's `config.toml`, then applies the process's `ALTHING_…` variables, then `flags` of the form `key=value`.
    pub fn load(home: &Home, flags: &[String]) -> Result<Self, ConfigError> {
        layers::load(home, std::env::vars_os(), flags)
    }

    /// What this text of a `config.toml` says, with `flags` of the form `key=value` laid over it.
    pub fn from_toml(home: &Home, text: &str, flags: &[String]) -> Result<Self, ConfigError> {
        layers::read(home, text, std::iter::empty(), flags)
    }

    /// Whether each value is within its bounds, whatever the others are.
    fn validate(&self) -> Result<(), ConfigError> {
        let check = |key: &'static str, value: usize, low: usize, high: usize| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(ConfigError::Value {
                    key: key.to_owned(),
                    reason: format!("is {value}, must be {low} to {high}"),
                })
            }
        };
        check("rpc.threads", self.rpc.threads, 1, 256)?;
        check("rpc.max_body_bytes", self.rpc.max_body_bytes, 1024, 64 << 20)?;
        for (key, value) in [
            ("rpc.max_waiting", self.rpc.max_waiting),
            ("rpc.max_waiting_per_client", self.rpc.max_waiting_per_client),
            ("rpc.max_connections", self.rpc.max_connections),
            ("rpc.max_connections_per_client", self.rpc.max_connections_per_client),
            ("rpc.max_requests", self.rpc.max_requests),
            ("rpc.max_requests_per_client", self.rpc.max_requests_per_client),
            ("rpc.max_subscriptions", self.rpc.max_subscriptions),
            ("rpc.max_subscriptions_per_client", self.rpc.max_subscriptions_per_client),
        ] {
            check(key, value, 1, 65_536)?;
        }
        check("rpc.max_bytes", self.rpc.max_bytes, 1 << 20, 8 << 30)?;
        check("rpc.max_bytes_per_client", self.rpc.max_bytes_per_client, 1 << 20, 8 << 30)?;
        check("rpc.max_unsent_bytes", self.rpc.max_unsent_bytes, 1 << 10, 1 << 30)?;
        let cost = |cost: u64| usize::try_from(cost).unwrap_or(usize::MAX);
        check("rpc.cost_per_s", cost(self.rpc.cost_per_s), 100, 10_000_000)?;
        check("rpc.client_cost_per_s", cost(self.rpc.client_cost_per_s), 100, 10_000_000)?;
        check(
            "rpc.commit_timeout_ms",
            usize::try_from(self.rpc.commit_timeout_ms).unwrap_or(usize::MAX),
            1,
            600_000,
        )?;
        check("mempool.max_txs", self.mempool.max_txs, 1, 10_000_000)?;
        check("mempool.max_bytes", self.mempool.max_bytes, 64 << 10, 8 << 30)?;
        check("mempool.max_txs_per_sender", self.mempool.max_txs_per_sender, 1, 10_000_000)?;
        check("journal.max_txs", self.journal.max_txs, 8, 10_000_000)?;
        check("journal.max_bytes", self.journal.max_bytes, 1 << 20, 8 << 30)?;
        let kept = usize::try_from(self.journal.status_kept_ms).unwrap_or(usize::MAX);
        check("journal.status_kept_ms", kept, 1_000, 30 * 24 * 3_600_000)?;
        let kept = usize::try_from(self.storage.kept_heights).unwrap_or(usize::MAX);
        check("storage.kept_heights", kept, 1, 1_000_000)?;
        let kept = self.storage.kept_blocks.map(|kept| usize::try_from(kept).unwrap_or(usize::MAX));
        kept.map_or(Ok(()), |kept| check("storage.kept_blocks", kept, 100, 1_000_000_000))
    }

    /// The file that this configuration is read from.
    pub fn path(&self) -> PathBuf {
        self.home.config_file()
    }
}

#[cfg(test)]
mod tests;
