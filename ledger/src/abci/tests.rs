//! The node's side of the socket, against applications that do as a script says.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    sync::Mutex,
    thread,
};

use prost::Message;
use tempfile::TempDir;
use tendermint_proto::v0_38::{
    abci::{self as pb, Request, Response, request, response},
    crypto::{PublicKey, public_key},
    types::{AbciParams, BlockParams, ConsensusParams, ValidatorParams, VersionParams},
};

use super::*;
use crate::{Misbehaviour, MisbehaviourKind, ParamUpdates};

/// What a connection does with a request: the bytes it answers with. It ends where there are none.
type Script = dyn Fn(usize, request::Value) -> Option<Vec<u8>> + Send + Sync;

/// A socket at which an application listens.
struct Place {
    directory: TempDir,
    /// The connections open, to end them like a process that dies.
    open: Arc<Mutex<Vec<UnixStream>>>,
    /// Which connection got which requests.
    asked: Arc<Mutex<Vec<(usize, &'static str)>>>,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), open: Arc::default(), asked: Arc::default() }
    }

    fn remote(&self) -> RemoteApplication {
        RemoteApplication::new(Address::Unix(self.directory.path().join("app")))
    }

    fn listen(&self, script: impl Fn(usize, request::Value) -> Option<Vec<u8>> + Send + Sync + 'static) {
        let path = self.directory.path().join("app");
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(path).unwrap();
        let (open, asked, script) = (self.open.clone(), self.asked.clone(), Arc::new(script) as Arc<Script>);
        thread::spawn(move || {
            for (index, stream) in listener.incoming().enumerate() {
                let stream = stream.unwrap();
                open.lock().unwrap().push(stream.try_clone().unwrap());
                let (asked, script) = (asked.clone(), script.clone());
                thread::spawn(move || converse(index, stream, &asked, &*script));
            }
        });
    }

    /// Ends all connections, and nobody listens any more.
    fn die(&self) {
        std::fs::remove_file(self.directory.path().join("app")).unwrap();
        self.open
            .lock()
            .unwrap()
            .drain(..)
            .for_each(|stream| stream.shutdown(std::net::Shutdown::Both).unwrap());
    }
}

fn converse(
    index: usize,
    mut stream: UnixStream,
    asked: &Mutex<Vec<(usize, &'static str)>>,
    script: &Script,
) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read) = stream.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..read]);
        while let Ok(request) = Request::decode_length_delimited(&*bytes) {
            let len = request.encode_length_delimited_to_vec().len();
            bytes.drain(..len);
            let request = request.value.unwrap();
            asked.lock().unwrap().push((index, asked_name(&request)));
            match script(index, request) {
                Some(answer) => stream.write_all(&answer).unwrap_or_default(),
                // The place holds on to it, too.
                None => return stream.shutdown(std::net::Shutdown::Both).unwrap_or_default(),
            }
        }
        if read == 0 {
            return;
        }
    }
}

fn asked_name(request: &request::Value) -> &'static str {
    match honest(request.clone()) {
        Some(answer) => call::name(&answer),
        None => "?",
    }
}

fn frame(value: response::Value) -> Vec<u8> {
    Response { value: Some(value) }.encode_length_delimited_to_vec()
}

/// An application at height 0 that takes everything.
fn honest(request: request::Value) -> Option<response::Value> {
    Some(match request {
        request::Value::Flush(_) => response::Value::Flush(Default::default()),
        request::Value::Info(_) => response::Value::Info(Default::default()),
        request::Value::InitChain(_) => response::Value::InitChain(pb::ResponseInitChain {
            app_hash: vec![1; 8].into(),
            ..Default::default()
        }),
        request::Value::CheckTx(asked) => response::Value::CheckTx(pb::ResponseCheckTx {
            code: u32::from(asked.tx.is_empty()),
            log: "it is empty".to_owned(),
            ..Default::default()
        }),
        request::Value::Query(asked) => response::Value::Query(pb::ResponseQuery {
            key: asked.data,
            value: b"value".to_vec().into(),
            height: 7,
            ..Default::default()
        }),
        request::Value::PrepareProposal(asked) => {
            response::Value::PrepareProposal(pb::ResponsePrepareProposal { txs: asked.txs })
        }
        request::Value::ProcessProposal(asked) => {
            let status = if asked.txs.is_empty() { 2 } else { 1 };
            response::Value::ProcessProposal(pb::ResponseProcessProposal { status })
        }
        request::Value::FinalizeBlock(asked) => response::Value::FinalizeBlock(pb::ResponseFinalizeBlock {
            tx_results: asked.txs.iter().map(|_| Default::default()).collect(),
            ..Default::default()
        }),
        request::Value::Commit(_) => response::Value::Commit(pb::ResponseCommit { retain_height: 5 }),
        request::Value::ListSnapshots(_) => response::Value::ListSnapshots(Default::default()),
        _ => return None,
    })
}

