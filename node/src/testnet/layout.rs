//! Where a local chain's files and ports are, and writing them.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use althing_consensus::ConsensusParams;
use althing_crypto::{bls, ed25519, key_file::KeyFile};
use althing_genesis::Genesis;
use althing_ledger::asset::Address;

use super::{TestnetError, app_command};
use crate::{
    client::NodeUrl,
    config::{NodeConfig, PeerConfig},
    home::{Home, create_private_directory},
    new_chain::{self, Kind},
};

/// Funded accounts.
const ACCOUNTS: usize = 10;
const CHAIN_ID: &str = "althing-testnet";
/// What clients may ask for in a second: all are one address here, and one person, who may want to see what the chain can do.
const COST_PER_S: u64 = 200_000;
/// Of these one client may have half: what is under way while the chain stands still for some seconds.
const CONNECTIONS: usize = 4_096;

/// What a chain has that others have not.
pub(crate) struct Extras {
    /// Further accounts with the same funds; whoever names them has their keys.
    pub(crate) accounts: Vec<Address>,
    /// Its parameters, from the usual ones.
    pub(crate) params: Box<dyn Fn(&mut ConsensusParams)>,
    /// The validators' configurations, from the usual ones.
    pub(crate) config: Box<dyn Fn(&mut NodeConfig)>,
    /// Where a validator, by its number, finds another, if not where that one listens.
    pub(crate) route: Box<dyn Fn(u16, u16) -> Option<SocketAddr>>,
}

/// `DIR/validator-0 …` and `DIR/accounts/0.key …`.
#[derive(Debug, Clone)]
pub struct Layout {
    dir: PathBuf,
    validators: u16,
    base_port: u16,
    app: Kind,
}

impl Layout {
    /// The layout of so many validators of an application in a directory. The caller sees to it that the ports are at most 65535.
    pub fn new(dir: PathBuf, validators: u16, base_port: u16, app: Kind) -> Self {
        Self { dir, validators, base_port, app }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The validators' homes.
    pub fn homes(&self) -> impl Iterator<Item = Home> + '_ {
        (0..self.validators).map(|index| Home::new(self.dir.join(format!("validator-{index}"))))
    }

