use althing_consensus::light::{Claim, EpochEnd, LightProof, Outcome, SetChange, Start, Trail};
use althing_consensus::{
    AppHash, ConsensusParams, Execution, Header, Height, Power, Validator, ValidatorSet,
};
use althing_crypto::bls::BLS;
use althing_crypto::{Encoding, MerklePath, TxHash, merkle_root, sha256};

use super::{LightChain, measure};

/// The outcome of a height, with these results.
fn outcome(height: Height, results: &[Vec<u8>]) -> Execution {
    let app_hash = AppHash::new(sha256(&height.0.to_be_bytes()).as_bytes().to_vec()).expect("32 bytes");
    Execution { height, app_hash, results_root: merkle_root(results) }
}

/// Some epochs, then a block with five transactions, and one that vouches for it and the one before.
struct Story {
    chain: LightChain,
    txs: Vec<Vec<u8>>,
    results: Vec<Vec<u8>>,
    holding: Header,
    vouching: Header,
    outcomes: Vec<Execution>,
}

impl Story {
    fn new() -> Self {
        Self::after(3)
    }

    fn after(epochs: usize) -> Self {
        let mut chain = LightChain::new(4);
        (0..epochs).for_each(|_| chain.replace_one());
        let txs: Vec<Vec<u8>> = (0..5u8).map(|number| vec![number; 9]).collect();
        let results: Vec<Vec<u8>> = (0..5u8).map(|number| vec![1, number, 7]).collect();
        let below = chain.newest().height;
        let hashes: Vec<TxHash> = txs.iter().map(|tx| TxHash::of(tx)).collect();
        let holding = chain.child(&hashes, &[]);
        chain.append(holding.clone());
        let outcomes = vec![outcome(below, &[]), outcome(holding.height, &results)];
        let vouching = chain.child(&[], &outcomes);
        chain.append(vouching.clone());
        Self { chain, txs, results, holding, vouching, outcomes }
    }

    fn proof(&self, claim: Claim) -> LightProof {
        let runs = vec![self.chain.run(vec![self.holding.clone(), self.vouching.clone()])];
        LightProof { start: Start::Genesis, ends: self.chain.ends.clone(), runs, claim }
    }

    fn path(&self, index: usize) -> MerklePath {
        let leaves: Vec<TxHash> = self.txs.iter().map(|tx| TxHash::of(tx)).collect();
        MerklePath::of(&leaves, index).unwrap()
    }

    fn outcome(&self, height: Height) -> Outcome {
        Outcome::of(height, &self.outcomes, &self.vouching).unwrap()
    }

    fn transaction(&self) -> Claim {
        Claim::Transaction { height: self.holding.height, tx: self.txs[2].clone(), path: self.path(2) }
    }

    fn result(&self, of: usize) -> Claim {
        Claim::Result {
            tx: TxHash::of(&self.txs[2]),
            tx_path: self.path(2),
            result: self.results[of].clone(),
            path: MerklePath::of(&self.results, of).unwrap(),
            outcome: self.outcome(self.holding.height),
        }
    }

    fn state(&self, height: Height) -> Claim {
        let (data, key, value, proof) = (vec![1], vec![2], vec![3], vec![4]);
        Claim::State { outcome: self.outcome(height), path: "p".into(), data, key, value, proof }
    }

    fn shows(&self, claim: Claim) -> Result<althing_consensus::light::Shown, String> {
        let bytes = self.proof(claim).encode();
        let proof = LightProof::decode(&bytes).map_err(|error| error.to_string())?;
        proof.verify(&self.chain.anchor()).map_err(|flaw| flaw.to_string())
    }
}

#[test]
fn what_is_on_the_chain_is_shown() {
    let story = Story::new();
    let shown = story.shows(Claim::Header(story.vouching.height)).unwrap();
    assert_eq!((shown.passed, &shown.header), (3, &story.vouching));
    assert_eq!((shown.committed.power, shown.committed.total), (Power(30), Power(40)));
    assert_eq!(story.shows(story.transaction()).unwrap().header, story.holding);
    assert_eq!(story.shows(story.result(2)).unwrap().header, story.holding);
    for height in [story.holding.height, Height(story.holding.height.0 - 1)] {
        assert_eq!(story.shows(story.state(height)).unwrap().header, story.vouching);
    }
}

