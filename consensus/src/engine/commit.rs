//! Rule R6: committing, and comparing what a quorum vouched for with what this node executed.

use std::collections::BTreeMap;

use althing_crypto::{BlockHash, mutant};

use crate::block_tree::NoPath;
use crate::engine::validity::{may_carry, root_of, run_of};
use crate::engine::{Action, Engine, Halt, Step};
use crate::{Block, Certificate, Executed, Header, Height, Micros, Position, QuorumCertificate, Verified};

/// The most blocks that are asked for at one time.
const MAX_WANTED: usize = 64;
/// So many repeat intervals after it was last asked for, a block makes room for another: what is needed is asked for sooner.
const FORSAKEN: u64 = 10;

impl Engine {
    /// R6: the newest commit certificate commits its block and all ancestors, in order, once.
    pub(super) fn try_commit(&mut self, step: &mut Step) {
        let Some(certificate) = self.commit.clone() else { return };
        if self.tree.is_committed(&certificate.block) {
            return;
        }
        match self.tree.path(&certificate.block) {
            Ok(path) => self.commit_path(step, &path, certificate),
            Err(NoPath::Missing(block)) => {
                self.want(step, block, self.everyone());
            }
            Err(NoPath::Fork) => self.halt_on_fork(step, certificate.into_inner()),
        }
    }

    /// Both certificates are for committed blocks of which none descends from the other. A genesis block has no certificate: then the
    /// newest one stands alone.
    fn halt_on_fork(&mut self, step: &mut Step, newest: QuorumCertificate) {
        let held = self.head_certificate.clone().map_or_else(|| newest.clone(), Verified::into_inner);
        self.halt(step, Halt::Fork(Box::new(held), Box::new(newest)));
    }

    /// A block whose hash a certificate vouches for. Only certificates of a fork are for one at or below the newest committed block
    /// that was not at hand. The tree keeps none of those: it stays among the wanted, or it would be asked for again at once.
    pub(super) fn block_at_hand(&mut self, step: &mut Step, hash: BlockHash, block: Block) {
        if block.header.height <= self.committed().height {
            let fork =
                self.commit.clone().filter(|commit| commit.block == hash && !self.tree.is_committed(&hash));
            return fork.map_or((), |fork| self.halt_on_fork(step, fork.into_inner()));
        }
        self.wanted.remove(&hash);
        self.tree.insert(hash, block);
        self.try_commit(step);
    }

    fn commit_path(&mut self, step: &mut Step, path: &[BlockHash], certificate: Verified<QuorumCertificate>) {
        let mut before = self.tree.head().header.vouched.height;
        let (blocks, lost) = self.tree.commit(path);
        blocks.iter().flat_map(|block| &block.notices).for_each(|notice| self.counted.count(notice));
        for header in blocks.iter().map(|block| &block.header) {
            if header.vouched.height > before {
                self.unchecked.push_back((header.clone(), before));
                before = header.vouched.height;
            }
        }
        self.note_progress(step, &blocks);
        let head = self.tree.head().header.height;
        self.wanted.retain(|hash, _| self.tree.get(hash).is_none());
        assert_eq!(blocks.last().map(|block| block.header.height), Some(head), "the path ends at the head");
        self.head_certificate = Some(certificate.clone());
        step.act(Action::Commit { blocks, certificate });
        if !lost.is_empty() {
            step.act(Action::Forget(lost));
        }
        self.payload.retry();
        self.compare_executions(step);
    }

    /// T1: the timer's doubling ends with a commit that shows that both ordering and execution move.
    fn note_progress(&mut self, step: &Step, blocks: &[Block]) {
        self.timers.last_commit = step.now.mono;
        let max = self.config.params.max_unexecuted_blocks;
        let progressed = blocks.iter().any(|block| {
            let header = &block.header;
            !block.is_empty() || may_carry(header.height, header.vouched.height, max)
        });
        if progressed {
            self.pacemaker.progressed();
        }
    }

    pub(super) fn block_executed(&mut self, step: &mut Step, executed: Executed) {
        let height = executed.execution.height;
        assert_eq!(height, self.executed.next(), "blocks execute in the order of their heights");
        self.executed = height;
        self.executions.insert(height, executed);
        self.payload.retry();
        self.compare_executions(step);
    }

    /// Stops the node where a quorum vouched for something else than it executed; forgets what is compared and vouched for.
    fn compare_executions(&mut self, step: &mut Step) {
        while let Some((header, before)) = self.unchecked.front() {
            if header.vouched.height > self.executed {
                break;
            }
            if !same_execution(&self.executions, header, *before) && !mutant!("divergence_ignored") {
                let height = header.vouched.height;
                let own = self.executions.get(&height);
                let own = own.map(|one| one.execution.app_hash.clone()).unwrap_or_default();
                let vouched = header.vouched.app_hash.clone();
                let header = Box::new(header.clone());
                return self.halt(step, Halt::Diverged { height, vouched, own, header });
            }
            self.unchecked.pop_front();
        }
        let done = match self.unchecked.front() {
            Some((_, before)) => *before,
            None => self.tree.head().header.vouched.height,
        };
        self.executions = self.executions.split_off(&done.next());
    }

