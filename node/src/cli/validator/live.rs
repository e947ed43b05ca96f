//! Who is up now, as far as a node can tell: itself, and those it has connections to.

use std::collections::BTreeSet;

use althing_crypto::ed25519::PublicKey;
use althing_ledger::asset::ValidatorChange;
use serde_json::{Value, json};

use crate::{
    cli::Failure,
    client::{Client, NodeUrl, integer},
};

/// A node that is so many heights behind has not caught up.
const FAR_BEHIND: u64 = 20;

/// The identities that are up.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) identities: BTreeSet<PublicKey>,
    pub(super) height: u64,
    /// The newcomer whose node was asked.
    pub(super) newcomer: Option<PublicKey>,
}

impl Live {
    pub(super) async fn ask(client: &mut Client) -> Result<Self, Failure> {
        let status = client.call("status", json!({})).await?;
        let net = client.call("net_info", json!({})).await?;
        let peers = net["peers"].as_array().into_iter().flatten();
        let identities = peers.chain([&status]).filter_map(identity).collect();
        Ok(Self { identities, height: height(&status), newcomer: None })
    }

    /// Counts a newcomer as up, whether or not the node that was asked has a connection to it. Says what is against it.
    pub(super) async fn join(
        &mut self,
        newcomer: NodeUrl,
        changes: &[ValidatorChange],
    ) -> Result<Vec<String>, Failure> {
        let status = Client::new(newcomer.clone()).call("status", json!({})).await?;
        let found = identity(&status).ok_or_else(|| format!("{newcomer} does not say its identity"))?;
        Ok(self.judge(&found, &status, changes))
    }

    /// The newcomers of whom nobody knows how far their nodes are: a connection to them does not tell.
    pub(super) fn unasked(&self, changes: &[ValidatorChange]) -> Vec<String> {
        let added = changes.iter().filter_map(|change| match change {
            ValidatorChange::Add { identity, .. } => Some(identity),
            _ => None,
        });
        let unasked = added.filter(|identity| self.newcomer != Some(**identity));
        let words = |identity| {
            format!("whether the newcomer {identity} is synced is not known: --newcomer URL asks its node")
        };
        unasked.map(words).collect()
    }

    fn judge(&mut self, found: &PublicKey, status: &Value, changes: &[ValidatorChange]) -> Vec<String> {
        let mut warnings = Vec::new();
        let comes = changes.iter().any(|change| match change {
            ValidatorChange::Add { identity, .. } | ValidatorChange::Identity { to: identity, .. } => {
                identity == found
            }
            _ => false,
        });
        if !comes {
            warnings.push(format!("the newcomer's node has the identity {found}, which is not to be added"));
        }
        if status["sync_info"]["catching_up"] == true
            || height(status).saturating_add(FAR_BEHIND) < self.height
        {
            warnings.push(format!(
                "the newcomer is not synced: it stands at height {}, the chain at {}",
                height(status),
                self.height
            ));
        }
        self.identities.insert(*found);
        self.newcomer = Some(*found);
        warnings
    }
}

fn identity(node: &Value) -> Option<PublicKey> {
    node["node_info"]["other"]["identity"].as_str()?.parse().ok()
}

fn height(status: &Value) -> u64 {
    integer(&status["sync_info"]["latest_block_height"]).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use althing_crypto::ed25519::SecretKey;
    use althing_ledger::{VoteKey, asset::Address};

    use super::*;

    #[test]
    fn a_newcomer_must_be_the_one_and_have_caught_up() {
        let key = |n| SecretKey::from_seed([n; 32]).public_key();
        let changes = [ValidatorChange::Identity { identity: key(1), to: key(2) }];
        let at = |height: u64, catching_up: bool| json!({ "sync_info": { "latest_block_height": height.to_string(), "catching_up": catching_up } });
        let judge = |found: u8, status: Value| {
            let mut live = Live { height: 100, ..Live::default() };
            let warnings = live.judge(&key(found), &status, &changes);
            assert!(live.identities.contains(&key(found)));
            warnings.join("; ")
        };
        assert_eq!(judge(2, at(99, false)), "");
        assert!(judge(2, at(99, true)).contains("not synced"));
        assert!(judge(2, at(79, false)).contains("it stands at height 79, the chain at 100"));
        assert!(judge(1, at(100, false)).contains("not to be added"));

        let vote_key = VoteKey { key: [1; 48], proof: [2; 96] };
        let (name, account) = ("new".to_owned(), Address::default());
        let added = [ValidatorChange::Add { identity: key(2), vote_key, power: 1, name, account }];
        assert!(Live::default().unasked(&added)[0].contains("--newcomer"));
        let connected = Live { identities: BTreeSet::from([key(2)]), ..Live::default() };
        assert_eq!(connected.unasked(&added).len(), 1);
        let asked = Live { newcomer: Some(key(2)), ..Live::default() };
        assert_eq!((asked.unasked(&added), Live::default().unasked(&changes)), (vec![], vec![]));
    }
}
