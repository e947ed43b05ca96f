//! The instructions as commands: the one place where flags become an [`Instruction`].

use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use althing_crypto::{Hash, ed25519, sha256};
use althing_ledger::asset::{Address, Change, Instruction, LockId, Role, Symbol};
use clap::{Args, Subcommand};

use crate::cli::{Failure, address, role};

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Ask {
    /// Move units of an asset to another account
    Transfer(Payment),
    /// Create an asset; the sender, who needs the role issuer, becomes its issuer
    CreateAsset {
        /// What it is called: 1 to 16 of A-Z 0-9 . -
        #[arg(long, value_name = "SYMBOL")]
        asset: Symbol,
        /// How many decimal places people see, at most 38
        #[arg(long, value_name = "N", default_value_t = 0)]
        decimals: u8,
        /// The most of the smallest units there may ever be; 0 for no such limit
        #[arg(long, value_name = "UNITS", default_value_t = 0, value_parser = units, allow_negative_numbers = true)]
        cap: u128,
        /// What to say of it, at most 256 bytes
        #[arg(long, value_name = "TEXT", default_value = "")]
        metadata: String,
    },
    /// Say something else of an asset
    SetMetadata {
        /// Of which asset
        #[arg(long, value_name = "SYMBOL")]
        asset: Symbol,
        /// The new text, at most 256 bytes
        #[arg(long, value_name = "TEXT")]
        metadata: String,
    },
    /// Make new units of an asset
    Issue {
        /// Of which asset
        #[arg(long, value_name = "SYMBOL")]
        asset: Symbol,
        /// Who receives them
        #[arg(long, value_name = "ADDRESS", value_parser = address)]
        to: Address,
        #[command(flatten)]
        amount: Amount,
    },
    /// Destroy units of an asset
    Burn {
        /// Of which asset
        #[arg(long, value_name = "SYMBOL")]
        asset: Symbol,
        #[command(flatten)]
        amount: Amount,
        #[command(flatten)]
        payer: Payer,
    },
    /// Forbid to debit an account in an asset
    Freeze(Holding),
    /// Allow again what was frozen
    Unfreeze(Holding),
    /// Make another account, which needs the role, the issuer of an asset
    HandOver {
        /// Which asset
        #[arg(long, value_name = "SYMBOL")]
        asset: Symbol,
        /// The new issuer
        #[arg(long, value_name = "ADDRESS", value_parser = address)]
        to: Address,
    },
    /// Set units aside for who shows a secret before a height
    Lock {
        #[command(flatten)]
        payment: Payment,
        #[command(flatten)]
        hash: LockHash,
        /// From this height on they can only go back
        #[arg(long, value_name = "HEIGHT")]
        refund_height: u64,
    },
    /// Show the secret of a lock, which pays it to its recipient
    Claim {
        /// Which lock: 58 hexadecimal digits
        #[arg(long, value_name = "LOCK")]
        lock: LockId,
        /// The secret: 64 hexadecimal digits
        #[arg(long, value_name = "HEX", value_parser = preimage)]
        preimage: Hash,
    },
    /// Pay a lock back, from its refund height on
    Refund {
        /// Which lock: 58 hexadecimal digits
        #[arg(long, value_name = "LOCK")]
        lock: LockId,
    },
    /// Give the role submitter, as an administrator
    Grant(Holder),
    /// Take the role submitter, as an administrator
    Revoke(Holder),
    /// Propose a change of roles to the members, and approve it
    Propose {
        #[command(subcommand)]
        change: Proposed,
    },
    /// Approve a proposal
    Approve {
        /// Its number
        #[arg(long, value_name = "N")]
        proposal: u64,
    },
    /// Take one's approval of a proposal back; the proposer's closes it
    Withdraw {
        /// Its number
        #[arg(long, value_name = "N")]
        proposal: u64,
    },
}

