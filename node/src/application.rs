//! Which application a chain runs: what its genesis document names.

use std::sync::Arc;

use althing_ledger::{AppError, Application, AssetLedger, state::StateFiles};

use crate::new_chain::LEDGER;

/// How many of the newest heights can be asked about.
pub const KEPT_HEIGHTS: u64 = 100;

/// Opens the application of this kind on the files that the node keeps for it.
pub fn open(kind: &str, files: Arc<dyn StateFiles>) -> Result<Arc<dyn Application>, AppError> {
    match kind {
        LEDGER => Ok(Arc::new(AssetLedger::open(files, KEPT_HEIGHTS)?)),
        other => Err(AppError::Failed(format!(
            "genesis document: application.kind is {other:?}; this program brings {LEDGER:?} only"
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
        assert_eq!(open(LEDGER).unwrap().info().name, "asset-ledger");
        let error = open("kv").err().expect("there is none").to_string();
        assert!(error.contains("\"kv\"") && error.contains("\"ledger\""), "{error}");
    }
}
