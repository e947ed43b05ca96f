use std::sync::Arc;

use althing_consensus::{AppHash, Block, NoticeId, Phase, Position, Registration, View, Vote, notices_root};
use althing_crypto::bls::ProofOfPossession;
use althing_crypto::{BlockHash, bls, ed25519, sha256};

use super::*;
use crate::storage::MemoryStore;
use crate::testing::TestChain;

fn evidence(epoch: u64, signer: u16) -> Evidence {
    let vote = |name: &[u8]| Vote {
        phase: Phase::Vote,
        epoch: Epoch(epoch),
        view: View(1),
        block: BlockHash(sha256(name)),
        signer: Position(signer),
        signature: bls::Signature::from_bytes([1; 96]),
    };
    Evidence::Votes(vote(b"a"), vote(b"b"))
}

fn registration(epoch: u64) -> Notice {
    Notice::Registration(Box::new(Registration {
        epoch: Epoch(epoch),
        identity: ed25519::PublicKey::from_bytes([1; 32]),
        vote_key: [2; 48],
        proof: ProofOfPossession::from_bytes([3; 96]),
        signature: ed25519::Signature::from_bytes([4; 64]),
        sponsor: ed25519::PublicKey::from_bytes([5; 32]),
        sponsor_signature: ed25519::Signature::from_bytes([6; 64]),
    }))
}

struct Fixture {
    test: TestChain,
    disk: Arc<MemoryStore>,
    head: Block,
}

impl Fixture {
    fn new() -> Self {
        let test = TestChain::new();
        let disk = Arc::new(MemoryStore::new());
        let head = test.genesis.block(AppHash::default());
        let fixture = Self { test, disk, head };
        fixture
            .chain()
            .begin(fixture.test.genesis.hash(), &Body { block: fixture.head.clone(), txs: vec![] })
            .unwrap();
        fixture
    }

    /// As a node sees it that has just started.
    fn chain(&self) -> ChainStore {
        ChainStore::new(self.disk.clone())
    }

    /// Commits a block that carries these; it ends its epoch, if so told.
    fn commit(&mut self, notices: Vec<Notice>, ends: bool) {
        let mut body = (*self.test.body(&self.head, self.head.header.view.0 + 1, vec![])).clone();
        body.block.header.evidence_root = notices_root(&notices);
        body.block.header.epoch = self.chain().newest_epoch().unwrap();
        body.block.notices = notices;
        if ends {
            body.block.header.vouched.next_epoch = sha256(&body.block.header.height.0.to_be_bytes());
        }
        let certificate = self.test.certificate(body.block.hash(), 1);
        self.chain().commit(&[Arc::new(body.clone())], &certificate).unwrap();
        self.head = body.block;
    }
}

#[test]
fn evidence_found_here_survives_a_crash_until_a_committed_block_carries_it() {
    let mut f = Fixture::new();
    f.chain().keep_evidence(&evidence(1, 3)).unwrap();
    f.chain().keep_evidence(&evidence(1, 3)).unwrap();
    f.chain().keep_evidence(&evidence(1, 2)).unwrap();
    assert_eq!(f.chain().kept_evidence(9).unwrap(), [evidence(1, 2), evidence(1, 3)]);
    assert_eq!(f.chain().kept_evidence(1).unwrap().len(), 1);
    f.commit(vec![Notice::Evidence(evidence(1, 3))], false);
    assert_eq!(f.chain().kept_evidence(9).unwrap(), [evidence(1, 2)]);
    for _ in 0..7 {
        f.commit(vec![], true);
    }
    assert_eq!(f.chain().kept_evidence(9).unwrap().len(), 1, "epoch 8 may still carry it");
    f.commit(vec![], true);
    assert_eq!(f.chain().kept_evidence(9).unwrap().len(), 1, "so may epoch 9");
    f.commit(vec![], true);
    assert_eq!(f.chain().kept_evidence(9).unwrap(), [], "no block will");
}

#[test]
fn what_was_carried_is_known_after_a_restart_as_long_as_it_matters() {
    let mut f = Fixture::new();
    let conviction = |epoch, signer| NoticeId::Conviction(evidence(epoch, signer).charge());
    f.commit(vec![Notice::Evidence(evidence(1, 3)), registration(1)], false);
    assert!(f.chain().counted(Epoch(1)).unwrap().holds(&registration(1).id()));
    f.commit(vec![Notice::Evidence(evidence(1, 2))], true);
    let counted = f.chain().counted(Epoch(1)).unwrap();
    assert!(counted.holds(&conviction(1, 3)) && counted.holds(&conviction(1, 2)));
    let counted = f.chain().counted(Epoch(2)).unwrap();
    assert!(counted.holds(&conviction(1, 3)) && !counted.holds(&registration(1).id()));
    for _ in 2..10 {
        f.commit(vec![], true);
    }
    assert_eq!(f.chain().newest_epoch().unwrap(), Epoch(10));
    f.commit(vec![Notice::Evidence(evidence(9, 1))], false);
    let counted = f.chain().counted(Epoch(10)).unwrap();
    assert!(!counted.holds(&conviction(1, 3)) && counted.holds(&conviction(9, 1)));
    assert_eq!(f.chain().convictions().unwrap(), 3, "all are shown for ever");
    let found = f.chain().conviction(1).unwrap().expect("the second");
    assert_eq!(
        (found.height, found.epoch, found.notice),
        (Height(2), Epoch(1), Notice::Evidence(evidence(1, 2)))
    );
    assert_eq!(f.chain().conviction(3).unwrap(), None);
}

#[test]
fn more_than_a_page_is_counted() {
    let mut f = Fixture::new();
    for from in (0..160u16).step_by(16) {
        f.commit((from..from + 16).map(|signer| Notice::Evidence(evidence(1, signer))).collect(), false);
    }
    assert_eq!(f.chain().counted(Epoch(1)).unwrap().len(), 160);
}
