//! The binary as people call it, where no running node is needed.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    io::{Read, Write},
    path::Path,
    process::{Command, Output},
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::Value;

fn althing(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_althing"));
    command.env_remove("ALTHING_HOME").env_remove("ALTHING_CHAIN_ID").args(arguments).output().unwrap()
}

/// The object on the last line of standard output, and the exit code.
fn json(arguments: &[&str]) -> (Value, Option<i32>) {
    let output = althing(&[arguments, &["--json"]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let last = text.lines().last().unwrap_or_else(|| panic!("{arguments:?} printed nothing"));
    (serde_json::from_str(last).unwrap(), output.status.code())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn exit_codes_tell_failure_from_wrong_usage() {
    for (arguments, code) in [
        (&["version"][..], 0),
        (&["--help"], 0),
        (&["tx", "transfer", "--help"], 0),
        (&["keys", "show", "/nonexistent"], 1),
        (&["status", "--node", "http://127.0.0.1:1"], 1),
        (&[], 2),
        (&["fly"], 2),
        (&["query", "account", "not-an-address"], 2),
        (&["query", "asset", "gold"], 2),
        (&["query", "roles", "king"], 2),
        (&["query", "holders", "GOLD", "--limit", "101"], 2),
        (&["query", "supply", "GOLD", "--genesis", "genesis.json"], 2),
        (&["query", "lock", "00"], 2),
        (&["tx", "issue", "--from", "k", "--asset", "GOLD", "--to", "x", "--amount", "1"], 2),
        (&["tx", "burn", "--from", "k", "--asset", "GOLD", "--amount", "12.5"], 2),
        (&["tx", "burn", "--asset", "GOLD", "--amount", "12"], 2),
        (&["tx", "approve", "--from", "/nonexistent", "--proposal", "1"], 1),
        (&["tx", "build", "--sender", "al1x36slx9at870e9rd53d2405n80s4ff94rjrl9h"], 2),
        (&["tx", "build", "--sender", "al1x36slx9at870e9rd53d2405n80s4ff94rjrl9h", "--do", "fly"], 2),
        (&["tx", "sign", "/nonexistent", "--key", "/nonexistent"], 1),
        (&["keys", "address", "/nonexistent"], 1),
        (&["keys", "multisig", "/nonexistent", "--threshold", "1"], 2),
        (&["testnet", "init"], 2),
        (&["tx", "broadcast", "%%"], 2),
        (&["tx", "show", "00"], 2),
        (&["tx", "show", "AQ=="], 2),
        (&["start", "--set", "foo"], 2),
    ] {
        let output = althing(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert_eq!(
            output.stderr.is_empty(),
            code == 0,
            "{arguments:?}: a reason for every failure, and for nothing else"
        );
    }
    let (object, code) = json(&["keys", "show", "/nonexistent"]);
    assert!(object["error"].as_str().unwrap().contains("/nonexistent"));
    assert_eq!(code, Some(1));
}

#[test]
fn keys_are_made_shown_and_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    for (kind, has_address) in [("account", true), ("identity", true), ("vote", false)] {
        let file = directory.path().join(kind);
        let (made, code) = json(&["keys", "generate", text(&file), "--kind", kind, "--plain"]);
        assert_eq!((code, &made["kind"]), (Some(0), &Value::from(kind)));
        assert_eq!(json(&["keys", "show", text(&file)]), (made.clone(), Some(0)));
        assert_eq!(made["address"].is_string(), has_address);

        let before = std::fs::read(&file).unwrap();
        let (error, code) = json(&["keys", "generate", text(&file), "--kind", kind, "--plain"]);
        assert_eq!(code, Some(1));
        assert!(error["error"].as_str().unwrap().contains("exists already"));
        assert_eq!(std::fs::read(&file).unwrap(), before);
    }
}

#[test]
fn an_accounts_key_is_locked_unless_it_is_said_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let (key, passphrase) = (directory.path().join("alice.json"), directory.path().join("passphrase"));
    let (error, code) = json(&["keys", "generate", text(&key)]);
    assert_eq!(code, Some(1));
    assert!(error["error"].as_str().unwrap().contains("standard input is no terminal"), "{error}");
    assert!(!key.exists());

    std::fs::write(&passphrase, "correct horse\n").unwrap();
    let (made, code) = json(&["keys", "generate", text(&key), "--passphrase-file", text(&passphrase)]);
    assert_eq!(code, Some(0), "{made}");
    assert!(std::fs::read_to_string(&key).unwrap().contains("scrypt-chacha20poly1305"));
    assert_eq!(json(&["keys", "show", text(&key)]), (made.clone(), Some(0)), "its public part needs nothing");
    let check = ["keys", "show", text(&key), "--check", "--passphrase-file", text(&passphrase)];
    assert_eq!(json(&check), (made, Some(0)));
    std::fs::write(&passphrase, "battery staple").unwrap();
    let (error, code) = json(&check);
    assert_eq!(code, Some(1));
    assert!(error["error"].as_str().unwrap().contains("the passphrase is wrong"), "{error}");
}

#[test]
fn a_home_is_made_once() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("node");
    let (made, code) =
        json(&["init", "--home", text(&home), "--name", "alice", "--chain-id", "test-1", "--plain"]);
    assert_eq!((code, &made["chain_id"]), (Some(0), &Value::from("test-1")));
    assert_eq!(made["validator"]["name"], "alice");
    for file in
        ["config.toml", "genesis.json", "keys/identity.json", "keys/vote.json", "safety", "keys/account.json"]
    {
        assert!(home.join(file).is_file(), "{file}");
    }
    let (error, code) = json(&["init", "--home", text(&home), "--plain"]);
    assert_eq!(code, Some(1));
    assert!(error["error"].as_str().unwrap().contains("config.toml exists already"));

    // A second node of that chain.
    let genesis = home.join("genesis.json");
    let other = directory.path().join("other");
    let (joined, code) = json(&["init", "--home", text(&other), "--genesis", text(&genesis)]);
    assert_eq!((code, &joined["genesis_hash"]), (Some(0), &made["genesis_hash"]));
    assert!(!other.join("keys/account.json").exists());
}

#[test]
fn a_testnet_is_written_with_its_accounts() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().join("net");
    let init = ["testnet", "init", "--validators", "2", "--base-port", "31000", "--dir", text(&dir)];
    let (made, code) = json(&init);
    assert_eq!(code, Some(0));
    assert_eq!(made["nodes"][1], "http://127.0.0.1:31017");
    assert!(dir.join("validator-1/config.toml").is_file() && !dir.join("validator-2").exists());
    let (key, code) = json(&["keys", "show", text(&dir.join("accounts/9.key"))]);
    assert_eq!((code, &key["kind"]), (Some(0), &Value::from("account")));
    let (error, code) = json(&init);
    assert_eq!(code, Some(1), "nothing is overwritten");
    assert!(error["error"].as_str().unwrap().ends_with("/net exists already; choose another --dir"));
}

