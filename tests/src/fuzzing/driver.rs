//! The driver of a real node, with all its workers, while a hostile validator and a hostile follower talk to it: messages, gossip,
//! requests and answers out of decoded bytes, in any order with the node's own jobs.
//!
//! Whatever the script: it never panics, fails or halts; what it owes it pays exactly once; it stores one chain; and it votes
//! once in a view.

use althing_consensus::{
    Certificate, Height, Message, Micros, Position, Proposal, QuorumCertificate, View, payload_root,
};
use althing_crypto::{Encoding, TxHash, ed25519};
use althing_ledger::asset::{Address, Transaction};
use althing_mempool::TxBytes;
use althing_node::body::Body;
use althing_node::driver::{Event, Peer};
use althing_node::wire::{Gossip, Request, Response, Wire};

use super::chain::{CHAIN_ID, account_key};
use super::node::{Node, UNEQUAL};
use super::script::Script;
use super::seal::Seal;

const HOSTILE: Position = Position(1);

struct Hostile {
    node: Node,
    /// Blocks that the node has proposed or was shown, with their transactions.
    bodies: Vec<Body>,
    qcs: Vec<QuorumCertificate>,
    heard: usize,
}

/// Plays the script.
pub fn driver(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut hostile = Hostile { node: Node::start(), bodies: Vec::new(), qcs: Vec::new(), heard: 0 };
    hostile.node.event(Event::PeerConnected(validator()));
    hostile.node.event(Event::PeerConnected(follower()));
    let mut steps = 0;
    while !script.is_over() && steps < 200 {
        hostile.play(&mut script);
        steps += 1;
    }
    hostile.finish();
}

fn validator() -> Peer {
    UNEQUAL.identities[1].public_key()
}

fn follower() -> Peer {
    account_key(3).public_key()
}

impl Hostile {
    fn play(&mut self, script: &mut Script<'_>) {
        let kind = script.byte();
        let from = if kind & 0x80 == 0 { validator() } else { follower() };
        match kind % 16 {
            0 => {
                if let Ok(wire) = Wire::decode(script.chunk()) {
                    self.says(from, wire);
                }
            }
            1 => self.garbled(script, from),
            2 => self.proposes(script),
            3 => self.gossips(script, from),
            4 => self.asks(script, from),
            5 => self.answers(script),
            6 => {
                let (ticket, tx) = (self.node.number(), transaction(script));
                self.node.event(Event::Submit { ticket, tx });
            }
            7 => {
                let event =
                    if script.byte() & 1 == 0 { Event::PeerConnected } else { Event::PeerDisconnected };
                self.node.event(event(from));
            }
            8 => self.node.pass(Micros::from_millis(1 << (script.byte() % 13))),
            9..=11 => drop(self.node.work(script.below(7))),
            _ => self.node.work_all(),
        }
        self.listen();
    }

    /// Takes in what the node has sent: blocks and certificates to build on.
    fn listen(&mut self) {
        for wire in &self.node.sent[self.heard..] {
            let Wire::Consensus(message) = wire else { continue };
            match message {
                Message::Proposal(proposal) => {
                    self.bodies.push(Body { block: proposal.block.clone(), txs: Vec::new() });
                    self.qcs.extend(proposal.justify.iter().chain(&proposal.commit).cloned());
                }
                Message::Certificate(certificate) => {
                    if let Certificate::Quorum(qc) = &**certificate {
                        self.qcs.push(qc.clone());
                    }
                }
                Message::Vote(_) | Message::Timeout(_) | Message::Status(_) | Message::Memory(_) => {}
            }
        }
        self.heard = self.node.sent.len();
    }

    fn says(&mut self, from: Peer, mut wire: Wire) {
        if let Wire::Consensus(message) = &mut wire {
            let (key, identity) = (&UNEQUAL.vote_keys[1], &UNEQUAL.identities[1]);
            Seal::of(CHAIN_ID, HOSTILE, key, identity).message(message);
        }
        self.node.event(Event::Wire { from, wire });
    }

    /// Something that the node sent comes back, some bytes changed.
    fn garbled(&mut self, script: &mut Script<'_>, from: Peer) {
        let Some(mut bytes) = script.pick(&self.node.sent).map(Encoding::encode) else { return };
        for _ in 0..script.byte() % 4 {
            let (at, byte) = (usize::from(script.u16()) % bytes.len(), script.byte());
            bytes[at] = byte;
        }
        if let Ok(wire) = Wire::decode(&bytes) {
            self.says(from, wire);
        }
    }

