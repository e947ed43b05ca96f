//! Between the application's words and those of consensus and mempool: the rooms do not know each other.

use althing_consensus::engine::EngineConfig;
use althing_consensus::{Election, Header};
use althing_ledger::{Application, Member, TxError};
use althing_mempool::{Admission, Refusal, TxBytes};

use super::Fatal;

/// A hash as consensus has it. Both hold at most 64 bytes.
pub(crate) fn consensus_app_hash(hash: &althing_ledger::AppHash) -> althing_consensus::AppHash {
    althing_consensus::AppHash::new(hash.as_bytes().to_vec()).expect("both are at most 64 bytes")
}

/// The identity of the leader that made a block on this parent.
pub(super) fn proposer(engine: &EngineConfig, header: &Header, parent: &Header) -> [u8; 32] {
    let EngineConfig { chain_id, epoch, set, .. } = engine;
    let absent = if parent.epoch == *epoch { &parent.absent[..] } else { &[] };
    let leader = Election { chain_id, epoch: *epoch, set, given: &[] }.leader(header.view, absent);
    *set.get(leader).expect("leaders are members").identity.as_bytes()
}

/// The validators, as a block shows them.
pub(super) fn members(engine: &EngineConfig, header: &Header) -> Vec<Member> {
    let member = |(index, member): (usize, &althing_consensus::Validator)| Member {
        identity: *member.identity.as_bytes(),
        power: member.power.0,
        absent: header.absent.iter().any(|absence| usize::from(absence.member.0) == index),
    };
    engine.set.members().iter().enumerate().map(member).collect()
}

pub(super) fn refusal(error: TxError) -> Refusal {
    Refusal { code: error.code, codespace: error.codespace, log: error.log }
}

/// So many transactions are worth a thread of their own: below, starting it costs more than it saves.
const WORTH_A_THREAD: usize = 64;

/// The application's precheck of what consensus waits for: one verdict per transaction. Large batches are split over the processors.
pub(super) fn precheck(
    application: &dyn Application,
    txs: &[&TxBytes],
) -> Result<Vec<Result<Admission, Refusal>>, Fatal> {
    if txs.len() <= WORTH_A_THREAD {
        return precheck_part(application, txs);
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let share = txs.len().div_ceil(processors).max(WORTH_A_THREAD);
    let mut parts = txs.chunks(share);
    let first = parts.next().unwrap_or_default();
    let parts: Vec<&[&TxBytes]> = parts.collect();
    std::thread::scope(|scope| {
        let others: Vec<_> =
            parts.into_iter().map(|part| scope.spawn(move || precheck_part(application, part))).collect();
        let mut verdicts = precheck_part(application, first)?;
        for other in others {
            // A panic of the application goes on in the thread that asked.
            verdicts.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(verdicts)
    })
}

/// The application's precheck: one verdict per transaction, on this thread.
pub(super) fn precheck_part(
    application: &dyn Application,
    txs: &[&TxBytes],
) -> Result<Vec<Result<Admission, Refusal>>, Fatal> {
    if txs.is_empty() {
        return Ok(Vec::new());
    }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use althing_ledger::{AssetLedger, state::MemoryFiles};

    use super::*;

    #[test]
    fn every_transaction_of_a_large_batch_gets_its_own_verdict_in_order() {
        let ledger = AssetLedger::open(Arc::new(MemoryFiles::new()), 10).unwrap();
        let txs: Vec<TxBytes> = (0..1_000_u32).map(|n| n.to_be_bytes().to_vec().into()).collect();
        let txs: Vec<&TxBytes> = txs.iter().collect();
        let whole = precheck_part(&ledger, &txs).unwrap();
        assert_eq!(precheck(&ledger, &txs).unwrap(), whole);
        assert_eq!(precheck(&ledger, &[]).unwrap(), []);
        for count in [1, WORTH_A_THREAD, WORTH_A_THREAD + 1, 999] {
            assert_eq!(precheck(&ledger, &txs[..count]).unwrap(), whole[..count]);
        }
    }
}
