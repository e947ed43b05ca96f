//! What is told of a measurement: to people, and as one object.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::{machine::Machine, ratios::Ratios};

/// Percentiles of a latency, in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct LatencyMs {
    /// Half took at most so long; none if there were none.
    pub p50: Option<f64>,
    /// 90 of 100.
    pub p90: Option<f64>,
    /// 99 of 100.
    pub p99: Option<f64>,
    /// All.
    pub max: Option<f64>,
}

/// Two percentiles of a time, in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct TwoMs {
    /// Half took at most so long.
    pub p50: Option<f64>,
    /// 99 of 100.
    pub p99: Option<f64>,
}

/// What became of a chain when one validator was killed.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Kill {
    /// When, from the begin of the time that counts, in seconds.
    pub at_s: f64,
    /// The longest time without a block from then on, in milliseconds.
    pub gap_ms: Option<u64>,
    /// Of transactions due until then.
    pub p50_before_ms: Option<f64>,
    /// The same, 99 of 100.
    pub p99_before_ms: Option<f64>,
    /// Of transactions due after the longest time without a block that began in the first two seconds.
    pub p50_after_ms: Option<f64>,
    /// The same, 99 of 100.
    pub p99_after_ms: Option<f64>,
    /// Of all transactions due since it was killed, 99 of 100.
    pub p99_since_ms: Option<f64>,
    /// How many times without a block were longer than half a second since.
    pub gaps: usize,
}

/// One rate that was tried.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Step {
    /// Transactions offered in a second; none where as many as possible are.
    pub rate: Option<u32>,
    /// Transactions committed in a second.
    pub tps: f64,
    /// From the time each was due.
    pub latency_ms: LatencyMs,
    /// Refused for good, or not executed when they were given up.
    pub lost: u64,
}

/// All that was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What the chain was asked to do.
    pub workload: &'static str,
    /// How many validators it has.
    pub validators: usize,
    /// How fast transactions came, as it was asked for.
    pub rate: String,
    /// From the first process until all had executed a block, in seconds.
    pub start_s: Option<f64>,
    /// How far the validators are from one another, one way.
    pub delay: Option<String>,
    /// Transactions offered in a second; none where as many as possible were.
    pub offered: Option<u32>,
    /// How long it counted, in seconds.
    pub duration_s: f64,
    /// Transactions committed in a second.
    pub tps: f64,
    /// What signature checks alone would allow; none where nothing is signed.
    pub limit_tps: Option<f64>,
    /// The one as a share of the other.
    pub share_of_limit: Option<f64>,
    /// Transactions committed.
    pub committed: u64,
    /// Transactions refused for good.
    pub failed: u64,
    /// Transactions not executed when they were given up; in the latencies they count with the time that they had waited.
    pub unanswered: u64,
    /// Transactions of a few blocks, spread over the time, whose results were looked at.
    pub sampled: u64,
    /// Of these, such as were executed in vain: they count as committed.
    pub sampled_in_vain: u64,
    /// Why the last one failed.
    pub fault: Option<String>,
    /// From the time each was due.
    pub latency_ms: LatencyMs,
    /// The same until the node that each was handed to had acknowledged it.
    pub taken_ms: TwoMs,
    /// Between blocks, by their own times.
    pub block_interval_ms: TwoMs,
    /// The longest time in which no block was seen.
    pub longest_gap_ms: Option<u64>,
    /// From a block's own time until nodes have it committed.
    pub finalization_ms: TwoMs,
    /// Blocks seen.
    pub blocks: usize,
    /// Transactions in a block, on average.
    pub txs_per_block: Option<f64>,
    /// Views that failed, at the node that saw most.
    pub view_failures: u64,
    /// Processor time of all validators for 10,000 transactions, in seconds.
    pub cpu_s_per_10k_tx: Option<f64>,
    /// The same for a block, in milliseconds.
    pub cpu_ms_per_block: Option<f64>,
    /// Processor time of all validators, by room, in seconds.
    pub cpu_s_by_room: BTreeMap<&'static str, f64>,
    /// The same by the names of threads.
    pub cpu_s_by_thread: BTreeMap<String, f64>,
    /// Processor time of what handed the transactions in, in seconds.
    pub load_cpu_s: Option<f64>,
    /// Processor time of everything else on the machine, in seconds.
    pub others_cpu_s: Option<f64>,
    /// The system's load average when it began.
    pub load_average: Option<f64>,
    /// The most memory that a validator had, in mebibytes.
    pub rss_mb_max: Option<f64>,
    /// What it came to that one was killed.
    pub kill: Option<Kill>,
    /// Bytes that all validators together sent to one another, for a transaction.
    pub bytes_per_tx: Option<f64>,
    /// The same for a block.
    pub bytes_per_block: Option<f64>,
    /// What all this is to what the machine can do.
    pub ratios: Ratios,
    /// What the machine can do.
    pub machine: Machine,
    /// All rates that were tried.
    pub steps: Vec<Step>,
}

/// A number with so many decimal places.
pub(super) fn rounded(value: f64, places: i32) -> f64 {
    let scale = 10_f64.powi(places);
    (value * scale).round() / scale
}

/// A number for people, or a dash.
struct Maybe(Option<f64>);