#[test]
fn what_is_not_on_the_chain_is_not() {
    let story = Story::new();
    let refused = |claim: Claim, why: &str| {
        let said = story.shows(claim).unwrap_err();
        assert!(said.contains(why), "{said}");
    };
    refused(Claim::Header(Height(5)), "claim: it is about height 5");
    let Claim::Transaction { height, path, .. } = story.transaction() else { panic!("asked for") };
    refused(Claim::Transaction { height, tx: b"other".to_vec(), path }, "is not shown to be in block 31");
    refused(story.result(3), "result: it is not shown to be that of");
    let Claim::State { mut outcome, path, data, key, value, proof } = story.state(Height(31)) else {
        panic!("asked for")
    };
    outcome.execution.height = Height(30);
    refused(
        Claim::State { outcome, path, data, key, value, proof },
        "outcome: header 32 vouches for another outcome of height 30",
    );
}

#[test]
fn no_byte_of_a_proof_can_be_another() {
    let story = Story::after(1);
    let proof = story.proof(story.result(2));
    let (bytes, anchor) = (proof.encode(), story.chain.anchor());
    let shown = |bytes: &[u8]| LightProof::decode(bytes).ok().and_then(|proof| proof.verify(&anchor).ok());
    assert!(shown(&bytes).is_some());
    for at in 0..bytes.len() {
        let mut bent = bytes.clone();
        bent[at] ^= 1 << (at % 8);
        assert_eq!(shown(&bent), None, "byte {at} of {}", bytes.len());
    }
    assert_eq!(shown(&bytes[..bytes.len() - 1]), None);
    assert_eq!(shown(&[&bytes[..], &[0]].concat()), None);
}

#[test]
fn a_trail_begins_at_a_trusted_header_in_its_epoch_or_behind_it() {
    let mut chain = LightChain::new(4);
    chain.replace_one();
    let parent = chain.newest().clone();
    let middle = chain.child(&[], &[]);
    let (set, params) = (chain.set().clone(), chain.params().clone());
    let start = Trail::start(middle.clone(), parent, &set, &params);
    chain.append(middle.clone());
    chain.replace_one();
    let end = chain.ends[1].clone();
    let header = chain.child(&[], &[]);
    let runs = vec![chain.run(vec![header.clone()])];
    let claim = Claim::Header(header.height);
    let proof = LightProof { start, ends: vec![end.clone()], runs: runs.clone(), claim: claim.clone() };
    let shown = proof.verify(&LightChain::trusting(&middle)).unwrap();
    assert_eq!((shown.from.0, shown.passed, shown.header), (2, 1, header.clone()));

    // The end of an epoch is in the epoch that it ends; who trusts it begins in the next.
    let start = Trail::start(end.header.clone(), middle.clone(), chain.set(), chain.params());
    let behind = LightProof { start, ends: Vec::new(), runs, claim };
    let shown = behind.verify(&LightChain::trusting(&end.header)).unwrap();
    assert_eq!((shown.from.0, shown.header), (3, header));

    for (proof, trusted, why) in [
        (&proof, &end.header, "start: its header 11 has the hash"),
        (&behind, &middle, "start: its header 20 has the hash"),
    ] {
        let said = proof.verify(&LightChain::trusting(trusted)).unwrap_err().to_string();
        assert!(said.starts_with(why), "{said}");
    }
    let said = proof.verify(&chain.anchor()).unwrap_err().to_string();
    assert!(said.starts_with("start: it begins at header 11, so it shows nothing from genesis on"), "{said}");

    let other = Trail::start(middle.clone(), end.header, &set, &params);
    let said = LightProof { start: other, ..proof.clone() };
    let said = said.verify(&LightChain::trusting(&middle)).unwrap_err().to_string();
    assert_eq!(said, "start: it holds another parent than header 11 names");
    let wrong = Trail::start(middle.clone(), chain.ends[0].header.clone(), chain.set(), &params);
    let said = LightProof { start: wrong, ..proof }.verify(&LightChain::trusting(&middle)).unwrap_err();
    assert!(said.reason.contains("its validators and parameters have the hash"), "{said}");
}

