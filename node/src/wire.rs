//! What nodes say to one another: direct messages, gossip, requests and their answers.

use std::io::{self, Read};

use althing_consensus::{Height, Message, Notice, QuorumCertificate, notices_fit};
use althing_crypto::{BlockHash, Encoding, TxHash};
use althing_mempool::TxBytes;
use althing_p2p::Class;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::body::{Body, MAX_BODY_BYTES, transactions};
use crate::session::Session;

/// Version of all of this together; nodes of another one refuse each other in the handshake.
pub const PROTOCOL_VERSION: u32 = 4;

/// A direct message.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Wire {
    /// Between validators, and to those who follow.
    Consensus(Message),
    /// Pending transactions, while the chain is stuck (rule R8).
    Transactions(#[borsh(deserialize_with = "transactions")] Vec<TxBytes>),
    /// Which process speaks for an identity.
    Session(Session),
    /// What is to be carried in a block: to all members when it is found, and again while the chain is stuck (rule R8).
    Notice(#[borsh(deserialize_with = "notice")] Box<Notice>),
}

/// Reads a notice that fits into a block.
fn notice<R: Read>(reader: &mut R) -> io::Result<Box<Notice>> {
    let notice = Notice::deserialize_reader(reader)?;
    if !notices_fit(std::slice::from_ref(&notice)) {
        let reason = format!("a notice of more than {} bytes", Notice::MAX_BYTES);
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    Ok(Box::new(notice))
}

impl Encoding for Wire {
    const NAME: &'static str = "direct message";
    const VERSION: u8 = 3;
    const MAX_BYTES: usize = MAX_BODY_BYTES;
}

impl Wire {
    /// The stream that it goes over: what may be large must not hold up votes.
    pub fn class(&self) -> Class {
        match self {
            Self::Consensus(Message::Proposal(_)) | Self::Transactions(_) | Self::Notice(_) => {
                Class::Proposal
            }
            Self::Consensus(_) | Self::Session(_) => Class::Consensus,
        }
    }
}

/// A batch of pending transactions, gossiped.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Gossip {
    /// Its author sent it to all members itself: nobody passes it on. One that lies keeps nobody's transactions back but its own, and who
    /// misses it asks for what a proposal names. What comes over a stream of [`Class::Transactions`] counts as such, whatever it says.
    pub to_all: bool,
    /// The transactions.
    #[borsh(deserialize_with = "transactions")]
    pub txs: Vec<TxBytes>,
}

impl Encoding for Gossip {
    const NAME: &'static str = "transaction gossip";
    const VERSION: u8 = 2;
    const MAX_BYTES: usize = 2 << 20;
}

/// A question to one peer.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Request {
    /// The block of this hash, committed or not. Answered with [`Response::Block`].
    Block(BlockHash),
    /// Committed blocks from this height up. Answered with [`Response::Run`].
    Blocks {
        /// The lowest height wanted.
        from: Height,
    },
    /// These transactions of a block. Answered with [`Response::Transactions`].
    Transactions {
        /// The block.
        block: BlockHash,
        /// Which of its transactions.
        txs: Vec<TxHash>,
    },
}

impl Encoding for Request {
    const NAME: &'static str = "request";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 1 << 20;
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Response {
    /// A block.
    Block(Body),
    /// Committed blocks in ascending order, with the commit certificate of the last one.
    Run {
        /// The blocks, at least one.
        bodies: Vec<Body>,
        /// Covers the last of them.
        commit: QuorumCertificate,
    },
    /// The transactions asked for, in the order asked.
    Transactions(#[borsh(deserialize_with = "transactions")] Vec<TxBytes>),
    /// The peer does not have it.
    NotHere,
}

impl Encoding for Response {
    const NAME: &'static str = "response";
    const VERSION: u8 = 3;
    const MAX_BYTES: usize = 2 * MAX_BODY_BYTES;
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_consensus::Status;

    #[test]
    fn only_what_may_be_large_goes_over_the_stream_for_proposals() {
        let status = Wire::Consensus(Message::Status(Status::default()));
        assert_eq!(status.class(), Class::Consensus);
        assert_eq!(Wire::Transactions(Vec::new()).class(), Class::Proposal);
    }

    #[test]
    fn what_is_sent_decodes_to_itself_and_garbage_does_not() {
        let wire = Wire::Transactions(vec![vec![1, 2, 3].into(), vec![4].into()]);
        assert_eq!(Wire::decode(&wire.encode()).unwrap(), wire);
        let request = Request::Blocks { from: Height(7) };
        assert_eq!(Request::decode(&request.encode()).unwrap(), request);
        let empty = Wire::Transactions(vec![Vec::new().into()]).encode();
        assert!(Wire::decode(&empty).unwrap_err().to_string().contains("without bytes"));
        let many = Gossip { to_all: true, txs: vec![vec![1].into(); 20_001] }.encode();
        assert!(Gossip::decode(&many).unwrap_err().to_string().contains("20001 transactions at once"));
        for bytes in [&[][..], &[3], &[3, 9], &[2, 0], &[3, 1, 255, 255, 255, 255]] {
            assert!(Wire::decode(bytes).is_err(), "{bytes:?}");
            assert!(Response::decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
