//! What a node reads back from its disk: the safety file, whatever has become of its bytes, and the records of chain and
//! application.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use althing_consensus::{Header, Height, Position, QuorumCertificate, SafetyRecord, SafetyRules};
use althing_crypto::{Hash, TxHash};
use althing_ledger::state::{MemoryFiles, StateFiles};
use althing_ledger::{Application, AssetLedger, FinalizeBlock, Query};
use althing_node::body::Body;
use althing_node::storage::{
    Batch, ChainStore, MAX_RECORD_BYTES, MemoryStore, SafetyStore, SlotFile, Store, StoredResults, Table,
};

use super::chain::{CHAIN, CHAIN_ID, fresh_ledger};
use super::laws::{again, decode};
use super::script::Script;

/// The first byte chooses what the rest is.
pub fn disk(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => safety_file(rest),
        1 => safety_record(rest),
        2 => chain_records(rest),
        _ => application_records(rest),
    }
}

/// A file in memory, that knows whether it was written to.
#[derive(Clone, Default)]
pub(super) struct File(Arc<Mutex<(Vec<u8>, bool)>>);

impl File {
    fn lock(&self) -> MutexGuard<'_, (Vec<u8>, bool)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Option<(SafetyStore, Option<Vec<u8>>)> {
        SafetyStore::open_on(Box::new(self.clone()), Path::new("safety")).ok()
    }
}

