use std::{ffi::OsString, fs};

use super::*;

/// The configuration from this file text, these variables and these flags.
fn load(text: &str, variables: &[(&str, &str)], flags: &[&str]) -> Result<NodeConfig, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let home = Home::new(directory.path());
    fs::write(home.config_file(), text).unwrap();
    let variables = variables.iter().map(|(name, text)| (OsString::from(name), OsString::from(text)));
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    layers::load(&home, variables, &flags).map(|config| NodeConfig { home: Home::default(), ..config })
}

#[test]
fn what_is_written_is_read() {
    let mut config = NodeConfig::default();
    config.p2p.peers = vec![
        PeerConfig {
            identity: ed25519::PublicKey::from_bytes([7; 32]),
            address: Some("host.example:1".into()),
        },
        PeerConfig { identity: ed25519::PublicKey::from_bytes([8; 32]), address: None },
    ];
    config.log = LogConfig { level: "warn,althing_node=\"x\"".into(), format: LogFormat::Json };
    config.storage =
        StorageConfig { backend: BackendKind::Sled, kept_heights: 7, kept_blocks: Some(100), index: false };
    config.rpc = RpcConfig {
        listen: "[::1]:8080".parse().unwrap(),
        anonymous: Anonymous::None,
        keys: Some("keys.toml".into()),
        tls: Some(TlsConfig { certificate: "c.pem".into(), key: "k\"ey.pem".into() }),
        origins: vec!["https://app.example".into(), "*".into()],
        client_cost_per_s: 200_000,
        ..RpcConfig::default()
    };
    config.mempool.max_txs = 77;
    assert_eq!(load(&config.to_toml(), &[], &[]).unwrap(), config);
    assert_eq!(load("", &[], &[]).unwrap(), NodeConfig::default());
}

#[test]
fn flags_override_variables_override_the_file() {
    let file = "[rpc]\nlisten = '127.0.0.1:1'\nmax_waiting = 5\nmax_body_bytes = 2000";
    let variables = [
        ("ALTHING_RPC__LISTEN", "127.0.0.1:2"),
        ("ALTHING_RPC__MAX_WAITING", "6"),
        ("ALTHING_HOME", "/x"),
        ("ALTHING_CHAIN_ID", "x"),
        ("ALTHING_NODE", "http://127.0.0.1:1"),
        ("ALTHING_PASSPHRASE_FILE", "/x"),
        ("PATH", ""),
    ];
    let config = load(file, &variables, &["rpc.listen=127.0.0.1:3", "log.format=json"]).unwrap();
    assert_eq!(config.rpc.listen.port(), 3);
    assert_eq!(config.rpc.max_waiting, 6);
    assert_eq!(config.rpc.max_body_bytes, 2000);
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn a_key_of_an_inner_table_has_one_name_everywhere() {
    let tls = TlsConfig { certificate: "c.pem".into(), key: "k.pem".into() };
    let file = "[rpc.tls]\ncertificate = 'c.pem'\nkey = 'k.pem'";
    let variables = [("ALTHING_RPC__TLS__CERTIFICATE", "c.pem"), ("ALTHING_RPC__TLS__KEY", "other")];
    for config in [load(file, &[], &[]), load("", &variables, &["rpc.tls.key=k.pem"])] {
        assert_eq!(config.unwrap().rpc.tls, Some(tls.clone()));
    }
    let error = load("", &[], &["rpc.tls.key=k.pem"]).unwrap_err().to_string();
    assert!(error.contains("missing field `certificate`"), "{error}");
    let error = load("", &[], &["rpc.tls.cert=c.pem"]).unwrap_err().to_string();
    assert!(error.contains("unknown key `rpc.tls.cert`"), "{error}");
    assert!(load("", &[], &["rpc.hosts=[\"a.example\"]"]).unwrap().rpc.hosts == ["a.example"]);
}

/// File, variables, flags, and what the error must say.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str], &'static str);

#[test]
fn a_fault_names_its_key() {
    let cases: &[Case] = &[
        ("[rpc]\nlisten_addr = 'x'", &[], &[], "unknown key `rpc.listen_addr`"),
        ("[rpc]\nlisten_addr = 'x'", &[], &[], "nearest known key is `rpc.listen`"),
        ("[rcp]\nlisten = 'x'", &[], &[], "unknown key `rcp`"),
        ("[p2p]\npeers = [{ adress = 'x' }]", &[], &[], "nearest known key is `p2p.peers.address`"),
        (
            "",
            &[("ALTHING_RPC__LISTN", "x")],
            &[],
            "unknown key `rpc.listn` (from the variable ALTHING_RPC__LISTN)",
        ),
        ("", &[("ALTHING_COLOUR", "x")], &[], "unknown key `colour`"),
        ("", &[], &["storage.kind=redb"], "unknown key `storage.kind` (from --set)"),
        ("", &[], &["storage.backend"], "not of the form key=value"),
        ("[rpc]\nlisten = 'nowhere'", &[], &[], "rpc.listen: \"nowhere\" (in /"),
        ("[rpc]\nmax_waiting = 'many'", &[], &[], "rpc.max_waiting: \"many\" (in /"),
        ("", &[], &["rpc.listen=abc"], "rpc.listen: \"abc\" (from --set): "),
        (
            "",
            &[("ALTHING_LOG__FORMAT", "xml")],
            &[],
            "log.format: \"xml\" (from the variable ALTHING_LOG__FORMAT): ",
        ),
        ("", &[], &["rpc.max_waiting=many"], "rpc.max_waiting: \"many\" (from --set) is no TOML value"),
        ("", &[], &["rpc.max_waiting=0"], "rpc.max_waiting: is 0, must be 1 to"),
        ("", &[], &["storage.kept_heights=0"], "storage.kept_heights: is 0, must be 1 to 1000000"),
        ("[storage]\nkept_heights = 1000001", &[], &[], "storage.kept_heights: is 1000001, must be 1 to"),
        ("", &[], &["storage.kept_blocks=99"], "storage.kept_blocks: is 99, must be 100 to 1000000000"),
        ("[storage]\nkept_heights = -1", &[], &[], "storage.kept_heights: -1 (in /"),
        ("[rpc\n", &[], &[], "not TOML"),
    ];
    for &(file, variables, flags, expected) in cases {
        let error = load(file, variables, flags).expect_err(expected).to_string();
        assert!(error.contains(expected), "expected {expected:?} in {error:?}");
    }
}

#[test]
fn a_missing_file_says_how_to_make_one() {
    let error = NodeConfig::load(&Home::new("/nonexistent/home"), &[]).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/home/config.toml") && error.contains("althing init"), "{error}");
}
