//! Of two processes with one identity's keys the one that began later speaks for it; the other one stops.
//!
//! Each says when it began as the first thing on a connection. What is newest is kept for each identity, passed on once where an older
//! process was still speaking, and shown to whoever speaks as one: it learns of the other from the first peer that both of them reach. Messages of consensus from an
//! older one are not taken any more. So by the time a quorum has told a process that its key is free to sign (rule S7), the older one
//! is on its way to hear of it from the same members.

use std::collections::BTreeMap;

use althing_consensus::Micros;

use super::{Driver, Effect, Peer, Step};
use crate::session::Session;
use crate::wire::Wire;

/// So long after the process of the newest session was last connected here it is forgotten, by this node's own time: else a process
/// whose clock was wrong once would keep the next ones out until that time has come.
const FORGET: Micros = Micros::from_millis(600_000);
/// Newer beginnings of one identity are taken in once in so long,
const INTERVAL: Micros = Micros::from_millis(1_000);
/// and so many at once before that: a home that is moved there and back, or a process that ends again and again, begins several
/// times in a moment. Were one of them passed over, an older process would go on beside it.
const AT_ONCE: u64 = 60;

/// Which process speaks for whom.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    own: Option<Session>,
    known: BTreeMap<Peer, Known>,
    /// The session that a peer's own connection was opened in.
    speaking: BTreeMap<Peer, (u64, u64)>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    newest: Session,
    /// When all that was taken in would have been, one each interval.
    earned: Micros,
    /// When its process was last heard of, if it is not connected now.
    seen: Micros,
    /// When the holder of an older one was last shown it.
    shown: Option<Micros>,
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether another process speaks for this peer by now.
    fn is_superseded(&self, peer: &Peer) -> bool {
        let newest = self.known.get(peer).map(|known| known.newest.order());
        self.speaking.get(peer).copied() < newest && self.speaking.contains_key(peer)
    }

    pub(super) fn disconnected(&mut self, now: Micros, peer: &Peer) {
        let speaking = self.speaking.remove(peer);
        if let Some(known) = self.known.get_mut(peer)
            && speaking == Some(known.newest.order())
        {
            known.seen = now;
        }
    }

    /// Takes in a session that its identity signed, unless there are too many of it.
    fn take(&mut self, now: Micros, session: Session) -> bool {
        let known = self.known.get(&session.identity);
        let earned = known.map_or(now, |known| known.earned.max(now));
        if earned > now.after(Micros(AT_ONCE * INTERVAL.0)) {
            return false;
        }
        let known = Known { newest: session, earned: earned.after(INTERVAL), seen: now, shown: None };
        self.known.insert(session.identity, known);
        true
    }

    /// Of a process that has been gone for long nothing is kept.
    fn forget(&mut self, now: Micros, peer: &Peer) {
        if let Some(known) = self.known.get(peer)
            && self.speaking.get(peer) != Some(&known.newest.order())
            && known.seen.after(FORGET) <= now
        {
            self.known.remove(peer);
        }
    }

    /// Of an identity that is neither a member nor connected nothing is kept.
    pub(super) fn keep(&mut self, wanted: impl Fn(&Peer) -> bool) {
        self.known.retain(|peer, _| wanted(peer));
    }
}

impl Driver {
    /// This driver is that of a process of this session.
    #[must_use]
    pub fn in_session(mut self, session: Session) -> Self {
        self.sessions.own = Some(session);
        self
    }

    /// Says which process this is, before anything else.
    pub(super) fn introduce(&mut self, step: &mut Step, to: Peer) {
        self.sessions.disconnected(step.now.mono, &to);
        if let Some(own) = self.sessions.own {
            step.act(Effect::Send { to, wire: Wire::Session(own) });
        }
    }

    /// Whether messages of this peer are those of the process that speaks for it. Who says nothing about itself is taken for that.
    pub(super) fn speaks(&self, peer: &Peer) -> bool {
        !self.sessions.is_superseded(peer)
    }

