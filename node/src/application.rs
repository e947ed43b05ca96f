//! Which application a chain runs: what its genesis document names.

use std::sync::Arc;

use althing_ledger::{AppError, Application, AssetLedger, kv::KeyValue, state::StateFiles};

use crate::new_chain::Kind;

/// Opens the application of this kind on the files that the node keeps for it. At most `kept_heights` of the newest heights can be
/// asked about; nothing else depends on their number.
pub fn open(
    kind: &str,
    files: Arc<dyn StateFiles>,
    kept_heights: u64,
) -> Result<Arc<dyn Application>, AppError> {
    match Kind::of(kind) {
        Some(Kind::Ledger) => Ok(Arc::new(AssetLedger::open(files, kept_heights)?)),
        Some(Kind::Kv) => Ok(Arc::new(KeyValue::open(files, kept_heights)?)),
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
        let open = |kind| open(kind, Arc::new(MemoryFiles::new()), 1);
        assert_eq!(open("ledger").unwrap().info().name, "asset-ledger");
        assert_eq!(open("kv").unwrap().info().name, "kv");
        let error = open("evm").err().expect("there is none").to_string();
        assert!(error.contains("\"evm\"") && error.contains("[\"ledger\", \"kv\"]"), "{error}");
    }
}