    /// Where the validators serve JSON-RPC.
    pub fn nodes(&self) -> impl Iterator<Item = NodeUrl> + '_ {
        (0..self.validators).map(|index| {
            format!("http://{}", self.rpc_address(index)).parse().expect("an address and a port are a URL")
        })
    }

    /// Where the funded accounts' keys are.
    pub fn accounts_dir(&self) -> PathBuf {
        self.dir.join("accounts")
    }

    /// The key files of the funded accounts.
    pub fn accounts(&self) -> impl Iterator<Item = PathBuf> + '_ {
        (0..ACCOUNTS).map(|index| self.accounts_dir().join(format!("{index}.key")))
    }

    /// Where a validator listens for the others.
    pub(crate) fn p2p_address(&self, index: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.base_port + 10 * index + 6).into()
    }

    fn rpc_address(&self, index: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.base_port + 10 * index + 7).into()
    }

    /// Whether there are homes in the directory already.
    pub fn is_written(&self) -> bool {
        self.homes().any(|home| home.config_file().exists())
    }

    /// Whether the homes there are those of this layout.
    pub fn check(&self) -> Result<(), TestnetError> {
        let fault = |reason: String| TestnetError::Directory { dir: self.dir.clone(), reason };
        for (index, home) in (0..).zip(self.homes()) {
            let config = NodeConfig::load(&home, &[]).map_err(|error| fault(error.to_string()))?;
            let (found, expected) = (config.rpc.listen, self.rpc_address(index));
            if found != expected {
                return Err(fault(format!(
                    "validator-{index} has rpc.listen {found}, not {expected}; give its --base-port"
                )));
            }
            let genesis = Genesis::read(&home.genesis_file())?;
            if genesis.application_kind() != self.app.name() {
                let kind = genesis.application_kind();
                return Err(fault(format!("it is a chain of the application {kind:?}; say --app {kind}")));
            }
            let found = genesis.validator_set().len();
            if found != usize::from(self.validators) {
                return Err(fault(format!("it is a chain of {found} validators; say --validators {found}")));
            }
        }
        Ok(())
    }

    /// Writes homes and accounts with fresh keys. Refuses a directory that holds anything.
    pub fn write(&self) -> Result<(), TestnetError> {
        self.write_with(Extras {
            accounts: Vec::new(),
            params: Box::new(|_| {}),
            config: Box::new(|_| {}),
            route: Box::new(|_, _| None),
        })
    }

    /// The same, of a chain that has more.
    pub(crate) fn write_with(&self, extras: Extras) -> Result<(), TestnetError> {
        if fs::read_dir(&self.dir).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(TestnetError::Exists(self.dir.clone()));
        }
        if let Some(home) = self.homes().find(|home| self.app.is_remote() && !app_command::fits(home)) {
            let reason = format!(
                "the path of a socket in {} would be too long: use a --dir nearer to /",
                home.path().display()
            );
            return Err(TestnetError::Directory { dir: self.dir.clone(), reason });
        }
        create_private_directory(&self.accounts_dir())?;
        let mut addresses = Vec::new();
        for file in self.accounts() {
            let key = ed25519::SecretKey::generate();
            addresses.push(Address::of(&key.public_key()));
            KeyFile::Account(key).write_new(&file)?;
        }
        let keys: Vec<_> = (0..self.validators)
            .map(|_| (ed25519::SecretKey::generate(), bls::SecretKey::generate(&bls::BLS)))
            .collect();
        let entries = keys.iter().enumerate();
        let entries =
            entries.map(|(index, (id, vote))| new_chain::validator(&format!("validator-{index}"), id, vote));
        addresses.extend(extras.accounts);
        let mut document = new_chain::document_of(self.app, CHAIN_ID, entries.collect(), &addresses);
        (extras.params)(&mut document.params);
        let genesis = Genesis::new(document, &bls::BLS)?.document().to_json();
        for ((index, home), (identity, vote)) in (0..).zip(self.homes()).zip(&keys) {
            let mut config = NodeConfig::default();
            config.p2p.listen = self.p2p_address(index);
            let peers = (0..).zip(&keys).filter(|(other, _)| *other != index);
            let peer = |(other, (identity, _)): (u16, &(ed25519::SecretKey, _))| {
                let address = (extras.route)(index, other).unwrap_or_else(|| self.p2p_address(other));
                PeerConfig { identity: identity.public_key(), address: Some(address.to_string()) }
            };
            config.p2p.peers = peers.map(peer).collect();
            config.rpc.listen = self.rpc_address(index);
            (config.rpc.cost_per_s, config.rpc.client_cost_per_s) = (COST_PER_S, COST_PER_S);
            let rpc = &mut config.rpc;
            (rpc.max_connections, rpc.max_connections_per_client) = (CONNECTIONS, CONNECTIONS);
            (rpc.max_requests, rpc.max_requests_per_client) = (CONNECTIONS, CONNECTIONS);
            (rpc.max_waiting, rpc.max_waiting_per_client) = (CONNECTIONS, CONNECTIONS);
            if self.app.is_remote() {
                config.application.address = Some(app_command::address(&home));
            }
            (extras.config)(&mut config);
            home.create(
                &config,
                &genesis,
                &KeyFile::Identity(identity.clone()),
                &KeyFile::Vote(vote.clone()),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn homes_have_their_ports_their_peers_and_one_genesis() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().join("net"), 3, 30000, Kind::Ledger);
        assert!(!layout.is_written());
        layout.write().unwrap();
        assert!(layout.is_written());

        let mut hashes = BTreeSet::new();
        for (index, home) in layout.homes().enumerate() {
            let config = NodeConfig::load(&home, &[]).unwrap();
            assert_eq!(config.p2p.listen.port() as usize, 30006 + 10 * index);
            assert_eq!(config.rpc.listen.port() as usize, 30007 + 10 * index);
            assert_eq!(config.p2p.peers.len(), 2);
            let genesis = Genesis::read(&home.genesis_file()).unwrap();
            hashes.insert(genesis.hash());
            let identity = KeyFile::read_identity(&home.identity_key()).unwrap().public_key();
            assert_eq!(genesis.validator_name(&identity), Some(format!("validator-{index}").as_str()));
            let vote = KeyFile::read_vote(&home.vote_key()).unwrap();
            assert_eq!(&genesis.validator_set().members()[index].vote_key, vote.public_key());
        }
        assert_eq!(hashes.len(), 1);
        assert_eq!(layout.accounts().filter(|file| KeyFile::read_account(file).is_ok()).count(), 10);
        let error = layout.write().expect_err("nothing is overwritten").to_string();
        assert!(error.ends_with("/net exists already; choose another --dir"), "{error}");

        assert!(layout.check().is_ok());
        let other = |validators, port| {
            Layout::new(layout.dir().to_owned(), validators, port, Kind::Ledger)
                .check()
                .unwrap_err()
                .to_string()
        };
        assert!(other(2, 30000).contains("say --validators 3"));
        assert!(other(3, 30100).contains("--base-port"));
        let other = Layout::new(layout.dir().to_owned(), 3, 30000, Kind::Kv).check().unwrap_err().to_string();
        assert!(other.contains("say --app ledger"), "{other}");
    }
}
