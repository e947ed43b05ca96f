//! What a node can show of its chain.

use althing_crypto::Encoding;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::light::{EpochEnd, Flaw};
use crate::{Header, QuorumCertificate, SignRequest, TimeoutCertificate, View, view_of};

/// By which certificates a block could be proposed in a view (S4).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Justification {
    /// The view.
    pub view: View,
    /// The certificate of the parent; of the block itself where it ends its epoch and came again.
    pub justify: Option<QuorumCertificate>,
    /// The timeout certificate of the view before, if the other one is older than that.
    pub tc: Option<TimeoutCertificate>,
}

impl Encoding for Justification {
    const NAME: &'static str = "justification of a proposal";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 20 << 10;
}

impl Justification {
    /// That of the proposal to be signed, or voted for.
    pub fn of(request: &SignRequest) -> Option<Self> {
        match request {
            SignRequest::Propose(draft) => Some(Self {
                view: draft.view,
                justify: draft.justify.clone().map(|one| one.into_inner()),
                tc: draft.tc.clone().map(|one| one.into_inner()),
            }),
            SignRequest::Vote(proposal) => {
                let (justify, tc) = (proposal.justify.clone(), proposal.tc.clone());
                Some(Self { view: proposal.view, justify, tc })
            }
            SignRequest::CommitVote { .. } | SignRequest::Timeout { .. } => None,
        }
    }

    /// The view of the certificate that it was proposed on.
    pub fn justify_view(&self) -> View {
        view_of(self.justify.as_ref())
    }
}

/// A committed block's header, with the certificates that its node has kept.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Link {
    /// The header.
    pub header: Header,
    /// What commits it; none where that of a block above does.
    pub commit: Option<QuorumCertificate>,
    /// The votes of the same view.
    pub votes: Option<QuorumCertificate>,
    /// How it could be proposed.
    pub proposals: Vec<Justification>,
}

impl Encoding for Link {
    const NAME: &'static str = "link of a chain";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 8 << 20;
}

/// A span of a chain, and the way from genesis to it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Dossier {
    /// The ends of all epochs from the first one on.
    pub ends: Vec<EpochEnd>,
    /// Blocks, ascending.
    pub links: Vec<Link>,
}

impl Encoding for Dossier {
    const NAME: &'static str = "audit export";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 256 << 20;
}

impl Dossier {
    /// Each link has to be the parent of the next.
    pub(super) fn check_links(&self, name: &str) -> Result<(), Flaw> {
        for pair in self.links.windows(2) {
            let (below, above) = (&pair[0].header, &pair[1].header);
            let follows =
                above.parent == below.hash() && below.height.0.checked_add(1) == Some(above.height.0);
            if !follows {
                let reason = format!("header {} does not follow header {}", above.height, below.height);
                return Err(Flaw::new(name, reason));
            }
        }
        Ok(())
    }
}
