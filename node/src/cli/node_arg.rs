//! `--node`: which node a command asks, and how.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::client::{Access, Client, NodeUrl};

#[derive(Debug, Args)]
pub(super) struct NodeArg {
    /// The node's JSON-RPC, http:// or https://
    #[arg(long, value_name = "URL", env = "ALTHING_NODE", default_value = "http://127.0.0.1:26657")]
    node: NodeUrl,
    /// A file with the bearer key to show it, in one line
    #[arg(long, value_name = "FILE", env = "ALTHING_NODE_KEY")]
    node_key: Option<PathBuf>,
    /// A PEM file with the roots to trust for https://
    #[arg(long, value_name = "FILE", env = "ALTHING_NODE_CA")]
    node_ca: Option<PathBuf>,
}

impl NodeArg {
    pub(super) fn client(&self) -> Result<Client, Failure> {
        let mut access = Access::default();
        if let Some(file) = &self.node_key {
            access = access.key_file(file)?;
        }
        if let Some(file) = &self.node_ca {
            access = access.roots_file(file)?;
        }
        Ok(Client::with(self.node.clone(), access))
    }
}
