//! What makes a proposed block valid (rules V1–V10): a function of the block and its ancestors alone.

use std::collections::{BTreeMap, BTreeSet};

use althing_crypto::{BlockHash, Hash, TxHash, mutant};

use crate::engine::EngineConfig;
use crate::{Absence, Counted, Executed, Execution, Header, Height, Proposal};

/// What a block is judged against.
pub(super) struct Context<'a> {
    pub(super) config: &'a EngineConfig,
    pub(super) parent: &'a Header,
    pub(super) parent_hash: BlockHash,
    /// Transactions of its ancestors above the height it vouches for.
    pub(super) carried: &'a BTreeSet<TxHash>,
    /// What committed blocks have carried of notices,
    pub(super) counted: &'a Counted,
    /// and what its ancestors above them have.
    pub(super) noticed: Counted,
    /// What its absent list must be.
    pub(super) absent: &'a [Absence],
}

/// Why a block is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invalid(pub(super) String);

/// All but the payload's bytes, the clock and the execution, which need more than the block and its ancestors' headers.
pub(super) fn check(proposal: &Proposal, context: &Context<'_>) -> Result<(), Invalid> {
    let (header, parent, config) = (&proposal.block.header, context.parent, context.config);
    let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(Invalid(what.to_owned())) };
    // V1: it belongs where it stands.
    must(header.chain_id == config.chain_id, "another chain's id")?;
    must(header.epoch == config.epoch, "another epoch's")?;
    must(header.view == proposal.view, "made for another view")?;
    must(header.parent == context.parent_hash, "its parent is not the justify QC's block")?;
    must(header.justify_view == proposal.justify_view(), "its justify view is not the justify QC's")?;
    must(header.height == parent.height.next(), "its height is not its parent's plus one")?;
    // V2: time grows.
    must(
        header.time_ms > parent.time_ms || mutant!("time_may_go_back"),
        "its time is not above its parent's",
    )?;
    // V3, V4: what it carries is what its roots say, within limits.
    must(proposal.block.txs.len() <= config.params.max_block_txs as usize, "too many transactions")?;
    must(proposal.block.payload_matches(), "its payload root is not that of its transactions")?;
    must(
        proposal.block.notices_match(),
        "its evidence root is not that of its notices, or these are too many",
    )?;
    // V5: no transaction twice.
    let mut seen = BTreeSet::new();
    let carried = |tx| context.carried.contains(tx) && !mutant!("ancestors_transactions_again");
    let fresh = proposal.block.txs.iter().all(|tx| seen.insert(tx) && !carried(tx));
    must(fresh, "a transaction twice, in it or in its ancestors")?;
    // V6: those who failed, and no others.
    must(
        header.absent == context.absent || mutant!("absent_list_unchecked"),
        "its absent list does not follow from the chain",
    )?;
    // V7: what it vouches for never goes back, and is of its past.
    let (vouched, before) = (&header.vouched, &parent.vouched);
    must(vouched.height >= before.height, "it vouches for less than its parent")?;
    must(vouched.height < header.height, "it vouches for its own execution")?;
    must(
        vouched.height > before.height || vouched == before,
        "it vouches otherwise for its parent's height",
    )?;
    // V8: back-pressure.
    let permitted = may_carry(header.height, vouched.height, config.params.max_unexecuted_blocks)
        || proposal.block.is_empty();
    must(permitted, "transactions or notices while too many blocks are not executed")?;
    // V10: each notice once, and in time.
    notices(proposal, context)
}

/// V10: what the signatures of notices cannot tell: that no other block has carried the same, and that they are of its time.
fn notices(proposal: &Proposal, context: &Context<'_>) -> Result<(), Invalid> {
    let mut noticed = context.noticed.clone();
    for notice in &proposal.block.notices {
        let verdict = context.counted.admits(&noticed, notice, context.config.epoch);
        verdict.map_err(|reason| Invalid(reason.to_owned()))?;
        noticed.count(notice);
    }
    Ok(())
}

/// V8: whether a block of this height that vouches for `executed` may carry anything.
pub(super) fn may_carry(height: Height, executed: Height, max_unexecuted: u32) -> bool {
    height.0 - 1 - executed.0 <= u64::from(max_unexecuted) || mutant!("no_back_pressure")
}

/// How this node's execution compares to what a header vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Execute {
    /// Not executed that far yet.
    Unknown,
    /// The same.
    Same,
    /// Another.
    Differs(String),
}

/// V9: values equal to the parent's need no execution; else this node must have executed e and found the same.
pub(super) fn execution(
    header: &Header,
    parent: &Header,
    executed: Height,
    executions: &BTreeMap<Height, Executed>,
) -> Execute {
    let vouched = &header.vouched;
    if *vouched == parent.vouched || mutant!("vouched_execution_unchecked") {
        return Execute::Same;
    }
    if executed < vouched.height {
        return Execute::Unknown;
    }
    let differs = |what: &str, theirs: &dyn std::fmt::Display, own: &dyn std::fmt::Display| {
        let height = vouched.height;
        Execute::Differs(format!("vouches for {what} {theirs} at height {height}, executed here to {own}"))
    };
    let Some(run) = run_of(executions, parent.vouched.height, vouched.height) else {
        return Execute::Unknown;
    };
    let newest = run.last().expect("a run above the parent's height is not empty");
    let root = root_of(&run);
    if newest.execution.app_hash != vouched.app_hash {
        return differs("application hash", &vouched.app_hash, &newest.execution.app_hash);
    }
    if root != vouched.executed_root {
        return differs("executed root", &vouched.executed_root, &root);
    }
    if newest.next_epoch != vouched.next_epoch && !mutant!("next_epoch_unchecked") {
        return differs("next epoch", &vouched.next_epoch, &newest.next_epoch);
    }
    Execute::Same
}

/// The executions above `low` up to `high`, if all are at hand.
pub(super) fn run_of(
    executions: &BTreeMap<Height, Executed>,
    low: Height,
    high: Height,
) -> Option<Vec<&Executed>> {
    let run: Vec<&Executed> =
        (low.0 + 1..=high.0).map_while(|height| executions.get(&Height(height))).collect();
    (run.len() as u64 == high.0.saturating_sub(low.0)).then_some(run)
}

/// What [`crate::Vouched::executed_root`] is for a run.
pub(super) fn root_of(run: &[&Executed]) -> Hash {
    Execution::root(run.iter().map(|one| &one.execution))
}
