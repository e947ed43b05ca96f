//! Which application a chain runs: what its genesis document names.

use std::sync::Arc;

use althing_ledger::{AppError, Application, AssetLedger, StateStore};

use crate::new_chain::LEDGER;

/// Opens the application of this kind on the state that the node keeps for it.
pub fn open(kind: &str, store: Arc<dyn StateStore>) -> Result<Arc<dyn Application>, AppError> {
    match kind {
        LEDGER => Ok(Arc::new(AssetLedger::open(store)?)),
        other => Err(AppError::Failed(format!(
            "genesis document: application.kind is {other:?}; this program brings {LEDGER:?} only"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use althing_ledger::MemoryStore;

    use super::*;

    #[test]
    fn a_kind_that_is_not_brought_is_named() {
        let open = |kind| open(kind, Arc::new(MemoryStore::new()));
        assert_eq!(open(LEDGER).unwrap().info().name, "asset-ledger");
        let error = open("kv").err().expect("there is none").to_string();
        assert!(error.contains("\"kv\"") && error.contains("\"ledger\""), "{error}");
    }
}
