//! Which application a chain runs: what its genesis document names.

use std::sync::Arc;

use althing_ledger::{
    AppError, Application, AssetLedger, Bytes, abci::RemoteApplication, kv::KeyValue, noop::Noop,
    state::StateFiles,
};

use crate::{config::NodeConfig, new_chain::Kind};

/// What opening an application gives.
pub type Opened = Result<Arc<dyn Application>, AppError>;

/// An application that a program brings beside those of Althing: see [`crate::cli::main_with`].
#[derive(Debug, Clone, Copy)]
pub struct Own {
    /// Its kind in genesis documents.
    pub kind: &'static str,
    /// What it is, in a few words, for `--help`.
    pub about: &'static str,
    /// The state that `testnet` writes into genesis documents, as JSON.
    pub genesis_state: &'static str,
    /// Opens it on files that the node keeps for it, where so many heights are to be kept. It may use these files or not.
    pub open: fn(Arc<dyn StateFiles>, u64) -> Opened,
    /// What `testnet` sends: for each number another transaction, which succeeds.
    pub transaction: fn(u64) -> Bytes,
}

/// Opens the application of this kind on the files that the node keeps for it. How many
/// heights it keeps, and where one in a process of its own is, is this operator's choice.
pub fn open(kind: &str, own: &[Own], files: Arc<dyn StateFiles>, config: &NodeConfig) -> Opened {
    let kept_heights = config.storage.kept_heights;
    match Kind::of(kind, own) {
        Some(Kind::Ledger) => Ok(Arc::new(AssetLedger::open(files, kept_heights)?)),
        Some(Kind::Kv) => Ok(Arc::new(KeyValue::open(files, kept_heights)?)),
        Some(Kind::Noop) => Ok(Arc::new(Noop::open(files, kept_heights)?)),
        Some(Kind::Own(own)) => (own.open)(files, kept_heights),
        Some(Kind::Abci) => match &config.application.address {
            Some(address) => Ok(Arc::new(RemoteApplication::new(address.clone()))),
            None => Err(AppError::Failed(
                "the genesis document's application is of kind \"abci\": say in config.toml where it listens, as address of \
                 [application], for example \"unix:///run/app.sock\""
                    .to_owned(),
            )),
        },
        None => Err(AppError::Failed(format!(
            "genesis document: application.kind is {kind:?}; this program brings {:?} only",
            Kind::all(own).map(Kind::name).collect::<Vec<_>>()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use althing_ledger::state::MemoryFiles;

    use super::*;

    #[test]
    fn a_kind_that_is_not_brought_is_named() {
        let own = Own {
            kind: "names",
            about: "",
            genesis_state: "{}",
            open: |files, kept_heights| Ok(Arc::new(KeyValue::open(files, kept_heights)?)),
            transaction: |_| Vec::new(),
        };
        let open = |kind| open(kind, &[own], Arc::new(MemoryFiles::new()), &NodeConfig::default());
        assert_eq!(open("names").unwrap().info().unwrap().name, "kv");
        assert_eq!(open("ledger").unwrap().info().unwrap().name, "asset-ledger");
        assert_eq!(open("kv").unwrap().info().unwrap().name, "kv");
        let error = open("abci").err().expect("it has no address").to_string();
        assert!(error.contains("address of [application]"), "{error}");
        let error = open("evm").err().expect("there is none").to_string();
        assert!(
            error.contains("\"evm\"")
                && error.contains("[\"names\", \"ledger\", \"kv\", \"noop\", \"abci\"]"),
            "{error}"
        );
    }
}
