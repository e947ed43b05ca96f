//! The chain data in a home: one lock, one format version, a database and the files of the application's state.
//!
//! ```text
//! lock            locked while a node runs; its text is that node's pid
//! data/format     version byte, then the kind of database as text
//! data/chain.*    blocks, certificates, results, indexes
//! data/log/       what was written to these and has not reached them yet
//! data/state/     the application's state, in files of its own
//! ```
//! `data` is made under another name and renamed when complete, so that what is missing in it has been lost.

use super::{DirectoryFiles, RedbStore, SledStore, Store, StoreError, WriteAhead};
use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// 1 had the application's state in a database; up to 5, proposals in evidence were signed with vote keys; up to 6, a write of the log had
/// another checksum.
const FORMAT_VERSION: u8 = 7;

const STATE: &str = "state";
const LOG: &str = "log";

/// For so long a database that was closed may still be locked,
const LET_GO: Duration = Duration::from_secs(2);
/// and so often it is tried.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// Which database holds the chain data (`storage.backend` in the configuration).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// [`RedbStore`].
    #[default]
    Redb,
    /// [`SledStore`]; not recommended, see there.
    Sled,
}

impl BackendKind {
    /// The word for it in the configuration and on disk.
    pub const fn name(self) -> &'static str {
        match self {
            BackendKind::Redb => "redb",
            BackendKind::Sled => "sled",
        }
    }

    fn path(self, data: &Path, database: &str) -> PathBuf {
        data.join(format!("{database}.{}", self.name()))
    }

    fn create(self, data: &Path, database: &str) -> Result<(), StoreError> {
        let path = self.path(data, database);
        match self {
            BackendKind::Redb => RedbStore::create(&path).map(drop),
            BackendKind::Sled => SledStore::create(&path).map(drop),
        }
    }

    fn open(self, data: &Path, database: &str) -> Result<Arc<dyn Store>, StoreError> {
        let path = self.path(data, database);
        if !exists(&path)? {
            return Err(StoreError::Corrupt { path, what: "it is missing".to_owned() });
        }
        let open = || -> Result<Arc<dyn Store>, StoreError> {
            Ok(match self {
                BackendKind::Redb => Arc::new(RedbStore::open(&path)?),
                BackendKind::Sled => Arc::new(SledStore::open(&path)?),
            })
        };
        // Our own lock keeps everyone else out. But a child process that is being started somewhere in this one has a share in all locks until it
        // runs its own program, also in that of a database closed a moment ago.
        let give_up = Instant::now() + LET_GO;
        loop {
            match open() {
                Err(StoreError::InUse { .. }) if Instant::now() < give_up => thread::sleep(ASK_AGAIN),
                opened => return opened,
            }
        }
    }
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The open chain data of one node. Drop what it gives out before it, or with it: its lock is what keeps other processes out.
pub struct DataDirectory {
    /// Blocks, certificates, results and indexes.
    pub chain: Arc<dyn Store>,
    /// The application's state.
    pub state: Arc<DirectoryFiles>,
    /// Held, never read.
    _lock: File,
}

impl DataDirectory {
    /// Opens the data in the home `home` and locks it; makes it if there is none.
    pub fn open(home: &Path, backend: BackendKind) -> Result<Self, StoreError> {
        fs::create_dir_all(home).map_err(StoreError::io("create", home))?;
        let lock = lock(home)?;
        let data = home.join("data");
        if !exists(&data)? {
            build(home, &data, backend)?;
        }
        check_format(&data, backend)?;
        let (state, log) = (open_files(&data, STATE)?, open_files(&data, LOG)?);
        let chain = WriteAhead::open(backend.open(&data, "chain")?, Arc::new(log), &data.join(LOG))?;
        Ok(DataDirectory { chain: Arc::new(chain), state: Arc::new(state), _lock: lock })
    }
}

fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(StoreError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
            return Err(StoreError::InUse { path: directory.to_owned(), pid });
        }
        Err(TryLockError::Error(e)) => return Err(StoreError::io("lock", path)(e)),
    }
    let written = file.set_len(0).and_then(|()| writeln!(file, "{}", process::id()));
    written.map_err(StoreError::io("write to", path))?;
    Ok(file)
}

fn open_files(data: &Path, name: &str) -> Result<DirectoryFiles, StoreError> {
    let path = data.join(name);
    if !exists(&path)? {
        return Err(StoreError::Corrupt { path, what: "it is missing".to_owned() });
    }
    DirectoryFiles::open(&path).map_err(StoreError::io("open", &path))
}

/// Makes empty data beside its place, then puts it there in one step.
fn build(directory: &Path, data: &Path, backend: BackendKind) -> Result<(), StoreError> {
    let unfinished = directory.join("data.new");
    if exists(&unfinished)? {
        fs::remove_dir_all(&unfinished).map_err(StoreError::io("remove", &unfinished))?;
    }
    fs::create_dir(&unfinished).map_err(StoreError::io("create", &unfinished))?;
    backend.create(&unfinished, "chain")?;
    for name in [STATE, LOG] {
        let files = unfinished.join(name);
        fs::create_dir(&files).map_err(StoreError::io("create", &files))?;
    }

    let format = unfinished.join("format");
    let mut bytes = vec![FORMAT_VERSION];
    bytes.extend(backend.name().as_bytes());
    fs::write(&format, bytes)
        .and_then(|()| File::open(&format)?.sync_all())
        .map_err(StoreError::io("write to", &format))?;

    sync_directory(&unfinished)
        .and_then(|()| fs::rename(&unfinished, data))
        .and_then(|()| sync_directory(directory))
        .map_err(StoreError::io("create", data))
}

fn check_format(data: &Path, backend: BackendKind) -> Result<(), StoreError> {
    let path = data.join("format");
    let corrupt = |what: String| StoreError::Corrupt { path: path.clone(), what };
    let bytes = fs::read(&path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => corrupt("it is missing".to_owned()),
        _ => StoreError::io("read", &path)(e),
    })?;
    let Some((&version, name)) = bytes.split_first() else {
        return Err(corrupt("it is empty".to_owned()));
    };
    if version != FORMAT_VERSION {
        return Err(StoreError::Format { path, found: version, expected: FORMAT_VERSION });
    }
    if name != backend.name().as_bytes() {
        let found = String::from_utf8_lossy(name).escape_debug().take(32).collect();
        return Err(StoreError::Backend { path: data.to_owned(), found, expected: backend.name() });
    }
    Ok(())
}

fn exists(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(StoreError::io("look for", path))
}

/// Makes the names in a directory durable: new files, renames, links.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    // The parent of a bare file name is the empty path.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}
