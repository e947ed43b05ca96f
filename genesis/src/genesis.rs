//! A checked document, and what follows from it.

use std::{fs::File, io::Read, path::Path, sync::Arc};

use althing_consensus::{
    AppHash, Block, ConsensusParams, Epoch, Execution, Header, Height, MAX_CHAIN_ID_BYTES, Power, Validator,
    ValidatorSet, View, Vouched, epoch_hash, no_evidence,
};
use althing_crypto::{
    BlockHash, Encoding, Hash,
    bls::{self, VoteScheme},
    ed25519, sha256_concat,
};

use crate::{
    Document, GenesisError, ValidatorEntry,
    canonical::{Canonical, CanonicalValidator, canonical_json},
};

/// The longest document that is read, in bytes.
pub const MAX_DOCUMENT_BYTES: u64 = 256 << 20;
const MAX_NAME_BYTES: usize = 64;
const MAX_KIND_BYTES: usize = 32;
const MAX_VALIDATORS: usize = 1024;
/// The end of the year 9999: leaves room for every block to be later than the one before.
const MAX_TIME_MS: u64 = 253_402_300_799_999;

/// A genesis document that was checked.
#[derive(Debug, Clone)]
pub struct Genesis {
    document: Document,
    hash: Hash,
    validators: Arc<ValidatorSet>,
    app_state: String,
}