#[test]
fn a_transaction_is_signed_without_a_node() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("account");
    let (key, _) = json(&["keys", "generate", text(&file), "--plain"]);
    let to = key["address"].as_str().unwrap();
    let sign =
        ["tx", "transfer", "--sign-only", "--chain-id", "test-1", "--sequence", "7", "--from", text(&file)];
    let sign = [&sign[..], &["--to", to, "--amount", "5", "--memo", "lunch"]].concat();
    let (signed, code) = json(&sign);
    assert_eq!(code, Some(0));
    assert_ne!(json(&sign).0["hash"], signed["hash"], "the same payment again is another one");
    let keyed = [&sign[..], &["--idempotency-key", "lunch"]].concat();
    assert_eq!(json(&keyed), json(&keyed), "unless its key is the same");
    let (shown, code) = json(&["tx", "show", signed["tx"].as_str().unwrap()]);
    assert_eq!((code, &shown["hash"]), (Some(0), &signed["hash"]));
    assert_eq!((&shown["sequence"], &shown["memo"]), (&Value::from("7"), &Value::from("lunch")));
    assert_eq!(shown["instructions"][0]["transfer"]["to"], to);
}

/// Files of three accounts and their addresses.
fn three_accounts(directory: &Path) -> ([String; 3], [String; 3]) {
    let files = ["a", "b", "c"].map(|name| text(&directory.join(name)).to_owned());
    let addresses = files.clone().map(|file| {
        let (key, _) = json(&["keys", "generate", &file, "--plain"]);
        key["address"].as_str().unwrap().to_owned()
    });
    (files, addresses)
}

