//! A crash between any two writes, of blocks or of the application's state, and what the next start makes of it.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use althing_ledger::state::{MemoryFiles, StateFiles};
use althing_ledger::{AppError, AssetLedger};

use super::*;
use crate::driver::{ExecuteJob, StoreJob};
use crate::storage::{Batch, Hooked, MemoryStore, Store, StoredResults, Table};
use crate::testing::TestChain;
use crate::workers::Keeper;

/// Blocks and state on one machine, which goes down at a write.
#[derive(Clone)]
struct Machine {
    chain: Arc<MemoryStore>,
    state: Arc<MemoryFiles>,
    writes_left: Arc<AtomicUsize>,
}

impl StateFiles for Machine {
    fn list(&self) -> io::Result<Vec<u32>> {
        self.state.list()
    }

    fn len(&self, file: u32) -> io::Result<u64> {
        self.state.len(file)
    }

    fn read(&self, file: u32, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.state.read(file, offset, out)
    }

    fn append(&self, file: u32, bytes: &[u8]) -> io::Result<()> {
        self.spend()?;
        let (half, rest) = bytes.split_at(bytes.len() / 2);
        self.state.append(file, half)?;
        self.spend()?;
        self.state.append(file, rest)
    }

    fn sync(&self, file: u32) -> io::Result<()> {
        self.spend()?;
        self.state.sync(file)
    }

    fn truncate(&self, file: u32, len: u64) -> io::Result<()> {
        self.spend()?;
        self.state.truncate(file, len)
    }

    fn remove(&self, file: u32) -> io::Result<()> {
        self.spend()?;
        self.state.remove(file)
    }
}

impl Machine {
    fn new() -> Self {
        Self { chain: Arc::default(), state: Arc::default(), writes_left: Arc::new(AtomicUsize::new(0)) }
    }

    /// The machine comes up and will go down at the write after so many.
    fn boot(&self, writes: usize) -> (ChainStore, Arc<dyn Application>) {
        self.try_boot(writes).expect("a disk that works so long")
    }

    fn try_boot(&self, writes: usize) -> Result<(ChainStore, Arc<dyn Application>), AppError> {
        self.writes_left.store(writes, Ordering::Relaxed);
        let machine = self.clone();
        let write = move |kept: &dyn Store, batch| {
            let down = |source| StoreError::Io { doing: "write to", path: "disk".into(), source };
            machine.spend().map_err(down)?;
            kept.write(batch)
        };
        let chain = Hooked { write: Box::new(write), ..Hooked::over(self.chain.clone()) };
        let ledger = AssetLedger::open(Arc::new(self.clone()), 10)?;
        Ok((ChainStore::new(Arc::new(chain)), Arc::new(ledger)))
    }

    fn spend(&self) -> io::Result<()> {
        let left =
            self.writes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| io::Error::other("the machine is down"))
    }

    fn used(&self, writes: usize) -> usize {
        writes - self.writes_left.load(Ordering::Relaxed)
    }
}

/// Recovers, then goes on to height 3 from wherever that is: blocks 1 and then 2 with 3 are voted for, committed and executed.
fn live(
    test: &TestChain,
    chain: &ChainStore,
    app: &Arc<dyn Application>,
) -> Result<StoredResults, RecoveryError> {
    let genesis = handshake(&test.genesis, chain, app)?;
    let config = test.engine(&genesis);
    let start = recover(&config, chain, &door(&config))?;
    // Whatever was left: application, results and certificate go together again.
    let executed = start.recovered.executed;
    assert_eq!(app.info().unwrap().last_height, executed.0);
    assert_eq!(start.recovered.commit.is_some(), start.recovered.committed.header.height > Height(0));
    assert_eq!(start.recovered.executions.contains_key(&executed), executed > Height(0));
    assert!(
        start.bodies.iter().all(|body| body.block.header.height > start.recovered.committed.header.height)
    );

    let one = test.body(&genesis, 1, vec![test.transfer(0)]);
    let two = test.body(&one.block, 2, vec![test.transfer(1), test.transfer(2)]);
    let three = test.body(&two.block, 3, Vec::new());
    let executor = Executor::new(test.epochs(chain), chain.clone(), app.clone());
    for run in [vec![one], vec![two, three]] {
        let last = run.last().expect("blocks").block.clone();
        if chain.committed()? < last.header.height {
            run.iter().try_for_each(|body| chain.put_body(body))?;
            let certificate = test.certificate(last.hash(), last.header.view.0);
            let certificate = door(&config).verify_quorum(&certificate).expect("good");
            Keeper::new(chain.clone(), test.epochs(chain)).run(StoreJob::Commit {
                bodies: run,
                certificate,
                votes: None,
            })?;
        }
        while chain.executed()? < last.header.height {
            executor.run(ExecuteJob::Block(chain.executed()?.next()))?;
        }
    }
    Ok(chain.results(Height(3))?.expect("executed"))
}

