//! One chain through all epochs: a block that names another next epoch is the last of its own, what follows is of the next epoch, and
//! each epoch's blocks are committed by certificates of that epoch. Nobody enters an epoch that the chain has not begun, or goes on in
//! one before its durable record says so (S9).

use std::collections::BTreeMap;

use althing_consensus::{Epoch, Header, Micros, View};
use althing_crypto::Hash;

use super::chain::Chain;
use super::{Checker, Seen};
use crate::sim::world::World;

/// The committed chain's newest epoch.
#[derive(Default)]
pub(super) struct Epochs {
    chain: Chain,
    /// The epoch that the next block is of, and the hash of its set and parameters; none before the first block.
    current: Option<(Epoch, Hash)>,
    /// By node: the epoch of its durable record.
    durable: BTreeMap<usize, Epoch>,
}

impl Epochs {
    fn block(&mut self, header: &Header) -> Result<(), String> {
        let (height, named) = (header.height, header.vouched.next_epoch);
        // The first block copies what genesis vouches for.
        let (epoch, hash) = self.current.unwrap_or((Epoch(1), named));
        if header.epoch != epoch {
            return Err(format!(
                "block {height} is of epoch {}, the chain is in epoch {epoch}",
                header.epoch
            ));
        }
        if header.view == View(0) {
            return Err(format!("block {height} is made in view 0"));
        }
        self.current = Some(if named == hash { (epoch, hash) } else { (Epoch(epoch.0 + 1), named) });
        Ok(())
    }
}

impl Checker for Epochs {
    fn name(&self) -> &'static str {
        "epochs"
    }

    fn see(&mut self, _: &World, _: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Committed { bodies, certificate } => {
                let last = bodies.last().map(|body| body.block.header.epoch);
                if last != Some(certificate.epoch) {
                    let of = certificate.epoch;
                    return Err(format!(
                        "node {node} commits blocks up to epoch {last:?} by a certificate of epoch {of}"
                    ));
                }
                for body in self.chain.grow(seen) {
                    self.block(&body.block.header)?;
                }
            }
            Seen::Forgot => drop(self.durable.remove(&node)),
            Seen::Started { record } => drop(self.durable.insert(node, record.epoch)),
            Seen::Stepped { driver } => {
                let (now, durable) = (driver.validators().0, self.durable.get(&node));
                if durable.is_some_and(|durable| now > *durable) {
                    return Err(format!(
                        "node {node} goes on in epoch {now}, its durable record is of {durable:?}"
                    ));
                }
            }
            Seen::RecordDurable { record } => {
                self.durable.insert(node, record.epoch);
                let newest = self.current.map_or(Epoch(1), |(epoch, _)| epoch);
                if record.epoch > newest && !self.chain.lacks_one() {
                    let (entered, newest) = (record.epoch, newest);
                    return Err(format!(
                        "node {node} enters epoch {entered}, the chain is in epoch {newest}"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