impl fmt::Display for Maybe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("-"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LatencyMs { p50, p90, p99, max } = self.latency_ms;
        if let Some(delay) = &self.delay {
            writeln!(f, "delays: {delay}")?;
        }
        let (interval, finalization) = (self.block_interval_ms, self.finalization_ms);
        writeln!(
            f,
            "{} · {} validators · rate {} · {} s",
            self.workload, self.validators, self.rate, self.duration_s
        )?;
        writeln!(
            f,
            "  committed            {} tx/s ({}, {} failed, {} unanswered)",
            self.tps, self.committed, self.failed, self.unanswered
        )?;
        let share = self.share_of_limit.map(|share| rounded(share * 100.0, 1));
        writeln!(
            f,
            "  limit of signatures  {} tx/s, of which this is {} %",
            Maybe(self.limit_tps),
            Maybe(share)
        )?;
        writeln!(
            f,
            "  latency              {} ms p50, {} p90, {} p99, {} max",
            Maybe(p50),
            Maybe(p90),
            Maybe(p99),
            Maybe(max)
        )?;
        let taken = self.taken_ms;
        writeln!(f, "  acknowledged after   {} ms p50, {} p99", Maybe(taken.p50), Maybe(taken.p99))?;
        writeln!(
            f,
            "  block interval       {} ms p50, {} p99; {} blocks of {} transactions",
            Maybe(interval.p50),
            Maybe(interval.p99),
            self.blocks,
            Maybe(self.txs_per_block)
        )?;
        writeln!(
            f,
            "  finalization         {} ms p50, {} p99",
            Maybe(finalization.p50),
            Maybe(finalization.p99)
        )?;
        writeln!(f, "  failed views         {}", self.view_failures)?;
        if let Some(kill) = &self.kill {
            writeln!(
                f,
                "  killed after         {} s: {} ms without a block, {} times more than 500; p99 {} ms before, {} after, {} in all since",
                kill.at_s,
                Maybe(kill.gap_ms.map(|ms| ms as f64)),
                kill.gaps,
                Maybe(kill.p99_before_ms),
                Maybe(kill.p99_after_ms),
                Maybe(kill.p99_since_ms)
            )?;
        }
        writeln!(
            f,
            "  processor time       {} s for 10,000 transactions, {} ms for a block",
            Maybe(self.cpu_s_per_10k_tx),
            Maybe(self.cpu_ms_per_block)
        )?;
        let total: f64 = self.cpu_s_by_room.values().sum();
        for (room, seconds) in &self.cpu_s_by_room {
            let share = if total > 0.0 { rounded(seconds / total * 100.0, 1) } else { 0.0 };
            writeln!(f, "    {room:<18} {seconds} s, {share} %")?;
        }
        writeln!(
            f,
            "  load, all others     {} s, {} s of processor time",
            Maybe(self.load_cpu_s),
            Maybe(self.others_cpu_s)
        )?;
        writeln!(f, "  memory               {} MiB at most", Maybe(self.rss_mb_max))?;
        writeln!(
            f,
            "  bytes sent           {} for a transaction, {} for a block",
            Maybe(self.bytes_per_tx),
            Maybe(self.bytes_per_block)
        )?;
        let Ratios { bls_ms_per_block, cpu_to_bls, cpu_to_signatures, blocks_to_syncs, txs_to_store_writes } =
            self.ratios;
        writeln!(
            f,
            "  times the limits     {} × the {bls_ms_per_block} ms of BLS that a block needs, {} × the signatures of a transaction",
            Maybe(cpu_to_bls),
            Maybe(cpu_to_signatures)
        )?;
        writeln!(
            f,
            "                       {} blocks a sync of the disk, {} transactions, by all validators, a write of the store",
            Maybe(blocks_to_syncs),
            Maybe(txs_to_store_writes)
        )?;
        writeln!(f, "  the machine          {} cores", self.machine.cores)?;
        for checker in &self.machine.ed25519_per_s {
            writeln!(f, "    {:<36} {:.0} signatures/s per core", checker.name, checker.per_s)?;
        }
        let Machine {
            bls_sign_ms,
            bls_verify_ms,
            bls_aggregate_verify_ms,
            fdatasync_ms,
            store_writes_per_s,
            ..
        } = &self.machine;
        writeln!(
            f,
            "    BLS: sign {bls_sign_ms:.2} ms, verify {bls_verify_ms:.2} ms, aggregate of four {bls_aggregate_verify_ms:.2} ms"
        )?;
        write!(f, "    fdatasync {fdatasync_ms:.2} ms, store {store_writes_per_s:.0} keys/s")?;
        if let Some(fault) = &self.fault {
            write!(f, "\n  the last failure     {fault}")?;
        }
        for step in &self.steps {
            let rate = step.rate.map_or("-".to_owned(), |rate| rate.to_string());
            let LatencyMs { p50, p99, .. } = step.latency_ms;
            write!(
                f,
                "\n  at {rate:>8}/s  {:>9} tx/s  {} ms p50  {} ms p99  {} lost",
                step.tps,
                Maybe(p50),
                Maybe(p99),
                step.lost
            )?;
        }
        Ok(())
    }
}
