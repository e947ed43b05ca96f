//! A transaction in words: what people read before they sign it, and when it is shown to them.

use althing_ledger::asset::{
    Change, Instruction, Symbol, Transaction, ValidatorChange, idempotency_key_text,
};

/// What a transaction says, one thing a line. Text that others wrote is quoted, with what would change a line's look escaped.
pub(super) fn of(tx: &Transaction) -> String {
    let expires = match tx.expiry_height {
        0 => "never".to_owned(),
        height => format!("after height {height}"),
    };
    let mut lines = vec![
        ("chain".to_owned(), tx.chain_id.escape_debug().to_string()),
        ("sender".to_owned(), tx.sender.to_string()),
        ("sequence".to_owned(), tx.sequence.to_string()),
        ("expires".to_owned(), expires),
    ];
    let instructions = (0..).zip(&tx.instructions);
    lines.extend(
        instructions.map(|(index, one): (u32, _)| (format!("instruction {index}"), instruction(one))),
    );
    if let Some(key) = &tx.idempotency_key {
        lines.push(("idempotency key".to_owned(), idempotency_key_text(key)));
    }
    lines.push(("fee".to_owned(), "what the chain takes: `althing query parameters`".to_owned()));
    lines
        .push(("memo".to_owned(), if tx.memo.is_empty() { "none".into() } else { format!("{:?}", tx.memo) }));
    let lines: Vec<_> = lines.into_iter().map(|(name, value)| format!("{name:15}  {value}")).collect();
    lines.join("\n")
}

fn instruction(instruction: &Instruction) -> String {
    use Instruction::{
        Approve, Burn, Claim, CreateAsset, Freeze, Grant, HandOver, Issue, Lock, Propose, Refund, Revoke,
        SetMetadata, Transfer, Unfreeze, Withdraw,
    };
    match instruction {
        Transfer { asset, from, to, amount } => {
            format!("transfer {amount} units of {} from {from} to {to}", name(asset))
        }
        CreateAsset { symbol, decimals, cap, metadata } => {
            let cap = if *cap == 0 { "no cap".to_owned() } else { format!("a cap of {cap} units") };
            let symbol = name(symbol);
            format!("create the asset {symbol} with {decimals} decimals, {cap} and the metadata {metadata:?}")
        }
        SetMetadata { asset, metadata } => format!("set the metadata of {} to {metadata:?}", name(asset)),
        Issue { asset, to, amount } => format!("issue {amount} units of {} to {to}", name(asset)),
        Burn { asset, from, amount } => format!("burn {amount} units of {} of {from}", name(asset)),
        Freeze { asset, account } => format!("freeze {account} in {}", name(asset)),
        Unfreeze { asset, account } => format!("unfreeze {account} in {}", name(asset)),
        HandOver { asset, to } => format!("make {to} the issuer of {}", name(asset)),
        Lock { asset, from, to, amount, hash, refund_height } => {
            let asset = name(asset);
            format!(
                "lock {amount} units of {asset} from {from} for {to} under the hash {hash}, to be refunded from height {refund_height} on"
            )
        }
        Claim { lock, preimage } => format!("claim the lock {lock} with the secret {preimage}"),
        Refund { lock } => format!("refund the lock {lock}"),
        Grant { role, account } => format!("give the role {role} to {account}"),
        Revoke { role, account } => format!("take the role {role} from {account}"),
        Propose { change } => match change {
            Change::Grant { role, account } => format!("propose to give the role {role} to {account}"),
            Change::Revoke { role, account } => format!("propose to take the role {role} from {account}"),
            Change::Threshold { approvals } => format!("propose that {approvals} members decide"),
            Change::Validators { changes } => {
                let all: Vec<_> = changes.iter().map(validator_change).collect();
                format!("propose to {}", all.join(", to "))
            }
        },
        Approve { proposal } => format!("approve proposal {proposal}"),
        Withdraw { proposal } => format!("withdraw the approval of proposal {proposal}"),
    }
}

/// What is to be done, after `to`.
pub(in crate::cli) fn validator_change(change: &ValidatorChange) -> String {
    match change {
        ValidatorChange::Add { identity, vote_key, power, name, account } => format!(
            "add the validator {identity}, named {name:?}, with power {power} and vote key {}, for which {account} votes",
            hex::encode(vote_key.key)
        ),
        ValidatorChange::Remove { identity } => format!("remove the validator {identity}"),
        ValidatorChange::Power { identity, power } => {
            format!("give the validator {identity} the power {power}")
        }
        ValidatorChange::VoteKey { identity, vote_key } => {
            format!("let the validator {identity} vote with the key {}", hex::encode(vote_key.key))
        }
        ValidatorChange::Identity { identity, to } => {
            format!("give the validator {identity} the identity {to}")
        }
        ValidatorChange::Account { identity, account } => {
            format!("let {account} vote for the validator {identity}")
        }
        ValidatorChange::Parameter { parameter, value } => {
            format!("set the consensus parameter {parameter} to {value}")
        }
        ValidatorChange::Reinstate { identity } => {
            format!("give the suspended validator {identity} its power again")
        }
    }
}