    pub(super) fn session_arrived(&mut self, step: &mut Step, from: Peer, session: Session) {
        if let Some(own) = self.sessions.own.filter(|own| own.identity == session.identity) {
            if session.order() > own.order() {
                match session.holds(&self.config.chain_id) {
                    true => step.act(Effect::Superseded(session)),
                    false => self.forged(step, from),
                }
            }
            return;
        }
        let is_member = self.config.set.position_of(&session.identity).is_some();
        if !is_member && !self.peers.is_connected(&session.identity) {
            return;
        }
        let now = step.now.mono;
        self.sessions.forget(now, &session.identity);
        // Two speak at once: those whom the later one has not reached yet hear of it from here. A process that comes after one that
        // has ended tells everybody itself; were that passed on, too, many that start together would cost the third power of their number.
        let beside = self.sessions.speaking.get(&session.identity).is_some_and(|of| *of < session.order());
        match self.sessions.known.get_mut(&session.identity) {
            Some(known) if session.order() <= known.newest.order() => {
                let is_old = session.order() < known.newest.order();
                if is_old && known.shown.is_none_or(|at| at.after(INTERVAL) <= now) {
                    known.shown = Some(now);
                    step.act(Effect::Send { to: from, wire: Wire::Session(known.newest) });
                }
            }
            _ => {
                if !session.holds(&self.config.chain_id) {
                    return self.forged(step, from);
                }
                let taken = self.sessions.take(now, session);
                if taken && beside {
                    step.act(Effect::Broadcast(Wire::Session(session)));
                }
                if !taken && from == session.identity {
                    // No operator does that. What others say of such a one waits until it says so itself.
                    let reason = "its process begins more often than once a second".to_owned();
                    return step.act(Effect::Penalise { peer: from, reason });
                }
            }
        }
        if from == session.identity {
            // One that comes late, from an older process or connection, does not silence the newer one.
            let speaking = self.sessions.speaking.entry(from).or_default();
            *speaking = session.order().max(*speaking);
        }
    }

