//! `--node`: which node a command asks.

use clap::Args;

use crate::client::{Client, NodeUrl};

#[derive(Debug, Args)]
pub(super) struct NodeArg {
    /// The node's JSON-RPC
    #[arg(long, value_name = "URL", env = "ALTHING_NODE", default_value = "http://127.0.0.1:26657")]
    node: NodeUrl,
}

impl NodeArg {
    pub(super) fn client(&self) -> Client {
        Client::new(self.node.clone())
    }
}
