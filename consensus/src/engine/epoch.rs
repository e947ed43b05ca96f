//! The end of an epoch. A block ends it whose header names another next epoch than the current one; it has no children in its epoch,
//! so its own commit certificate opens the next. From that commit on the engine is closed: it signs nothing and runs no timer until
//! the driver has stored the end, has the next set, and the safety rules have entered the next epoch.

use althing_crypto::mutant;

use crate::engine::{Action, Asked, Engine, EpochEntered, Event, OwnMessages, Resume, Step, TimeoutPool};
use crate::vote_aggregator::VoteAggregator;
use crate::{Header, View};

impl Engine {
    /// Whether this header, of the current epoch or its opening block, ends the current epoch.
    pub(super) fn ends_epoch(&self, header: &Header) -> bool {
        header.vouched.next_epoch != self.config.epoch_hash
    }

    /// Whether the block that ends the epoch is committed: what is left to do is to enter the next one.
    pub fn is_closed(&self) -> bool {
        self.ends_epoch(self.committed())
    }

    /// Goes on in the next epoch. Of the one before stay the committed blocks that no header vouches for yet, and what was executed:
    /// blocks between the height that the opening block vouches for and itself count for this epoch.
    pub(super) fn enter_epoch(&mut self, step: &mut Step, next: EpochEntered) {
        let EpochEntered { config, record, resumed } = next;
        let head = self.committed();
        assert_eq!(config.epoch.0, self.config.epoch.0 + 1, "epochs are entered in turn");
        assert_eq!(config.opening, *self.tree.head_hash(), "the newest committed block opens the epoch");
        assert_eq!(
            config.epoch_hash, head.vouched.next_epoch,
            "the set is the one that a quorum vouched for"
        );
        let opening = head.height;
        let lost = self.tree.drop_uncommitted();
        let set = if mutant!("old_set_counts_on") { self.config.set.clone() } else { config.set.clone() };
        self.config = super::EngineConfig { set, ..config };
        self.counted.enter(self.config.epoch);
        (self.view, self.entry) = (View(1), None);
        (self.high_qc, self.tc, self.commit) = (None, None, None);
        self.certified.clear();
        self.wanted.clear();
        self.candidates.clear();
        self.payload = super::Payload::Unasked;
        if !mutant!("pools_outlive_the_epoch") {
            (self.votes, self.timeouts) = (VoteAggregator::default(), TimeoutPool::default());
        }
        self.pacemaker.progressed();
        self.timers.leave_view();
        (self.asked, self.own) = (Asked::default(), OwnMessages::default());
        self.memories.clear();
        self.helped.clear();
        self.reminded.clear();
        self.accusations = super::Accusations::default();
        if let Some(record) = record.filter(|record| record.epoch == self.config.epoch) {
            self.high_qc = record.high_qc.clone().map(crate::Verified::trust);
            self.tc = record.tc.clone().map(crate::Verified::trust);
            self.commit = record.commit.clone().map(crate::Verified::trust);
            self.recall(&record);
        }
        self.enter_recovered_view();
        if resumed && self.config.me.is_some() {
            self.resume = Resume::already();
        }
        if !lost.is_empty() {
            step.act(Action::Forget(lost));
        }
        step.emit(Event::EnteredEpoch { epoch: self.config.epoch, opening, me: self.config.me });
        self.start(step);
    }
}