    /// At a restart: committed headers that vouch for heights which are still to be executed here.
    pub(super) fn expect_recovered_executions(&mut self, head_vouches: Height) {
        if head_vouches <= self.executed {
            return;
        }
        let mut before: Option<Height> = None;
        for header in self.tree.committed().map(|block| &block.header) {
            let vouched = header.vouched.height;
            if let Some(before) = before.filter(|before| *before < vouched && vouched > self.executed) {
                self.unchecked.push_back((header.clone(), before));
            }
            before = Some(vouched);
        }
    }

    /// Blocks by hash, or a run of committed ones with its certificate.
    pub(super) fn blocks_arrived(
        &mut self,
        step: &mut Step,
        blocks: Vec<Block>,
        commit: Option<Verified<QuorumCertificate>>,
    ) {
        let Some(certificate) = commit else {
            for block in blocks {
                let hash = block.hash();
                if self.wanted.contains_key(&hash) {
                    self.block_at_hand(step, hash, block);
                }
            }
            return;
        };
        if certificate.epoch != self.config.epoch {
            return;
        }
        // A run counts as far down as each block is the parent of the one above it, from the certified one.
        let mut expected = certificate.block;
        for block in blocks.into_iter().rev() {
            let hash = block.hash();
            if hash != expected {
                break;
            }
            expected = block.header.parent;
            self.wanted.remove(&hash);
            self.tree.insert(hash, block);
        }
        self.take_certificate(step, Verified::<Certificate>::from(certificate.clone()));
        // A newer certificate may be at hand whose block is still far away: this one commits what has come.
        if self.halted {
            return;
        }
        if let Ok(path) = self.tree.path(&certificate.block)
            && !path.is_empty()
        {
            self.commit_path(step, &path, certificate);
        }
        if !self.halted {
            self.try_commit(step);
        }
    }

    /// Asks for a block that a certificate vouches for; again after a while.
    pub(super) fn want(&mut self, step: &mut Step, block: BlockHash, from: Vec<Position>) {
        let again = Micros::from_millis(self.config.params.repeat_interval_ms);
        let asked = self.wanted.get(&block);
        let due = asked.is_none_or(|at| at.after(again) <= step.now.mono);
        if !due {
            return;
        }
        if asked.is_none() && !self.has_room_for_wanted(step, Micros(again.0 * FORSAKEN)) {
            if !self.cannot_go_on_without(&block) {
                return;
            }
            let oldest = self.wanted.iter().min_by_key(|(_, at)| **at).map(|(hash, _)| *hash);
            oldest.map(|hash| self.wanted.remove(&hash));
        }
        self.wanted.insert(block, step.now.mono);
        let from = from.into_iter().filter(|one| Some(*one) != self.config.me).collect();
        step.act(Action::FetchBlock { block, from });
    }

    /// Nobody may have a block that lost: such ones must not keep those out that the chain goes on with.
    fn has_room_for_wanted(&mut self, step: &Step, forsaken: Micros) -> bool {
        if self.wanted.len() >= MAX_WANTED {
            self.wanted.retain(|_, at| at.after(forsaken) > step.now.mono);
        }
        self.wanted.len() < MAX_WANTED
    }

    /// What is built on, and what is committed: others may be of branches that nobody goes on with.
    fn cannot_go_on_without(&self, block: &BlockHash) -> bool {
        let newest = [&self.high_qc, &self.commit];
        newest.into_iter().flatten().any(|certificate| certificate.block == *block)
    }

    /// Who has the block of this certificate: signers of votes do; those who commit-voted may never have seen it.
    pub(super) fn holders(&self, qc: &QuorumCertificate) -> Vec<Position> {
        if qc.is_commit() { self.everyone() } else { qc.signers.iter().collect() }
    }

    pub(super) fn everyone(&self) -> Vec<Position> {
        (0..self.config.set.len()).map(|index| Position(index as u16)).collect()
    }
}

/// Whether this node executed what the header vouches for, as far as it still knows the run.
fn same_execution(executions: &BTreeMap<Height, Executed>, header: &Header, before: Height) -> bool {
    let vouched = &header.vouched;
    let newest = executions
        .get(&vouched.height)
        .is_none_or(|own| own.execution.app_hash == vouched.app_hash && own.next_epoch == vouched.next_epoch);
    let root =
        run_of(executions, before, vouched.height).is_none_or(|run| root_of(&run) == vouched.executed_root);
    newest && root
}
