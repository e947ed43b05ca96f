//! Between the application's words and those of consensus and mempool: the rooms do not know each other.

use althing_ledger::{Application, TxError};
use althing_mempool::{Admission, Refusal, TxBytes};

use super::Fatal;

/// A hash as consensus has it. Both hold at most 64 bytes.
pub(crate) fn consensus_app_hash(hash: &althing_ledger::AppHash) -> althing_consensus::AppHash {
    althing_consensus::AppHash::new(hash.as_bytes().to_vec()).expect("both are at most 64 bytes")
}

pub(super) fn refusal(error: TxError) -> Refusal {
    Refusal { code: error.code, codespace: error.codespace, log: error.log }
}

/// The application's precheck: one verdict per transaction.
pub(super) fn precheck(
    application: &dyn Application,
    txs: &[&TxBytes],
) -> Result<Vec<Result<Admission, Refusal>>, Fatal> {
    let bytes: Vec<&[u8]> = txs.iter().map(|tx| &***tx).collect();
    let verdicts = application.precheck(&bytes);
    if verdicts.len() != txs.len() {
        let (asked, got) = (txs.len(), verdicts.len());
        return Err(Fatal::Contract(format!("precheck gave {got} verdicts for {asked} transactions")));
    }
    let admission = |one: althing_ledger::Admission| Admission {
        sender: one.sender,
        sequence: one.sequence,
        priority: one.priority,
        expiry_height: one.expiry_height,
    };
    Ok(verdicts.into_iter().map(|verdict| verdict.map(admission).map_err(refusal)).collect())
}
