//! Proofs that validators contradicted themselves: recorded, and acted on as genesis says.
//!
//! They are the first thing in a block. Evidence is never the application's to judge: whoever it names has signed both messages.

use althing_crypto::{Encoding, ed25519::PublicKey};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::{
    Address, OnEvidence,
    draft::{Block, Draft},
    event, identity,
    validator::{self, Suspension},
};
use crate::{AppError, Event, Misbehaviour, MisbehaviourKind};

/// So many of the newest pieces are kept.
pub(super) const KEPT: u64 = 256;

/// How many pieces there ever were: the next one's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct Pieces(pub(super) u64);

impl Encoding for Pieces {
    const NAME: &'static str = "pieces of misbehaviour";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 9;
}

/// A piece of misbehaviour.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Piece {
    pub(super) kind: MisbehaviourKind,
    /// Under which the validator was known then.
    pub(super) identity: PublicKey,
    /// Its power then, and that of all.
    pub(super) power: u64,
    pub(super) total_power: u64,
    pub(super) epoch: u64,
    pub(super) view: u64,
    /// The height of the block that proved it.
    pub(super) height: u64,
    pub(super) outcome: Outcome,
}

impl Encoding for Piece {
    const NAME: &'static str = "misbehaviour";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 128;
}

/// What the ledger did about a piece of misbehaviour. The order is that of the numbers in the encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The validator lost its power until it is reinstated.
    Suspended,
    /// Nothing, as genesis says.
    Recorded,
    /// Nothing: the validator is suspended for another one.
    AlreadySuspended,
    /// Nothing: members added or reinstated the validator since.
    Forgiven,
    /// Nothing: nobody else has power.
    LastValidator,
    /// Nothing: it is a validator no more.
    NoValidator,
}

impl Outcome {
    /// The name, in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Suspended => "suspended",
            Self::Recorded => "recorded",
            Self::AlreadySuspended => "already_suspended",
            Self::Forgiven => "forgiven",
            Self::LastValidator => "last_validator",
            Self::NoValidator => "no_validator",
        }
    }
}

/// Where the count lies.
pub(super) const KEY: &[u8] = b"m";

pub(super) fn key(number: u64) -> Vec<u8> {
    [b"m/".as_slice(), &number.to_be_bytes()].concat()
}

/// Takes what a block proves.
pub(super) fn take(block: &mut Block<'_>, pieces: &[Misbehaviour]) -> Result<Vec<Event>, AppError> {
    if pieces.is_empty() {
        return Ok(Vec::new());
    }
    let mut draft = block.draft(Address::default(), 0);
    pieces.iter().try_for_each(|piece| take_one(&mut draft, piece))?;
    let (changes, events) = draft.finish();
    block.take(changes);
    Ok(events)
}

fn take_one(draft: &mut Draft<'_, '_>, piece: &Misbehaviour) -> Result<(), AppError> {
    let Pieces(number) = draft.read(KEY)?.unwrap_or_default();
    let (outcome, suspended) = match draft.parameters().evidence {
        OnEvidence::Suspend => suspend(draft, number, piece)?,
        OnEvidence::Record => (Outcome::Recorded, None),
    };
    let Misbehaviour { kind, power, total_power, epoch, view, .. } = *piece;
    let (identity, height) = (PublicKey::from_bytes(piece.identity), draft.height());
    let kept = Piece { kind, identity, power, total_power, epoch, view, height, outcome };
    draft.emit(|| event::misbehaviour(number, &kept));
    if let Some(validator) = suspended {
        draft.emit(|| event::validator_suspended(&validator, number));
    }
    draft.write(key(number), &kept);
    draft.write(KEY, &Pieces(number.saturating_add(1)));
    if let Some(over) = number.checked_sub(KEPT) {
        draft.remove(key(over));
    }
    Ok(())
}

/// Suspends whoever has the identity now. Returns that one's identity if it did.
fn suspend(
    draft: &mut Draft<'_, '_>,
    misbehaviour: u64,
    piece: &Misbehaviour,
) -> Result<(Outcome, Option<PublicKey>), AppError> {
    let mut validators = validator::read(draft)?;
    let named = PublicKey::from_bytes(piece.identity);
    let (identity, _) = identity::newest(draft, &validators, &named)?;
    let Misbehaviour { kind, epoch, view, .. } = *piece;
    let why = Suspension { power: 0, kind, epoch, view, since: draft.height(), misbehaviour };
    let outcome = validators.suspend(&identity, why, piece.height);
    if outcome != Outcome::Suspended {
        return Ok((outcome, None));
    }
    draft.write(validator::KEY, &validators);
    Ok((outcome, Some(identity)))
}
