//! File, environment and flags, laid over one another.

use std::{ffi::OsString, fs, io, path::PathBuf};

use toml::{Table, Value};

use super::NodeConfig;
use crate::home::Home;

const PREFIX: &str = "ALTHING_";
/// Variables with our prefix that are no configuration keys.
const NOT_KEYS: [&str; 6] = [
    "ALTHING_CHAIN_ID",
    "ALTHING_HOME",
    "ALTHING_NODE",
    "ALTHING_NODE_CA",
    "ALTHING_NODE_KEY",
    "ALTHING_PASSPHRASE_FILE",
];
/// Far beyond any configuration.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration {path}: cannot be read: {source}; `althing init` makes a home", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("configuration {path}: not TOML: {reason}", path = path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser says, with line and column.
        reason: String,
    },
    /// There is no such key.
    #[error("configuration: unknown key `{key}` ({origin}); the nearest known key is `{nearest}`")]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it was set.
        origin: String,
        /// The known key that is spelled most like it.
        nearest: String,
    },
    /// A flag is not of the form `key=value`.
    #[error("`--set {0}` is not of the form key=value, such as rpc.listen=127.0.0.1:26657")]
    Flag(String),
    /// A key has a value that it cannot have.
    #[error("configuration: {key}: {reason}")]
    Value {
        /// The key.
        key: String,
        /// What is wrong, and what is expected.
        reason: String,
    },
}

/// One setting from the environment or the command line.
struct Setting {
    key: String,
    text: String,
    origin: String,
}

pub(super) fn load(
    home: &Home,
    variables: impl Iterator<Item = (OsString, OsString)>,
    flags: &[String],
) -> Result<NodeConfig, ConfigError> {
    let path = home.config_file();
    let read_error = |source| ConfigError::Read { path: path.clone(), source };
    if fs::metadata(&path).map_err(read_error)?.len() > MAX_FILE_BYTES {
        return Err(read_error(io::Error::other(format!("longer than {MAX_FILE_BYTES} bytes"))));
    }
    let text = fs::read_to_string(&path).map_err(read_error)?;
    read(home, &text, variables, flags)
}

/// As [`load`], with the text of the file at hand.
pub(super) fn read(
    home: &Home,
    text: &str,
    variables: impl Iterator<Item = (OsString, OsString)>,
    flags: &[String],
) -> Result<NodeConfig, ConfigError> {
    let path = home.config_file();
    let syntax = |e: toml::de::Error| ConfigError::Syntax { path: path.clone(), reason: e.to_string() };
    let mut table: Table = text.parse().map_err(syntax)?;

    let known = known_keys();
    let origin = format!("in {}", path.display());
    check_keys(&table, &known, "", &origin)?;
    check_values(&table, &origin)?;
    for setting in from_variables(variables)?.into_iter().chain(from_flags(flags)?) {
        apply(&mut table, &known, setting)?;
    }
    let mut config =
        parse(table).map_err(|reason| ConfigError::Value { key: path.display().to_string(), reason })?;
    config.home = home.clone();
    config.validate()?;
    Ok(config)
}

fn parse(table: Table) -> Result<NodeConfig, String> {
    table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())
}

/// Tries each value alone, so that an error can name its key and where it was set.
fn check_values(table: &Table, origin: &str) -> Result<(), ConfigError> {
    for (section, keys) in table {
        for (name, value) in keys.as_table().into_iter().flatten() {
            check_value(section, name, value, origin)?;
        }
    }
    Ok(())
}

fn check_value(section: &str, name: &str, value: &Value, origin: &str) -> Result<(), ConfigError> {
    let alone = Table::from_iter([(name.to_owned(), value.clone())]);
    let alone = Table::from_iter([(section.to_owned(), Value::Table(alone))]);
    parse(alone).map(drop).map_err(|reason| ConfigError::Value {
        key: format!("{section}.{name}"),
        reason: format!("{value} ({origin}): {reason}"),
    })
}

/// A configuration in which every key occurs: what may be set, and of which type it is.
fn known_keys() -> Table {
    let mut config = NodeConfig::default();
    config.application.address = Some(althing_ledger::abci::Address::Tcp("127.0.0.1:26658".to_owned()));
    config.storage.kept_blocks = Some(100);
    config.rpc.keys = Some("keys.toml".into());
    config.rpc.tls = Some(super::TlsConfig { certificate: "certificate.pem".into(), key: "key.pem".into() });
    config.p2p.peers.push(super::PeerConfig {
        identity: althing_crypto::ed25519::PublicKey::from_bytes([0; 32]),
        address: Some(String::new()),
    });
    Table::try_from(config).expect("a configuration is a table")
}

