//! The questions as commands: the one place where flags become a [`Question`].

use std::{error::Error, str::FromStr};

use althing_crypto::ed25519::PublicKey;
use althing_ledger::asset::{Address, COIN, LockId, MAX_LIMIT, Question, Role, Symbol};
use clap::{Args, Subcommand, value_parser};

use crate::cli::{address, role};

/// What is asked.
#[derive(Debug, Clone, Subcommand)]
pub(in crate::cli) enum Ask {
    /// An account: its sequence, its roles and what it holds, paged by assets
    Account {
        /// Its address
        #[arg(value_parser = address)]
        address: Address,
        #[command(flatten)]
        page: Page<Symbol>,
    },
    /// What an account holds of one asset
    Balance {
        /// Its address
        #[arg(value_parser = address)]
        address: Address,
        /// Of which asset
        #[arg(long, value_name = "SYMBOL", default_value = "COIN")]
        asset: Symbol,
    },
    /// What an account holds of all assets
    Balances {
        /// Its address
        #[arg(value_parser = address)]
        address: Address,
        #[command(flatten)]
        page: Page<Symbol>,
    },
    /// An asset
    Asset {
        /// Its symbol
        asset: Symbol,
    },
    /// All assets
    Assets {
        #[command(flatten)]
        page: Page<Symbol>,
    },
    /// How many units of an asset there are
    Supply {
        /// Its symbol
        asset: Symbol,
    },
    /// Who holds, or ever held, an asset
    Holders {
        /// Its symbol
        asset: Symbol,
        #[command(flatten)]
        page: Page<Address>,
    },
    /// How an account's balances became what they are, newest first
    History {
        /// Its address
        #[arg(value_parser = address)]
        address: Address,
        /// Of one asset only
        #[arg(long, value_name = "SYMBOL")]
        asset: Option<Symbol>,
        /// Changes below this height only: the lowest one shown before
        #[arg(long, value_name = "HEIGHT")]
        before: Option<u64>,
        #[command(flatten)]
        limit: Limit,
    },
    /// A lock, open or settled
    Lock {
        /// 58 hexadecimal digits
        lock: LockId,
    },
    /// The open locks that an account pays or receives
    Locks {
        /// Its address
        #[arg(value_parser = address)]
        address: Address,
        #[command(flatten)]
        page: Page<LockId>,
    },
    /// Who has a role
    Roles {
        /// administrator, issuer, member or submitter
        #[arg(value_parser = role)]
        role: Role,
        #[command(flatten)]
        page: Page<Address>,
    },
    /// How many govern, and how many of them must agree
    Governance,
    /// The open proposals
    Proposals,
    /// What genesis fixed
    Parameters,
    /// The validators, as the ledger has them: `althing validator list` is a shorter form
    Validators {
        #[command(flatten)]
        page: Page<PublicKey>,
    },
    /// The consensus parameters
    Consensus,
    /// The validators that contradicted themselves, newest first: `althing evidence list` shows what they signed, too
    Misbehaviour {
        /// Those of a number below this one, which the page before gives as `next`
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
        #[command(flatten)]
        limit: Limit,
    },
}

/// A part of a list.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Page<A>
where
    A: FromStr<Err: Into<Box<dyn Error + Send + Sync>>> + Clone + Send + Sync + 'static,
{
    /// Begin behind this one, which the page before gives as `next`
    #[arg(long)]
    after: Option<A>,
    #[command(flatten)]
    limit: Limit,
}

#[derive(Debug, Clone, Copy, Args)]
pub(in crate::cli) struct Limit {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = MAX_LIMIT, value_parser = value_parser!(u16).range(1..=i64::from(MAX_LIMIT)))]
    pub(super) limit: u16,
}

impl Ask {
    /// What is asked besides: of an account, what it holds.
    pub(super) fn balances(&self) -> Option<Question> {
        match self {
            Self::Account { address: account, page: Page { after, limit: Limit { limit } } } => {
                Some(Question::Balances { account: *account, after: *after, limit: *limit })
            }
            _ => None,
        }
    }

    /// The question.
    pub(in crate::cli) fn question(self) -> Question {
        match self {
            Self::Account { address: account, .. } => Question::Account { account },
            Self::Balance { address: account, asset } => Question::Balance { asset, account },
            Self::Balances { address: account, page: Page { after, limit: Limit { limit } } } => {
                Question::Balances { account, after, limit }
            }
            Self::Asset { asset } => Question::Asset { asset },
            Self::Assets { page: Page { after, limit: Limit { limit } } } => {
                Question::Assets { after, limit }
            }
            Self::Supply { asset } => Question::Supply { asset },
            Self::Holders { asset, page: Page { after, limit: Limit { limit } } } => {
                Question::Holders { asset, after, limit }
            }
            // Without an asset `history` asks for one after the other.
            Self::History { address: account, asset, before, limit: Limit { limit } } => {
                Question::History { asset: asset.unwrap_or(COIN), account, before, limit }
            }
            Self::Lock { lock } => Question::Lock { lock },
            Self::Locks { address: account, page: Page { after, limit: Limit { limit } } } => {
                Question::Locks { account, after, limit }
            }
            Self::Roles { role, page: Page { after, limit: Limit { limit } } } => {
                Question::Roles { role, after, limit }
            }
            Self::Governance => Question::Governance {},
            Self::Proposals => Question::Proposals {},
            Self::Parameters => Question::Parameters {},
            Self::Validators { page: Page { after, limit: Limit { limit } } } => {
                Question::Validators { after, limit }
            }
            Self::Consensus => Question::Consensus {},
            Self::Misbehaviour { before, limit: Limit { limit } } => Question::Misbehaviour { before, limit },
        }
    }
}
