//! A validator's keys in the hands of somebody who contradicts himself: a peer of real validators, without a node behind it.

use std::net::{Ipv4Addr, SocketAddr};

use althing_consensus::{
    Certificate, Evidence, EvidenceKind, Header, Message, Notice, Phase, Position, Proposal,
    TimeoutStatement, TimeoutVote, View, Vote, proposal_bytes, timeout_bytes, vote_bytes,
};
use althing_crypto::{BlockHash, Encoding, Hash, bls, ed25519, key_file::KeyFile};
use althing_genesis::Genesis;
use althing_node::{
    config::NodeConfig,
    home::Home,
    wire::{PROTOCOL_VERSION, Wire},
};
use althing_p2p::{Class, Config, Event, EventReceiver, Hello, Limits, Network, Peer, PeerKey};
use tokio::time::timeout;

use super::PATIENCE;

/// Connected to all validators that run, with the keys of one that does not.
pub struct Traitor {
    chain_id: String,
    me: Position,
    vote_key: bls::SecretKey,
    identity: ed25519::SecretKey,
    /// The network, for other mischief.
    pub network: Network,
    events: EventReceiver,
    connected: Vec<PeerKey>,
}

impl Traitor {
    /// With the keys in the home of a validator, connected to the nodes of these homes.
    pub async fn join(home: &Home, others: impl IntoIterator<Item = Home>) -> Self {
        let genesis = Genesis::read(&home.genesis_file()).expect("a genesis document");
        let identity = identity_of(home);
        let peers: Vec<_> = others
            .into_iter()
            .map(|other| {
                let config = NodeConfig::load(&other, &[]).expect("a configuration");
                let address = Some(config.p2p.listen.to_string());
                Peer { key: identity_of(&other).public_key(), address }
            })
            .collect();
        let hello = Hello {
            chain_id: genesis.chain_id().to_owned(),
            genesis: genesis.hash(),
            protocol_version: PROTOCOL_VERSION,
            software: "traitor".to_owned(),
        };
        let (listen, count) = (SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), peers.len());
        let config = Config { identity: &identity, listen, peers, hello, limits: Limits::default() };
        let (network, events) = althing_p2p::start(config).await.expect("a network");
        let mut traitor = Self {
            chain_id: genesis.chain_id().to_owned(),
            me: genesis.validator_set().position_of(&identity.public_key()).expect("a validator"),
            vote_key: KeyFile::read_vote(&home.vote_key()).expect("a vote key"),
            identity,
            network,
            events,
            connected: Vec::new(),
        };
        while traitor.connected.len() < count {
            traitor.next("connections").await;
        }
        traitor
    }

    /// Contradicts itself in this way, in the view of the next proposal, before all: which view.
    pub async fn contradict(&mut self, kind: EvidenceKind) -> View {
        let proposal = loop {
            let proposal = self.proposal().await;
            if proposal.justify_view().0 > 1 && proposal.justify_view().0 + 1 == proposal.view.0 {
                break proposal;
            }
        };
        let (view, block) = (proposal.view, proposal.block.hash());
        let other = BlockHash(Hash::from_bytes([7; 32]));
        match kind {
            EvidenceKind::DoubleVote => {
                self.say(Message::Vote(self.vote(&proposal, Phase::Vote, block)));
                self.say(Message::Vote(self.vote(&proposal, Phase::Vote, other)));
            }
            EvidenceKind::DoubleCommitVote => {
                self.say(Message::Vote(self.vote(&proposal, Phase::Commit, block)));
                self.say(Message::Vote(self.vote(&proposal, Phase::Commit, other)));
            }
            EvidenceKind::DoubleProposal => {
                for later in [1, 2] {
                    self.say(Message::Proposal(Box::new(self.own(&proposal, later))));
                }
            }
            EvidenceKind::ForgottenCommitVote => {
                self.say(Message::Vote(self.vote(&proposal, Phase::Commit, block)));
                self.say(Message::Timeout(Box::new(self.timeout(&proposal))));
            }
            // No member alone can bring others to a header that justifies what a quorum then does not know of. What is signed
            // is handed on as evidence.
            EvidenceKind::ForgottenVote => {
                let header = Header { justify_view: View(view.0 - 1), ..proposal.block.header.clone() };
                let vote = self.vote(&proposal, Phase::Vote, header.hash());
                let high_view = View(view.0 - 2);
                let signed = self.signed_timeout(&proposal, high_view);
                let forgets = TimeoutStatement { high_view, ..(&signed).into() };
                let evidence = Evidence::VoteAndTimeout(vote, Box::new(header), forgets);
                self.tell(&Wire::Notice(Box::new(Notice::Evidence(evidence))));
            }
        }
        view
    }

    /// To all that it is connected to.
    pub fn tell(&self, wire: &Wire) {
        self.network.broadcast(wire.class(), wire.encode().into());
    }

    /// As [`Self::tell`], among the messages of which a peer may send most. Returns to how many: a full queue takes no more.
    pub fn flood(&self, wire: &Wire) -> usize {
        self.network.broadcast(Class::Consensus, wire.encode().into())
    }

    /// Takes no heed of the others until then.
    pub async fn wait(&mut self, until: impl Future) {
        tokio::pin!(until);
        loop {
            tokio::select! {
                _ = &mut until => return,
                event = self.events.recv() => drop(event.expect("the network runs")),
            }
        }
    }

    fn say(&self, message: Message) {
        self.tell(&message.into());
    }

    /// The next proposal of another.
    pub async fn proposal(&mut self) -> Proposal {
        loop {
            if let Some(Wire::Consensus(Message::Proposal(proposal))) = self.next("a proposal").await {
                return *proposal;
            }
        }
    }

    async fn next(&mut self, what: &str) -> Option<Wire> {
        let event = timeout(PATIENCE, self.events.recv()).await;
        match event.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}")).expect("the network runs") {
            Event::Connected { peer, .. } => {
                self.connected.push(peer);
                None
            }
            Event::Message { bytes, .. } => Wire::decode(&bytes).ok(),
            _ => None,
        }
    }

    /// A vote in the view of this proposal.
    pub fn vote(&self, proposal: &Proposal, phase: Phase, block: BlockHash) -> Vote {
        let (epoch, view) = (proposal.block.header.epoch, proposal.view);
        let signature = self.vote_key.sign(&vote_bytes(&self.chain_id, phase, epoch, view, block));
        Vote { phase, epoch, view, block, signer: self.me, signature }
    }

    /// Gives the view up as if it had never seen the votes of that view.
    fn timeout(&self, proposal: &Proposal) -> TimeoutVote {
        let justify = proposal.justify.clone().expect("justified by the view before");
        let signed = self.signed_timeout(proposal, justify.view);
        TimeoutVote { high_qc: Some(justify.clone()), entry: Some(Certificate::Quorum(justify)), ..signed }
    }

    fn signed_timeout(&self, proposal: &Proposal, high: View) -> TimeoutVote {
        let (epoch, view) = (proposal.block.header.epoch, proposal.view);
        let signature = self.vote_key.sign(&timeout_bytes(&self.chain_id, epoch, view, high));
        TimeoutVote { epoch, view, signer: self.me, signature, high_qc: None, entry: None }
    }

    /// Another's proposal, a little later, as if it were its own.
    fn own(&self, proposal: &Proposal, later: u64) -> Proposal {
        let mut own = Proposal { signer: self.me, ..proposal.clone() };
        own.block.header.time_ms += later;
        own.signature = self.identity.sign(&proposal_bytes(&self.chain_id, &own.statement()));
        own
    }
}

fn identity_of(home: &Home) -> ed25519::SecretKey {
    KeyFile::read_identity(&home.identity_key()).expect("an identity key")
}
