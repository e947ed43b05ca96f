//! The stateless half of admission: a block is valid only if all validators come to the same verdicts, for ever.

use crate::conformance::chain::Chain;
use crate::conformance::garbage::Garbage;
use crate::conformance::instance::{Instance, Seen, fail};
use crate::conformance::trial::Trial;
use crate::{Admission, Bytes, TxError};

/// What must be the same: all of an admission; of a refusal all but the words.
type Verdict = Result<Admission, (u32, String)>;

fn verdicts(app: &Instance, txs: &[Bytes]) -> Seen<Vec<Verdict>> {
    let plain =
        |verdict: Result<Admission, TxError>| verdict.map_err(|refusal| (refusal.code, refusal.codespace));
    Ok(app.precheck(txs)?.into_iter().map(plain).collect())
}

pub(super) fn precheck_is_stateless(trial: &Trial<'_>) -> Seen {
    let mut txs = trial.samples.txs();
    txs.extend(Garbage::new("precheck").changed(&trial.samples.txs(), 3));
    let mut chain = Chain::begun(&trial.samples)?;
    let expected = verdicts(&chain.app, &txs)?;
    let hold = |app: &Instance, when: &str| {
        let found = verdicts(app, &txs)?;
        match (0..txs.len()).find(|nth| found[*nth] != expected[*nth]) {
            Some(nth) => {
                let (here, there) = (&found[nth], &expected[nth]);
                fail(format!(
                    "precheck of {}: {when} {here:?}, after genesis {there:?}",
                    hex::encode(&txs[nth])
                ))
            }
            None => Ok(()),
        }
    };
    verdicts(&chain.app, &[])?;
    for (tx, expected) in txs.iter().zip(&expected) {
        let alone = verdicts(&chain.app, std::slice::from_ref(tx))?;
        if alone[0] != *expected {
            let tx = hex::encode(tx);
            return fail(format!("precheck of {tx}: alone {:?}, in a batch {expected:?}", alone[0]));
        }
    }
    let reversed: Vec<Bytes> = txs.iter().rev().cloned().collect();
    if verdicts(&chain.app, &reversed)?.iter().rev().ne(&expected) {
        return fail("precheck gives other verdicts on the same batch in reverse order");
    }
    hold(&Chain::begun(&trial.samples)?.app, "on another instance")?;
    for nth in 0..trial.blocks.len() {
        chain.step(nth)?;
        hold(&chain.app, &format!("after height {}", trial.samples.blocks[nth].height))?;
    }
    chain = chain.restarted()?;
    chain.catch_up(trial, trial.blocks.len(), "after a restart")?;
    hold(&chain.app, "after a restart")
}