#[test]
fn several_keys_sign_one_file_one_after_the_other_without_a_node() {
    let directory = tempfile::tempdir().unwrap();
    let ([a, b, c], [_, to, _]) = three_accounts(directory.path());
    let at = |name: &str| text(&directory.path().join(name)).to_owned();
    let (policy, tx) = (at("policy"), at("tx"));
    let (made, code) = json(&["keys", "multisig", &policy, "--threshold", "2", "--key", &a, &b, &c]);
    assert_eq!((code, &made["signatures"]), (Some(0), &Value::from("2 of 3")));
    let sender = made["address"].as_str().unwrap();
    assert_eq!(json(&["keys", "address", &policy]).0["address"], sender);
    let (error, code) = json(&["keys", "multisig", &at("other"), "--threshold", "4", "--key", &a, &b, &c]);
    assert_eq!(code, Some(1));
    assert!(error["error"].as_str().unwrap().contains("4 of 3 keys must sign"), "{error}");

    let line = format!("transfer --to {to} --amount 5");
    let build = [
        "tx",
        "build",
        "--sender",
        sender,
        "--chain-id",
        "test-1",
        "--sequence",
        "0",
        "--out",
        &tx,
        "--do",
        &line,
    ];
    let (built, code) =
        json(&[&build[..], &["--do", "set-metadata --asset GOLD --metadata 'two words'"]].concat());
    assert_eq!((code, &built["complete"]), (Some(0), &Value::from(false)), "{built}");
    let (shown, _) = json(&["tx", "show", &tx]);
    assert_eq!(shown["instructions"][1]["set_metadata"]["metadata"], "two words");
    assert!(shown["hash"].is_null(), "it has none before all have signed");

    let sign = |key: &str| json(&["tx", "sign", &tx, "--policy", &policy, "--key", key]);
    let (signed, code) = sign(&c);
    assert_eq!((code, &signed["approvals"][0]["signatures"]), (Some(0), &Value::from(1)), "{signed}");
    let (error, code) = json(&["tx", "broadcast", &tx]);
    assert_eq!(code, Some(1));
    assert!(error["error"].as_str().unwrap().contains("1 of 2 signatures"), "{error}");
    assert_eq!(sign(&a).0["complete"], true);
    assert!(json(&["tx", "show", &tx]).0["hash"].is_string());
    let (error, code) = sign(&b);
    assert_eq!(code, Some(1));
    assert!(error["error"].as_str().unwrap().contains("no more are allowed"), "{error}");

    let changed = std::fs::read_to_string(&tx).unwrap().replace("\"amount\": \"5\"", "\"amount\": \"6\"");
    std::fs::write(&tx, changed).unwrap();
    for command in [&["tx", "broadcast", &tx][..], &["tx", "sign", &tx, "--key", &a]] {
        let (error, code) = json(command);
        assert_eq!(code, Some(1));
        assert!(error["error"].as_str().unwrap().contains("is not of this transaction"), "{error}");
    }
}

#[test]
fn a_lock_has_a_new_secret_or_a_hash_and_no_secret_is_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let (_, [sender, to, _]) = three_accounts(directory.path());
    let secret = text(&directory.path().join("secret")).to_owned();
    let lock =
        ["tx", "lock", "--sender", &sender, "--chain-id", "test-1", "--sequence", "0", "--asset", "GOLD"];
    let lock = [&lock[..], &["--to", &to, "--amount", "5", "--refund-height", "9"]].concat();
    assert_eq!(althing(&lock).status.code(), Some(2), "neither");
    let with_secret = [&lock[..], &["--new-secret", &secret]].concat();
    let (made, code) = json(&with_secret);
    assert_eq!(code, Some(0), "{made}");
    let written = std::fs::read_to_string(&secret).unwrap();
    assert_eq!(written.trim().len(), 64);
    let (error, code) = json(&with_secret);
    assert_eq!(code, Some(1));
    assert!(error["error"].as_str().unwrap().contains(&format!("say --secret {secret}")), "{error}");
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), written);

    let (again, code) = json(&[&lock[..], &["--secret", &secret]].concat());
    assert_eq!((code, &again["instructions"]), (Some(0), &made["instructions"]), "the same hash");
    std::fs::write(&secret, "short").unwrap();
    let (error, code) = json(&[&lock[..], &["--secret", &secret]].concat());
    assert_eq!(code, Some(1));
    assert!(error["error"].as_str().unwrap().contains(&secret), "{error}");
}