    fn forged(&self, step: &mut Step, from: Peer) {
        step.act(Effect::Penalise {
            peer: from,
            reason: "a session that its identity did not sign".to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::{Message, Status};
    use althing_crypto::ed25519::SecretKey;

    use super::super::testing::Bench;
    use super::*;

    fn session(bench: &Bench, of: u16, began_ms: u64) -> Session {
        Session::new(&bench.driver.config.chain_id, &bench.chain.identity(of), began_ms, 0)
    }

    fn hear(bench: &mut Bench, from: u16, session: Session) -> Vec<String> {
        let peer = bench.peer(from);
        bench.act(|driver, step| driver.wire_arrived(step, peer, Wire::Session(session)))
    }

    fn speak(bench: &mut Bench, from: u16) -> Vec<String> {
        let peer = bench.peer(from);
        bench.act(|driver, step| driver.wire_arrived(step, peer, Message::Status(Status::default()).into()))
    }

    #[test]
    fn the_first_thing_on_a_connection_is_ones_own_session() {
        let mut bench = Bench::new();
        let own = session(&bench, 0, 5);
        bench.driver = bench.driver.clone().in_session(own);
        let peer = bench.peer(1);
        let lines = bench.act(|driver, step| driver.connected(step, peer));
        assert_eq!(lines, ["engine: connected v1", "send v1"]);
    }

    #[test]
    fn of_two_processes_the_later_one_speaks_and_the_other_is_shown_it() {
        let mut bench = Bench::connected(&[1, 2]);
        let (old, new) = (session(&bench, 1, 100), session(&bench, 1, 200));
        assert_eq!(hear(&mut bench, 1, old), [""; 0], "it tells the others itself");
        assert_eq!(speak(&mut bench, 1), ["job admit"]);
        bench.pass(1_000);
        assert_eq!(hear(&mut bench, 2, new), ["broadcast session"], "whoever passes it on");
        assert_eq!(speak(&mut bench, 1), [""; 0], "the older one");
        assert_eq!(hear(&mut bench, 1, old), ["send v1"], "which learns of the newer one");
        assert_eq!(hear(&mut bench, 1, old), [""; 0], "at no high rate");
        assert_eq!(hear(&mut bench, 1, new), [""; 0], "the newer one itself");
        assert_eq!(speak(&mut bench, 1), ["job admit"]);
    }

    #[test]
    fn a_process_that_is_shown_a_later_one_with_its_keys_stops() {
        let mut bench = Bench::connected(&[1]);
        let own = session(&bench, 0, 100);
        bench.driver = bench.driver.clone().in_session(own);
        for (began, expected) in [(99, ""), (101, "superseded")] {
            let lines = {
                let shown = session(&bench, 0, began);
                hear(&mut bench, 1, shown)
            };
            assert_eq!(lines.join(" "), expected, "{began}");
        }
        let forged = Session { identity: own.identity, began_ms: 200, ..session(&bench, 1, 200) };
        assert_eq!(hear(&mut bench, 1, forged), ["penalise v1"]);
    }

    #[test]
    fn a_process_that_has_been_gone_for_long_keeps_nobody_out() {
        let mut bench = Bench::connected(&[1, 2]);
        // By whichever clock, which may have been wrong.
        let (next, wrong) = (session(&bench, 1, 100), session(&bench, 1, u64::MAX));
        hear(&mut bench, 1, wrong);
        assert_eq!(speak(&mut bench, 1), ["job admit"]);
        bench.pass(600_000);
        assert_eq!(hear(&mut bench, 2, next), ["send v2"], "it is still connected");
        let peer = bench.peer(1);
        bench.act(|driver, _| driver.disconnected(Micros::from_millis(600_000), &peer));
        bench.act(|driver, step| driver.connected(step, peer));
        assert_eq!(hear(&mut bench, 1, next), [""; 0], "shown a moment ago");
        assert_eq!(speak(&mut bench, 1), [""; 0]);
        bench.pass(600_000);
        assert_eq!(hear(&mut bench, 1, next), [""; 0]);
        assert_eq!(speak(&mut bench, 1), ["job admit"]);
    }

    #[test]
    fn what_is_forged_or_of_strangers_or_too_frequent_is_not_kept() {
        let mut bench = Bench::connected(&[1, 2]);
        let forged = Session { began_ms: 7, ..session(&bench, 1, 6) };
        assert_eq!(hear(&mut bench, 2, forged), ["penalise v2"]);
        let stranger = SecretKey::from_seed([77; 32]);
        let strange = Session::new(&bench.driver.config.chain_id, &stranger, 6, 0);
        assert_eq!(hear(&mut bench, 2, strange), [""; 0]);
        assert_eq!(bench.driver.sessions.len(), 0);
        let mut let_go = None;
        for began in 1..100 {
            let one = session(&bench, 1, began);
            if hear(&mut bench, 1, one) == ["penalise v1"] {
                let_go = let_go.or(Some(began));
            }
        }
        let held = bench.driver.sessions.known.values().next().expect("the first").newest.began_ms;
        assert_eq!((bench.driver.sessions.len(), held, let_go), (1, AT_ONCE + 1, Some(AT_ONCE + 2)));
    }

    #[test]
    fn what_comes_late_of_an_older_process_does_not_silence_the_newer_one() {
        let mut bench = Bench::connected(&[1, 2]);
        let (old, new) = (session(&bench, 1, 100), session(&bench, 1, 200));
        hear(&mut bench, 1, old);
        hear(&mut bench, 1, new);
        assert_eq!(hear(&mut bench, 1, old), ["send v1"], "the older one learns of it");
        assert_eq!(speak(&mut bench, 1), ["job admit"]);
    }

    #[test]
    fn a_home_that_is_moved_there_and_back_in_a_moment_has_one_process_that_speaks() {
        let mut bench = Bench::connected(&[1, 2]);
        let [here, there, back] = [100, 200, 300].map(|began| session(&bench, 1, began));
        hear(&mut bench, 1, here);
        for later in [there, back] {
            assert_eq!(hear(&mut bench, 1, later)[..], ["broadcast session"]);
        }
        let peer = bench.peer(1);
        bench.act(|driver, step| driver.connected(step, peer));
        assert_eq!(hear(&mut bench, 1, there), ["send v1"], "it learns of the last one");
        assert_eq!(speak(&mut bench, 1), [""; 0]);
    }
}
