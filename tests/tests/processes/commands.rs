//! What a person types: the commands of README, and their exit codes.

use althing_tests::processes::{Chain, althing};

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_sent_waited_for_and_seen_by_another_validator() {
    let mut chain = Chain::running(4).await;
    let accounts = chain.accounts_dir();
    let (from, to) = (accounts.join("0.key"), accounts.join("1.key"));
    let (from, to) = (from.to_str().expect("text"), to.to_str().expect("text"));
    let (node, other) = (chain.url(0).to_string(), chain.url(1).to_string());

    let shown = althing(["keys", "show", to, "--json"]).await;
    assert_eq!(shown.code, Some(0), "{shown:#?}");
    let address = shown.object()["address"].as_str().expect("an address").to_owned();
    let balance = async || {
        let answer = althing(["query", "account", &address, "--node", &other, "--json"]).await;
        assert_eq!(answer.code, Some(0), "{answer:#?}");
        answer.object()["answer"]["balances"][0]["amount"]
            .to_string()
            .trim_matches('"')
            .parse::<u128>()
            .expect("a number")
    };
    let before = balance().await;

    let transfer = ["tx", "transfer", "--from", from, "--to", &address, "--node", &node, "--wait", "--json"];
    let sent = althing(transfer.into_iter().chain(["--amount", "5"])).await;
    let object = sent.object();
    assert_eq!((sent.code, &object["code"]), (Some(0), &0.into()), "{sent:#?}");
    assert_eq!((&object["height"], &object["log"]), (&2.into(), &"".into()), "{sent:#?}");
    chain.all_reach(3).await;
    assert_eq!(balance().await, before + 5);

    let hash = object["hash"].as_str().expect("a hash");
    let shown = althing(["tx", "show", hash, "--node", &other, "--json"]).await;
    assert_eq!((shown.code, &shown.object()["height"]), (Some(0), &"2".into()), "{shown:#?}");
    let status = althing(["status", "--node", &other, "--json"]).await;
    assert_eq!(status.code, Some(0), "{status:#?}");

    let refused = althing(transfer.into_iter().chain(["--amount", "9000000000000000000"])).await;
    assert_eq!(
        (refused.code, &refused.object()["code"]),
        (Some(1), &12.into()),
        "insufficient: {refused:#?}"
    );
    assert_eq!(althing(["tx", "transfer"]).await.code, Some(2), "wrong usage");
    let nowhere = althing(["status", "--node", "http://127.0.0.1:1"]).await;
    nowhere.failed_saying(&["cannot connect to http://127.0.0.1:1", "is a node running there?"]);
}
