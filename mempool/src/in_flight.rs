//! Transactions that await the application's verdict, each at the expense of whoever handed it in.

use std::collections::BTreeMap;

use althing_crypto::{TxHash, mutant};

use crate::key::Key;
use crate::map::{Map, Seed};
use crate::sender::Verdict;
use crate::usage::Usage;
use crate::{Limits, Source, TxBytes};

/// On whose account a transaction is in flight. All clients of this node share one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Payer {
    Local,
    Peer(u64),
    Returned,
}

impl From<Source> for Payer {
    fn from(source: Source) -> Self {
        match source {
            Source::Local { .. } => Payer::Local,
            Source::Peer { id } => Payer::Peer(id),
            Source::Returned => Payer::Returned,
        }
    }
}

/// How far the application is with a transaction.
#[derive(Clone, Debug, Hash)]
pub(crate) enum Stage {
    Precheck,
    /// Asked when the state of height `executed` was the newest.
    Check {
        verdict: Verdict,
        executed: u64,
    },
}

/// One transaction in flight.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Flight {
    pub(crate) bytes: TxBytes,
    pub(crate) payer: Payer,
    /// Everyone who awaits an answer, in the order they came. Each counts as one more local transaction.
    pub(crate) tickets: Vec<u64>,
    /// Whether anyone but a peer handed it in.
    pub(crate) gossip: bool,
    pub(crate) stage: Stage,
}

/// All of them, with what each payer has used.
#[derive(Clone, Debug, Hash)]
pub(crate) struct InFlight {
    flights: Map<Key, Flight>,
    used: BTreeMap<Payer, Usage>,
}

impl InFlight {
    pub(crate) fn new(seed: Seed) -> Self {
        InFlight { flights: Map::new(seed), used: BTreeMap::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.flights.len()
    }

    pub(crate) fn get(&self, hash: &TxHash) -> Option<&Flight> {
        self.flights.get(&hash.into())
    }

    /// For its stage: what was used is counted elsewhere.
    pub(crate) fn get_mut(&mut self, hash: &TxHash) -> Option<&mut Flight> {
        self.flights.get_mut(&hash.into())
    }

    /// Whether `payer` may have one more of `bytes` in flight.
    pub(crate) fn room(&self, limits: &Limits, payer: Payer, bytes: usize) -> bool {
        let used = self.used.get(&payer).copied().unwrap_or_default();
        match payer {
            _ if mutant!("no_bound_per_peer") => true,
            Payer::Returned => used.fits(bytes, limits.max_txs, limits.max_bytes),
            _ => used.fits(bytes, limits.max_in_flight_txs, limits.max_in_flight_bytes),
        }
    }

    /// Takes a new one. The caller has asked for room.
    pub(crate) fn start(&mut self, hash: TxHash, bytes: TxBytes, source: Source) {
        let payer = Payer::from(source);
        self.used.entry(payer).or_default().add(bytes.len());
        let tickets = if let Source::Local { ticket } = source { vec![ticket] } else { Vec::new() };
        let flight = Flight {
            bytes,
            payer,
            tickets,
            gossip: !matches!(payer, Payer::Peer(_)),
            stage: Stage::Precheck,
        };
        let before = self.flights.insert(Key::from(&hash), flight);
        assert!(before.is_none(), "transaction {hash} is in flight twice");
    }

    /// Another source handed in what is in flight already. False if a client's ticket finds no room.
    pub(crate) fn join(&mut self, limits: &Limits, hash: &TxHash, source: Source) -> bool {
        let room = self.room(limits, Payer::Local, 0);
        let Some(flight) = self.flights.get_mut(&hash.into()) else { return false };
        match source {
            Source::Peer { .. } => return true,
            Source::Returned => {}
            Source::Local { .. } if !room => return false,
            Source::Local { ticket } => {
                flight.tickets.push(ticket);
                self.used.entry(Payer::Local).or_default().add(0);
            }
        }
        flight.gossip = true;
        true
    }

    /// Ends the flight and gives back what it used.
    pub(crate) fn finish(&mut self, hash: &TxHash) -> Option<Flight> {
        let flight = self.flights.remove(&hash.into())?;
        // The ticket that pays for the bytes is one of those that await an answer.
        let mut joined = flight.tickets.len();
        if flight.payer == Payer::Local {
            joined -= 1;
        }
        self.give_back(flight.payer, flight.bytes.len());
        for _ in 0..joined {
            self.give_back(Payer::Local, 0);
        }
        Some(flight)
    }

    fn give_back(&mut self, payer: Payer, bytes: usize) {
        let used = self.used.entry(payer).or_default();
        used.sub(bytes);
        if used.txs == 0 {
            self.used.remove(&payer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            max_in_flight_txs: 2,
            max_in_flight_bytes: 10,
            max_txs: 3,
            max_bytes: 30,
            ..Limits::default()
        }
    }

    #[test]
    fn one_payer_cannot_use_anothers_room() {
        let (limits, mut flights) = (limits(), InFlight::new(Seed::new(1)));
        flights.start(TxHash::of(b"a"), vec![0; 6].into(), Source::Peer { id: 1 });
        assert!(flights.room(&limits, Payer::Peer(1), 4));
        assert!(!flights.room(&limits, Payer::Peer(1), 5), "bytes");
        flights.start(TxHash::of(b"b"), vec![0; 1].into(), Source::Peer { id: 1 });
        assert!(!flights.room(&limits, Payer::Peer(1), 1), "count");
        assert!(flights.room(&limits, Payer::Peer(2), 10));
        assert!(flights.room(&limits, Payer::Local, 10));
        assert!(flights.room(&limits, Payer::Returned, 30));
        flights.finish(&TxHash::of(b"a"));
        assert!(flights.room(&limits, Payer::Peer(1), 9));
        flights.finish(&TxHash::of(b"b"));
        assert!(flights.used.is_empty(), "who has nothing in flight is forgotten");
    }

    #[test]
    fn tickets_that_join_are_counted_and_given_back() {
        let (limits, mut flights) = (limits(), InFlight::new(Seed::new(1)));
        let hash = TxHash::of(b"a");
        flights.start(hash, vec![0; 6].into(), Source::Peer { id: 1 });
        assert!(!flights.get(&hash).is_some_and(|flight| flight.gossip));
        assert!(flights.join(&limits, &hash, Source::Local { ticket: 1 }));
        assert!(flights.join(&limits, &hash, Source::Local { ticket: 2 }));
        assert!(!flights.join(&limits, &hash, Source::Local { ticket: 3 }));
        assert!(flights.join(&limits, &hash, Source::Peer { id: 2 }));
        let flight = flights.finish(&hash).expect("it is in flight");
        assert_eq!((flight.tickets, flight.gossip), (vec![1, 2], true));
        assert!(flights.used.is_empty());
        assert!(flights.finish(&hash).is_none());
    }
}
