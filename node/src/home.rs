//! A node's directory.
//!
//! ```text
//! config.toml          what its operator chooses
//! genesis.json         what all nodes of the chain share
//! keys/identity.json   names the node towards its peers (Ed25519)
//! keys/vote.json       signs votes (BLS12-381)
//! safety               what this validator has signed; never delete it, never copy it from a backup
//! journal/             what clients were told is taken, and no block has yet
//! lock, data/          the chain: can be fetched again from the peers
//! ```

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use althing_crypto::key_file::{KeyFile, KeyFileError};

use crate::{
    config::NodeConfig,
    storage::{SafetyStore, SafetyStoreError},
};

/// The paths within one node's directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Home(PathBuf);

/// Why a home could not be made.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// There is something of a home already.
    #[error("{path} exists already and is not overwritten: choose another place, or move it away", path = .0.display())]
    Exists(PathBuf),
    /// The operating system refused.
    #[error("cannot write {path}: {source}", path = path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The safety file.
    #[error(transparent)]
    Safety(#[from] SafetyStoreError),
}

impl Home {
    /// The home at this path, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The directory itself; the data directory and its lock are made in it.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// `config.toml`
    pub fn config_file(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    /// `genesis.json`
    pub fn genesis_file(&self) -> PathBuf {
        self.0.join("genesis.json")
    }

    /// The key that names the node.
    pub fn identity_key(&self) -> PathBuf {
        self.0.join("keys/identity.json")
    }

    /// The key that votes.
    pub fn vote_key(&self) -> PathBuf {
        self.0.join("keys/vote.json")
    }

    /// The key that this validator is to vote with once the chain says so; there only while it changes its key.
    pub fn next_vote_key(&self) -> PathBuf {
        self.0.join("keys/vote-next.json")
    }

    /// The safety file. Not below `data`, so that whoever deletes that to sync anew does not delete this.
    pub fn safety_file(&self) -> PathBuf {
        self.0.join("safety")
    }

    /// The journal of acknowledged transactions. Not below `data` either: what a new chain database cannot fetch again is here.
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    /// Copies of what has rotted in the journal.
    pub fn damaged_journal(&self) -> PathBuf {
        self.0.join("journal.damaged")
    }

    /// Writes a new home: keys, configuration, genesis document, empty safety file. Refuses if any of them is there.
    pub fn create(
        &self,
        config: &NodeConfig,
        genesis: &[u8],
        identity: &KeyFile,
        vote: &KeyFile,
    ) -> Result<(), HomeError> {
        let files = [
            self.config_file(),
            self.genesis_file(),
            self.identity_key(),
            self.vote_key(),
            self.safety_file(),
        ];
        if let Some(path) = files.into_iter().find(|path| path.symlink_metadata().is_ok()) {
            return Err(HomeError::Exists(path));
        }
        create_private_directory(&self.0.join("keys"))?;
        identity.write_new(&self.identity_key())?;
        vote.write_new(&self.vote_key())?;
        write_new(&self.genesis_file(), genesis)?;
        SafetyStore::create(&self.safety_file())?;
        // Last: a home with a configuration is complete.
        write_new(&self.config_file(), config.to_toml().as_bytes())
    }
}

/// A directory, with its parents, that only its owner may enter.
pub fn create_private_directory(path: &Path) -> Result<(), HomeError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| HomeError::Write { path: path.to_owned(), source })
}

/// Writes a file that must not exist.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
    use io::Write;
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => HomeError::Exists(path.to_owned()),
        _ => HomeError::Write { path: path.to_owned(), source },
    };
    let mut file = fs::File::create_new(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use althing_crypto::key_file::KeyKind;

    use super::*;

    #[test]
    fn a_home_is_made_whole_and_never_twice() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path().join("node"));
        let (identity, vote) = (KeyFile::generate(KeyKind::Identity), KeyFile::generate(KeyKind::Vote));
        home.create(&NodeConfig::default(), b"{}", &identity, &vote).unwrap();

        let config = NodeConfig::load(&home, &[]).unwrap();
        assert_eq!(config.home, home);
        assert_eq!(
            KeyFile::read_identity(&home.identity_key()).unwrap().public_key().to_string(),
            identity.public_key()
        );
        assert!(SafetyStore::open(&home.safety_file()).unwrap().1.is_none());

        let again = home.create(&NodeConfig::default(), b"{}", &identity, &vote);
        assert!(matches!(again, Err(HomeError::Exists(path)) if path == home.config_file()));
    }
}
