//! The homes of a chain, and which of its validators run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use althing_crypto::{ed25519::SecretKey, key_file::KeyFile};
use althing_genesis::Genesis;
use althing_node::{
    client::NodeUrl,
    config::{NodeConfig, PeerConfig},
    home::Home,
};
use tempfile::TempDir;

use super::{Ended, Node, Ports, althing, until};

/// A local chain. Dropping it kills its validators and removes its homes.
#[derive(Debug)]
pub struct Chain {
    nodes: Vec<Option<Node>>,
    ports: Ports,
    directory: TempDir,
}

impl Chain {
    /// Writes the homes of so many validators of an asset ledger, by `althing testnet init`.
    pub async fn init(validators: usize) -> Self {
        Self::init_of("ledger", validators).await
    }

    /// Writes the homes of so many validators of this kind of application.
    pub async fn init_of(app: &str, validators: usize) -> Self {
        let directory = tempfile::tempdir().expect("a directory for temporary files");
        let ports = Ports::take();
        let (count, base) = (validators.to_string(), ports.base().to_string());
        let dir = directory.path().to_str().expect("a path that is text");
        let init =
            ["testnet", "init", "--app", app, "--validators", &count, "--dir", dir, "--base-port", &base];
        let written = althing(init).await;
        assert_eq!(written.code, Some(0), "{written:#?}");
        Self { nodes: (0..validators).map(|_| None).collect(), ports, directory }
    }

    /// A chain of so many validators that all run and have made the first block.
    pub async fn running(validators: usize) -> Self {
        let mut chain = Self::init(validators).await;
        (0..validators).for_each(|index| chain.start(index));
        chain.all_reach(1).await;
        chain
    }

    /// How many validators it has, running or not.
    #[allow(clippy::len_without_is_empty, reason = "no chain is empty")]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The home of validator `index`.
    pub fn home(&self, index: usize) -> Home {
        Home::new(self.directory.path().join(format!("validator-{index}")))
    }

    /// Where validator `index` serves JSON-RPC.
    pub fn url(&self, index: usize) -> NodeUrl {
        let url = format!("http://{}", self.ports.rpc(index));
        url.parse().expect("an address is a URL")
    }

    /// The chain's ports.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The genesis document in the home of validator 0.
    pub fn genesis(&self) -> Genesis {
        Genesis::read(&self.home(0).genesis_file()).expect("a genesis document")
    }

    /// Where the key files of the funded accounts are.
    pub fn accounts_dir(&self) -> PathBuf {
        self.directory.path().join("accounts")
    }

    /// The key of funded account `index`.
    pub fn account(&self, index: usize) -> SecretKey {
        let file = self.accounts_dir().join(format!("{index}.key"));
        KeyFile::read_account(&file).expect("an account's key")
    }

    /// Writes the home of one more node, by `althing init`, which the others let in: to be done before they start. Its number.
    pub async fn add(&mut self) -> usize {
        let index = self.place();
        let (home, name) = (self.home(index), format!("validator-{index}"));
        let (path, genesis) = (text(home.path()), self.home(0).genesis_file());
        let init = ["init", "--home", &path, "--name", &name, "--genesis", &text(&genesis)];
        let written = althing(init).await;
        assert_eq!(written.code, Some(0), "{written:#?}");
        let newcomer = self.peer(index);
        let others: Vec<_> = (0..index).map(|other| self.peer(other)).collect();
        self.configure(index, |config| config.p2p.peers = others);
        for other in 0..index {
            self.configure(other, |config| config.p2p.peers.push(newcomer.clone()));
        }
        index
    }

    /// Copies the home of validator `index`, which does not run. The number of the copy, which has ports of its own.
    pub fn copy(&mut self, index: usize) -> usize {
        assert!(self.nodes[index].is_none(), "validator {index} runs");
        let copy = self.place();
        copy_directory(self.home(index).path(), self.home(copy).path());
        self.configure(copy, |_| {});
        copy
    }

    /// The key files, state and safety record of one home take the place of those of another.
    pub fn restore(&mut self, from: usize, to: usize) {
        assert!(self.nodes[to].is_none(), "validator {to} runs");
        fs::remove_dir_all(self.home(to).path()).expect("removed");
        copy_directory(self.home(from).path(), self.home(to).path());
        self.configure(to, |_| {});
    }

    fn place(&mut self) -> usize {
        self.nodes.push(None);
        self.nodes.len() - 1
    }

    fn peer(&self, index: usize) -> PeerConfig {
        let key = KeyFile::read_identity(&self.home(index).identity_key()).expect("an identity key");
        PeerConfig { identity: key.public_key(), address: Some(self.ports.p2p(index).to_string()) }
    }

    /// Changes the configuration of a home, which gets the ports of its number.
    pub fn configure(&self, index: usize, change: impl FnOnce(&mut NodeConfig)) {
        let home = self.home(index);
        let mut config = NodeConfig::load(&home, &[]).expect("a configuration");
        config.p2p.listen = self.ports.p2p(index);
        config.rpc.listen = self.ports.rpc(index);
        change(&mut config);
        fs::write(home.config_file(), config.to_toml()).expect("written");
    }

    /// Starts the process of validator `index`.
    pub fn start(&mut self, index: usize) {
        assert!(self.nodes[index].is_none(), "validator {index} runs already");
        self.nodes[index] = Some(Node::start(&self.home(index), self.url(index)));
    }

    /// Runs the process of validator `index` to an end that it is expected to come to by itself.
    pub async fn start_in_vain(&self, index: usize) -> Ended {
        let home = self.home(index);
        let home = home.path().to_str().expect("a path that is text");
        althing(["start", "--home", home]).await
    }

    /// The running validator `index`.
    pub fn node(&mut self, index: usize) -> &mut Node {
        self.nodes[index].as_mut().unwrap_or_else(|| panic!("validator {index} does not run"))
    }

    /// The validators that run.
    pub fn running_nodes(&mut self) -> impl Iterator<Item = &mut Node> {
        self.nodes.iter_mut().flatten()
    }

    /// Takes validator `index` out, to be stopped or killed.
    pub fn take(&mut self, index: usize) -> Node {
        self.nodes[index].take().unwrap_or_else(|| panic!("validator {index} does not run"))
    }

    /// Waits until all validators that run have executed this height.
    pub async fn all_reach(&mut self, height: u64) {
        for node in self.running_nodes() {
            node.reaches(height).await;
        }
    }

    /// Waits until all validators that run stand at one height, and returns it.
    pub async fn level(&mut self) -> u64 {
        until("all at one height", async || {
            let mut heights = Vec::new();
            for node in self.nodes.iter_mut().flatten() {
                heights.push(node.height().await?);
            }
            heights.windows(2).all(|pair| pair[0] == pair[1]).then(|| heights[0])
        })
        .await
    }

    /// Panics unless all validators that run have the same block and the same application hash at this height.
    pub async fn agree_at(&mut self, height: u64) {
        assert!(self.all_have_one(height).await, "they disagree at height {height}");
    }

    /// Whether all validators that run have the same block and the same application hash at this height; if not, it says which.
    pub async fn all_have_one(&mut self, height: u64) -> bool {
        let mut hashes = Vec::new();
        for node in self.running_nodes() {
            hashes.push((node.block_hash(height).await, node.app_hash(height).await));
        }
        let agree = hashes.windows(2).all(|pair| pair[0] == pair[1]);
        if !agree {
            eprintln!("at height {height}: {hashes:#?}");
        }
        agree
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path that is text").to_owned()
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy_directory(&entry.path(), &target),
            false => _ = fs::copy(entry.path(), target).expect("copied"),
        }
    }
}