fn check_keys(table: &Table, known: &Table, path: &str, origin: &str) -> Result<(), ConfigError> {
    for (key, value) in table {
        let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let Some(known) = known.get(key) else {
            return Err(unknown(full, origin));
        };
        match (value, known) {
            (Value::Table(table), Value::Table(known)) => check_keys(table, known, &full, origin)?,
            (Value::Array(items), Value::Array(known)) => {
                let known = known.first().and_then(Value::as_table);
                for (index, item) in items.iter().enumerate() {
                    if let (Some(item), Some(known)) = (item.as_table(), known) {
                        check_keys(item, known, &format!("{full}[{index}]"), origin)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn from_variables(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<Setting>, ConfigError> {
    let mut settings = Vec::new();
    for (name, text) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX) && !NOT_KEYS.contains(name))
        else {
            continue;
        };
        let key = name[PREFIX.len()..].to_lowercase().replace("__", ".");
        let text = text.into_string().map_err(|_| ConfigError::Value {
            key: key.clone(),
            reason: format!("the variable {name} is not UTF-8 text"),
        })?;
        settings.push(Setting { key, text, origin: format!("from the variable {name}") });
    }
    // The environment has no order; the same variables must give the same error.
    settings.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(settings)
}

fn from_flags(flags: &[String]) -> Result<Vec<Setting>, ConfigError> {
    let setting = |flag: &String| {
        let (key, text) = flag.split_once('=').ok_or_else(|| ConfigError::Flag(flag.clone()))?;
        Ok(Setting {
            key: key.trim().to_owned(),
            text: text.trim().to_owned(),
            origin: "from --set".to_owned(),
        })
    };
    flags.iter().map(setting).collect()
}

fn apply(table: &mut Table, known: &Table, setting: Setting) -> Result<(), ConfigError> {
    let Setting { key, text, origin } = setting;
    let known_section = |section: &str| known.get(section).and_then(Value::as_table);
    let Some((section, name)) = key.split_once('.') else { return Err(unknown(key, &origin)) };
    // A key may stand in a table within the section: `rpc.tls.key`.
    let (inner, last) = name.rsplit_once('.').map_or((None, name), |(inner, last)| (Some(inner), last));
    let holder = known_section(section).and_then(|known| match inner {
        Some(inner) => known.get(inner).and_then(Value::as_table),
        None => Some(known),
    });
    let Some(example) = holder.and_then(|known| known.get(last)) else {
        return Err(unknown(key, &origin));
    };
    let value = match example {
        Value::String(_) => Value::String(text),
        _ => format!("value = {text}")
            .parse::<Table>()
            .ok()
            .and_then(|mut parsed| parsed.remove("value"))
            .ok_or_else(|| ConfigError::Value {
                key: key.clone(),
                reason: format!("{text:?} ({origin}) is no TOML value of type {}", example.type_str()),
            })?,
    };
    // What is in a table within means something only together with the rest of that: it is checked with the whole.
    if inner.is_none() {
        check_value(section, name, &value, &origin)?;
    }
    let mut holder = Some(&mut *table);
    for name in std::iter::once(section).chain(inner) {
        let inner = holder.map(|holder| holder.entry(name).or_insert_with(|| Value::Table(Table::new())));
        holder = inner.and_then(Value::as_table_mut);
    }
    if let Some(holder) = holder {
        holder.insert(last.to_owned(), value);
    }
    check_keys(table, known, "", &origin)
}

fn unknown(key: String, origin: &str) -> ConfigError {
    let mut names = Vec::new();
    all_names(&known_keys(), "", &mut names);
    let nearest = names.into_iter().min_by_key(|name| (edit_distance(&key, name), name.clone()));
    ConfigError::UnknownKey { key, origin: origin.to_owned(), nearest: nearest.unwrap_or_default() }
}

fn all_names(known: &Table, path: &str, names: &mut Vec<String>) {
    for (key, value) in known {
        let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            Value::Table(inner) => all_names(inner, &full, names),
            Value::Array(items) => {
                items.iter().filter_map(Value::as_table).for_each(|inner| all_names(inner, &full, names));
                names.push(full);
            }
            _ => names.push(full),
        }
    }
}

/// How many characters must be changed, added or removed to make one word the other (Levenshtein).
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(100).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(100).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