#[test]
fn a_crash_between_any_two_writes_costs_nothing() {
    let test = TestChain::new();
    let reference = Machine::new();
    let (chain, app) = reference.boot(1_000);
    let expected = live(&test, &chain, &app).unwrap();
    let writes = reference.used(1_000);
    assert!(
        writes >= 12,
        "genesis twice, three bodies, two commits, three times results and state: {writes}"
    );

    for crash in 0..writes {
        let machine = Machine::new();
        let (chain, app) = machine.boot(crash);
        live(&test, &chain, &app).expect_err("the machine goes down");
        // And once more right at the beginning of the recovery, and within it.
        for again in 0..4 {
            if let Ok((chain, app)) = machine.try_boot(again) {
                let _ = live(&test, &chain, &app);
            }
        }
        let (chain, app) = machine.boot(1_000);
        let results =
            live(&test, &chain, &app).unwrap_or_else(|error| panic!("crash at write {crash}: {error}"));
        assert_eq!(results, expected, "crash at write {crash}");
    }
}

#[test]
fn an_application_that_lost_its_state_executes_the_stored_chain_again() {
    let test = TestChain::new();
    let mut machine = Machine::new();
    let (chain, app) = machine.boot(1_000);
    let expected = live(&test, &chain, &app).unwrap();
    machine.state = Arc::default();
    let (chain, app) = machine.boot(1_000);
    assert_eq!(live(&test, &chain, &app).unwrap(), expected);
    assert_eq!(app.info().unwrap().last_height, 3);
}

#[test]
fn an_application_that_lost_what_it_let_go_is_told_so() {
    let test = TestChain::new();
    let mut machine = Machine::new();
    let (chain, app) = machine.boot(1_000);
    live(&test, &chain, &app).unwrap();
    assert_eq!(chain.reported().unwrap(), Height(0), "as it stood when it was met");
    handshake(&test.genesis, &chain, &app).unwrap();
    assert_eq!(chain.reported().unwrap(), Height(3));
    chain.prune(Height(3), 9).unwrap();
    handshake(&test.genesis, &chain, &app).unwrap();
    machine.state = Arc::default();
    let (chain, app) = machine.boot(1_000);
    let error = handshake(&test.genesis, &chain, &app).unwrap_err();
    assert!(matches!(error, RecoveryError::Pruned { application: Height(0), oldest: Height(3) }), "{error}");
}

#[test]
fn an_application_ahead_of_its_store_stops_the_node_with_what_to_do() {
    let test = TestChain::new();
    let mut machine = Machine::new();
    let (chain, app) = machine.boot(1_000);
    live(&test, &chain, &app).unwrap();
    machine.chain = Arc::default();
    let (chain, app) = machine.boot(1_000);
    let error = handshake(&test.genesis, &chain, &app).unwrap_err();
    assert!(
        matches!(error, RecoveryError::ApplicationAhead { application: Height(3), executed: Height(0) }),
        "{error}"
    );
    assert!(error.to_string().contains("Move the data directory away"), "{error}");
}

#[test]
fn data_of_another_chain_is_refused() {
    let test = TestChain::new();
    let machine = Machine::new();
    let (chain, app) = machine.boot(1_000);
    live(&test, &chain, &app).unwrap();
    let mut document = test.genesis.document().clone();
    document.genesis_time_ms += 1;
    let other = Genesis::new(document, &althing_crypto::bls::BLS).unwrap();
    let error = handshake(&other, &chain, &app).unwrap_err();
    assert!(matches!(error, RecoveryError::OtherGenesis { .. }), "{error}");
}

#[test]
fn results_that_differ_the_second_time_stop_the_node() {
    let test = TestChain::new();
    let mut machine = Machine::new();
    let (chain, app) = machine.boot(1_000);
    live(&test, &chain, &app).unwrap();
    let mut wrong = chain.results(Height(2)).unwrap().unwrap();
    wrong.execution.results_root = Hash::ZERO;
    let mut batch = Batch::new();
    batch.put(Table::Results, 2u64.to_be_bytes(), althing_crypto::Encoding::encode(&wrong));
    machine.chain.write(batch).unwrap();
    machine.state = Arc::default();
    let (chain, app) = machine.boot(1_000);
    let error = handshake(&test.genesis, &chain, &app).unwrap_err();
    assert!(matches!(error, RecoveryError::Fatal(Fatal::Contract(_))), "{error}");
}