impl Genesis {
    /// Reads and checks the document in a file.
    pub fn read(path: &Path) -> Result<Self, GenesisError> {
        let failed = |source| GenesisError::Read { path: path.to_owned(), source };
        let mut text = Vec::new();
        let file = File::open(path).map_err(failed)?;
        file.take(MAX_DOCUMENT_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
        Self::from_json(&text)
    }

    /// Reads and checks a document.
    pub fn from_json(text: &[u8]) -> Result<Self, GenesisError> {
        let len = text.len() as u64;
        if len > MAX_DOCUMENT_BYTES {
            return Err(GenesisError::TooLarge { len, max: MAX_DOCUMENT_BYTES });
        }
        Self::new(serde_json::from_slice(text)?, &bls::BLS)
    }

    /// Checks a document whose votes are signed by `scheme`: [`bls::BLS`] in every node.
    pub fn new(document: Document, scheme: &'static dyn VoteScheme) -> Result<Self, GenesisError> {
        check_words(&document)?;
        document
            .params
            .validate()
            .map_err(|error| GenesisError::field(format!("params.{}", error.field), error))?;
        let (canonical, members) = parse_validators(&document, scheme)?;
        let validators =
            ValidatorSet::new(scheme, members).map_err(|error| GenesisError::field("validators", error))?;
        let app_state = canonical_json(&document.application.state).map_err(|(path, number)| {
            let reason = format!("{number} is no 64-bit integer; write other numbers as strings");
            GenesisError::field(format!("application.state{path}"), reason)
        })?;
        let canonical = Canonical {
            chain_id: document.chain_id.clone(),
            genesis_time_ms: document.genesis_time_ms,
            validators: canonical,
            params: document.params.clone(),
            application: document.application.kind.clone(),
            state: app_state.clone(),
        };
        let hash = sha256_concat(&[b"ALTHING/GENESIS", &canonical.encode()]);
        Ok(Self { document, hash, validators: Arc::new(validators), app_state })
    }

    /// The document.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Names the chain beyond its id: SHA-256 of a tag and the canonical encoding. Spaces and the order of keys do not count.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The chain's id.
    pub fn chain_id(&self) -> &str {
        &self.document.chain_id
    }

    /// The time of block 0, in milliseconds since 1970.
    pub fn time_ms(&self) -> u64 {
        self.document.genesis_time_ms
    }

    /// The consensus parameters of epoch 1.
    pub fn params(&self) -> &ConsensusParams {
        &self.document.params
    }

    /// The validators of epoch 1, in the document's order.
    pub fn validator_set(&self) -> &Arc<ValidatorSet> {
        &self.validators
    }

    /// The name that the document gives to the validator with this identity.
    pub fn validator_name(&self, identity: &ed25519::PublicKey) -> Option<&str> {
        let position = self.validators.position_of(identity)?;
        self.document.validators.get(usize::from(position.0)).map(|entry| entry.name.as_str())
    }

    /// The kind of application.
    pub fn application_kind(&self) -> &str {
        &self.document.application.kind
    }

    /// The application's initial state as canonical JSON: what `init_chain` is given.
    pub fn app_state(&self) -> &str {
        &self.app_state
    }

    /// The hash of the validators and parameters of epoch 1.
    pub fn epoch_hash(&self) -> Hash {
        epoch_hash(&self.validators, &self.document.params)
    }

    /// Block 0, given the hash of the application's initial state. It carries no transactions: its payload root is the hash of
    /// this document.
    pub fn block(&self, app_hash: AppHash) -> Block {
        let header = Header {
            chain_id: self.document.chain_id.clone(),
            epoch: Epoch(0),
            height: Height(0),
            view: View(0),
            parent: BlockHash::ZERO,
            justify_view: View(0),
            time_ms: self.document.genesis_time_ms,
            payload_root: self.hash,
            evidence_root: no_evidence(),
            absent: Vec::new(),
            vouched: Vouched {
                height: Height(0),
                app_hash,
                executed_root: Execution::root([]),
                next_epoch: self.epoch_hash(),
            },
        };
        Block { header, txs: Vec::new(), notices: Vec::new() }
    }
}

/// Version, names and time.
fn check_words(document: &Document) -> Result<(), GenesisError> {
    let fault = |field: &str, reason: String| Err(GenesisError::field(field, reason));
    if document.version != Document::VERSION {
        let reason =
            format!("{} is not known, this build reads version {}", document.version, Document::VERSION);
        return fault("version", reason);
    }
    let id = &document.chain_id;
    let id_char = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if id.is_empty() || id.len() > MAX_CHAIN_ID_BYTES || !id.chars().all(id_char) {
        let reason =
            format!("{:?} must be 1 to {MAX_CHAIN_ID_BYTES} letters, digits, `-`, `_` or `.`", shortened(id));
        return fault("chain_id", reason);
    }
    if document.genesis_time_ms > MAX_TIME_MS {
        let reason = format!(
            "{} is after the year 9999 ({MAX_TIME_MS}); is it in milliseconds?",
            document.genesis_time_ms
        );
        return fault("genesis_time_ms", reason);
    }
    let kind = &document.application.kind;
    let kind_char = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if kind.is_empty() || kind.len() > MAX_KIND_BYTES || !kind.chars().all(kind_char) {
        let reason =
            format!("{:?} must be 1 to {MAX_KIND_BYTES} lower-case letters, digits or `-`", shortened(kind));
        return fault("application.kind", reason);
    }
    match document.validators.len() {
        0 => fault("validators", "there is none; at least 1 is needed".into()),
        len if len > MAX_VALIDATORS => {
            fault("validators", format!("{len} of them, at most {MAX_VALIDATORS}"))
        }
        _ => Ok(()),
    }
}

fn parse_validators(
    document: &Document,
    scheme: &'static dyn VoteScheme,
) -> Result<(Vec<CanonicalValidator>, Vec<Validator>), GenesisError> {
    let parsed = document.validators.iter().enumerate();
    let parsed = parsed.map(|(index, entry)| parse_validator(index, entry, scheme));
    let parsed: Vec<_> = parsed.collect::<Result<_, _>>()?;
    Ok(parsed.into_iter().unzip())
}

fn parse_validator(
    index: usize,
    entry: &ValidatorEntry,
    scheme: &'static dyn VoteScheme,
) -> Result<(CanonicalValidator, Validator), GenesisError> {
    let fault = |field: &str, reason: String| {
        GenesisError::field(
            format!("validators[{index}].{field}"),
            format!("{reason} (of {:?})", shortened(&entry.name)),
        )
    };
    if entry.name.is_empty() || entry.name.len() > MAX_NAME_BYTES || entry.name.chars().any(char::is_control)
    {
        return Err(fault("name", format!("must be 1 to {MAX_NAME_BYTES} bytes without control characters")));
    }
    let identity: ed25519::PublicKey =
        entry.identity.parse().map_err(|error| fault("identity", format!("{error}")))?;
    let mut vote_key = [0; 48];
    hex::decode_to_slice(&entry.vote_key, &mut vote_key).map_err(|_| {
        fault("vote_key", format!("must be 96 hexadecimal digits, has {} characters", entry.vote_key.len()))
    })?;
    let key = scheme.parse_public_key(&vote_key).map_err(|error| fault("vote_key", error.to_string()))?;
    let proof: bls::ProofOfPossession = entry
        .proof_of_possession
        .parse()
        .map_err(|error| fault("proof_of_possession", format!("{error}")))?;
    if !scheme.verify_possession(&key, &proof) {
        let reason =
            "does not prove possession of this entry's vote_key; its owner must make it anew".to_owned();
        return Err(fault("proof_of_possession", reason));
    }
    if entry.power == 0 {
        return Err(fault("power", "is 0; leave a validator without power out".into()));
    }
    let canonical = CanonicalValidator {
        name: entry.name.clone(),
        identity,
        vote_key,
        proof_of_possession: proof,
        power: entry.power,
    };
    Ok((canonical, Validator { identity, vote_key: key, power: Power(entry.power) }))
}

/// Enough of a text for an error message.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(80)]
}

#[cfg(test)]
mod tests;
