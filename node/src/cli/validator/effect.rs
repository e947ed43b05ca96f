//! What a proposal would come to: the set before and after, its quorum, how many may fail, who is up, and what is dangerous in it.

use althing_ledger::asset::{Address, Suspension, ValidatorChange, ValidatorView};
use serde_json::{Value, json};

use super::{Live, table};
use crate::cli::tx::words::validator_change;

/// Validators, by identity.
#[derive(Debug)]
pub(super) struct Set(pub(super) Vec<ValidatorView>);

impl Set {
    /// Those that are not suspended.
    fn active(&self) -> impl Iterator<Item = &ValidatorView> {
        self.0.iter().filter(|one| one.suspended.is_none())
    }

    fn suspended(&self) -> usize {
        self.0.len() - self.active().count()
    }

    fn total(&self) -> u64 {
        self.power_of(|_| true)
    }

    fn power_of(&self, those: impl Fn(&ValidatorView) -> bool) -> u64 {
        self.0.iter().filter(|one| those(one)).map(|one| one.power).sum()
    }

    /// The least power that decides: more than two thirds.
    fn quorum(&self) -> u64 {
        // Powers add up to 2^60 at most.
        2 * self.total() / 3 + 1
    }

    /// Of how many, whichever they are, the chain can do without.
    fn tolerated(&self) -> usize {
        let mut powers: Vec<u64> = self.active().map(|one| one.power).collect();
        powers.sort_unstable();
        let mut left = self.total();
        let mut tolerated = 0;
        while let Some(largest) = powers.pop() {
            left -= largest;
            if left < self.quorum() {
                break;
            }
            tolerated += 1;
        }
        tolerated
    }

    fn live(&self, live: &Live) -> u64 {
        self.power_of(|one| live.identities.contains(&one.identity))
    }

    /// The power that can approve proposals at all.
    fn voiced(&self) -> u64 {
        self.power_of(|one| one.member)
    }

    /// The records, each with whether its validator is up.
    pub(super) fn objects(&self, live: &Live) -> Result<Vec<Value>, serde_json::Error> {
        let object = |one: &ValidatorView| {
            let mut object = serde_json::to_value(one)?;
            object["live"] = live.identities.contains(&one.identity).into();
            Ok(object)
        };
        self.0.iter().map(object).collect()
    }

    pub(super) fn object(&self, live: &Live) -> Value {
        json!({
            "validators": self.active().count(),
            "suspended": self.suspended(),
            "total_power": self.total().to_string(),
            "quorum": self.quorum().to_string(),
            "tolerated_failures": self.tolerated(),
            "live_power": self.live(live).to_string(),
            "member_power": self.voiced().to_string(),
        })
    }

    pub(super) fn text(&self, live: &Live) -> String {
        let row = |one: &ValidatorView| {
            json!({
                "name": one.name,
                "identity": one.identity.to_string(),
                "power": power(one),
                "account": one.account,
                "live": live.identities.contains(&one.identity),
                "member": one.member,
                "since": one.since.to_string(),
            })
        };
        let rows: Vec<_> = self.0.iter().map(row).collect();
        let mut lines = vec![table(&rows), self.line(live)];
        lines.extend(self.0.iter().filter_map(why));
        lines.join("\n")
    }

    /// All of it on one line.
    fn line(&self, live: &Live) -> String {
        let failures = match self.tolerated() {
            1 => "any 1 may fail".to_owned(),
            0 => "none may fail".to_owned(),
            n => format!("any {n} may fail"),
        };
        let suspended = match self.suspended() {
            0 => String::new(),
            n => format!(" and {n} suspended"),
        };
        format!(
            "{} validators with power {}{suspended}: {} decide, {failures}; power {} is live, as far as this node sees",
            self.active().count(),
            self.total(),
            self.quorum(),
            self.live(live)
        )
    }
}

/// Its power, as a table shows it.
fn power(one: &ValidatorView) -> String {
    if one.suspended.is_some() { "suspended".to_owned() } else { one.power.to_string() }
}

