//! What is told of requests and wakings as they happen.

use std::time::Duration;

use http::{Method, StatusCode};
use reveille_host::observer::{Events, Observation, Outcome, Phase, Seen, What};
use reveille_host::{Refuse, WhileWaking};

use crate::Stand;
use crate::refusing::refusals;
use crate::waking::until;

const APP: &str = "/local/sandboxes/box/x";

/// What has been told of by now.
fn told(events: &mut Events) -> Vec<What> {
    let mut told = Vec::new();
    while let Some(seen) = events.try_next() {
        match seen {
            Seen::Event(event) => told.push(event.what),
            other => panic!("{other:?}"),
        }
    }
    told
}

#[tokio::test]
async fn every_request_is_told_of_with_what_became_of_it() {
    let stand = Stand::with_sleeping_box(|settings| {
        settings.while_waking = WhileWaking::Reject(Refuse::Status503);
        settings.resume_delay = Duration::from_millis(20);
    })
    .await;
    let Observation { snapshot, mut events, .. } = stand.host.observe();
    let known: Vec<_> = snapshot.sandboxes.iter().map(|it| (it.name.as_str(), it.phase)).collect();
    assert_eq!((known, snapshot.requests.len()), (vec![("box", Phase::Asleep)], 0));
    let refused = refusals(&stand).await.len();

    let mut all = told(&mut events);
    let is_end = |what: &What| matches!(what, What::RequestEnded(_));
    while all.iter().filter(|what| is_end(what)).count() <= refused {
        all.extend(match events.next().await {
            Some(Seen::Event(event)) => Some(event.what),
            other => panic!("{other:?}"),
        });
    }
    let began = all.iter().filter_map(|what| match what {
        What::RequestBegan(began) => Some((began.id, began.method.clone(), began.path.as_str())),
        _ => None,
    });
    let began: Vec<_> = began.collect();
    assert_eq!(began.len(), refused + 1);
    assert!(began.iter().all(|(_, method, path)| (method, *path) == (&Method::POST, "/orders")));
    let ended: Vec<_> = all
        .iter()
        .filter_map(|what| match what {
            What::RequestEnded(ended) => Some(ended),
            _ => None,
        })
        .collect();
    let turned_away = Outcome::Refused(StatusCode::SERVICE_UNAVAILABLE);
    assert!(ended[..refused].iter().all(|ended| ended.outcome == turned_away), "{ended:?}");
    let last = ended[refused];
    assert_eq!((last.outcome, last.sent), (Outcome::Answered(StatusCode::OK), 1));
    assert!(last.answered_after.is_some_and(|after| after <= last.took));
    let forwarded: Vec<_> = all
        .iter()
        .filter_map(|what| match what {
            What::RequestForwarded(id) => Some(*id),
            _ => None,
        })
        .collect();
    assert_eq!(forwarded, [last.id], "only what was handed on is said to have been");
    let phases: Vec<_> = all
        .iter()
        .filter_map(|what| match what {
            What::Phase(phase) => Some(*phase),
            _ => None,
        })
        .collect();
    assert_eq!(phases, [Phase::Waking, Phase::Awake]);
}

#[tokio::test]
async fn a_request_is_forwarded_when_it_was_and_not_before() {
    let stand = Stand::with_sleeping_box(|_| {}).await;
    stand.engine.script(|script| script.gated_wake = true);
    let mut events = stand.host.observe().events;
    let client = stand.client.clone();
    let request = tokio::spawn(async move { client.get("/local/sandboxes/box/port/1/gate").await });
    until(|| stand.engine.wakes() == 2).await;
    let before = told(&mut events);
    assert!(before.iter().any(|what| matches!(what, What::RequestBegan(_))));
    assert!(!before.iter().any(|what| matches!(what, What::RequestForwarded(_))), "{before:?}");
    stand.engine.go.notify_one();
    until(|| stand.engine.app("box").arrived() == 1).await;
    let after = told(&mut events);
    assert!(after.iter().any(|what| matches!(what, What::RequestForwarded(_))), "it has arrived: {after:?}");
    assert!(!after.iter().any(|what| matches!(what, What::RequestEnded(_))), "{after:?}");
    request.abort();
    let ended = async {
        loop {
            match events.next().await {
                Some(Seen::Event(event)) if matches!(event.what, What::RequestEnded(_)) => break event.what,
                Some(_) => {}
                None => panic!("the host has not ended"),
            }
        }
    };
    let What::RequestEnded(ended) = ended.await else { unreachable!() };
    assert_eq!(ended.outcome, Outcome::Broken, "who went away may have been served");
}

#[tokio::test]
async fn a_waking_that_fails_is_told_with_its_reason() {
    let stand = Stand::with_sleeping_box(|_| {}).await;
    stand.engine.script(|script| script.failing_wakes = 1);
    let mut events = stand.host.observe().events;
    stand.client.get(APP).await;
    let said = told(&mut events);
    let reason = said.iter().find_map(|what| match what {
        What::WakeFailed { reason } => Some(reason.to_string()),
        _ => None,
    });
    assert_eq!(reason.as_deref(), Some("the cluster has no room"), "{said:?}");
}
