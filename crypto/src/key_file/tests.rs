use std::os::unix::fs::PermissionsExt;

use tempfile::{TempDir, tempdir};

use super::*;

const KINDS: [KeyKind; 3] = [KeyKind::Account, KeyKind::Identity, KeyKind::Vote];

fn directory_with(text: &str) -> (TempDir, PathBuf) {
    let directory = tempdir().unwrap();
    let path = directory.path().join("key.json");
    fs::write(&path, text).unwrap();
    (directory, path)
}

fn written(kind: KeyKind) -> (TempDir, PathBuf, KeyFile) {
    let directory = tempdir().unwrap();
    let path = directory.path().join("key.json");
    let key = KeyFile::generate(kind);
    key.write_new(&path).unwrap();
    (directory, path, key)
}

fn error_of(path: &Path, kind: KeyKind) -> String {
    let error = KeyFile::read(path, kind).expect_err("to be refused").to_string();
    assert!(error.contains(path.to_str().unwrap()), "names the path: {error}");
    error
}

#[test]
fn a_key_comes_back_as_it_was_written() {
    for kind in KINDS {
        let (_directory, path, key) = written(kind);
        let read = KeyFile::read(&path, kind).unwrap();
        assert_eq!(read.kind(), kind);
        assert_eq!(read.public_key(), key.public_key());
        assert_eq!(read.secret(), key.secret());
    }
}

#[test]
fn the_typed_readers_give_keys_that_sign() {
    let (_directory, path, key) = written(KeyKind::Account);
    let secret = KeyFile::read_account(&path).unwrap();
    assert_eq!(secret.public_key().to_string(), key.public_key());
    assert!(KeyFile::read_identity(&path).is_err());
    assert!(KeyFile::read_vote(&path).is_err());

    let (_directory, path, key) = written(KeyKind::Identity);
    assert_eq!(KeyFile::read_identity(&path).unwrap().public_key().to_string(), key.public_key());

    let (_directory, path, key) = written(KeyKind::Vote);
    assert_eq!(KeyFile::read_vote(&path).unwrap().public_key().to_string(), key.public_key());
}

#[test]
fn the_document_is_as_documented() {
    let (_directory, path, key) = written(KeyKind::Vote);
    let text = fs::read_to_string(&path).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!({
        "version": 1,
        "kind": "vote",
        "encryption": "none",
        "public_key": key.public_key(),
        "secret": *key.secret(),
    });
    assert_eq!(document, expected);
    assert!((text.len() as u64) < MAX_BYTES / 4);
}

#[test]
fn a_locked_key_comes_back_with_its_passphrase_only() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("key.json");
    let key = KeyFile::generate(KeyKind::Account);
    key.write_new_locked(&path, "correct horse").unwrap();

    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains(&*key.secret()), "not as it stands");
    assert!((text.len() as u64) < MAX_BYTES / 4);
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let encryption = &document["encryption"];
    assert_eq!(encryption["scheme"], "scrypt-chacha20poly1305");
    assert_eq!(
        (&encryption["log_n"], &encryption["r"], &encryption["p"]),
        (&17.into(), &8.into(), &1.into())
    );

    let with = |passphrase: &'static str| {
        KeyFile::unlock(&path, KeyKind::Account, &|asked| {
            assert_eq!(asked, path);
            Ok(Zeroizing::new(passphrase.to_owned()))
        })
    };
    assert_eq!(with("correct horse").unwrap().secret(), key.secret());
    assert!(matches!(with("battery staple").unwrap_err().problem, KeyFileProblem::Sealed));
    assert!(error_of(&path, KeyKind::Account).contains("locked with a passphrase"));
    assert_eq!(KeyFile::stated(&path).unwrap(), (KeyKind::Account, key.public_key()));
    let nobody = KeyFile::unlock(&path, KeyKind::Account, &|_| Err("no terminal".to_owned())).unwrap_err();
    assert!(nobody.to_string().ends_with("no passphrase: no terminal"), "{nobody}");
}

#[test]
fn a_key_without_passphrase_is_not_asked_for_one() {
    let (_directory, path, key) = written(KeyKind::Vote);
    let read = KeyFile::unlock(&path, KeyKind::Vote, &|_| unreachable!("it has none")).unwrap();
    assert_eq!(read.secret(), key.secret());
}