/// What a transfer pays, and a lock.
#[derive(Debug, Args)]
pub(in crate::cli) struct Payment {
    /// Of which asset
    #[arg(long, value_name = "SYMBOL", default_value = "COIN")]
    asset: Symbol,
    /// Who receives
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    to: Address,
    #[command(flatten)]
    amount: Amount,
    #[command(flatten)]
    payer: Payer,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Amount {
    /// How many of the smallest units: with 2 decimals, 1250 is 12.50
    #[arg(long, value_name = "UNITS", value_parser = units, allow_negative_numbers = true)]
    amount: u128,
}

fn preimage(text: &str) -> Result<Hash, String> {
    if Path::new(text).is_file() {
        return Err(format!("a file, not the secret: give what is in it, as by $(cat {text})"));
    }
    text.parse::<Hash>().map_err(|error| error.to_string())
}

fn units(text: &str) -> Result<u128, String> {
    if text.is_empty() || !text.bytes().all(|c| c.is_ascii_digit()) {
        let reason = "not a whole number of the smallest units (an asset of 2 decimals: 1250 for 12.50)";
        return Err(reason.to_owned());
    }
    text.parse().map_err(|_| format!("{text} is more than there can be: at most {} (2^128 - 1)", u128::MAX))
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Payer {
    /// Who pays, and so must approve, too [default: the sender]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    payer: Option<Address>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Holding {
    /// In which asset
    #[arg(long, value_name = "SYMBOL")]
    asset: Symbol,
    /// Whose account
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    account: Address,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Holder {
    /// administrator, issuer, member or submitter
    #[arg(long, value_name = "ROLE", value_parser = role)]
    role: Role,
    /// Whose
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    account: Address,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct LockHash {
    /// The SHA-256 of the secret of 32 bytes: 64 hexadecimal digits
    #[arg(long, value_name = "HEX")]
    hash: Option<Hash>,
    /// Make a secret and write it, in hexadecimal, to this new file; it stays there, whatever becomes of the lock
    #[arg(long, value_name = "FILE")]
    new_secret: Option<PathBuf>,
    /// Take the secret in this file, which an earlier --new-secret wrote
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Proposed {
    /// To give a role
    Grant(Holder),
    /// To take a role
    Revoke(Holder),
    /// To let so many members decide
    Threshold {
        /// From 1 to the number of members
        #[arg(long, value_name = "N")]
        approvals: u16,
    },
}

impl Ask {
    /// The file to which it writes the secret of a lock.
    pub(super) fn new_secret(&self) -> Option<PathBuf> {
        match self {
            Self::Lock { hash, .. } => hash.new_secret.clone(),
            _ => None,
        }
    }

    /// The instruction of a transaction of `sender`.
    pub(super) fn instruction(self, sender: Address) -> Result<Instruction, Failure> {
        let from = |payer: Payer| payer.payer.unwrap_or(sender);
        Ok(match self {
            Self::Transfer(Payment { asset, to, amount: Amount { amount }, payer }) => {
                Instruction::Transfer { asset, from: from(payer), to, amount }
            }
            Self::CreateAsset { asset: symbol, decimals, cap, metadata } => {
                Instruction::CreateAsset { symbol, decimals, cap, metadata }
            }
            Self::SetMetadata { asset, metadata } => Instruction::SetMetadata { asset, metadata },
            Self::Issue { asset, to, amount: Amount { amount } } => Instruction::Issue { asset, to, amount },
            Self::Burn { asset, amount: Amount { amount }, payer } => {
                Instruction::Burn { asset, from: from(payer), amount }
            }
            Self::Freeze(Holding { asset, account }) => Instruction::Freeze { asset, account },
            Self::Unfreeze(Holding { asset, account }) => Instruction::Unfreeze { asset, account },
            Self::HandOver { asset, to } => Instruction::HandOver { asset, to },
            Self::Lock { payment, hash, refund_height } => {
                let Payment { asset, to, amount: Amount { amount }, payer } = payment;
                let (from, hash) = (from(payer), hash.get()?);
                Instruction::Lock { asset, from, to, amount, hash, refund_height }
            }
            Self::Claim { lock, preimage } => Instruction::Claim { lock, preimage },
            Self::Refund { lock } => Instruction::Refund { lock },
            Self::Grant(Holder { role, account }) => Instruction::Grant { role, account },
            Self::Revoke(Holder { role, account }) => Instruction::Revoke { role, account },
            Self::Propose { change } => Instruction::Propose { change: change.into() },
            Self::Approve { proposal } => Instruction::Approve { proposal },
            Self::Withdraw { proposal } => Instruction::Withdraw { proposal },
        })
    }
}

impl From<Proposed> for Change {
    fn from(proposed: Proposed) -> Self {
        match proposed {
            Proposed::Grant(Holder { role, account }) => Self::Grant { role, account },
            Proposed::Revoke(Holder { role, account }) => Self::Revoke { role, account },
            Proposed::Threshold { approvals } => Self::Threshold { approvals },
        }
    }
}

impl LockHash {
    fn get(self) -> Result<Hash, Failure> {
        if let Some(file) = self.secret {
            let fault = |error: &dyn fmt::Display| format!("secret file {}: {error}", file.display());
            let text = fs::read_to_string(&file).map_err(|error| fault(&error))?;
            let secret: Hash = text.trim().parse().map_err(|error| fault(&error))?;
            return Ok(sha256(secret.as_bytes()));
        }
        match self.new_secret {
            Some(file) => Ok(sha256(&new_secret(&file)?)),
            None => Ok(self.hash.ok_or("a lock needs --hash, --new-secret or --secret")?),
        }
    }
}

/// A secret in a new file. It is on the disk before any lock is under it: lost, nobody could claim that lock.
fn new_secret(file: &Path) -> Result<[u8; 32], Failure> {
    // 32 bytes of the system's randomness, as every new key is.
    let secret = *ed25519::SecretKey::generate().seed();
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let written = made.and_then(|mut file| {
        writeln!(file, "{}", hex::encode(secret))?;
        file.sync_all()
    });
    match written {
        Ok(()) => Ok(secret),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let file = file.display();
            Err(format!(
                "secret file {file} exists already; to lock under the secret in it say --secret {file}"
            )
            .into())
        }
        Err(error) => Err(format!("secret file {}: {error}", file.display()).into()),
    }
}
