//! The changes as commands: the one place where flags become a [`ValidatorChange`].

use std::path::Path;

use althing_crypto::{
    bls::ProofOfPossession,
    ed25519::PublicKey,
    key_file::{KeyFile, KeyKind},
};
use althing_ledger::{
    VoteKey,
    asset::{Address, ConsensusParameter, ValidatorChange, ValidatorView},
};
use clap::{Args, Parser, Subcommand};

use crate::cli::{Failure, address, tx::build::words};

/// What is to be proposed. A validator is named by its identity, or by its name if no other has it.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Ask {
    #[command(flatten)]
    One(One),
    /// Propose several changes at once: all of them happen, or none
    Change {
        /// A change as it follows `althing validator`, in one word: --do "power alice 5"; may be repeated, in order
        #[arg(long = "do", value_name = "COMMAND", required = true, value_parser = check)]
        commands: Vec<String>,
    },
}

/// One change.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum One {
    /// Propose to add a validator
    Add {
        /// Its identity: the key file of that kind, or 64 hexadecimal digits
        #[arg(long, value_name = "FILE|HEX", value_parser = identity)]
        identity: PublicKey,
        #[command(flatten)]
        vote_key: VoteKeyArg,
        /// Its weight
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
        power: u64,
        /// What people call it, at most 64 bytes
        #[arg(long, value_name = "TEXT")]
        name: String,
        /// The account that votes for it on proposals
        #[arg(long, value_name = "ADDRESS", value_parser = address)]
        account: Address,
    },
    /// Propose to remove a validator
    Remove {
        /// Which one
        validator: String,
    },
    /// Propose another power for a validator
    Power {
        /// Which one
        validator: String,
        /// Its weight from then on
        #[arg(value_parser = clap::value_parser!(u64).range(1..))]
        power: u64,
    },
    /// Propose another vote key for a validator
    RotateKey {
        /// Which one
        validator: String,
        #[command(flatten)]
        vote_key: VoteKeyArg,
    },
    /// Propose another identity for a validator; all else of it stays
    RotateIdentity {
        /// Which one
        validator: String,
        /// Its identity from then on: the key file of that kind, or 64 hexadecimal digits
        #[arg(long, value_name = "FILE|HEX", value_parser = identity)]
        identity: PublicKey,
    },
    /// Propose that another account votes for a validator
    Account {
        /// Which one
        validator: String,
        /// Its account from then on
        #[arg(value_parser = address)]
        account: Address,
    },
    /// Propose that a suspended validator gets its power again
    Reinstate {
        /// Which one
        validator: String,
    },
    /// Propose another value of a consensus parameter
    Parameter {
        /// Its name, as in the genesis document
        #[arg(value_parser = parameter)]
        parameter: ConsensusParameter,
        /// Its value from then on
        value: u64,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct VoteKeyArg {
    /// What it votes with: the key file of that kind, or 96 hexadecimal digits, which need --proof
    #[arg(long, value_name = "FILE|HEX")]
    vote_key: String,
    /// The proof of possession, as `althing keys show` prints it: 192 hexadecimal digits
    #[arg(long, value_name = "HEX")]
    proof: Option<ProofOfPossession>,
}

/// One value of `--do`.
#[derive(Debug, Parser)]
#[command(name = "--do", no_binary_name = true, disable_help_subcommand = true)]
struct Line {
    #[command(subcommand)]
    one: One,
}

fn parse(line: &str) -> Result<One, String> {
    let line = Line::try_parse_from(words(line)?).map_err(|error| error.to_string())?;
    Ok(line.one)
}

fn check(line: &str) -> Result<String, String> {
    parse(line).map(|_| line.to_owned())
}

fn identity(text: &str) -> Result<PublicKey, String> {
    if let Ok(key) = text.parse() {
        return Ok(key);
    }
    match KeyFile::stated(Path::new(text)).map_err(|error| error.to_string())? {
        (KeyKind::Identity, key) => key.parse().map_err(|error| format!("{text}: its public_key: {error}")),
        (kind, _) => Err(format!("{text}: of kind {kind}, that of an identity is needed")),
    }
}

fn parameter(text: &str) -> Result<ConsensusParameter, String> {
    let named = ConsensusParameter::ALL.into_iter().find(|one| one.name() == text);
    let all = ConsensusParameter::ALL.map(ConsensusParameter::name).join(", ");
    named.ok_or_else(|| format!("no consensus parameter: they are {all}"))
}

impl VoteKeyArg {
    fn get(self) -> Result<VoteKey, Failure> {
        let mut key = [0; 48];
        if hex::decode_to_slice(&self.vote_key, &mut key).is_err() {
            let secret = KeyFile::read_vote(Path::new(&self.vote_key))?;
            let proof = self.proof.unwrap_or_else(|| secret.prove_possession());
            return Ok(VoteKey { key: *secret.public_key().bytes(), proof: *proof.as_bytes() });
        }
        let proof = self.proof.ok_or("a vote key in hexadecimal needs its --proof")?;
        Ok(VoteKey { key, proof: *proof.as_bytes() })
    }
}

/// The identity of the validator that is meant.
fn named(text: &str, validators: &[ValidatorView]) -> Result<PublicKey, Failure> {
    if let Ok(identity) = text.parse() {
        return Ok(identity);
    }
    let mut found = validators.iter().filter(|one| one.name == text);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one.identity),
        (Some(_), Some(_)) => {
            Err(format!("several validators are called {text:?}: give the identity").into())
        }
        (None, _) => {
            let names: Vec<_> = validators.iter().map(|one| format!("{:?}", one.name)).collect();
            Err(format!("no validator is called {text:?}: they are {}", names.join(", ")).into())
        }
    }
}

impl Ask {
    /// The changes, of these validators.
    pub(super) fn changes(self, validators: &[ValidatorView]) -> Result<Vec<ValidatorChange>, Failure> {
        match self {
            Self::One(one) => Ok(vec![one.change(validators)?]),
            Self::Change { commands } => {
                commands.iter().map(|line| parse(line)?.change(validators)).collect()
            }
        }
    }
}

impl One {
    fn change(self, validators: &[ValidatorView]) -> Result<ValidatorChange, Failure> {
        let of = |text: String| named(&text, validators);
        Ok(match self {
            Self::Add { identity, vote_key, power, name, account } => {
                ValidatorChange::Add { identity, vote_key: vote_key.get()?, power, name, account }
            }
            Self::Remove { validator } => ValidatorChange::Remove { identity: of(validator)? },
            Self::Power { validator, power } => ValidatorChange::Power { identity: of(validator)?, power },
            Self::RotateKey { validator, vote_key } => {
                ValidatorChange::VoteKey { identity: of(validator)?, vote_key: vote_key.get()? }
            }
            Self::RotateIdentity { validator, identity } => {
                ValidatorChange::Identity { identity: of(validator)?, to: identity }
            }
            Self::Account { validator, account } => {
                ValidatorChange::Account { identity: of(validator)?, account }
            }
            Self::Parameter { parameter, value } => ValidatorChange::Parameter { parameter, value },
            Self::Reinstate { validator } => ValidatorChange::Reinstate { identity: of(validator)? },
        })
    }
}