/// A node of the chain `test-1` that accepts no transaction.
fn refusing_node() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 16 * 1024];
            let length = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..length]);
            let result = if request.contains("\"status\"") {
                r#"{"node_info":{"network":"test-1"},"sync_info":{"latest_block_height":"7"}}"#.to_owned()
            } else if request.contains("\"abci_query\"") {
                let window = r#""proposal_lifetime":"1","idempotency_window":"100000","fees":null"#;
                let parameters =
                    format!(r#"{{"chain_id":"test-1","initial_height":"1","closed":false,{window}}}"#);
                format!(r#"{{"response":{{"code":0,"height":"7","value":"{}"}}}}"#, BASE64.encode(parameters))
            } else {
                r#"{"code":44,"codespace":"ledger","log":"no such asset"}"#.to_owned()
            };
            let answer = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
            stream.write_all((head + &answer).as_bytes()).unwrap();
        }
    });
    url
}

#[test]
fn the_secret_of_a_refused_lock_stays_and_no_secret_is_made_for_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let ([key, ..], [_, to, _]) = three_accounts(directory.path());
    let secret = text(&directory.path().join("secret")).to_owned();
    let lock = ["tx", "lock", "--from", &key, "--to", &to, "--amount", "5", "--refund-height", "9"];
    let lock = [&lock[..], &["--new-secret", &secret]].concat();
    let unreachable = althing(&[&lock[..], &["--node", "http://127.0.0.1:1"]].concat());
    assert_eq!(unreachable.status.code(), Some(1));
    assert!(!Path::new(&secret).exists(), "the node is asked first");

    let node = refusing_node();
    let known = ["--chain-id", "test-1", "--sequence", "0", "--node", &node];
    let refused = althing(&[&lock[..], &known].concat());
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains(&format!("no lock was made; for another try say --secret {secret}")), "{said}");
    assert!(Path::new(&secret).exists());
}

#[test]
fn what_is_given_in_place_of_something_else_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let ([key, other, _], [address, ..]) = three_accounts(directory.path());
    let policy = text(&directory.path().join("policy")).to_owned();
    json(&["keys", "multisig", &policy, "--threshold", "1", "--key", &key, &other]);
    let pay = |from: &str, to: &str, amount: &str| {
        let pay = ["tx", "transfer", "--from", from, "--to", to, "--amount", amount];
        let output = althing(&[&pay[..], &["--chain-id", "c", "--sequence", "0", "--sign-only"]].concat());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let above = "340282366920938463463374607431768211456";
    for (from, to, amount, code, expected) in [
        (&policy, &address, "1", 1, "is the policy of several keys, not a key"),
        (&address, &address, "1", 1, "is an address, the file of its key is needed"),
        (&key, &other, "1", 2, "a file, not an address: `althing keys address"),
        (&key, &address, above, 2, "more than there can be: at most 340282366920938463463374607431768211455"),
        (&key, &address, "-1", 2, "not a whole number of the smallest units"),
        (&key, &address, "1.5", 2, "not a whole number of the smallest units"),
    ] {
        let (found, said) = pay(from, to, amount);
        assert_eq!(found, Some(code), "{said}");
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(json(&["keys", "show", &policy]).0["kind"], "multisig");
    for (key, expected) in [(&address, "its public key is needed"), (&policy, "the policy of several keys")] {
        let other = text(&directory.path().join("other")).to_owned();
        let (error, _) = json(&["keys", "multisig", &other, "--threshold", "1", "--key", key]);
        assert!(error["error"].as_str().unwrap().contains(expected), "{error}");
    }
    let tx = text(&directory.path().join("tx")).to_owned();
    let build = ["tx", "transfer", "--sender", &address, "--to", &address, "--amount", "1", "--out", &tx];
    json(&[&build[..], &["--chain-id", "c", "--sequence", "0"]].concat());
    let (error, _) = json(&["tx", "sign", &tx, "--policy", &key, "--key", &key]);
    assert!(error["error"].as_str().unwrap().contains("it is a key file"), "{error}");
    let claim = ["tx", "claim", "--from", &key, "--lock", &"0".repeat(58), "--preimage", &tx];
    assert!(String::from_utf8(althing(&claim).stderr).unwrap().contains("a file, not the secret"));
}

#[test]
fn a_transaction_is_said_in_words_before_it_is_signed_and_when_it_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let ([key, ..], [sender, to, _]) = three_accounts(directory.path());
    let tx = text(&directory.path().join("tx")).to_owned();
    let build = ["tx", "transfer", "--sender", &sender, "--to", &to, "--amount", "5", "--memo", "a\u{1b}"];
    json(&[&build[..], &["--chain-id", "test-1", "--sequence", "3", "--out", &tx]].concat());
    let lines = [
        "chain            test-1".to_owned(),
        format!("sender           {sender}"),
        "sequence         3".to_owned(),
        "expires          never".to_owned(),
        format!("instruction 0    transfer 5 units of COIN from {sender} to {to}"),
        "memo             \"a\\u{1b}\"".to_owned(),
    ];
    let signed = althing(&["tx", "sign", &tx, "--key", &key]);
    let shown = althing(&["tx", "show", &tx]);
    for said in [signed.stderr, shown.stdout] {
        let said = String::from_utf8(said).unwrap();
        for line in &lines {
            assert!(said.lines().any(|one| one == line), "{line}:\n{said}");
        }
    }
    assert!(althing(&["tx", "sign", &tx, "--key", &key, "--json"]).stderr.is_empty());
}