fn honestly(request: request::Value) -> Option<Vec<u8>> {
    honest(request).map(frame)
}

fn connected(place: &Place) -> RemoteApplication {
    let remote = place.remote();
    assert!(remote.link.connect(Duration::from_secs(60)).unwrap());
    remote
}

fn block<'a>(txs: &'a [&'a [u8]]) -> FinalizeBlock<'a> {
    FinalizeBlock { height: 1, txs, ..Default::default() }
}

#[test]
fn each_question_goes_over_its_own_connection_and_these_are_opened_in_order() {
    let place = Place::new();
    place.listen(|_, request| honestly(request));
    let remote = connected(&place);
    assert_eq!(remote.info().unwrap().last_height, 0);
    assert_eq!(remote.query(&Query::default()).code, UNAVAILABLE, "there is no state to ask about yet");
    assert!(
        remote
            .check_tx(b"a", CheckKind::New)
            .unwrap_err()
            .log
            .contains("not been brought to the chain's state")
    );
    assert_eq!(remote.init_chain(&InitChain::default()).unwrap().app_hash.as_bytes(), [1; 8]);
    let answer = remote.query(&Query { data: b"key".to_vec(), ..Default::default() });
    assert_eq!((answer.code, answer.value, answer.height), (0, b"value".to_vec(), 7));
    assert!(remote.check_tx(b"a", CheckKind::New).is_ok());
    let refused = remote.check_tx(b"", CheckKind::New).unwrap_err();
    assert_eq!((refused.code, refused.log.as_str()), (1, "it is empty"));
    assert!(remote.list_snapshots().is_empty());
    let txs: [&[u8]; 2] = [b"a", b"b"];
    let proposal = PrepareProposal { txs: &txs, max_bytes: 9, ..Default::default() };
    assert_eq!(remote.prepare_proposal(&proposal), txs);
    assert!(remote.process_proposal(&ProcessProposal { txs: &txs, ..Default::default() }).is_ok());
    assert!(
        remote.process_proposal(&ProcessProposal::default()).unwrap_err().to_string().contains("rejects")
    );
    assert_eq!(remote.finalize_block(&block(&txs)).unwrap().tx_results.len(), 2);
    assert_eq!(remote.commit().unwrap().retain_height, 5);
    let asked = place.asked.lock().unwrap();
    for (name, index) in [("Info", 0), ("Query", 0), ("ListSnapshots", 1), ("CheckTx", 2)] {
        assert!(asked.iter().all(|(on, asked)| *asked != name || *on == index), "{name}: {asked:?}");
    }
    for name in ["InitChain", "PrepareProposal", "ProcessProposal", "FinalizeBlock", "Commit"] {
        assert!(asked.iter().all(|(on, asked)| *asked != name || *on == 3), "{name}: {asked:?}");
    }
}

/// What comes of connecting to what answers the first request so, and whether it may pass.
fn greeted(answer: impl Fn() -> Option<Vec<u8>> + Send + Sync + 'static) -> (bool, String) {
    let place = Place::new();
    place.listen(move |_, _| answer());
    told(place.remote().link.connect(Duration::ZERO).unwrap_err())
}

fn told(error: AppError) -> (bool, String) {
    (matches!(error, AppError::Unavailable { .. }), error.to_string())
}

#[test]
fn what_is_no_application_is_named() {
    let nobody = told(Place::new().remote().link.connect(Duration::ZERO).unwrap_err());
    assert!(nobody.0 && nobody.1.contains("No such file"), "{nobody:?}");
    let http = || {
        Some(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec())
    };
    let unasked = || Some(frame(response::Value::Info(Default::default())));
    let oversized = || Some(vec![0xff, 0xff, 0xff, 0xff, 0x0f]);
    for (answer, words) in [
        (Box::new(http) as Box<dyn Fn() -> Option<Vec<u8>> + Send + Sync>, "is it an ABCI application"),
        (Box::new(unasked), "answered Flush with Info"),
        (Box::new(oversized), "a frame of 4294967295 bytes, more than the 104857600"),
        (Box::new(|| Some(vec![0xff; 10])), "must begin with its length"),
        (Box::new(|| Some(vec![0])), "speaks another version"),
        (Box::new(|| Some(vec![2, 0xff, 0xff])), "no ABCI response"),
    ] {
        let (may_pass, text) = greeted(answer);
        assert!(!may_pass && text.contains(words) && text.contains("unix://"), "{text}");
    }
    for (answer, words) in [
        (Box::new(|| None) as Box<dyn Fn() -> Option<Vec<u8>> + Send + Sync>, "closed the connection"),
        (Box::new(|| Some(vec![])), "no answer to the first Flush within 10 s; is it an ABCI application"),
        // It answers both requests to flush so.
        (Box::new(|| Some(vec![100, 1, 2])), "part of a frame (5 of 100 bytes)"),
        (Box::new(|| Some(vec![0x80])), "part of a frame (2 bytes of its length)"),
    ] {
        let (may_pass, text) = greeted(answer);
        assert!(may_pass && text.contains(words), "{text}");
    }
}

/// An honest application but for this answer.
fn but(
    lie: impl Fn(&request::Value) -> Option<response::Value> + Send + Sync + 'static,
) -> (Place, RemoteApplication) {
    let place = Place::new();
    place.listen(move |_, request| lie(&request).or_else(|| honest(request)).map(frame));
    let remote = connected(&place);
    (place, remote)
}

fn expect(outcome: Result<impl std::fmt::Debug, AppError>, words: &str) {
    let (may_pass, text) = told(outcome.unwrap_err());
    assert!(!may_pass && text.contains(words), "{text}");
}

#[test]
fn an_impossible_answer_is_a_fault_of_the_application() {
    let vote_extensions = || {
        let abci = AbciParams { vote_extensions_enable_height: 9 };
        Some(ConsensusParams { abci: Some(abci), ..Default::default() })
    };
    let (_place, remote) = but(|request| match request {
        request::Value::Info(_) => {
            Some(response::Value::Info(pb::ResponseInfo { last_block_height: -1, ..Default::default() }))
        }
        request::Value::Commit(_) => Some(response::Value::Commit(pb::ResponseCommit { retain_height: -1 })),
        _ => None,
    });
    expect(remote.info(), "its answer to Info is impossible: last_block_height is -1");
    expect(remote.commit(), "retain_height is -1");

    let init = move |answer: pb::ResponseInitChain| {
        let (_place, remote) = but(move |request| {
            matches!(request, request::Value::InitChain(_))
                .then(|| response::Value::InitChain(answer.clone()))
        });
        remote.init_chain(&InitChain::default())
    };
    let empty = pb::ResponseInitChain::default();
    assert_eq!(init(empty.clone()).unwrap().app_hash, AppHash::default());
    expect(init(pb::ResponseInitChain { app_hash: vec![0; 65].into(), ..empty.clone() }), "65 bytes");
    expect(
        init(pb::ResponseInitChain { consensus_params: vote_extensions(), ..empty.clone() }),
        "vote_extensions",
    );
    let validator = |sum, power| pb::ValidatorUpdate { pub_key: Some(PublicKey { sum: Some(sum) }), power };
    let ed25519 = || public_key::Sum::Ed25519(vec![1; 32]);
    let named =
        |update| pb::ResponseInitChain { validators: vec![update], ..pb::ResponseInitChain::default() };
    expect(init(named(validator(ed25519(), 1))), "other validators than the genesis document");
    expect(init(named(validator(ed25519(), -1))), "power in a validator update is -1");
    expect(init(named(validator(public_key::Sum::Secp256k1(vec![1; 33]), 1))), "secp256k1");
    expect(init(named(validator(public_key::Sum::Ed25519(vec![1; 31]), 1))), "31 bytes");
    expect(init(named(pb::ValidatorUpdate { pub_key: None, power: 1 })), "names no key");

    let finalize = move |answer: pb::ResponseFinalizeBlock| {
        let (_place, remote) = but(move |request| {
            matches!(request, request::Value::FinalizeBlock(_))
                .then(|| response::Value::FinalizeBlock(answer.clone()))
        });
        remote.finalize_block(&block(&[b"a"]))
    };
    let one = pb::ResponseFinalizeBlock { tx_results: vec![Default::default()], ..Default::default() };
    assert!(finalize(one.clone()).is_ok());
    expect(finalize(pb::ResponseFinalizeBlock::default()), "at height 1: 0 results for 1 transactions");
    expect(finalize(pb::ResponseFinalizeBlock { app_hash: vec![0; 65].into(), ..one.clone() }), "65 bytes");
    let asked = pb::ResponseFinalizeBlock { consensus_param_updates: vote_extensions(), ..one };
    expect(finalize(asked), "leave it at 0");
}

#[test]
fn parameters_that_mean_the_same_here_are_taken_and_others_named() {
    let block = |max_bytes, max_gas| {
        let block = Some(BlockParams { max_bytes, max_gas });
        param_updates(Some(ConsensusParams { block, ..Default::default() }))
    };
    let max = |bytes| ParamUpdates { max_block_bytes: Some(bytes), ..Default::default() };
    assert_eq!(block(4096, -1), (max(4096), vec![]));
    assert_eq!(block(8 << 20, -1), (max(8 << 20), vec![]));
    assert_eq!(block(-1, -1), (max(8 << 20), vec![]));
    for impossible in [0, -2, (8 << 20) + 1, 22_020_096, i64::MAX] {
        let (updates, ignored) = block(impossible, -1);
        assert_eq!(updates, ParamUpdates::default());
        let words = format!("block.max_bytes is {impossible}, and -1 or 1 to 8388608 is possible");
        assert!(ignored.len() == 1 && ignored[0].starts_with(&words), "{ignored:?}");
    }
    let (updates, ignored) = block(4096, 10_000);
    assert!(updates == max(4096) && ignored[0].contains("max_gas is 10000"), "{ignored:?}");

    // What an application was told it may repeat.
    let told = consensus_params(&InitChain { max_block_bytes: 4096, ..Default::default() });
    assert_eq!(param_updates(Some(told.clone())), (max(4096), vec![]));
    assert_eq!(param_updates(None), Default::default());
    let mut others = ConsensusParams { block: None, ..told };
    others.evidence.as_mut().unwrap().max_age_num_blocks = 1;
    others.validator = Some(ValidatorParams { pub_key_types: vec!["bls".to_owned()] });
    others.version = Some(VersionParams { app: 3 });
    let (updates, ignored) = param_updates(Some(others));
    assert_eq!((updates, ignored.len()), (ParamUpdates::default(), 3), "{ignored:?}");
    for (reason, words) in ignored.iter().zip(["evidence", "[\"bls\"]", "version.app is 3"]) {
        assert!(reason.contains(words), "{reason}");
    }
}

#[test]
fn an_application_is_told_of_misbehaviour_and_may_ask_for_larger_blocks() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    let (_place, remote) = but(move |request| {
        let mut heard = heard.lock().unwrap();
        match request {
            request::Value::PrepareProposal(asked) => heard.push(asked.misbehavior.clone()),
            request::Value::ProcessProposal(asked) => heard.push(asked.misbehavior.clone()),
            request::Value::FinalizeBlock(asked) => {
                heard.push(asked.misbehavior.clone());
                let block = Some(BlockParams { max_bytes: 5_000, max_gas: -1 });
                let params = ConsensusParams { block, ..Default::default() };
                let answer =
                    pb::ResponseFinalizeBlock { consensus_param_updates: Some(params), ..Default::default() };
                return Some(response::Value::FinalizeBlock(answer));
            }
            _ => {}
        }
        None
    });
    remote.init_chain(&InitChain::default()).unwrap();
    let piece = |kind| Misbehaviour {
        kind,
        identity: [7; 32],
        power: 3,
        total_power: 10,
        epoch: 2,
        view: 9,
        height: 41,
        time_ms: 1_500,
    };
    use MisbehaviourKind::*;
    let pieces =
        [DoubleVote, DoubleCommitVote, DoubleProposal, ForgottenCommitVote, ForgottenVote].map(piece);
    let txs: [&[u8]; 1] = [b"a"];
    let (txs, misbehaviour) = (&txs, &pieces);
    remote.prepare_proposal(&PrepareProposal { txs, max_bytes: 9, misbehaviour, ..Default::default() });
    remote.process_proposal(&ProcessProposal { txs, misbehaviour, ..Default::default() }).unwrap();
    let done = remote.finalize_block(&FinalizeBlock { misbehaviour, ..block(&[]) }).unwrap();
    assert_eq!(done.param_updates.max_block_bytes, Some(5_000));
    let told = told.lock().unwrap();
    assert!(told.len() == 3 && told[0] == told[2] && told[1] == told[2]);
    let kinds: Vec<_> = told[2].iter().map(|one| one.r#type().as_str_name()).collect();
    assert_eq!(kinds, ["DUPLICATE_VOTE", "DUPLICATE_VOTE", "DUPLICATE_VOTE", "UNKNOWN", "UNKNOWN"]);
    let first = &told[2][0];
    assert_eq!((first.height, first.total_voting_power), (41, 10));
    assert_eq!(first.time.as_ref().map(|time| (time.seconds, time.nanos)), Some((1, 500_000_000)));
    let validator = first.validator.as_ref().unwrap();
    assert_eq!((&validator.address, validator.power), (&validator_address(&[7; 32]), 3));
}

#[test]
fn an_exception_stops_what_consensus_asks_and_refuses_what_clients_ask() {
    let (_place, remote) = but(|request| match request {
        request::Value::Query(_)
        | request::Value::CheckTx(_)
        | request::Value::PrepareProposal(_)
        | request::Value::ProcessProposal(_)
        | request::Value::FinalizeBlock(_) => {
            Some(response::Value::Exception(pb::ResponseException { error: "I am lost".to_owned() }))
        }
        _ => None,
    });
    remote.init_chain(&InitChain::default()).unwrap();
    let answer = remote.query(&Query::default());
    assert_eq!((answer.code, answer.codespace.as_str()), (UNAVAILABLE, CODESPACE));
    assert!(answer.log.contains("answered Query with an exception: I am lost"), "{}", answer.log);
    assert!(remote.check_tx(b"a", CheckKind::New).unwrap_err().log.contains("I am lost"));
    assert!(remote.link.is_up(), "a client must not end it");
    // What a leader and voters ask stops nobody, as a client may have chosen what it trips over.
    let txs: Vec<&[u8]> = vec![b"one", b"two"];
    let proposal = PrepareProposal { txs: &txs, max_bytes: 5, ..Default::default() };
    assert_eq!(remote.link.trouble(), None);
    assert_eq!(remote.prepare_proposal(&proposal), [b"one"], "the mempool's own order, as far as it fits");
    assert!(remote.link.trouble().unwrap().contains("answered PrepareProposal with an exception: I am lost"));
    let no_vote = remote.process_proposal(&ProcessProposal::default());
    assert!(matches!(no_vote, Err(NoVote::NotAsked(reason)) if reason.contains("I am lost")));
    expect(remote.finalize_block(&block(&[])), "answered FinalizeBlock with an exception: I am lost");
}

#[test]
fn what_a_failed_attempt_has_opened_is_closed() {
    let place = Place::new();
    place.listen(|index, request| if index < 2 { honestly(request) } else { None });
    let (may_pass, text) = told(place.remote().link.connect(Duration::ZERO).unwrap_err());
    assert!(may_pass && text.contains("closed the connection"), "{text}");
    let open = place.open.lock().unwrap();
    assert_eq!(open.len(), 3);
    for mut stream in &*open {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the application is told that nobody is there");
    }
}

#[test]
fn what_nobody_asked_for_does_not_gather() {
    let place = Place::new();
    place.listen(|_, request| honestly(request));
    let remote = connected(&place);
    let echo = frame(response::Value::Echo(Default::default()));
    let mut stream = place.open.lock().unwrap()[1].try_clone().unwrap();
    stream.write_all(&echo.repeat(connection::REPLIES + 1)).unwrap();
    assert!(remote.link.lost());
    let trouble = remote.link.trouble().unwrap();
    assert!(trouble.contains("it sent Echo that nothing was asked for"), "{trouble}");
}

#[test]
fn a_long_request_that_nobody_reads_costs_no_more_time_than_a_short_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app");
    let listener = UnixListener::bind(&path).unwrap();
    let application = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // Both questions come in one piece; an answer before them would be to nothing.
        assert_ne!(stream.read(&mut [0; 64]).unwrap(), 0);
        stream.write_all(&frame(response::Value::Flush(Default::default())).repeat(2)).unwrap();
        stream
    });
    let connection = connection::Connection::open(&Address::Unix(path), |_| {}).unwrap();
    assert_eq!(connection.waits_for(), None);
    let patience = Duration::from_millis(100);
    let long = || RequestQuery { data: vec![0; 16 << 20].into(), ..Default::default() };
    let silent = Fault::Silent { asked: "Query", patience };
    assert_eq!(connection.call(long(), Some(patience)).unwrap_err(), silent);
    let (asked, waited) = connection.waits_for().unwrap();
    assert!(
        asked == "Query" && waited >= patience,
        "it owes the answer though nobody waits for it any longer"
    );
    assert_eq!(connection.call(long(), Some(patience)).unwrap_err(), silent);
    assert!(connection.waits_for().unwrap().1 >= 2 * patience, "since the first of them");
    drop(application.join().unwrap());
}

