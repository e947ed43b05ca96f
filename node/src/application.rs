//! Which application a chain runs: what its genesis document names.

use std::sync::Arc;

use althing_ledger::{AppError, Application, AssetLedger, kv::KeyValue, state::StateFiles};

use crate::new_chain::Kind;

/// How many of the newest heights can be asked about.
pub const KEPT_HEIGHTS: u64 = 100;

/// Opens the application of this kind on the files that the node keeps for it.
pub fn open(kind: &str, files: Arc<dyn StateFiles>) -> Result<Arc<dyn Application>, AppError> {
    match Kind::of(kind) {
        Some(Kind::Ledger) => Ok(Arc::new(AssetLedger::open(files, KEPT_HEIGHTS)?)),
        Some(Kind::Kv) => Ok(Arc::new(KeyValue::open(files, KEPT_HEIGHTS)?)),
        None => Err(AppError::Failed(format!(
            "genesis document: application.kind is {kind:?}; this program brings {:?} only",
            Kind::ALL.map(Kind::name)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use althing_ledger::state::MemoryFiles;

    use super::*;

    #[test]
    fn a_kind_that_is_not_brought_is_named() {
        let open = |kind| open(kind, Arc::new(MemoryFiles::new()));
        assert_eq!(open("ledger").unwrap().info().name, "asset-ledger");
        assert_eq!(open("kv").unwrap().info().name, "kv");
        let error = open("evm").err().expect("there is none").to_string();
        assert!(error.contains("\"evm\"") && error.contains("[\"ledger\", \"kv\"]"), "{error}");
    }
}