/// A key locked with a passphrase, a file with a wrong one, and a payment to a node.
fn locked_payment(directory: &Path) -> Vec<String> {
    let at = |name: &str| text(&directory.join(name)).to_owned();
    std::fs::write(at("right"), "correct horse").unwrap();
    std::fs::write(at("wrong"), "battery staple").unwrap();
    let (key, _) = json(&["keys", "generate", &at("key"), "--passphrase-file", &at("right")]);
    let to = key["address"].as_str().unwrap();
    let pay = ["tx", "transfer", "--from", &at("key"), "--to", to, "--amount", "5", "--sequence", "3"];
    pay.map(str::to_owned).to_vec()
}

#[test]
fn what_one_command_signs_is_said_before_the_passphrase_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let (pay, node) = (locked_payment(directory.path()), refusing_node());
    let pay: Vec<&str> = pay.iter().map(String::as_str).chain(["--node", &node]).collect();
    let with = |more: &[&str]| {
        let output = althing(&[&pay[..], more].concat());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let file = |name: &str| text(&directory.path().join(name)).to_owned();
    for (passphrase, ends) in [("wrong", "the passphrase is wrong"), ("right", "memo             none\n")] {
        let (code, said) = with(&["--passphrase-file", &file(passphrase)]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.starts_with("chain            test-1\nsender           al1"), "{said}");
        for words in [
            "\nsequence         3\nexpires          after height 100007\n",
            "\ninstruction 0    transfer 5 units of COIN",
            "\nidempotency key  ",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(said.contains(ends), "{said}");
    }
    let (_, said) = with(&["--passphrase-file", &file("right"), "--json"]);
    assert_eq!(said, "", "programs read none of it");
    let (code, said) = with(&["--sign-only", "--passphrase-file", &file("right")]);
    assert!(code == Some(0) && said.starts_with("chain            test-1"), "{said}");
}

#[test]
fn nothing_is_signed_for_another_chain_than_one_says() {
    let directory = tempfile::tempdir().unwrap();
    let (pay, node) = (locked_payment(directory.path()), refusing_node());
    let passphrase = text(&directory.path().join("right")).to_owned();
    for (flag, variable, expected) in [
        (
            Some("other"),
            None,
            "is of the chain \"test-1\", and --chain-id (or ALTHING_CHAIN_ID) says \"other\"",
        ),
        (
            None,
            Some("other"),
            "is of the chain \"test-1\", and --chain-id (or ALTHING_CHAIN_ID) says \"other\"",
        ),
        (Some("test-1"), Some("other"), "memo             none"),
        (None, Some("test-1"), "memo             none"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_althing"));
        command.args(&pay).args(["--node", &node, "--passphrase-file", &passphrase]);
        command.env_remove("ALTHING_CHAIN_ID");
        command.args(flag.iter().flat_map(|chain| ["--chain-id", chain]));
        command.envs(variable.map(|chain| ("ALTHING_CHAIN_ID", chain)));
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(expected), "{said}");
        assert_eq!(said.contains("memo"), !expected.contains("other"), "{said}");
    }
}