#[test]
fn only_the_owner_may_read_it() {
    let (_directory, path, _) = written(KeyKind::Identity);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn nothing_is_overwritten() {
    let (_directory, path, key) = written(KeyKind::Vote);
    let before = fs::read(&path).unwrap();
    let error = KeyFile::generate(KeyKind::Vote).write_new(&path).expect_err("to be refused");
    assert!(matches!(error.problem, KeyFileProblem::Exists));
    assert!(
        error.to_string().starts_with(&format!("key file {}: exists already", path.display())),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(KeyFile::read(&path, KeyKind::Vote).unwrap().public_key(), key.public_key());

    let link = path.with_file_name("link.json");
    std::os::unix::fs::symlink(path.with_file_name("elsewhere.json"), &link).unwrap();
    assert!(matches!(key.write_new(&link).expect_err("a link").problem, KeyFileProblem::Exists));
}

#[test]
fn a_path_that_cannot_be_written_or_read_is_named() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("missing/key.json");
    let error =
        KeyFile::generate(KeyKind::Account).write_new(&path).expect_err("no such directory").to_string();
    assert!(error.starts_with(&format!("key file {}: cannot be written: ", path.display())), "{error}");
    assert!(error_of(&path, KeyKind::Account).contains(": cannot be read: "));
    assert!(error_of(directory.path(), KeyKind::Account).contains(": cannot be read: "));
}

#[test]
fn a_key_of_one_kind_is_not_read_as_another() {
    for kind in KINDS {
        let (_directory, path, _) = written(kind);
        for other in KINDS.into_iter().filter(|other| *other != kind) {
            let error = error_of(&path, other);
            assert!(
                error.ends_with(&format!("holds a key of kind `{kind}`, needed is one of kind `{other}`")),
                "{error}"
            );
        }
    }
}

/// A field of a good file replaced by another value.
fn with(field: &str, value: serde_json::Value) -> String {
    let key = KeyFile::Vote(bls::SecretKey::from_seed(&bls::BLS, &[7; 32]));
    let mut document = serde_json::json!({
        "version": 1, "kind": "vote", "encryption": "none", "public_key": key.public_key(), "secret": *key.secret(),
    });
    document[field] = value;
    document.to_string()
}

#[test]
fn what_is_no_key_file_is_refused_with_the_reason() {
    let good = with("version", 1.into());
    let zero = "0".repeat(64);
    let cases = [
        ("", "not a key file in JSON: an early end at line 1"),
        ("{ nonsense", "not a key file in JSON: a syntax error at line 1"),
        ("{}", "a field missing"),
        (&good[..good.len() - 1], "an early end"),
        (&format!("{good}{good}"), "a syntax error"),
        (&" ".repeat(5000), "larger than 4096 bytes"),
        (&with("version", 2.into()), "version 2 of the format, this build reads version 1 only"),
        (&with("encryption", "age".into()), "encryption \"age\" is not known"),
        (&with("kind", "treasury".into()), "of the wrong type"),
        (&with("more", 1.into()), "unknown"),
        (&with("secret", "ab".into()), "`secret` is not a secret key"),
        (&with("secret", zero.into()), "`secret` is not a secret key"),
        (&with("secret", "f".repeat(64).into()), "`secret` is not a secret key"),
        (&with("public_key", "00".into()), "its `public_key` is 00, but its secret belongs to "),
    ];
    for (text, expected) in cases {
        let (_directory, path) = directory_with(text);
        let error = error_of(&path, KeyKind::Vote);
        assert!(error.contains(expected), "{error}");
    }
    let (_directory, path) = directory_with(&good);
    assert!(KeyFile::read(&path, KeyKind::Vote).is_ok(), "the file that the cases depart from is good");
}

#[test]
fn the_secret_is_in_no_error_and_no_debug_output() {
    for kind in KINDS {
        let key = KeyFile::generate(kind);
        assert!(!format!("{key:?}").contains(&key.secret()[..8]));
    }
    let secret = "5ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2";
    for field in ["version", "secret", "kind"] {
        let (_directory, path) = directory_with(&with(field, secret.into()));
        let error = KeyFile::read(&path, KeyKind::Vote).expect_err("to be refused");
        assert!(!format!("{error} {error:?}").contains("5ec2e7"), "{error:?}");
    }
}
