//! Gateways that refuse or reset while a sandbox wakes.

use std::time::Duration;

use http::Method;
use http_body_util::Full;
use reveille_host::{Refuse, WhileWaking};
use reveille_wire::{GatewayAnswer, refusal_of};

use crate::Stand;
use crate::client::{Answer, request};

const APP: &str = "/local/sandboxes/box/x";

/// Asks until it is let through, and says what it saw before.
pub(crate) async fn refusals(stand: &Stand) -> Vec<Answer> {
    let mut refusals = Vec::new();
    loop {
        let answer = stand.client.post("/local/sandboxes/box/orders", "1").await;
        if answer.status() == 200 {
            return refusals;
        }
        refusals.push(answer);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_rejecting_gateway_answers_503_until_the_window_is_over() {
    let stand = Stand::with_sleeping_box(|settings| {
        settings.while_waking = WhileWaking::Reject(Refuse::Status503);
        settings.resume_delay = Duration::from_millis(100);
    })
    .await;
    let wakes = stand.engine.wakes();
    let refused = refusals(&stand).await;
    assert!(!refused.is_empty(), "the first is refused, too");
    for answer in &refused {
        assert_eq!((answer.status().as_u16(), answer.header("retry-after")), (503, Some("1")));
        let left: u64 = answer.header("retry-after-ms").unwrap().parse().unwrap();
        assert!((1..=100).contains(&left), "{left}");
        assert_eq!(
            (answer.code().as_str(), &answer.json()["error"]["retryable"]),
            ("WORKLOAD_UNAVAILABLE", &true.into())
        );
    }
    assert_eq!((stand.engine.app("box").arrived(), stand.engine.wakes() - wakes), (1, 1));
}

#[tokio::test]
async fn retry_after_is_what_is_left_of_the_window_rounded_up() {
    let stand = Stand::with_sleeping_box(|settings| {
        settings.while_waking = WhileWaking::Reject(Refuse::Status503);
        settings.resume_delay = Duration::from_millis(100_900);
    })
    .await;
    let refused = stand.client.get(APP).await;
    let [seconds, left] =
        ["retry-after", "retry-after-ms"].map(|name| refused.header(name).unwrap().parse::<u64>().unwrap());
    assert!((1..=100_900).contains(&left), "{left}");
    assert_eq!(seconds, left.div_ceil(1_000), "{refused:?}");
}

#[tokio::test]
async fn a_rejecting_gateway_may_answer_404_with_or_without_proof() {
    for (refuse, says) in [
        (Refuse::Status404, GatewayAnswer::Unavailable),
        (Refuse::Status404NotDispatched, GatewayAnswer::NotDispatched),
    ] {
        let stand = Stand::with_sleeping_box(|settings| {
            settings.while_waking = WhileWaking::Reject(refuse);
            settings.resume_delay = Duration::from_millis(50);
        })
        .await;
        let refused = refusals(&stand).await;
        assert!(!refused.is_empty());
        for answer in &refused {
            let read = refusal_of(answer.status(), answer.headers(), Some(answer.bytes()));
            assert_eq!(read, Some(says), "{answer:?}");
        }
        assert_eq!(stand.engine.app("box").arrived(), 1);
    }
}

#[tokio::test]
async fn a_resetting_gateway_resets_over_either_protocol() {
    let stand = Stand::with_sleeping_box(|settings| {
        settings.while_waking = WhileWaking::Reset;
        settings.resume_delay = Duration::from_secs(100);
    })
    .await;
    let over_1 =
        stand.client.send(request(Method::GET, APP).body(Full::default()).unwrap()).await.unwrap_err();
    assert!(is_reset(&over_1), "{over_1:?}");
    let mut http2 = stand.client.http2().await;
    let uri = format!("http://127.0.0.1{APP}");
    let over_2 =
        http2.send_request(request(Method::GET, &uri).body(Full::default()).unwrap()).await.unwrap_err();
    assert!(is_reset(&over_2), "{over_2:?}");
}

fn is_reset(error: &hyper::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionReset) {
            return true;
        }
        cause = error.source();
    }
    false
}