    /// A block of its own on the newest certificate that it knows: now and then its turn has come.
    fn proposes(&mut self, script: &mut Script<'_>) {
        let changes = script.byte();
        let newest = self.qcs.iter().max_by_key(|qc| qc.view).cloned();
        let justify = if changes & 1 == 0 { newest } else { script.pick(&self.qcs).cloned() };
        let parent = match &justify {
            None => Some(&UNEQUAL.opening),
            Some(qc) => self.bodies.iter().map(|body| &body.block).find(|block| block.hash() == qc.block),
        };
        let Some(parent) = parent.cloned() else { return };
        let txs: Vec<TxBytes> = (0..changes >> 1 & 3).map(|_| transaction(script).into()).collect();
        let mut block = parent.clone();
        block.txs = txs.iter().map(|tx| TxHash::of(tx)).collect();
        let before = justify.as_ref().map_or(View(0), |qc| qc.view);
        let header = &mut block.header;
        header.epoch = althing_consensus::Epoch(1);
        header.parent = parent.hash();
        header.height = parent.header.height.next();
        header.time_ms += 1 + u64::from(changes >> 6) * 1_000;
        (header.justify_view, header.view) = (before, before.next());
        header.absent.retain(|one| one.member != HOSTILE);
        header.payload_root = payload_root(&block.txs);
        let commit = self.qcs.iter().rev().find(|qc| qc.is_commit()).cloned();
        let proposal = Proposal {
            view: before.next(),
            block: block.clone(),
            justify,
            tc: None,
            commit,
            signer: HOSTILE,
            signature: ed25519::Signature::from_bytes([0; 64]),
        };
        self.bodies.push(Body { block, txs });
        self.says(validator(), Wire::Consensus(Message::Proposal(Box::new(proposal))));
    }

    fn gossips(&mut self, script: &mut Script<'_>, from: Peer) {
        let count = script.byte();
        let to_all = script.byte() & 1 == 0;
        let txs: Vec<TxBytes> = if count == 0 {
            Gossip::decode(script.chunk()).map_or_else(|_| Vec::new(), |gossip| gossip.txs)
        } else {
            (0..count % 8).map(|_| transaction(script).into()).filter(|tx: &TxBytes| !tx.is_empty()).collect()
        };
        let event = match script.byte() & 1 {
            0 => Event::Gossip { from, id: self.node.number(), gossip: Gossip { to_all, txs } },
            _ => Event::Wire { from, wire: Wire::Transactions(txs) },
        };
        self.node.event(event);
    }

    fn asks(&mut self, script: &mut Script<'_>, from: Peer) {
        let body = |script: &mut Script<'_>| script.pick(&self.bodies).map(|body| body.block.clone());
        let request = match script.byte() % 4 {
            0 => Request::decode(script.chunk()).ok(),
            1 => body(script).map(|block| Request::Block(block.hash())),
            2 => Some(Request::Blocks { from: Height(u64::from(script.byte())) }),
            _ => body(script).map(|block| Request::Transactions { block: block.hash(), txs: block.txs }),
        };
        if let Some(request) = request {
            let id = self.node.number();
            self.node.event(Event::Request { from, id, request });
        }
    }

    /// To the oldest question: nothing, garbage, or what was asked for.
    fn answers(&mut self, script: &mut Script<'_>) {
        let Some((id, request)) = self.node.asked.pop_front() else { return };
        let response = match script.byte() % 4 {
            0 => Err("no answer in time".to_owned()),
            1 => Ok(Response::decode(script.chunk()).unwrap_or(Response::NotHere)),
            2 => Ok(self.run(script)),
            _ => Ok(self.honest(&request)),
        };
        self.node.event(Event::Response { id, response });
    }

    fn honest(&self, request: &Request) -> Response {
        let known = |hash| self.bodies.iter().find(|body| body.block.hash() == hash);
        match request {
            Request::Block(hash) => known(*hash).cloned().map_or(Response::NotHere, Response::Block),
            Request::Blocks { .. } => Response::NotHere,
            Request::Transactions { block, txs } => {
                let held: Vec<&TxBytes> = known(*block).iter().flat_map(|body| &body.txs).collect();
                let of =
                    |hash: &TxHash| held.iter().find(|tx| TxHash::of(tx) == *hash).map(|tx| (*tx).clone());
                let found: Option<Vec<TxBytes>> = txs.iter().map(of).collect();
                found.map_or(Response::NotHere, Response::Transactions)
            }
        }
    }

    /// Blocks as they come, with a certificate that need not be theirs.
    fn run(&self, script: &mut Script<'_>) -> Response {
        let bodies: Vec<Body> =
            (0..script.byte() % 4).filter_map(|_| script.pick(&self.bodies).cloned()).collect();
        match script.pick(&self.qcs).cloned() {
            Some(commit) => Response::Run { bodies, commit },
            None => Response::NotHere,
        }
    }

    /// Everything under way ends: the node owes nothing, and what it executed it has stored.
    fn finish(&mut self) {
        for _ in 0..50 {
            self.node.work_all();
            let Some((id, _)) = self.node.asked.pop_front() else { break };
            self.node.event(Event::Response { id, response: Err("connection lost".to_owned()) });
        }
        self.node.settle();
        assert!(self.node.height() <= self.node.stored());
    }
}

/// Bytes as they stand in the script, or a transfer of a funded account.
fn transaction(script: &mut Script<'_>) -> Vec<u8> {
    let kind = script.byte();
    if kind & 7 == 0 {
        return script.chunk().to_vec();
    }
    let to = Address::of(&account_key(kind >> 3).public_key());
    let (sequence, expiry) = (u64::from(script.byte() % 8), u64::from(kind >> 6));
    let amount = u128::from(kind >> 5);
    Transaction::transfer(CHAIN_ID, &account_key(kind), sequence, expiry, to, amount, "").encode()
}
