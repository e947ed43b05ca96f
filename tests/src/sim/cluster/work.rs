//! A node's steps and jobs. A job takes the time that the run says; jobs of an ordered lane are done in order, the others side by side.

use std::collections::VecDeque;
use std::sync::Arc;

use althing_consensus::{Executed, Micros, QuorumCertificate};
use althing_node::body::Body;
use althing_node::driver::{Done, Effect, Event, Job, StoreJob};
use althing_node::wire::Wire;
use althing_node::workers::Fatal;

use super::queue::Happening;
use super::{Cluster, show};
use crate::cheap_votes;
use crate::sim::checkers::Seen;
use crate::sim::record::Committed;

/// Ordered lanes.
pub(super) const LANES: usize = 4;

fn lane(job: &Job) -> Option<usize> {
    match job {
        Job::Safety(_) => Some(0),
        Job::Store(_) => Some(1),
        Job::Execute(_) => Some(2),
        Job::Check(_) => Some(3),
        Job::Verify(_) | Job::Precheck(_) | Job::Serve(_) => None,
    }
}

impl Cluster {
    /// Steps a node's driver and performs what it asks for.
    pub(super) fn feed(&mut self, node: usize, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            if self.slots[node].node.is_none() || self.violation.is_some() {
                return;
            }
            self.arrives(node, &event);
            self.trace.line(self.now, node, format_args!("<- {event:?}"));
            let now = self.clock(node);
            let Some(up) = &mut self.slots[node].node else { return };
            let effects = up.driver.step(now, event);
            self.trace.mix(&[self.now.0, node as u64, effects.len() as u64]);
            for effect in effects {
                match effect {
                    Effect::Job(job) => match self.begin(node, job) {
                        Ok(done) => events.extend(done.map(Event::Done)),
                        Err(error) => return self.failed(node, &error),
                    },
                    effect => self.perform(node, effect),
                }
                if self.slots[node].node.is_none() {
                    return;
                }
            }
            let Self { slots, world, checkers, violation, now, .. } = self;
            if let Some(up) = &slots[node].node {
                show(world, checkers, violation, *now, node, &Seen::Stepped { driver: &up.driver });
            }
        }
    }

    fn arrives(&mut self, node: usize, event: &Event) {
        if let Event::Wire { from, wire } = event {
            let from = self.places[from];
            if self.slots[node].treason.is_some() {
                self.overhear(node, from, wire);
            } else if let Wire::Consensus(message) = wire {
                self.see(node, &Seen::Received { from, message });
            }
        }
    }

    /// Does a job now, or lets it take its time.
    fn begin(&mut self, node: usize, job: Job) -> Result<Option<Done>, Fatal> {
        let (shortest, mut longest) = self.work;
        if matches!(job, Job::Execute(_)) {
            longest = longest.max(self.execution);
        }
        if longest == Micros(0) {
            return self.work(node, job).map(Some);
        }
        let mut at = self.now.after(Micros(self.random.between(shortest.0, longest.0)));
        if let Some(lane) = lane(&job) {
            let busy = &mut self.slots[node].lanes[lane];
            at = at.max(*busy);
            *busy = at;
        }
        let run = self.slots[node].run;
        self.queue.schedule(at, Happening::Job { node, run, job: Box::new(job) });
        Ok(None)
    }

    /// A job's time has passed: now it is done.
    pub(super) fn finish(&mut self, node: usize, job: Job) {
        match self.work(node, job) {
            Ok(done) => self.feed(node, Event::Done(done)),
            Err(error) => self.failed(node, &error),
        }
    }

    fn work(&mut self, node: usize, job: Job) -> Result<Done, Fatal> {
        let commit = match &job {
            Job::Store(StoreJob::Commit { bodies, certificate, .. }) => {
                Some((bodies.clone(), (**certificate).clone()))
            }
            _ => None,
        };
        let up = self.slots[node].node.as_mut().expect("a node that is down has no jobs");
        let checks = cheap_votes::checks();
        let outcome = up.work(job);
        self.record.checks += cheap_votes::checks() - checks;
        self.see_synced(node);
        match &outcome {
            Ok(Done::Stored(_)) => {
                let (bodies, certificate) = commit.expect("what is stored was committed");
                self.stored(node, &bodies, &certificate);
            }
            Ok(Done::EpochEntered { next, .. }) => {
                self.entered(node, next.config.epoch, &next.config.set);
            }
            // A key that has rotten in the database is missing there: the node learns from others that its state is another.
            Ok(Done::Executed(_)) if self.slots[node].rotten => {}
            Ok(Done::Executed(Executed { execution, .. })) => self.see(node, &Seen::Executed { execution }),
            _ => {}
        }
        outcome
    }

    pub(super) fn see_synced(&mut self, node: usize) {
        for record in self.slots[node].disk.take_synced() {
            self.see(node, &Seen::RecordDurable { record: &record });
        }
    }

    fn stored(&mut self, node: usize, bodies: &[Arc<Body>], certificate: &QuorumCertificate) {
        self.see(node, &Seen::Committed { bodies, certificate });
        for body in bodies {
            let header = &body.block.header;
            let block = body.block.hash();
            let (words, _) = block.0.as_bytes().split_first_chunk::<8>().expect("32 bytes");
            self.trace.mix(&[node as u64, header.height.0, u64::from_le_bytes(*words)]);
            self.record.committed(Committed {
                node,
                at: self.now,
                height: header.height,
                view: header.view,
                block,
                txs: body.block.txs.clone(),
            });
        }
    }

    fn failed(&mut self, node: usize, error: &Fatal) {
        self.trace.line(self.now, node, format_args!("ends: {error}"));
        self.ended_by_disk(node, &error.to_string());
    }
}
