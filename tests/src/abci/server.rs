//! An application of ours served as ABCI 2.0, as the applications of others are.

use std::{
    io::{self, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    sync::Arc,
    thread,
};

use althing_crypto::Hash;
use althing_ledger::{
    Application, CheckKind, ChunkApplied, FinalizeBlock, InitChain, PrepareProposal, ProcessProposal,
    ProofOp, Query, Snapshot, SnapshotOffer, TxResult,
};
use prost::Message;
use tendermint_proto::{
    google::protobuf::Timestamp,
    v0_38::{
        abci::{self as pb, Request, Response, request, response},
        crypto::{ProofOp as PbProofOp, ProofOps},
    },
};

/// Serves whoever connects, each on a thread of its own, for ever.
pub fn serve(application: &Arc<dyn Application>, listener: &UnixListener) -> io::Result<()> {
    for stream in listener.incoming() {
        let (stream, application) = (stream?, application.clone());
        thread::spawn(move || _ = converse(stream, &*application));
    }
    Ok(())
}

/// Until the other side ends it.
fn converse(mut stream: UnixStream, application: &dyn Application) -> io::Result<()> {
    let (mut asked, mut answers) = (Vec::new(), Vec::new());
    let mut buffer = [0; 1 << 16];
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        asked.extend_from_slice(&buffer[..read]);
        while let Some((len, request)) = whole(&asked)? {
            asked.drain(..len);
            let flush = matches!(request, request::Value::Flush(_));
            let value = answer(application, request);
            Response { value: Some(value) }.encode_length_delimited(&mut answers)?;
            if flush {
                stream.write_all(&answers)?;
                answers.clear();
            }
        }
    }
}

/// The first request, if all its bytes are there, and how many these are.
fn whole(bytes: &[u8]) -> io::Result<Option<(usize, request::Value)>> {
    let mut rest = bytes;
    let Ok(len) = prost::decode_length_delimiter(&mut rest) else { return Ok(None) };
    if rest.len() < len {
        return Ok(None);
    }
    let request = Request::decode(&rest[..len])?.value;
    let request = request.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "an unknown request"))?;
    Ok(Some((bytes.len() - rest.len() + len, request)))
}

fn answer(application: &dyn Application, request: request::Value) -> response::Value {
    let answered = match request {
        request::Value::Echo(asked) => Ok(response::Value::Echo(pb::ResponseEcho { message: asked.message })),
        request::Value::Flush(_) => Ok(response::Value::Flush(pb::ResponseFlush {})),
        request::Value::Info(_) => info(application),
        request::Value::InitChain(asked) => init_chain(application, asked),
        request::Value::Query(asked) => Ok(query(application, asked)),
        request::Value::CheckTx(asked) => Ok(check_tx(application, &asked)),
        request::Value::PrepareProposal(asked) => Ok(prepare_proposal(application, &asked)),
        request::Value::ProcessProposal(asked) => Ok(process_proposal(application, &asked)),
        request::Value::FinalizeBlock(asked) => finalize_block(application, &asked),
        request::Value::Commit(_) => commit(application),
        request::Value::ListSnapshots(_) => Ok(list_snapshots(application)),
        request::Value::OfferSnapshot(asked) => offer_snapshot(application, asked),
        request::Value::LoadSnapshotChunk(asked) => Ok(load_chunk(application, &asked)),
        request::Value::ApplySnapshotChunk(asked) => apply_chunk(application, &asked),
        request::Value::ExtendVote(_) | request::Value::VerifyVoteExtension(_) => {
            Err("vote extensions are not served".to_owned())
        }
    };
    answered.unwrap_or_else(|error| response::Value::Exception(pb::ResponseException { error }))
}

type Answered = Result<response::Value, String>;

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn ms(time: Option<Timestamp>) -> u64 {
    let Timestamp { seconds, nanos } = time.unwrap_or_default();
    u64::try_from(seconds).unwrap_or_default() * 1_000 + u64::try_from(nanos).unwrap_or_default() / 1_000_000
}

fn height(height: i64) -> u64 {
    u64::try_from(height).unwrap_or_default()
}

