//! Rule R2: the leader's turn.

use althing_crypto::{BlockHash, TxHash, mutant};

use crate::block_tree::NoPath;
use crate::engine::validity::{may_carry, root_of, run_of};
use crate::engine::{Action, BuildPayload, Engine, Step};
use crate::{
    Block, Certificate, Header, Height, Message, Micros, Notice, ProposalDraft, SignRequest,
    TimeoutCertificate, Verified, View, Vouched, no_evidence, notices_root, payload_root,
};

/// The payload of this view's own proposal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Payload {
    /// Nothing was asked for.
    Unasked,
    /// Asked for, on this parent.
    Asked(BlockHash),
    /// Here, for this parent; empty if there was nothing that its ancestors do not carry.
    Built(BlockHash, Load),
}

/// What a block carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Load {
    pub(super) txs: Vec<TxHash>,
    pub(super) notices: Vec<Notice>,
}

impl Load {
    fn is_empty(&self) -> bool {
        self.txs.is_empty() && self.notices.is_empty()
    }
}

impl Payload {
    /// New transactions or notices, a commit or an execution: what was not to be had before may be now.
    pub(super) fn retry(&mut self) {
        if matches!(self, Self::Built(_, load) if load.is_empty()) {
            *self = Self::Unasked;
        }
    }
}

/// What a leader does now.
enum Turn {
    Wait,
    Build,
    Propose(Load),
}

impl Engine {
    pub(super) fn try_propose(&mut self, step: &mut Step) {
        let done = self.asked.proposal >= self.view || self.asked.timeout >= self.view;
        if done || !self.may_sign() {
            return;
        }
        let Some(tc) = self.permitting_tc() else { return };
        let parent_hash = self.high_block();
        let Some(parent) = self.tree.get(&parent_hash) else {
            return self.fetch_parent(step, parent_hash);
        };
        // What its ancestors carry must be known, or it would be chosen again.
        if let Err(NoPath::Missing(ancestor)) = self.tree.path(&parent_hash) {
            return self.want(step, ancestor, self.everyone());
        }
        if self.leader_on(self.view, &parent_hash) != self.config.me {
            return;
        }
        if self.ends_epoch(&parent.header) && !mutant!("child_of_an_epoch_ending_block") {
            let block = parent.clone();
            return self.propose_again(step, block, tc);
        }
        let header = self.next_header(step, parent, parent_hash);
        match self.turn(step.now.mono, &header, parent_hash) {
            Turn::Wait => {}
            Turn::Build => self.ask_payload(step, &header),
            Turn::Propose(load) => self.propose(step, header, load, tc),
        }
    }

    /// What lets this view be proposed in: nothing more if the high QC is of the view before, else the TC of that view.
    fn permitting_tc(&self) -> Option<Option<Verified<TimeoutCertificate>>> {
        if self.high_view().next() == self.view {
            return Some(None);
        }
        self.tc.clone().filter(|tc| tc.view.next() == self.view).map(Some)
    }

    /// Without its parent's header it cannot even know whether it leads: it fetches the block, and others get the QC meanwhile, once.
    /// If no further block can be asked for, they do not: it would be sent again in every step.
    fn fetch_parent(&mut self, step: &mut Step, parent: BlockHash) {
        let Some(qc) = self.high_qc.clone() else { return };
        let known = self.wanted.contains_key(&parent);
        self.want(step, parent, self.holders(&qc));
        if !known && self.wanted.contains_key(&parent) {
            step.broadcast(Message::Certificate(Box::new(Certificate::Quorum(qc.into_inner()))));
        }
    }

    fn turn(&self, now: Micros, header: &Header, parent: BlockHash) -> Turn {
        let permitted =
            may_carry(header.height, header.vouched.height, self.config.params.max_unexecuted_blocks);
        if permitted {
            match &self.payload {
                Payload::Built(on, load) if *on == parent && !load.is_empty() => {
                    return Turn::Propose(load.clone());
                }
                Payload::Built(on, _) if *on == parent => {}
                Payload::Asked(on) if *on == parent => return Turn::Wait,
                _ if self.pending => return Turn::Build,
                _ => {}
            }
        }
        // A closing block waits for its justify block's commit and the last execution, so that it closes.
        let closes = self.tree.is_committed(&parent)
            && self.newest_work_height().is_some_and(|height| self.executed >= height);
        if closes || self.timers.may_be_empty || self.beats(now, header) {
            Turn::Propose(Load::default())
        } else {
            Turn::Wait
        }
    }

