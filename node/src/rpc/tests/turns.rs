//! The application, and turns at what takes a thread: nobody waits for another's slow answer.

use super::*;
use crate::rpc::turns::Sort;

#[tokio::test]
async fn the_application_answers_for_itself() {
    let node = Scripted::start(RpcConfig::default()).await;
    let mut client = node.client();
    let address = Address::of(&node.handle.identity());
    let account = client.account(&address).await.unwrap();
    assert_eq!((account.address, account.sequence), (address, 0));

    let (_, answer) =
        get(node.address, &format!("/abci_query?path=%22account%22&data=%22{address}%22")).await;
    assert_eq!(answer["result"]["response"]["code"], 0);
    let refused = client.call("abci_query", json!({"path": "nothing"})).await.unwrap();
    assert_eq!(refused["response"]["codespace"], "ledger");
    assert_ne!(refused["response"]["code"], 0);
}

#[tokio::test]
async fn a_slow_application_keeps_no_client_from_the_nodes_own_answers() {
    let node = Scripted::start(RpcConfig::default()).await;
    let context = Arc::new(Context::new(node.handle.clone(), None, RpcConfig::default()));
    let caller = Caller::in_tests(Arc::clone(&context.clients));
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(std::sync::Mutex::new(held));
    for _ in 0..20 {
        let (context, held, caller) = (context.clone(), held.clone(), caller.clone());
        tokio::spawn(async move {
            context.ask(&caller, move |_| held.lock().map(|held| held.recv()).is_ok()).await
        });
    }
    // Now each of them has its turn or waits for it.
    tokio::task::yield_now().await;
    let read = tokio::time::timeout(Duration::from_secs(20), context.read(&caller, |_| Ok(7))).await;
    assert_eq!(read.expect("there is room for it").unwrap(), 7);
    drop(release);
}

#[tokio::test]
async fn what_an_answer_is_made_of_keeps_its_turn() {
    let node = Scripted::start(RpcConfig::default()).await;
    let context = Context::new(node.handle.clone(), None, RpcConfig::default());
    let caller = Caller::in_tests(Arc::clone(&context.clients));
    let free = || caller.turns().unwrap().free(Sort::Read);
    let (asking, _presence) = caller.clone().present(caller.begin(1).unwrap());
    for _ in 0..9 {
        context.show(&asking, |_| Ok(())).await.unwrap();
        assert_eq!(free(), 3, "the turn before is given back for it");
    }
    context.read(&asking, |_| Ok(())).await.unwrap();
    assert_eq!(free(), 4);
    context.show(&asking, |_| Ok(())).await.unwrap();
    asking.rest();
    assert_eq!(free(), 4);
}