fn slices(txs: &[impl AsRef<[u8]>]) -> Vec<&[u8]> {
    txs.iter().map(AsRef::as_ref).collect()
}

fn hash(bytes: &[u8]) -> Hash {
    bytes.try_into().map_or(Hash::ZERO, Hash::from_bytes)
}

fn info(application: &dyn Application) -> Answered {
    let info = application.info().map_err(text)?;
    Ok(response::Value::Info(pb::ResponseInfo {
        data: info.name,
        version: info.version,
        app_version: 0,
        last_block_height: info.last_height as i64,
        last_block_app_hash: info.app_hash.as_bytes().to_vec().into(),
    }))
}

fn init_chain(application: &dyn Application, asked: pb::RequestInitChain) -> Answered {
    let init = InitChain {
        chain_id: asked.chain_id,
        initial_height: height(asked.initial_height),
        time_ms: ms(asked.time),
        app_state: asked.app_state_bytes.into(),
        ..Default::default()
    };
    let app_hash = application.init_chain(&init).map_err(text)?.app_hash;
    let app_hash = app_hash.as_bytes().to_vec().into();
    Ok(response::Value::InitChain(pb::ResponseInitChain { app_hash, ..Default::default() }))
}

fn query(application: &dyn Application, asked: pb::RequestQuery) -> response::Value {
    let query =
        Query { path: asked.path, data: asked.data.into(), height: height(asked.height), prove: asked.prove };
    let answer = application.query(&query);
    let own = answer.proof.map(|data| ProofOp { kind: "althing".to_owned(), key: answer.key.clone(), data });
    let op = |ProofOp { kind, key, data }| PbProofOp { r#type: kind, key, data };
    let ops: Vec<_> = own.into_iter().chain(answer.proof_ops).map(op).collect();
    response::Value::Query(pb::ResponseQuery {
        code: answer.code,
        log: answer.log,
        info: answer.info,
        index: 0,
        key: answer.key.into(),
        value: answer.value.into(),
        proof_ops: (!ops.is_empty()).then_some(ProofOps { ops }),
        height: answer.height as i64,
        codespace: answer.codespace,
    })
}

/// Both halves of admission, as ABCI has but one.
fn check_tx(application: &dyn Application, asked: &pb::RequestCheckTx) -> response::Value {
    let kind = if asked.r#type == 1 { CheckKind::Recheck } else { CheckKind::New };
    let verdict = application.precheck(&[&asked.tx]).swap_remove(0);
    let verdict = verdict.and_then(|_| application.check_tx(&asked.tx, kind));
    let answer = match verdict {
        Ok(_) => pb::ResponseCheckTx::default(),
        Err(error) => pb::ResponseCheckTx {
            code: error.code,
            log: error.log,
            codespace: error.codespace,
            ..Default::default()
        },
    };
    response::Value::CheckTx(answer)
}

fn prepare_proposal(application: &dyn Application, asked: &pb::RequestPrepareProposal) -> response::Value {
    let txs = slices(&asked.txs);
    let chosen = application.prepare_proposal(&PrepareProposal {
        height: height(asked.height),
        time_ms: ms(asked.time),
        txs: &txs,
        max_bytes: height(asked.max_tx_bytes) as usize,
        ..Default::default()
    });
    let txs = chosen.into_iter().map(Into::into).collect();
    response::Value::PrepareProposal(pb::ResponsePrepareProposal { txs })
}

fn process_proposal(application: &dyn Application, asked: &pb::RequestProcessProposal) -> response::Value {
    let txs = slices(&asked.txs);
    let bad = application.precheck(&txs).iter().any(Result::is_err);
    let verdict = application.process_proposal(&ProcessProposal {
        height: height(asked.height),
        time_ms: ms(asked.time),
        hash: hash(&asked.hash),
        txs: &txs,
        ..Default::default()
    });
    let status = if verdict.is_ok() && !bad { 1 } else { 2 };
    response::Value::ProcessProposal(pb::ResponseProcessProposal { status })
}

fn finalize_block(application: &dyn Application, asked: &pb::RequestFinalizeBlock) -> Answered {
    let txs = slices(&asked.txs);
    let finalized = application.finalize_block(&FinalizeBlock {
        height: height(asked.height),
        time_ms: ms(asked.time),
        hash: hash(&asked.hash),
        txs: &txs,
        ..Default::default()
    });
    let finalized = finalized.map_err(text)?;
    Ok(response::Value::FinalizeBlock(pb::ResponseFinalizeBlock {
        events: finalized.events.into_iter().map(event).collect(),
        tx_results: finalized.tx_results.into_iter().map(tx_result).collect(),
        app_hash: finalized.app_hash.as_bytes().to_vec().into(),
        ..Default::default()
    }))
}

fn tx_result(result: TxResult) -> pb::ExecTxResult {
    pb::ExecTxResult {
        code: result.code,
        data: result.data.into(),
        log: result.log,
        info: String::new(),
        gas_wanted: result.gas_wanted,
        gas_used: result.gas_used,
        events: result.events.into_iter().map(event).collect(),
        codespace: result.codespace,
    }
}

fn event(event: althing_ledger::Event) -> pb::Event {
    let attribute = |one: althing_ledger::Attribute| pb::EventAttribute {
        key: one.key,
        value: one.value,
        index: one.index,
    };
    pb::Event { r#type: event.kind, attributes: event.attributes.into_iter().map(attribute).collect() }
}

fn commit(application: &dyn Application) -> Answered {
    let retain_height = application.commit().map_err(text)?.retain_height as i64;
    Ok(response::Value::Commit(pb::ResponseCommit { retain_height }))
}

fn list_snapshots(application: &dyn Application) -> response::Value {
    let snapshot = |Snapshot { height, format, chunks, hash, metadata }| pb::Snapshot {
        height,
        format,
        chunks,
        hash: hash.into(),
        metadata: metadata.into(),
    };
    let snapshots = application.list_snapshots().into_iter().map(snapshot).collect();
    response::Value::ListSnapshots(pb::ResponseListSnapshots { snapshots })
}

fn offer_snapshot(application: &dyn Application, asked: pb::RequestOfferSnapshot) -> Answered {
    let pb::Snapshot { height, format, chunks, hash, metadata } = asked.snapshot.unwrap_or_default();
    let snapshot = Snapshot { height, format, chunks, hash: hash.into(), metadata: metadata.into() };
    let app_hash = asked.app_hash.to_vec().try_into().map_err(text)?;
    use pb::response_offer_snapshot::Result::*;
    let result = match application.offer_snapshot(&snapshot, &app_hash).map_err(text)? {
        SnapshotOffer::Accept => Accept,
        SnapshotOffer::Reject => Reject,
        SnapshotOffer::RejectFormat => RejectFormat,
        SnapshotOffer::Abort => Abort,
    };
    Ok(response::Value::OfferSnapshot(pb::ResponseOfferSnapshot { result: result.into() }))
}

fn load_chunk(application: &dyn Application, asked: &pb::RequestLoadSnapshotChunk) -> response::Value {
    let chunk = application.load_snapshot_chunk(asked.height, asked.format, asked.chunk);
    let chunk = chunk.unwrap_or_default().into();
    response::Value::LoadSnapshotChunk(pb::ResponseLoadSnapshotChunk { chunk })
}

fn apply_chunk(application: &dyn Application, asked: &pb::RequestApplySnapshotChunk) -> Answered {
    use pb::response_apply_snapshot_chunk::Result::*;
    let (result, refetch_chunks) =
        match application.apply_snapshot_chunk(asked.index, &asked.chunk).map_err(text)? {
            ChunkApplied::Accept => (Accept, Vec::new()),
            ChunkApplied::Retry { chunks, .. } => (Retry, chunks),
            ChunkApplied::RetrySnapshot => (RetrySnapshot, Vec::new()),
            ChunkApplied::RejectSnapshot => (RejectSnapshot, Vec::new()),
            ChunkApplied::Abort => (Abort, Vec::new()),
        };
    let (result, reject_senders) = (result.into(), Vec::new());
    Ok(response::Value::ApplySnapshotChunk(pb::ResponseApplySnapshotChunk {
        result,
        refetch_chunks,
        reject_senders,
    }))
}