/// Why a validator is suspended, if it is.
fn why(one: &ValidatorView) -> Option<String> {
    let Suspension { power, kind, epoch, view, since, .. } = one.suspended?;
    let name = if one.name.is_empty() { one.identity.to_string() } else { format!("{:?}", one.name) };
    Some(format!(
        "{name} is suspended since height {since} for a {} in view {view} of epoch {epoch}; it had power {power}",
        kind.name()
    ))
}

/// What a proposal would come to.
#[derive(Debug)]
pub(super) struct Effect {
    pub(super) before: Set,
    pub(super) after: Set,
    /// Consensus parameters that change: what they are, and will be.
    pub(super) params: Vec<(String, Option<u64>, u64)>,
    pub(super) sender: Option<Address>,
}

impl Effect {
    /// What speaks against it.
    pub(super) fn dangers(&self, live: &Live) -> Vec<String> {
        let mut dangers = Vec::new();
        let (up, quorum) = (self.after.live(live), self.after.quorum());
        if up < quorum {
            dangers.push(format!(
                "it would halt the chain: of the new set power {up} is live, as far as this node sees, and {quorum} is needed"
            ));
        }
        let voiced = self.after.voiced();
        // What is so already does not get worse.
        if voiced < quorum && self.before.voiced() >= self.before.quorum() {
            dangers.push(format!(
                "no proposal about validators could pass any more: members would vote for power {voiced}, and {quorum} is needed"
            ));
        }
        dangers
    }

    pub(super) fn object(&self, live: &Live) -> Value {
        let params =
            self.params.iter().map(|(name, from, to)| json!({ "name": name, "from": from, "to": to }));
        json!({
            "before": self.before.object(live),
            "after": self.after.object(live),
            "validators": self.after.0,
            "parameters": params.collect::<Vec<_>>(),
            "proposer_power": self.own().to_string(),
        })
    }

    /// The power for which the proposer votes.
    fn own(&self) -> u64 {
        self.before.power_of(|one| one.member && one.account.is_some() && one.account == self.sender)
    }

    pub(super) fn text(&self, changes: &[ValidatorChange], live: &Live, warnings: &[String]) -> String {
        let mut lines: Vec<String> =
            changes.iter().map(|change| format!("to {}", validator_change(change))).collect();
        lines.push(format!("before: {}", self.before.line(live)));
        lines.push(format!("after:  {}", self.after.line(live)));
        lines.push(self.rows(live));
        let from = |from: &Option<u64>| from.map_or_else(|| "unknown".to_owned(), |from| from.to_string());
        lines.extend(self.params.iter().map(|(name, now, to)| format!("{name}: {} -> {to}", from(now))));
        let by = match self.sender {
            Some(_) => format!("; the proposer votes for {}", self.own()),
            None => String::new(),
        };
        lines.push(format!(
            "it takes members who vote for power {} of {}{by}",
            self.before.quorum(),
            self.before.total()
        ));
        lines.extend(warnings.iter().map(|warning| format!("WARNING: {warning}")));
        lines.join("\n")
    }

    /// Each validator of either set, with its power before and after.
    fn rows(&self, live: &Live) -> String {
        let gone =
            self.before.0.iter().filter(|one| self.after.0.iter().all(|two| two.identity != one.identity));
        let power = |set: &Set, of: &ValidatorView| {
            let found = set.0.iter().find(|one| one.identity == of.identity);
            found.map(power)
        };
        let row = |one: &ValidatorView| {
            let former = self.before.0.iter().find(|two| two.identity == one.identity);
            let new_key = former.is_some_and(|two| two.vote_key.key != one.vote_key.key);
            json!({
                "name": one.name,
                "identity": one.identity.to_string(),
                "before": power(&self.before, one),
                "after": power(&self.after, one),
                "live": live.identities.contains(&one.identity),
                "vote_key": if new_key { "changes" } else { "" },
            })
        };
        let rows: Vec<_> = self.after.0.iter().chain(gone).map(row).collect();
        table(&rows)
    }
}

#[cfg(test)]
mod tests {
    use althing_crypto::ed25519::SecretKey;
    use althing_ledger::{MisbehaviourKind, VoteKey};

    use super::*;

