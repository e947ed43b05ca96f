//! What a chain took beside what the machine itself would take for the least that such a chain has to do.

use serde::Serialize;

use super::{machine::Machine, report::rounded};

/// Ratios to the machine's own figures; none where the one or the other was not measured.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Ratios {
    /// The BLS work of a block, over all validators, in milliseconds of processor time.
    pub bls_ms_per_block: f64,
    /// Processor time of a block over that.
    pub cpu_to_bls: Option<f64>,
    /// Processor time of a transaction over that of its signatures, which every validator checks.
    pub cpu_to_signatures: Option<f64>,
    /// Blocks in a second over the syncs in a second that the disk does one after the other.
    pub blocks_to_syncs: Option<f64>,
    /// Transactions in a second, times validators, over the keys in a second that the store takes.
    pub txs_to_store_writes: Option<f64>,
}

/// What was measured of a chain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub(super) validators: usize,
    /// Signatures in a hundred transactions.
    pub(super) signatures_per_100: u32,
    pub(super) cpu_ms_per_block: Option<f64>,
    pub(super) cpu_s_per_10k_tx: Option<f64>,
    pub(super) blocks_per_s: f64,
    pub(super) txs_per_s: f64,
}

impl Ratios {
    /// Of a chain on this machine.
    pub(super) fn of(machine: &Machine, taken: Taken) -> Self {
        let validators = taken.validators as f64;
        let bls_ms_per_block = bls_ms_per_block(machine, validators);
        let signatures = 100.0 * f64::from(taken.signatures_per_100) * validators;
        let signatures_s = signatures * machine.cores as f64 / machine.signatures_per_s();
        Self {
            bls_ms_per_block: rounded(bls_ms_per_block, 2),
            cpu_to_bls: taken.cpu_ms_per_block.and_then(|ms| ratio(ms, bls_ms_per_block)),
            cpu_to_signatures: taken.cpu_s_per_10k_tx.and_then(|s| ratio(s, signatures_s)),
            blocks_to_syncs: ratio(taken.blocks_per_s * machine.fdatasync_ms, 1_000.0),
            txs_to_store_writes: ratio(taken.txs_per_s * validators, machine.store_writes_per_s)
                .filter(|_| taken.txs_per_s > 0.0),
        }
    }
}

/// Each validator signs a vote and a commit vote, and checks a certificate of either. The proposal is signed with Ed25519.
fn bls_ms_per_block(machine: &Machine, validators: f64) -> f64 {
    let Machine { bls_sign_ms: sign, bls_aggregate_verify_ms: certificate, .. } = *machine;
    validators * 2.0 * (sign + certificate)
}

fn ratio(of: f64, to: f64) -> Option<f64> {
    (to.is_normal() && to > 0.0).then(|| rounded(of / to, 4))
}

#[cfg(test)]
mod tests {
    use super::{super::machine::Checker, *};

    #[test]
    fn ratios_are_to_the_least_that_is_needed() {
        let machine = Machine {
            cores: 2,
            ed25519_per_s: vec![Checker { name: "best", batch: true, per_s: 50_000.0 }],
            bls_sign_ms: 0.5,
            bls_verify_ms: 1.0,
            bls_aggregate_verify_ms: 1.5,
            fdatasync_ms: 0.1,
            store_writes_per_s: 100_000.0,
        };
        let taken = Taken {
            validators: 4,
            signatures_per_100: 100,
            cpu_ms_per_block: Some(78.0),
            cpu_s_per_10k_tx: Some(2.0),
            blocks_per_s: 50.0,
            txs_per_s: 1_000.0,
        };
        let ratios = Ratios::of(&machine, taken);
        assert_eq!(ratios.bls_ms_per_block, 4.0 * (2.0 * 0.5 + 2.0 * 1.5));
        assert_eq!(ratios.cpu_to_bls, Some(4.875));
        assert_eq!(ratios.cpu_to_signatures, Some(2.5), "four checks of 20 µs are 0.8 s for 10,000");
        assert_eq!((ratios.blocks_to_syncs, ratios.txs_to_store_writes), (Some(0.005), Some(0.04)));
        let unsigned = Taken { signatures_per_100: 0, cpu_ms_per_block: None, txs_per_s: 0.0, ..taken };
        let ratios = Ratios::of(&machine, unsigned);
        assert_eq!(
            (ratios.cpu_to_signatures, ratios.cpu_to_bls, ratios.txs_to_store_writes),
            (None, None, None)
        );
    }
}
