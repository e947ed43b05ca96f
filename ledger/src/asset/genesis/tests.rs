use super::*;

fn address(byte: u8) -> Address {
    Address::from_bytes([byte; 20])
}

#[test]
fn what_is_written_is_read() {
    let plain = GenesisState::plain(&[1, 2, 3, 4].map(address), 7);
    let full = GenesisState {
        submission: Submission::Closed,
        validators: vec![GenesisValidator {
            identity: PublicKey::from_bytes([5; 32]),
            name: "five".into(),
            account: Some(address(2)),
        }],
        proposal_lifetime: 9,
        idempotency_window: 0,
        fees: Some(Fees { asset: COIN, per_byte: 1, per_instruction: u128::MAX, collector: address(9) }),
        ..plain.clone()
    };
    for state in [plain.clone(), full, GenesisState::plain(&[], 1)] {
        let json = serde_json::to_vec(&state).unwrap();
        assert_eq!(GenesisState::from_json(&json).unwrap(), state);
    }
    assert_eq!(plain.supplies().unwrap()[&COIN], 28);
    let least = GenesisState::from_json(br#"{"assets":[],"balances":[]}"#).unwrap();
    assert_eq!((least.threshold, least.submission, least.fees), (0, Submission::Open, None));
}

#[test]
fn errors_name_the_field() {
    let a = address(1);
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut json = serde_json::to_value(GenesisState::plain(&[1, 2, 3].map(address), 7)).unwrap();
        change(&mut json);
        GenesisState::from_json(&serde_json::to_vec(&json).unwrap()).unwrap_err().to_string()
    };
    let set =
        |path: &str, value: serde_json::Value| with(&|json| *json.pointer_mut(path).unwrap() = value.clone());
    let add = |field: &str, value: serde_json::Value| with(&|json| json[field] = value.clone());
    for (found, expected) in [
        (add("owner", 1.into()), "unknown field `owner`"),
        (set("/assets/0/symbol", "coin".into()), "assets[0].symbol: \"coin\""),
        (set("/assets/0/decimals", 39.into()), "assets[0].decimals: 39"),
        (set("/assets/0/cap", "20".into()), "assets[0].cap: 20 with 21"),
        (set("/assets/0/cap", "-1".into()), "assets[0].cap"),
        (set("/assets/0/metadata", "x".repeat(257).into()), "assets[0].metadata: 257"),
        (set("/assets/0/issuer", "al1qq".into()), "assets[0].issuer"),
        (set("/balances/1/asset", "EUR".into()), "balances[1].asset: EUR is not one"),
        (set("/balances/1/account", a.to_string().into()), "balances[1].account"),
        (set("/balances/1/account", "al".into()), "balances[1].account"),
        (set("/balances/1/amount", "01".into()), "balances[1].amount"),
        (
            set("/balances/1/amount", u128::MAX.to_string().into()),
            "balances[1].amount: brings the supply past",
        ),
        (set("/balances/1/amount", 1.into()), "expected a string"),
        (set("/roles/members/1", a.to_string().into()), "roles.members: "),
        (set("/roles/issuers/0", "x".into()), "roles.issuers[0]"),
        (set("/threshold", 0.into()), "threshold: 0 with 3 members"),
        (set("/threshold", 4.into()), "threshold: 4 with 3 members"),
        (set("/submission", "ajar".into()), "unknown variant `ajar`"),
        (
            add(
                "fees",
                serde_json::json!({"asset":"EUR","per_byte":"1","per_instruction":"1","collector":a}),
            ),
            "fees.asset: EUR",
        ),
        (with(&|json| json["roles"] = serde_json::json!({})), "threshold: 2 with no members"),
        (
            with(&|json| {
                json["roles"] = serde_json::json!({});
                json["threshold"] = 0.into();
                json["submission"] = "closed".into();
            }),
            "submission: closed with nobody",
        ),
        (
            with(&|json| {
                json["roles"]["administrators"] = (0..101).map(|n| address(n).to_string()).collect()
            }),
            "roles.administrators: 101 accounts",
        ),
        (
            with(&|json| {
                let twice = json["assets"][0].clone();
                json["assets"].as_array_mut().unwrap().push(twice);
            }),
            "assets[1].symbol: COIN is listed twice",
        ),
    ] {
        assert!(found.contains(expected), "{found}");
    }
}
