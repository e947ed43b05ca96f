//! What an executed block tells subscribers, in the order and the words of this dialect: `NewBlock`, `NewBlockHeader`, `NewBlockEvents`,
//! a `Tx` for each transaction, `ValidatorSetUpdates` where the block ends an epoch.

use althing_consensus::{Epoch, Height, Power};
use althing_crypto::ed25519;
use althing_ledger::Event;
use serde_json::{Value, json};

use super::{
    RpcError,
    blocks::{Outcome, epoch_of, header_of, kept, shown},
    context::stored,
    json::{self, base64, hex},
};
use crate::{
    body::Body,
    handle::NodeHandle,
    membership::{as_stored, changes},
    query::{BLOCK_HEIGHT, TM_EVENT, TX_HASH, TX_HEIGHT, TX_SENDER, Values, attributes},
    storage::StoredResults,
};

/// A block that is executed.
pub(super) struct Published<'a> {
    node: &'a NodeHandle,
    height: Height,
    body: Body,
    results: StoredResults,
    /// Of each transaction, as far as the index knows it.
    senders: Vec<Option<String>>,
    /// Who votes with another power or key in the epoch which it opens, if it does: with a power of 0 if no more.
    changed: Vec<(ed25519::PublicKey, Power)>,
}

/// One thing that is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Block,
    Header,
    Events,
    /// Of the transaction at this place.
    Tx(usize),
    Validators,
}

impl Told {
    /// As `tm.event` says it.
    fn name(self) -> &'static str {
        match self {
            Self::Block => "NewBlock",
            Self::Header => "NewBlockHeader",
            Self::Events => "NewBlockEvents",
            Self::Tx(_) => "Tx",
            Self::Validators => "ValidatorSetUpdates",
        }
    }
}

impl<'a> Published<'a> {
    /// The block of a height that is executed. Blocks on the disk.
    pub(super) fn read(node: &'a NodeHandle, height: Height) -> Result<Self, RpcError> {
        let body = kept(node, height)?;
        let results = stored(node.chain().results(height), "result", height)?;
        // Not the index's: that may be off.
        let senders = body.txs.iter().map(|tx| node.application().sender(tx)).collect();
        let header = &body.block.header;
        let own = epoch_of(node, header.epoch)?;
        let changed = if header.vouched.next_epoch == own.config.epoch_hash {
            Vec::new()
        } else {
            let next = epoch_of(node, Epoch(header.epoch.0 + 1))?;
            changes(&as_stored(&own.config.set), &as_stored(&next.config.set))
        };
        Ok(Self { node, height, body, results, senders, changed })
    }

    /// All that is told of it.
    pub(super) fn all(&self) -> impl Iterator<Item = Told> {
        let txs = (0..self.body.txs.len().min(self.results.tx_results.len())).map(Told::Tx);
        let validators = (!self.changed.is_empty()).then_some(Told::Validators);
        [Told::Block, Told::Header, Told::Events].into_iter().chain(txs).chain(validators)
    }

    /// How many transactions it has.
    pub(super) fn txs(&self) -> usize {
        self.body.txs.len()
    }

    /// The attributes that queries are about.
    pub(super) fn attributes(&self, told: Told) -> Vec<(String, String)> {
        let mut all = vec![(TM_EVENT.to_owned(), told.name().to_owned())];
        match told {
            Told::Tx(index) => {
                all.push((TX_HASH.to_owned(), hex(self.body.block.txs[index])));
                all.push((TX_HEIGHT.to_owned(), self.height.to_string()));
                all.extend(self.senders[index].clone().map(|sender| (TX_SENDER.to_owned(), sender)));
                add(&mut all, &self.results.tx_results[index].events);
            }
            Told::Block | Told::Events => {
                all.push((BLOCK_HEIGHT.to_owned(), self.height.to_string()));
                add(&mut all, &self.results.events);
            }
            Told::Header | Told::Validators => {
                all.push((BLOCK_HEIGHT.to_owned(), self.height.to_string()));
            }
        }
        all
    }

    /// Where `althing_events` goes on for who was told all that comes before this.
    pub(super) fn cursor(&self, told: Told) -> String {
        let part = match told {
            Told::Block | Told::Header | Told::Events => 0,
            Told::Tx(index) => index,
            Told::Validators => self.body.txs.len(),
        };
        format!("{}.{part}.0", self.height)
    }

    /// What is told, with these values: the part of the message that is the same for all who hear it.
    pub(super) fn tail(&self, told: Told, events: &Values<'_>) -> Result<String, RpcError> {
        let data = json!({ "type": format!("tendermint/event/{}", told.name()), "value": self.value(told)? });
        Ok(format!("\"data\":{data},\"events\":{}}}}}", json!(events)))
    }

    fn value(&self, told: Told) -> Result<Value, RpcError> {
        let results = &self.results;
        Ok(match told {
            Told::Block => {
                let mut block = shown(self.node, &self.body)?;
                block["result_finalize_block"] =
                    Outcome::of(self.node, results)?.shown("tx_results", "events");
                block
            }
            Told::Header => json!({ "header": header_of(self.node, &self.body.block.header)? }),
            Told::Events => json!({
                "height": self.height.to_string(),
                "events": json::events(&results.events),
                "num_txs": self.body.txs.len().to_string(),
            }),
            Told::Tx(index) => json!({ "TxResult": {
                "height": self.height.to_string(),
                "index": index,
                "tx": base64(&self.body.txs[index]),
                "result": json::tx_result(&results.tx_results[index]),
            }}),
            Told::Validators => {
                let changed = self.changed.iter().map(|(identity, power)| json::validator(identity, *power));
                json!({ "validator_updates": changed.collect::<Vec<_>>() })
            }
        })
    }
}

fn add(all: &mut Vec<(String, String)>, events: &[Event]) {
    all.extend(attributes(events).map(|(key, value)| (key, value.to_owned())));
}
