//! Homes that a node cannot run from: it ends with exit code 1, says what to do, and changes nothing; and how a good one is left.

use std::{
    fs::{self, OpenOptions},
    io::{Seek, SeekFrom, Write},
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use althing_crypto::Encoding;
use althing_ledger::asset::{Address, Transaction};
use althing_tests::processes::Chain;

/// Generous; a node that waits for something when told to stop takes longer.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn one_home_runs_one_node_and_sigterm_ends_it_cleanly() {
    let mut chain = Chain::running(1).await;
    let pid = chain.node(0).pid().to_string();
    let second = chain.start_in_vain(0).await;
    second.failed_saying(&["in use by another process", &pid]);
    chain.node(0).reaches(1).await;

    let asked = Instant::now();
    let status = chain.take(0).terminate().await;
    eprintln!("stopped after {:?}", asked.elapsed());
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(asked.elapsed() < STOP_TIMEOUT, "{:?}", asked.elapsed());
    // It left its home such that it can go on.
    chain.start(0);
    let (from, to) = (chain.account(0), Address::of(&chain.account(1).public_key()));
    let tx = Transaction::transfer(chain.genesis().chain_id(), &from, 0, 0, to, 5, "").encode();
    chain.node(0).reaches(1).await;
    assert_eq!(chain.node(0).commit(&tx).await.height, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_and_a_port_in_use_are_named() {
    let chain = Chain::init(1).await;
    let config = chain.home(0).config_file();
    let good = fs::read_to_string(&config).expect("a configuration");
    fs::write(&config, good.replace("[rpc]", "[rpc]\nmax_body_byte = 5")).expect("written");
    chain.start_in_vain(0).await.failed_saying(&["unknown key `rpc.max_body_byte`", "`rpc.max_body_bytes`"]);
    fs::write(&config, good).expect("written");

    for address in [chain.ports().rpc(0), chain.ports().p2p(0)] {
        let _holder = TcpListener::bind(address).expect("a free port");
        chain.start_in_vain(0).await.failed_saying(&[&address.to_string(), "in use"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_safety_file_is_never_signed_with_nor_changed() {
    let mut chain = Chain::running(1).await;
    assert_eq!(chain.take(0).terminate().await.code(), Some(0));
    let file = chain.home(0).safety_file();
    let good = fs::read(&file).expect("a safety file");
    let half = good[..good.len() / 2].to_vec();
    let mut rotten = good.clone();
    // Past the header, both copies of the record.
    rotten[4096..].iter_mut().for_each(|byte| *byte = !*byte);
    for (what, bytes) in [("truncated", half), ("rotten", rotten), ("empty", Vec::new())] {
        fs::write(&file, &bytes).expect("written");
        let ended = chain.start_in_vain(0).await;
        ended.failed_saying(&["safety file", "will not sign", "Do not delete", "new vote key"]);
        assert_eq!(fs::read(&file).expect("a safety file"), bytes, "{what}: left as it was");
    }
    fs::remove_file(&file).expect("removed");
    chain.start_in_vain(0).await.failed_saying(&["there is no safety file", "sign twice"]);
    assert!(!file.exists(), "none is made");

    fs::write(&file, good).expect("written");
    chain.start(0);
    chain.node(0).reaches(1).await;
}

/// The advice in the message is followed to its end: the validator is back, with the whole chain.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_stops_the_node_and_can_be_fetched_anew() {
    let mut chain = Chain::running(4).await;
    let (from, to) = (chain.account(0), Address::of(&chain.account(1).public_key()));
    let id = chain.genesis().chain_id().to_owned();
    let transfer = |sequence| Transaction::transfer(&id, &from, sequence, 0, to, 5, "").encode();
    assert_eq!(chain.node(0).commit(&transfer(0)).await.code, 0);
    chain.node(3).reaches(3).await;
    assert_eq!(chain.take(3).terminate().await.code(), Some(0));

    let data = chain.home(3).path().join("data");
    let safety = fs::read(chain.home(3).safety_file()).expect("a safety file");
    // The first half of a state file is what a crash may leave, and nothing is wrong with it; the second half is not.
    for (file, named, loses_beginning) in
        [("chain.redb", "chain.redb", false), ("state/00000001.log", "state", true)]
    {
        let (file, named) = (data.join(file), path(&data.join(named)));
        let good = fs::read(&file).expect("a file of the node");
        let (half, rest) = good.split_at(good.len() / 2);
        fs::write(&file, if loses_beginning { rest } else { half }).expect("written");
        chain.start_in_vain(3).await.failed_saying(&[&named, "damaged", "fetches the chain anew"]);
        fs::write(&file, &good).expect("written");
        scribble(&file);
        chain.start_in_vain(3).await.failed_saying(&[&named, "damaged", "fetches the chain anew"]);
        fs::write(&file, &good).expect("written");
    }
    assert_eq!(fs::read(chain.home(3).safety_file()).expect("a safety file"), safety);

    fs::rename(&data, chain.home(3).path().join("data-moved-away")).expect("moved");
    assert_eq!(chain.node(0).commit(&transfer(1)).await.code, 0);
    chain.start(3);
    let height = chain.node(0).height().await.expect("an answer");
    chain.node(3).reaches(height).await;
    let height = chain.level().await;
    chain.agree_at(height).await;
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// Overwrites the beginning of a file.
fn scribble(path: &Path) {
    let mut file = OpenOptions::new().write(true).open(path).expect("a file");
    file.seek(SeekFrom::Start(0)).expect("a file");
    let half = file.metadata().expect("a file").len() / 2;
    file.write_all(&vec![0xa5; half.min(4096) as usize]).expect("written");
}