impl SlotFile for File {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let file = self.lock();
        let start = usize::try_from(offset).expect("a small file");
        let part = file.0.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(part);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.lock();
        let start = usize::try_from(offset).expect("a small file");
        let end = (start + bytes.len()).max(file.0.len());
        file.0.resize(end, 0);
        file.0[start..start + bytes.len()].copy_from_slice(bytes);
        file.1 = true;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where the two slots begin.
const SLOTS: [usize; 2] = [4096, 4096 + 65536];
/// Sequence number and length, then the checksum.
const SLOT_HEADER: usize = 8 + 4 + 32;

/// A file with two records written one after the other, then damaged as the script says: bytes changed anywhere, slots replaced by
/// intact ones of other content, the end cut off.
fn safety_file(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut file = File::default();
    SafetyStore::format(&mut file).expect("memory");
    let (mut store, _) = file.open().expect("just formatted");
    for _ in 0..script.below(3) {
        store.write(script.chunk()).expect("memory");
    }
    let mut harm = file.lock().0.clone();
    while !script.is_over() {
        damage(&mut script, &mut harm);
    }
    *file.lock() = (harm.clone(), false);
    let Some((store, record)) = file.open() else {
        let (left, written) = &*file.lock();
        assert!(!written && *left == harm, "a file that is refused is left as it is");
        return;
    };
    assert!(record.as_ref().is_none_or(|record| record.len() <= MAX_RECORD_BYTES));
    assert!(intact(&harm, record.as_deref()), "the record found is in no slot");
    drop(store);
    let (mut store, again) = file.open().expect("what was repaired opens");
    assert_eq!(again, record);
    store.write(b"next").expect("memory");
    // Either slot alone holds it.
    for slot in SLOTS {
        let half = File(Arc::new(Mutex::new((file.lock().0.clone(), false))));
        half.lock().0[slot + 12] ^= 1;
        assert_eq!(half.open().expect("one slot is left").1.as_deref(), Some(&b"next"[..]));
    }
}

fn damage(script: &mut Script<'_>, file: &mut Vec<u8>) {
    let slot = SLOTS[script.below(2)];
    match script.below(4) {
        0 => {
            let (at, byte) = (usize::from(script.u16()), script.byte());
            if let Some(found) = file.get_mut(at + slot) {
                *found ^= byte;
            }
        }
        1 => {
            let (at, byte) = (script.below(32), script.byte());
            if let Some(found) = file.get_mut(at) {
                *found ^= byte;
            }
        }
        2 => {
            let (sequence, record) = (u64::from(script.byte()), script.chunk());
            let image = slot_image(sequence, record);
            if let Some(place) = file.get_mut(slot..slot + image.len()) {
                place.copy_from_slice(&image);
            }
        }
        _ => file.truncate(file.len().saturating_sub(usize::from(script.u16()))),
    }
}

fn slot_image(sequence: u64, record: &[u8]) -> Vec<u8> {
    let prefix = [&sequence.to_le_bytes()[..], &(record.len() as u32).to_le_bytes()].concat();
    let checksum = althing_crypto::sha256_concat(&[&prefix, record]);
    [&prefix, &checksum.as_bytes()[..], record].concat()
}

/// Whether a slot with a good checksum holds this record; none is that of sequence number 0.
fn intact(file: &[u8], record: Option<&[u8]>) -> bool {
    SLOTS.iter().any(|slot| {
        let sequence = u64::from_le_bytes(file[*slot..slot + 8].try_into().expect("8 bytes"));
        let len = u32::from_le_bytes(file[slot + 8..slot + 12].try_into().expect("4 bytes")) as usize;
        let Some(found) = file.get(slot + SLOT_HEADER..slot + SLOT_HEADER + len) else { return false };
        file[*slot..].starts_with(&slot_image(sequence, found)) && record == (sequence > 0).then_some(found)
    })
}

/// A record read back: whoever owns it not by name, key and epoch gets no rules; whoever does gets those very promises.
fn safety_record(bytes: &[u8]) {
    let Some(record) = decode::<SafetyRecord>(bytes) else { return };
    let recover = |record: &SafetyRecord| {
        let key = CHAIN.vote_keys[0].clone();
        let (identity, set) = (Arc::new(CHAIN.identities[0].clone()), CHAIN.set().clone());
        SafetyRules::recover(identity, key, CHAIN_ID, set, CHAIN.genesis.epoch_hash(), record.clone())
    };
    if let Ok(rules) = recover(&record) {
        assert_eq!(rules.record(), &record);
    }
    let own = SafetyRecord {
        chain_id: CHAIN_ID.to_owned(),
        epoch_hash: CHAIN.genesis.epoch_hash(),
        signer: Position(0),
        vote_key: *CHAIN.vote_keys[0].public_key().bytes(),
        ..record
    };
    let high = own.high_view();
    let implied =
        [own.commit_voted(), own.timeout.as_ref().map_or_else(Default::default, |vote| vote.high_view())];
    match recover(&own) {
        Ok(rules) => {
            assert_eq!(rules.record(), &own);
            assert!(implied.iter().all(|view| *view <= high), "a record without the QC that it implies");
        }
        Err(_) => {
            let proposed = own.proposal.as_ref().map_or_else(Default::default, |one| one.justify_view());
            let committed = althing_consensus::view_of(own.commit.as_ref());
            assert!(implied.into_iter().chain([proposed, committed]).any(|view| view > high));
        }
    }
    again(&own);
}

/// Keys and values put into the chain's tables as they come: every read answers, be it that the data is damaged.
fn chain_records(bytes: &[u8]) {
    decode::<StoredResults>(bytes);
    let store = Arc::new(MemoryStore::default());
    let chain = ChainStore::new(store.clone());
    let block = Body { block: CHAIN.opening.clone(), txs: Vec::new() };
    chain.begin(CHAIN.genesis.hash(), &block).expect("memory");
    let mut script = Script::new(bytes);
    let mut batch = Batch::new();
    while !script.is_over() {
        let table = Table::ALL[script.below(Table::ALL.len())];
        let key = match script.below(5) {
            0 => u64::from(script.byte()).to_be_bytes().to_vec(),
            1 => CHAIN.opening.hash().as_bytes().to_vec(),
            2 => [&b"uncommitted/"[..], script.take(40)].concat(),
            // Of a run of the index: what it is, from which height, to which, and which chunk.
            3 => {
                let heights = [script.byte(), script.byte()].map(|height| u64::from(height).to_be_bytes());
                [&[4 + script.byte() % 3][..], &heights.concat(), script.take(4)].concat()
            }
            _ => script.take(8).to_vec(),
        };
        batch.put(table, key, script.chunk());
    }
    store.write(batch).expect("memory");
    let _ = (chain.genesis(), chain.committed(), chain.executed(), chain.newest_certificate());
    let _ =
        (chain.uncommitted(10), chain.body(&CHAIN.opening.hash()), chain.tx_location(&TxHash(Hash::ZERO)));
    for height in (0..4).map(Height) {
        if let Ok(Some(body)) = chain.block(height) {
            let _: (&Header, usize) = (&body.block.header, body.payload_bytes());
        }
        let certificate: Result<Option<QuorumCertificate>, _> = chain.certificate_at(height);
        let _ = (certificate, chain.hash_at(height), chain.results(height));
    }
}

/// The ledger over files that the script has changed: it opens or says what is damaged, and answers.
fn application_records(bytes: &[u8]) {
    let (ledger, files) = fresh_ledger(&CHAIN.genesis);
    for height in 1..3 {
        let block =
            FinalizeBlock { height, time_ms: height, hash: Hash::ZERO, txs: &[], ..Default::default() };
        ledger.finalize_block(&block).expect("the next height");
        ledger.commit().expect("memory");
    }
    drop(ledger);
    let mut script = Script::new(bytes);
    while !script.is_over() {
        let Some(&file) = files.list().expect("memory").last() else { break };
        let len = files.len(file).expect("memory");
        match script.below(3) {
            0 => files.truncate(file, u64::from(script.u16()).min(len)).expect("memory"),
            1 => files.append(file, script.chunk()).expect("memory"),
            _ => {
                let mut all = vec![0; usize::try_from(len).expect("short")];
                files.read(file, 0, &mut all).expect("memory");
                let (at, byte) = (usize::from(script.u16()), script.byte());
                all.get_mut(at).into_iter().for_each(|found| *found ^= byte);
                files.truncate(file, 0).expect("memory");
                files.append(file, &all).expect("memory");
            }
        }
    }
    asked(files);
}

fn asked(files: Arc<MemoryFiles>) {
    let Ok(ledger) = AssetLedger::open(files, 10) else { return };
    let info = ledger.info().expect("it is in memory");
    let account = Query { path: "account".into(), data: vec![0; 20], ..Query::default() };
    let assets = Query { path: "assets".into(), prove: true, ..Query::default() };
    for query in [account, assets] {
        let answer = ledger.query(&query);
        assert_eq!(answer.height, info.last_height);
        assert_eq!(answer.code == 0, info.initialised, "{}", answer.log);
    }
}
