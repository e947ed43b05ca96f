//! From set to set, and from a set to the headers that it committed.

use std::sync::Arc;

use althing_crypto::Hash;
use althing_crypto::bls::VoteScheme;

use super::change::{members_of, set_of};
use super::{EpochEnd, Flaw, Run, Seal, Start, Trusted};
use crate::{ConsensusParams, Door, Epoch, Header, Height, Power, ValidatorSet, View, epoch_hash};

/// A quorum that committed a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Of the epoch.
    pub epoch: Epoch,
    /// In this view.
    pub view: View,
    /// With so much power,
    pub power: Power,
    /// of so much.
    pub total: Power,
}

/// Where the light client stands: an epoch whose set and parameters it knows.
#[derive(Clone, Debug)]
pub struct Trail {
    chain_id: String,
    epoch: Epoch,
    epoch_hash: Hash,
    /// The height of the epoch's opening block; of the trusted one where the trail starts in an epoch.
    above: Height,
    set: Arc<ValidatorSet>,
    params: ConsensusParams,
}

impl Trail {
    /// Begins in epoch 1, with the chain's name, validators and parameters as the genesis document has them.
    pub fn genesis(chain_id: &str, set: Arc<ValidatorSet>, params: ConsensusParams) -> Self {
        let (epoch, above, epoch_hash) = (Epoch(1), Height(0), epoch_hash(&set, &params));
        Self { chain_id: chain_id.to_owned(), epoch, epoch_hash, above, set, params }
    }

    /// Begins behind a trusted header: in its epoch, or, if it ends that, in the next. (See [`Start::Trusted`].)
    pub fn trusted(scheme: &'static dyn VoteScheme, trusted: Trusted, start: &Start) -> Result<Self, Flaw> {
        let flaw = |reason: String| Flaw::new("start", reason);
        let Start::Trusted { header, parent, members, params } = start else {
            let reason =
                "it begins at the genesis document, not at a trusted header: export with --from HEIGHT";
            return Err(flaw(reason.to_owned()));
        };
        let (found, hash) = (header.height, header.hash());
        if (found, hash) != (trusted.height, trusted.hash) {
            return Err(flaw(format!(
                "its header {found} has the hash {hash}, trusted is {} with {}",
                trusted.height, trusted.hash
            )));
        }
        if header.parent != parent.hash() {
            return Err(flaw(format!("it holds another parent than header {found} names")));
        }
        let set = set_of(scheme, members.clone()).map_err(flaw)?;
        let (named, epoch_hash) = (header.vouched.next_epoch, epoch_hash(&set, params));
        if epoch_hash != named {
            return Err(flaw(format!(
                "its validators and parameters have the hash {epoch_hash}, header {found} names {named}"
            )));
        }
        let ends = named != parent.vouched.next_epoch;
        let epoch = Epoch(header.epoch.0.saturating_add(u64::from(ends)));
        let (chain_id, params) = (header.chain_id.clone(), params.clone());
        Ok(Self { chain_id, epoch, epoch_hash, above: found, set: Arc::new(set), params })
    }

    /// The other way round: what [`Trail::trusted`] begins at this header with.
    pub fn start(header: Header, parent: Header, set: &ValidatorSet, params: &ConsensusParams) -> Start {
        let (header, parent) = (Box::new(header), Box::new(parent));
        Start::Trusted { header, parent, members: members_of(set), params: params.clone() }
    }

    /// The chain's name.
    pub fn chain_id(&self) -> &str {
        &self.chain_id
    }

    /// The epoch.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Its validators.
    pub fn set(&self) -> &Arc<ValidatorSet> {
        &self.set
    }

    /// Its parameters.
    pub fn params(&self) -> &ConsensusParams {
        &self.params
    }

    /// The height of its opening block; of the trusted header, if the trail began in this epoch.
    pub fn opened_at(&self) -> Height {
        self.above
    }

    /// The hash of both.
    pub fn epoch_hash(&self) -> Hash {
        self.epoch_hash
    }

    /// What lets in messages of this epoch.
    pub fn door(&self) -> Door {
        Door::new(self.chain_id.clone(), self.epoch, self.set.clone(), &self.params, None)
    }

    /// Passes into the next epoch. On an error it stays where it is.
    pub fn pass(&mut self, end: &EpochEnd) -> Result<Committed, Flaw> {
        let EpochEnd { header, seal, change } = end;
        let flaw = |what: &str, reason: String| {
            Flaw::new(format!("{what} of epoch {}, height {}", header.epoch, header.height), reason)
        };
        self.fits(header).map_err(|reason| flaw("end", reason))?;
        if !self.ends(header) {
            return Err(flaw(
                "end",
                "it names the validators of its own epoch, so it does not end it".to_owned(),
            ));
        }
        let committed = self.committed(header, seal).map_err(|reason| flaw("commit certificate", reason))?;
        let next = change.apply(&self.set, &self.params);
        let (set, params) = next.map_err(|reason| flaw("change of validators at the end", reason))?;
        let (found, named) = (epoch_hash(&set, &params), header.vouched.next_epoch);
        if found != named {
            let reason = format!("it leads to the hash {found}, the header names {named}");
            return Err(flaw("change of validators at the end", reason));
        }
        // Epochs are counted up to a header's, which is below 2^64.
        self.epoch = Epoch(self.epoch.0.saturating_add(1));
        (self.epoch_hash, self.above) = (named, header.height);
        (self.set, self.params) = (Arc::new(set), params);
        Ok(committed)
    }

    /// Checks that the set of this epoch has committed these headers.
    pub fn admit(&self, run: &Run) -> Result<Committed, Flaw> {
        let flaw = |what: &str, height: Height, reason: String| Flaw::new(format!("{what} {height}"), reason);
        let (last, below) = run.headers.split_last().ok_or_else(|| Flaw::new("run", "it has no headers"))?;
        for header in &run.headers {
            self.fits(header).map_err(|reason| flaw("header", header.height, reason))?;
        }
        for (header, above) in below.iter().zip(&run.headers[1..]) {
            if above.parent != header.hash() || above.height.0 != header.height.0 + 1 {
                let reason = format!("it is not the parent of header {}", above.height);
                return Err(flaw("header", header.height, reason));
            }
            if self.ends(header) {
                let reason = "it ends its epoch, and has a child in it".to_owned();
                return Err(flaw("header", header.height, reason));
            }
        }
        self.committed(last, &run.seal)
            .map_err(|reason| flaw("commit certificate of header", last.height, reason))
    }

    /// Whether a header of this epoch is its last one.
    pub fn ends(&self, header: &Header) -> bool {
        header.vouched.next_epoch != self.epoch_hash
    }

    fn fits(&self, header: &Header) -> Result<(), String> {
        if header.chain_id != self.chain_id {
            return Err(format!("it is of chain {:?}, not {:?}", header.chain_id, self.chain_id));
        }
        if header.epoch != self.epoch {
            return Err(format!(
                "it is of epoch {}, the validators known are those of {}",
                header.epoch, self.epoch
            ));
        }
        if header.height <= self.above || header.height.0 >= View::LIMIT.0 {
            return Err(format!("its height {} is not above {}", header.height, self.above));
        }
        Ok(())
    }

    fn committed(&self, header: &Header, seal: &Seal) -> Result<Committed, String> {
        let certificate = seal.certificate(self.epoch, header.hash());
        self.door().verify_quorum(&certificate).map_err(|rejection| rejection.to_string())?;
        let (power, total) = (self.set.power_of(seal.signers.iter()), self.set.total());
        Ok(Committed { epoch: self.epoch, view: seal.view, power, total })
    }
}