#[test]
fn an_application_may_die_and_come_back() {
    let place = Place::new();
    place.listen(|_, request| honestly(request));
    let remote = connected(&place);
    remote.init_chain(&InitChain::default()).unwrap();
    assert_eq!(remote.link.trouble(), None);
    place.die();
    assert!(remote.link.lost());
    assert!(remote.link.trouble().unwrap().contains("it closed the connection"));
    assert!(told(remote.finalize_block(&block(&[])).unwrap_err()).0, "it may come back");
    assert!(told(remote.commit().unwrap_err()).0);
    assert!(remote.prepare_proposal(&PrepareProposal::default()).is_empty());
    let not_asked = remote.process_proposal(&ProcessProposal::default());
    assert!(matches!(not_asked, Err(NoVote::NotAsked(_))), "nobody says that it is good or bad");
    assert_eq!(remote.query(&Query::default()).code, UNAVAILABLE);
    assert!(remote.check_tx(b"a", CheckKind::New).unwrap_err().log.contains("submit the transaction again"));
    assert!(remote.check_tx(b"a", CheckKind::Recheck).is_ok(), "what is pending stays");

    place.listen(|_, request| honestly(request));
    assert!(remote.link.connect(Duration::from_secs(60)).unwrap());
    assert!(remote.check_tx(b"a", CheckKind::New).is_err(), "it is another process, which knows nothing yet");
    remote.init_chain(&InitChain::default()).unwrap();
    assert!(remote.check_tx(b"a", CheckKind::New).is_ok());
}

#[test]
fn who_waits_for_an_application_is_told_when_the_node_ends() {
    let place = Place::new();
    // Nothing is answered from Commit on, nor the Flush that follows it, which would be no answer to Commit.
    let asked = place.asked.clone();
    let commits = move || asked.lock().unwrap().iter().any(|(_, asked)| *asked == "Commit");
    let commit_came = commits.clone();
    place.listen(move |_, request| if commit_came() { Some(Vec::new()) } else { honestly(request) });
    let remote = connected(&place);
    thread::scope(|scope| {
        let commit = scope.spawn(|| remote.commit());
        let lost = scope.spawn(|| remote.link.lost());
        while !commits() {
            thread::yield_now();
        }
        remote.link.close();
        assert!(told(commit.join().unwrap().unwrap_err()).1.contains("closed"));
        assert!(!lost.join().unwrap(), "nobody comes back");
    });
    assert!(!remote.link.connect(Duration::from_secs(60)).unwrap());
}