    fn one(n: u8, power: u64) -> ValidatorView {
        ValidatorView {
            identity: SecretKey::from_seed([n; 32]).public_key(),
            name: format!("v{n}"),
            power,
            account: Some(Address::from_bytes([n; 20])),
            member: true,
            since: 0,
            suspended: None,
            vote_key: VoteKey { key: [n; 48], proof: [n; 96] },
        }
    }

    fn set(powers: &[u64]) -> Set {
        Set((0..).zip(powers).map(|(n, power)| one(n, *power)).collect())
    }

    #[test]
    fn quorum_and_failures_are_those_of_the_consensus() {
        for (powers, quorum, tolerated) in [
            (&[1][..], 1, 0),
            (&[1, 1], 2, 0),
            (&[1, 1, 1], 3, 0),
            (&[1, 1, 1, 1], 3, 1),
            (&[1; 5], 4, 1),
            (&[1; 7], 5, 2),
            (&[2, 1, 1, 1], 4, 0),
            (&[10, 1, 1, 1], 9, 0),
            (&[1 << 58, 1 << 58, 1 << 58, 1 << 58], (2 << 60) / 3 + 1, 1),
        ] {
            let set = set(powers);
            assert_eq!((set.quorum(), set.tolerated()), (quorum, tolerated), "{powers:?}");
        }
    }

    #[test]
    fn who_is_suspended_counts_for_nothing_and_is_shown_with_the_reason() {
        let mut four = set(&[1; 4]);
        let (kind, epoch, view, since) = (MisbehaviourKind::DoubleVote, 2, 7, 40);
        four.0[3].suspended = Some(Suspension { power: 1, kind, epoch, view, since, misbehaviour: 0 });
        four.0[3].power = 0;
        let live = Live { identities: four.0.iter().map(|one| one.identity).collect(), ..Live::default() };
        assert_eq!((four.quorum(), four.tolerated(), four.live(&live), four.voiced()), (3, 0, 3, 3));
        let text = four.text(&live);
        for part in [
            "3 validators with power 3 and 1 suspended: 3 decide, none may fail",
            "\n\"v3\" is suspended since height 40 for a double-vote in view 7 of epoch 2; it had power 1",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let changes = [ValidatorChange::Reinstate { identity: four.0[3].identity }];
        let mut after = set(&[1; 4]);
        after.0[3].since = 50;
        let effect = Effect { before: four, after, params: vec![], sender: None };
        let text = effect.text(&changes, &live, &[]);
        assert!(text.contains("to give the suspended validator") && text.contains("suspended"), "{text}");
        let row = text.lines().find(|line| line.ends_with("v3    -") && line.contains("suspended"));
        assert!(row.is_some_and(|row| row.starts_with("1 ")), "{text}");
    }

    #[test]
    fn what_would_halt_the_chain_is_said() {
        let live = |up: &[u8]| Live {
            identities: up.iter().map(|n| one(*n, 1).identity).collect(),
            ..Live::default()
        };
        let effect = |before: &[u64], after: &[u64]| Effect {
            before: set(before),
            after: set(after),
            params: vec![],
            sender: Some(Address::from_bytes([0; 20])),
        };
        let grown = effect(&[1; 4], &[1; 5]);
        assert_eq!(grown.dangers(&live(&[0, 1, 2, 3])), Vec::<String>::new());
        let dangers = grown.dangers(&live(&[0, 1, 2]));
        assert!(dangers[0].contains("power 3 is live") && dangers[0].contains("4 is needed"), "{dangers:?}");
        assert_eq!(grown.own(), 1);

        let mut mute = effect(&[1; 4], &[1, 1, 1, 9]);
        mute.after.0[3].member = false;
        let dangers = mute.dangers(&live(&[0, 1, 2, 3]));
        assert!(dangers[0].contains("no proposal about validators could pass"), "{dangers:?}");
        let text = mute.text(&[], &live(&[0]), &dangers);
        assert!(
            text.contains("before: 4 validators with power 4: 3 decide, any 1 may fail; power 1 is live")
        );
        assert!(text.contains("WARNING: no proposal"), "{text}");
    }
}
