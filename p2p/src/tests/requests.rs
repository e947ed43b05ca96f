//! Requests, their answers, and every way of getting none.

use super::*;
use crate::{RequestError, Responder};

impl Node {
    pub(super) async fn asked(&mut self) -> (Vec<u8>, Responder) {
        self.until("request", |event| match event {
            Event::Request { bytes, responder, .. } => Some((bytes, responder)),
            _ => None,
        })
        .await
    }
}

fn ask(
    node: &Node,
    n: u8,
    request: &[u8],
    timeout: Duration,
) -> tokio::task::JoinHandle<Result<Vec<u8>, RequestError>> {
    let (network, request) = (node.network.clone(), request.to_vec());
    tokio::spawn(async move { network.request(&key(n), request, timeout).await })
}

#[tokio::test]
async fn are_answered_in_any_order_and_size() {
    let (mut one, two) = pair(limits(), limits()).await;
    let first = ask(&two, 1, b"first", PATIENCE);
    let (request, respond_first) = one.asked().await;
    assert_eq!(request, b"first");
    let second = ask(&two, 1, b"second", PATIENCE);
    let (request, respond_second) = one.asked().await;
    assert_eq!(request, b"second");
    let large = vec![7; respond_second.max_bytes()];
    respond_second.send(large.clone());
    assert!(second.await.expect("no panic") == Ok(large));
    respond_first.send(Vec::new());
    assert_eq!(first.await.expect("no panic"), Ok(vec![]));
}

#[tokio::test]
async fn without_an_answer_say_why() {
    let patient = Limits { answer_timeout: Duration::from_secs(2), ..limits() };
    let (mut one, two) = pair(patient, limits()).await;
    let peer = key(1);

    let dropped = ask(&two, 1, b"", PATIENCE);
    drop(one.asked().await);
    let reason = "no answer to this request".to_string();
    assert_eq!(dropped.await.expect("no panic"), Err(RequestError::Refused { peer, reason: reason.clone() }));

    let too_long = ask(&two, 1, b"", PATIENCE);
    let (_, responder) = one.asked().await;
    let len = responder.max_bytes() + 1;
    responder.send(vec![0; len]);
    assert_eq!(too_long.await.expect("no panic"), Err(RequestError::Refused { peer, reason }));

    let late = ask(&two, 1, b"", PATIENCE);
    let (_, _held) = one.asked().await;
    let reason = "busy: the answer took too long".to_string();
    assert_eq!(late.await.expect("no panic"), Err(RequestError::Refused { peer, reason }));

    // Withdrawn so soon, it may arrive or not.
    let timeout = Duration::from_millis(1);
    let withdrawn = ask(&two, 1, b"withdrawn", timeout).await.expect("no panic");
    assert_eq!(withdrawn, Err(RequestError::Timeout { peer, timeout }));

    let (len, max) = (64 * 1024 + 1, 64 * 1024);
    assert_eq!(
        ask(&two, 1, &vec![0; len], PATIENCE).await.expect("no panic"),
        Err(RequestError::TooLarge { len, max })
    );
    assert_eq!(ask(&two, 9, b"", PATIENCE).await.expect("no panic"), Err(RequestError::UnknownPeer(key(9))));

    let last = ask(&two, 1, b"last", PATIENCE);
    loop {
        let (request, responder) = one.asked().await;
        if request == b"last" {
            responder.send(vec![]);
            break;
        }
    }
    assert_eq!(last.await.expect("no panic"), Ok(vec![]), "all of that cost the connection nothing");
}

#[tokio::test]
async fn end_with_the_connection() {
    let (mut one, mut two) = pair(limits(), limits()).await;
    let request = ask(&two, 1, b"", PATIENCE);
    let (_, _held) = one.asked().await;
    one.network.shutdown().await;
    assert!(matches!(request.await.expect("no panic"), Err(RequestError::Failed { .. })));
    two.disconnected().await;
    assert_eq!(ask(&two, 1, b"", PATIENCE).await.expect("no panic"), Err(RequestError::NotConnected(key(1))));
}

#[tokio::test]
async fn are_limited_at_once_by_the_asker_and_in_rate_by_the_asked() {
    let (mut one, two) = pair(limits(), limits()).await;
    let max = two.network.limits.concurrent_requests;
    let mut under_way = Vec::new();
    let mut held = Vec::new();
    for _ in 0..max {
        under_way.push(ask(&two, 1, b"", PATIENCE));
        held.push(one.asked().await.1);
    }
    let peer = key(1);
    assert_eq!(
        ask(&two, 1, b"", PATIENCE).await.expect("no panic"),
        Err(RequestError::TooMany { peer, max })
    );
    held.drain(..).for_each(|responder| responder.send(b"ok".to_vec()));
    for request in under_way {
        assert_eq!(request.await.expect("no panic"), Ok(b"ok".to_vec()));
    }

    let rare = crate::TrafficLimit { messages_per_second: 1, queue_messages: 1, ..limits().request };
    let (mut one, two) = pair(Limits { request: rare, ..limits() }, limits()).await;
    let mut refused = None;
    for _ in 0..20 {
        let request = ask(&two, 1, b"", PATIENCE);
        let served = async {
            one.asked().await.1.send(vec![]);
            std::future::pending::<()>().await
        };
        tokio::select! {
            result = request => refused = result.expect("no panic").err(),
            () = served => {}
        }
        if refused.is_some() {
            break;
        }
    }
    let reason = "more requests than the rate limit allows".to_string();
    assert_eq!(refused, Some(RequestError::Refused { peer, reason }));
}

#[tokio::test]
async fn an_answer_longer_than_the_asker_allows_is_cut_off() {
    let small = Limits { max_response_bytes: 10, ..limits() };
    let (mut one, two) = pair(limits(), small).await;
    let request = ask(&two, 1, b"", PATIENCE);
    one.asked().await.1.send(vec![0; 11]);
    let reason = "Answer frame of 11 bytes, at most 10 are allowed".to_string();
    assert_eq!(request.await.expect("no panic"), Err(RequestError::Failed { peer: key(1), reason }));
}

#[tokio::test]
async fn withdrawn_give_their_place_back() {
    let patient = Limits { answer_timeout: 10 * PATIENCE, ..limits() };
    let (mut one, two) = pair(patient, limits()).await;
    let mut held = Vec::new();
    for _ in 0..two.network.limits.concurrent_requests {
        let request = ask(&two, 1, b"", PATIENCE);
        held.push(one.asked().await.1);
        request.abort();
    }
    let answered = async {
        loop {
            let mut request = ask(&two, 1, b"last", PATIENCE);
            let result = tokio::select! {
                (_, responder) = one.asked() => {
                    responder.send(vec![]);
                    request.await
                }
                result = &mut request => result,
            };
            if let Ok(answer) = result.expect("no panic") {
                return answer;
            }
        }
    };
    assert_eq!(timeout(PATIENCE, answered).await.expect("a place is free"), b"");
}