/// Bytes of others may hold what is no symbol.
fn name(symbol: &Symbol) -> String {
    if symbol.is_valid() { symbol.to_string() } else { format!("{symbol:?}") }
}

#[cfg(test)]
mod tests {
    use althing_crypto::{ed25519::PublicKey, sha256};
    use althing_ledger::{
        VoteKey,
        asset::{Address, COIN, ConsensusParameter, LockId, Role},
    };

    use super::*;

    #[test]
    fn everything_that_is_signed_is_said() {
        let (sender, to) = (Address::from_bytes([1; 20]), Address::from_bytes([2; 20]));
        let (asset, account, role, amount) = (COIN, to, Role::Member, 77);
        let (lock, hash) = (LockId::new(&sender, 5, 0), sha256(b""));
        let identity = PublicKey::from_bytes([4; 32]);
        let vote_key = VoteKey { key: [5; 48], proof: [6; 96] };
        for (one, expected) in [
            (
                Instruction::Transfer { asset, from: sender, to, amount },
                format!("transfer 77 units of COIN from {sender} to {to}"),
            ),
            (Instruction::Issue { asset, to, amount }, format!("issue 77 units of COIN to {to}")),
            (Instruction::Burn { asset, from: to, amount }, format!("burn 77 units of COIN of {to}")),
            (Instruction::Freeze { asset, account }, format!("freeze {to} in COIN")),
            (Instruction::Unfreeze { asset, account }, format!("unfreeze {to} in COIN")),
            (Instruction::HandOver { asset, to }, format!("make {to} the issuer of COIN")),
            (
                Instruction::CreateAsset { symbol: asset, decimals: 2, cap: 9, metadata: "a".into() },
                "create the asset COIN with 2 decimals, a cap of 9 units and the metadata \"a\"".into(),
            ),
            (
                Instruction::Lock { asset, from: sender, to, amount, hash, refund_height: 9 },
                format!(
                    "lock 77 units of COIN from {sender} for {to} under the hash {hash}, to be refunded from height 9 on"
                ),
            ),
            (
                Instruction::Claim { lock, preimage: hash },
                format!("claim the lock {lock} with the secret {hash}"),
            ),
            (Instruction::Refund { lock }, format!("refund the lock {lock}")),
            (Instruction::Grant { role, account }, format!("give the role member to {to}")),
            (
                Instruction::Propose { change: Change::Revoke { role, account } },
                format!("propose to take the role member from {to}"),
            ),
            (
                Instruction::Propose { change: Change::Threshold { approvals: 3 } },
                "propose that 3 members decide".into(),
            ),
            (
                Instruction::Propose {
                    change: Change::Validators {
                        changes: vec![
                            ValidatorChange::Add {
                                identity,
                                vote_key,
                                power: 7,
                                name: "a\nb".into(),
                                account,
                            },
                            ValidatorChange::Power { identity, power: 3 },
                            ValidatorChange::Reinstate { identity },
                            ValidatorChange::Parameter {
                                parameter: ConsensusParameter::HeartbeatMs,
                                value: 2_000,
                            },
                        ],
                    },
                },
                format!(
                    "propose to add the validator {identity}, named \"a\\nb\", with power 7 and vote key {}, for which {to} votes, to give the validator {identity} the power 3, to give the suspended validator {identity} its power again, to set the consensus parameter heartbeat_ms to 2000",
                    "05".repeat(48)
                ),
            ),
            (Instruction::Withdraw { proposal: 4 }, "withdraw the approval of proposal 4".into()),
        ] {
            assert_eq!(instruction(&one), expected);
        }

        let tx = Transaction { expiry_height: 8, ..Transaction::new("test-1", sender, 6, Vec::new()) };
        let tx = Transaction { idempotency_key: Some(b"once".to_vec()), ..tx };
        let said = of(&tx);
        for line in [
            "chain            test-1",
            "sequence         6",
            "expires          after height 8",
            "idempotency key  \"once\"",
            "memo             none",
        ] {
            assert!(said.lines().any(|one| one == line), "{line}:\n{said}");
        }
    }

    #[test]
    fn text_of_others_cannot_pass_for_lines_of_this_program() {
        let sender = Address::from_bytes([1; 20]);
        let set = Instruction::SetMetadata { asset: COIN, metadata: "\u{1b}[2K\u{202e}".into() };
        let tx = Transaction {
            memo: "a\nfee  none".to_owned(),
            ..Transaction::new("c\r\n", sender, 0, vec![set])
        };
        let said = of(&tx);
        assert_eq!(said.lines().count(), 7, "{said}");
        assert!(said.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{said:?}");
        assert!(said.ends_with("memo             \"a\\nfee  none\""), "{said}");
    }
}