    /// Whether the heartbeat is due, and its block not made: one that is certified is not committed yet.
    fn beats(&self, now: Micros, header: &Header) -> bool {
        let parent = self.tree.header(&header.parent).map_or(0, |parent| parent.time_ms);
        self.is_heartbeat_due(now) && header.time_ms.saturating_sub(parent) >= self.config.params.heartbeat_ms
    }

    fn ask_payload(&mut self, step: &mut Step, header: &Header) {
        self.payload = Payload::Asked(header.parent);
        let parent = self.tree.header(&header.parent).expect("its parent is at hand");
        // Ancestors not committed here yet are still in this node's mempool, even if others vouch for having executed them.
        let above = header.vouched.height.min(self.committed().height);
        step.act(Action::BuildPayload(BuildPayload {
            view: self.view,
            height: header.height,
            parent: header.parent,
            parent_time_ms: parent.time_ms,
            patience: self.patience_left(step.now.mono),
            exclude: self.tree.txs_above(&header.parent, above),
            noticed: self.tree.notices_above_head(&header.parent),
        }));
    }

    /// An answer for another parent leaves out what the wrong ancestors carry.
    pub(super) fn payload_built(&mut self, view: View, parent: BlockHash, load: Load) {
        if view == self.view && self.payload == Payload::Asked(parent) {
            self.payload = Payload::Built(parent, load);
        }
    }

    /// The header of a block on this parent, but for its payload.
    fn next_header(&self, step: &Step, parent: &Block, parent_hash: BlockHash) -> Header {
        let before = &parent.header;
        let absent = if parent_hash == self.config.opening { &[][..] } else { &before.absent };
        Header {
            chain_id: self.config.chain_id.clone(),
            epoch: self.config.epoch,
            height: before.height.next(),
            view: self.view,
            parent: parent_hash,
            justify_view: self.high_view(),
            // T2
            time_ms: step.now.unix_ms.max(before.time_ms + 1),
            payload_root: payload_root(&[]),
            evidence_root: no_evidence(),
            absent: self.election().absent_after(absent, self.high_view(), self.view),
            vouched: self.vouch(before),
        }
    }

    /// What a block on this parent says about execution: as far as this node has executed, or what its parent says.
    fn vouch(&self, parent: &Header) -> Vouched {
        let (low, high) = (parent.vouched.height, self.executed.min(parent.height));
        match run_of(&self.executions, low, high) {
            Some(run) if !run.is_empty() => Vouched {
                height: high,
                app_hash: run[run.len() - 1].execution.app_hash.clone(),
                executed_root: root_of(&run),
                next_epoch: run[run.len() - 1].next_epoch,
            },
            _ => parent.vouched.clone(),
        }
    }

    fn propose(
        &mut self,
        step: &mut Step,
        mut header: Header,
        Load { txs, notices }: Load,
        tc: Option<Verified<TimeoutCertificate>>,
    ) {
        header.payload_root = payload_root(&txs);
        header.evidence_root = notices_root(&notices);
        self.ask_proposal(step, Block { header, txs, notices }, tc);
    }

    /// A block that ends the epoch has no children in it: on its own QC it comes again, once its commit has been waited for.
    fn propose_again(&mut self, step: &mut Step, block: Block, tc: Option<Verified<TimeoutCertificate>>) {
        if self.timers.may_be_empty && !mutant!("epoch_ending_block_not_proposed_again") {
            self.ask_proposal(step, block, tc);
        }
    }

    fn ask_proposal(&mut self, step: &mut Step, block: Block, tc: Option<Verified<TimeoutCertificate>>) {
        self.asked.proposal = self.view;
        let draft = ProposalDraft {
            view: self.view,
            block,
            justify: self.high_qc.clone(),
            tc,
            commit: self.commit.clone(),
        };
        self.sign(step, SignRequest::Propose(Box::new(draft)));
    }

    /// The height of the last committed block that carries something, if the newest committed header vouches for less: a closing
    /// block is due.
    pub(super) fn newest_work_height(&self) -> Option<Height> {
        let vouched = self.tree.head().header.vouched.height;
        let mut committed = self.tree.committed().rev();
        committed
            .find(|block| !block.is_empty() && block.header.height > vouched)
            .filter(|_| !mutant!("no_closing_block"))
            .map(|block| block.header.height)
    }
}