#[test]
fn an_epoch_ends_as_its_header_says_or_not_at_all() {
    let mut chain = LightChain::new(4);
    chain.replace_one();
    chain.replace_one();
    let Anchor { set, params } = anchor(&chain);
    let trail = || Trail::genesis("light-chain", set.clone(), params.clone());
    let refused = |mut trail: Trail, end: EpochEnd, why: &str| {
        let said = trail.pass(&end).unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    };
    let (first, second) = (chain.ends[0].clone(), chain.ends[1].clone());
    refused(trail(), second.clone(), "it is of epoch 2, the validators known are those of 1");
    refused(trail(), EpochEnd { change: second.change.clone(), ..first.clone() }, "the header names");
    refused(trail(), EpochEnd { seal: second.seal, ..first.clone() }, "the signature does not verify");
    let mut passed = trail();
    passed.pass(&first).unwrap();
    refused(passed, first.clone(), "it is of epoch 1, the validators known are those of 2");
    let middle = Header { vouched: trailing(&first.header, trail().epoch_hash()), ..first.header.clone() };
    refused(trail(), EpochEnd { header: middle, ..first }, "it does not end it");
}

struct Anchor {
    set: std::sync::Arc<ValidatorSet>,
    params: ConsensusParams,
}

fn anchor(chain: &LightChain) -> Anchor {
    match chain.anchor() {
        althing_consensus::light::Anchor::Genesis { set, params, .. } => Anchor { set, params },
        althing_consensus::light::Anchor::Trusted(..) => panic!("asked for genesis"),
    }
}

fn trailing(header: &Header, next_epoch: althing_crypto::Hash) -> althing_consensus::Vouched {
    althing_consensus::Vouched { next_epoch, ..header.vouched.clone() }
}

#[test]
fn headers_of_a_run_hang_together() {
    let story = Story::new();
    let proof = story.proof(Claim::Header(story.holding.height));
    let anchor = story.chain.anchor();
    let said = |change: &dyn Fn(&mut Vec<Header>)| {
        let mut bent = proof.clone();
        change(&mut bent.runs[0].headers);
        bent.verify(&anchor).unwrap_err().to_string()
    };
    assert!(said(&|headers| drop(headers.remove(1))).starts_with("commit certificate of header 31:"));
    assert!(said(&|headers| headers[0].time_ms += 1).starts_with("header 31: it is not the parent"));
    assert!(said(&|headers| headers[1].chain_id.push('x')).starts_with("header 32: it is of chain"));
    assert!(said(&|headers| headers.clear()).starts_with("run: it has no headers"));
    // All of a run is what its last header hangs on, of one epoch: a header above its end would be of none.
    let mut chain = LightChain::new(4);
    let mut ending = chain.child(&[], &[]);
    ending.vouched.next_epoch = sha256(b"other");
    chain.append(ending.clone());
    let child = chain.child(&[], &[]);
    let run = chain.run(vec![ending, child]);
    let Anchor { set, params } = self::anchor(&chain);
    let said = Trail::genesis("light-chain", set, params).admit(&run).unwrap_err().to_string();
    assert_eq!(said, "header 1: it ends its epoch, and has a child in it");
}

#[test]
fn between_two_sets_there_is_one_change() {
    let chain = LightChain::new(6);
    let (set, params) = (chain.set(), chain.params());
    let member = |index: usize| set.members()[index].clone();
    let power = |power: u64, index: usize| Validator { power: Power(power), ..member(index) };
    let other = ConsensusParams { heartbeat_ms: 77, ..params.clone() };
    let other_key = LightChain::new(9).set().members()[8].vote_key.clone();
    for (members, params_after) in [
        (vec![member(0)], params),
        ((0..6).map(member).collect(), &other),
        ((0..6).rev().map(member).collect(), params),
        (vec![member(1), power(5, 3), member(0)], params),
        (vec![Validator { vote_key: other_key, ..power(7, 0) }, member(5)], params),
    ] {
        let after = ValidatorSet::new(&BLS, members).unwrap();
        let change = SetChange::between((set, params), (&after, params_after));
        assert_eq!(change.apply(set, params).unwrap(), (after.clone(), params_after.clone()));
        // On another set it is another change, or none.
        let elsewhere = change.apply(&after, params_after);
        assert!(elsewhere.is_err() || elsewhere.unwrap().0 != after || after.len() == 1);
    }
}

#[test]
fn a_proof_is_lean() {
    let (few, many) = (measure(4, 1, 1), measure(4, 11, 1));
    let each = (many.bytes - few.bytes) / 10;
    assert!(each < 700, "{each} bytes an epoch");
}
