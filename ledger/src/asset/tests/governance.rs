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
