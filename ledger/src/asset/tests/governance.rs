//! What members can do together that they could not alone.

use super::*;

fn act(key: &SecretKey, sequence: u64, instruction: Instruction) -> Bytes {
    Transaction::sign(CHAIN, key, sequence, 0, vec![instruction], "").encode()
}

#[test]
fn however_many_members_come_and_go_a_proposal_can_still_be_read() {
    let chain = Chain::with(&[]);
    let (mut sequence, mut number) = (0, 0);
    // Two members together make one change of roles.
    let mut agree = |change: Change| {
        number += 1;
        let both = [
            act(&key(1), sequence, Instruction::Propose { change }),
            act(&key(2), sequence, Instruction::Approve { proposal: number }),
        ];
        sequence += 1;
        if number == 1 {
            number += 1;
        }
        both
    };
    for n in 0..500u16 {
        let [low, high] = n.to_be_bytes();
        let passing = SecretKey::from_seed(std::array::from_fn(|i| [low, high, 99][i % 3]));
        let (role, account) = (Role::Member, Address::of(&passing.public_key()));
        let instruction = match n {
            0 => Instruction::Propose { change: Change::Grant { role: Role::Issuer, account } },
            _ => Instruction::Approve { proposal: 2 },
        };
        let [granted, agreed] = agree(Change::Grant { role, account });
        let [revoked, done] = agree(Change::Revoke { role, account });
        let results =
            chain.block(&[granted, agreed, act(&passing, 0, instruction), revoked, done]).tx_results;
        assert!(results.iter().all(|result| result.code == 0), "{n}: {results:?}");
    }
    let open: Vec<ProposalView> = chain.ask(&Question::Proposals {});
    assert_eq!(open.len(), 1);
    assert!(open[0].approvals.len() <= usize::from(Role::MAX_GOVERNING), "{}", open[0].approvals.len());
}

#[test]
fn the_issuer_of_what_fees_are_paid_in_cannot_silence_the_members() {
    let collector = address(9);
    let fees = Some(Fees { asset: COIN, per_byte: 0, per_instruction: 1, collector });
    let chain = Chain::begin(&init_of(&GenesisState { fees, ..genesis_with(&[(1, 10), (2, 10), (3, 10)]) }));
    let freeze = |n| Instruction::Freeze { asset: COIN, account: address(n) };
    let change = Change::Revoke { role: Role::Issuer, account: address(1) };
    let results = chain.block(&[
        act(&key(1), 0, freeze(2)),
        act(&key(1), 1, freeze(3)),
        act(&key(2), 0, Instruction::Propose { change }),
        act(&key(3), 0, Instruction::Approve { proposal: 1 }),
        act(&key(1), 2, Instruction::Unfreeze { asset: COIN, account: address(2) }),
        pay(3, 1, 2, 1),
    ]);
    let codes: Vec<u32> = results.tx_results.iter().map(|result| result.code).collect();
    assert_eq!(codes, [0, 0, 0, 0, Code::NotIssuer.number(), Code::Frozen.number()]);
    assert_eq!((chain.account(2), chain.account(3), chain.account(9).0), ((9, 1), (9, 2), 4));
}
