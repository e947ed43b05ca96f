//! The commands for a fork: what nodes have kept, running or not, and who signed two chains.

use std::path::Path;

use althing_consensus::{
    Epoch, Phase, Position, QuorumCertificate, Vote, aggregate_votes, audit::Dossier, engine::Aggregated,
    vote_bytes,
};
use althing_crypto::{Encoding, key_file::KeyFile};
use althing_tests::processes::{Chain, Ended, althing, command};
use serde_json::json;

/// Who signs the other chain: with the keys in their homes, in the last view of the chain that there is.
const FORGERS: std::ops::Range<u16> = 1..4;

/// The other chain: its last block is a millisecond younger, and committed by the forgers.
fn parted(chain: &Chain, dossier: &Dossier) -> Dossier {
    let genesis = chain.genesis();
    let mut other = dossier.clone();
    let last = other.links.last_mut().expect("a block");
    last.header.time_ms += 1;
    let (view, block) = (last.commit.as_ref().expect("the newest has one").view, last.header.hash());
    let set = genesis.validator_set();
    let sign = |position: u16| {
        let signer = Position(position);
        let key = set.get(signer).expect("a member").identity;
        let index = (0..4).find(|index| identity(chain, *index) == key).expect("a home");
        let secret = KeyFile::read_vote(&chain.home(index).vote_key()).expect("a vote key");
        let signature = secret.sign(&vote_bytes(genesis.chain_id(), Phase::Commit, Epoch(1), view, block));
        Vote { phase: Phase::Commit, epoch: Epoch(1), view, block, signer, signature }
    };
    let certificate: QuorumCertificate =
        match aggregate_votes(set, genesis.chain_id(), FORGERS.map(sign).collect()) {
            Aggregated::Votes { certificate: Some(certificate), .. } => certificate.into_inner(),
            other => panic!("{other:?}"),
        };
    (last.commit, last.votes) = (Some(certificate), None);
    other
}

fn identity(chain: &Chain, index: usize) -> althing_crypto::ed25519::PublicKey {
    KeyFile::read_identity(&chain.home(index).identity_key()).expect("an identity key").public_key()
}

async fn audit(genesis: &str, first: &Path, second: &Path) -> Ended {
    let (first, second) = (first.to_str().expect("text"), second.to_str().expect("text"));
    althing(["audit", first, second, "--genesis", genesis, "--json"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_of_exports_names_who_signed_both_chains() {
    let mut chain = Chain::running(4).await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name);
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let genesis = text(&chain.home(0).genesis_file());
    chain.level().await;

    let (online, offline, other) = (file("online"), file("offline"), file("other"));
    let url = chain.url(0).to_string();
    let written = althing(["audit", "export", "--out", &text(&online), "--node", &url, "--json"]).await;
    assert_eq!((written.code, &written.object()["from"]), (Some(0), &json!("1")), "{written:#?}");
    let nothing =
        ["audit", "export", "--out", &text(&file("none")), "--node", &url, "--from", "9", "--to", "3"];
    althing(nothing).await.failed_saying(&["no heights are from 9 to"]);

    // Of a node that is down, whatever the environment says of others.
    assert_eq!(chain.take(0).terminate().await.code(), Some(0));
    let home = text(chain.home(0).path());
    let mut export = command(["audit", "export", "--offline", "--out", &text(&offline), "--home", &home]);
    let exported: Ended = export.env("ALTHING_NODE", &url).output().await.expect("it runs").into();
    assert_eq!(exported.code, Some(0), "{exported:#?}");

    let alike = audit(&genesis, &online, &offline).await;
    assert_eq!((alike.code, &alike.object()["conflict"]), (Some(0), &json!(null)), "{alike:#?}");

    let dossier = Dossier::decode(&std::fs::read(&offline).expect("written")).expect("an export");
    std::fs::write(&other, parted(&chain, &dossier).encode()).expect("written");
    let found = audit(&genesis, &offline, &other).await;
    let object = found.object();
    assert_eq!((found.code, &object["more_than_a_third"]), (Some(1), &json!(true)), "{found:#?}");
    // Of whoever signed the true chain, all but the first signed the other one, too.
    let commit = dossier.links.last().and_then(|last| last.commit.clone()).expect("the newest has one");
    let both: Vec<u16> =
        commit.signers.iter().map(|position| position.0).filter(|one| FORGERS.contains(one)).collect();
    let named: Vec<_> = object["culprits"].as_array().expect("a list").iter().collect();
    let named: Vec<u64> = named.iter().map(|one| one["position"].as_u64().expect("a number")).collect();
    assert_eq!(named, both.iter().map(|one| u64::from(*one)).collect::<Vec<_>>(), "{found:#?}");
    let words = althing(["audit", &text(&offline), &text(&other), "--genesis", &genesis]).await;
    for word in ["parted   at height", "both signed by"] {
        assert!(words.stdout.contains(word), "{words:#?}");
    }
    audit(&genesis, &online, &chain.home(1).genesis_file()).await.failed_saying(&["genesis.json"]);
}
