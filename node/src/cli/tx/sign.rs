//! `althing tx sign`: adds one signature to a transaction in a file, after saying what it does. Needs no node.

use std::{path::PathBuf, process::ExitCode};

use althing_crypto::ed25519::SecretKey;
use althing_ledger::asset::{Address, Approval, Policy, Transaction};
use clap::Args;

use super::{approvals, build, source, words};
use crate::cli::{Failure, Output, passphrase::Passphrase, policy_file};

#[derive(Debug, Args)]
pub(in crate::cli) struct Sign {
    /// The transaction, as `tx build` or an earlier signer wrote it
    file: PathBuf,
    /// The key file
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Sign for the multi-signature account of this policy [default: for the key's own account]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    passphrase: Passphrase,
    /// The chain that one means to sign for: a transaction of another one is not signed
    #[arg(long, value_name = "ID", env = "ALTHING_CHAIN_ID")]
    chain_id: Option<String>,
    /// Where to write it, in place of the file that it was read from
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(sign: &Sign, output: &Output) -> Result<ExitCode, Failure> {
    let tx = source::read(&sign.file)?;
    approvals::expect_good(&tx)?;
    expect_chain(&tx, sign.chain_id.as_deref())?;
    // Before the passphrase is asked for: that is the moment to think again.
    if !output.is_json() {
        output.note(&words::of(&tx));
    }
    let policy = sign.policy.as_ref().map(|file| policy_file::read(file)).transpose()?;
    let key = sign.passphrase.read_account(&sign.key)?;
    let tx = approved(tx, &key, policy.as_ref())?;
    let out = sign.out.as_ref().unwrap_or(&sign.file);
    match &sign.out {
        Some(out) => source::write_new(out, &tx)?,
        None => source::replace(out, &tx)?,
    }
    build::report(out, &tx, output);
    Ok(ExitCode::SUCCESS)
}

fn expect_chain(tx: &Transaction, meant: Option<&str>) -> Result<(), Failure> {
    match meant.filter(|meant| *meant != tx.chain_id) {
        None => Ok(()),
        Some(meant) => Err(format!(
            "the transaction is of the chain {:?}, and --chain-id (or ALTHING_CHAIN_ID) says {meant:?}: nothing was signed",
            tx.chain_id
        )
        .into()),
    }
}

fn approved(mut tx: Transaction, key: &SecretKey, policy: Option<&Policy>) -> Result<Transaction, Failure> {
    let own = Address::of(&key.public_key());
    let account = policy.map_or(own, Policy::address);
    if !tx.approvers().contains(&account) {
        let hint = match policy {
            None => "; to sign for a multi-signature account give its --policy",
            Some(_) => "",
        };
        return Err(format!("{account} neither acts nor is debited in this transaction{hint}").into());
    }
    let Some(policy) = policy else { return Ok(tx.approved_by(key)) };
    if let Some(Approval::Multi { signatures, .. }) = approvals::approval_of(&tx, &account) {
        let signed = |(index, _): &(u8, _)| policy.keys.get(usize::from(*index)) == Some(&key.public_key());
        if signatures.len() >= usize::from(policy.threshold) && !signatures.iter().any(signed) {
            let enough = policy.threshold;
            return Err(format!("{account} has its {enough} signatures: no more are allowed").into());
        }
    }
    match tx.add_signature(policy, key) {
        true => Ok(tx),
        false => Err(format!("the key {} is none of those of {account}", key.public_key()).into()),
    }
}

#[cfg(test)]
mod tests {
    use althing_ledger::asset::{COIN, Instruction};

    use super::*;

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed([seed; 32])
    }

    #[test]
    fn a_transaction_of_another_chain_than_is_meant_is_not_signed() {
        let tx = Transaction::new("test-1", Address::of(&key(1).public_key()), 0, Vec::new());
        expect_chain(&tx, None).unwrap();
        expect_chain(&tx, Some("test-1")).unwrap();
        let refused = expect_chain(&tx, Some("test-2")).unwrap_err().to_string();
        assert!(refused.contains("\"test-1\"") && refused.contains("nothing was signed"), "{refused}");
    }

    #[test]
    fn signers_add_to_one_another_until_there_are_enough() {
        let policy = Policy::new(2, [1, 2, 3].map(|seed| key(seed).public_key()).to_vec()).unwrap();
        let (sender, to) = (policy.address(), Address::of(&key(9).public_key()));
        let also = Instruction::Burn { asset: COIN, from: to, amount: 1 };
        let tx = Transaction::new("test-1", sender, 0, vec![also]);
        let missing = |tx: &Transaction| approvals::expect_complete(tx).map_err(|error| error.to_string());

        let refused = |tx: &Transaction, seed, policy| {
            approved(tx.clone(), &key(seed), policy).unwrap_err().to_string()
        };
        assert!(refused(&tx, 1, None).contains("give its --policy"));
        assert!(refused(&tx, 4, Some(&policy)).contains("is none of those"));
        let other = Policy::new(1, vec![key(1).public_key()]).unwrap();
        assert!(refused(&tx, 1, Some(&other)).contains("neither acts nor is debited"));

        let tx = approved(tx, &key(3), Some(&policy)).unwrap();
        let tx = approved(tx, &key(3), Some(&policy)).unwrap();
        assert!(missing(&tx).unwrap_err().contains("must approve"));
        let tx = approved(tx, &key(9), None).unwrap();
        assert!(missing(&tx).unwrap_err().contains("1 of 2 signatures"));
        let tx = approved(tx, &key(1), Some(&policy)).unwrap();
        missing(&tx).unwrap();
        approvals::expect_good(&tx).unwrap();
        assert!(refused(&tx, 2, Some(&policy)).contains("no more are allowed"));

        let changed = Transaction { memo: "another".to_owned(), ..tx };
        assert!(
            approvals::expect_good(&changed).unwrap_err().to_string().contains("not of this transaction")
        );
    }
}
