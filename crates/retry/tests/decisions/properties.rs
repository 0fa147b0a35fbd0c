//! What holds for every sequence of evidence, every policy and every clock.

use std::time::Duration;

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use reveille_retry::{
    Dispatch, Fault, FaultKind, Refusal, Replay, Resend, RetryPolicy, Session, StatusSet, Tick, Verdict,
    retry_after,
};

use crate::call::{CLASSES, Evidence, PERMANENT_FAULTS, PROOFS, TRANSIENT_FAULTS};

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        Just(Duration::from_nanos(1)),
        Just(Duration::from_nanos(u64::MAX)),
        (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos)),
        any::<u64>().prop_map(Duration::from_nanos),
        (0..100_000_u64).prop_map(Duration::from_millis),
        (0..5_000_u64).prop_map(Duration::from_millis),
    ]
}

fn statuses() -> impl Strategy<Value = StatusSet> {
    prop_oneof![
        3 => Just(StatusSet::TRANSIENT),
        1 => vec(any::<u16>(), 0..20).prop_map(|all| all.into_iter().fold(StatusSet::NONE, StatusSet::with)),
    ]
}

fn policy() -> impl Strategy<Value = RetryPolicy> {
    let retries = prop_oneof![4 => 0..12_u32, 1 => any::<u32>()];
    let bounds = (option::of(duration()), option::of(duration()));
    (retries, [duration(), duration(), duration(), duration()], statuses(), bounds).prop_filter_map(
        "a policy that contradicts itself",
        |(retries, [base, cap, jitter, server_delay_cap], statuses, (limit, attempt_timeout))| {
            let mut builder = RetryPolicy::builder()
                .retries(retries)
                .base(base)
                .cap(cap)
                .jitter(jitter)
                .statuses(statuses)
                .server_delay_cap(server_delay_cap);
            if let Some(limit) = limit {
                builder = builder.limit(limit);
            }
            if let Some(timeout) = attempt_timeout {
                builder = builder.attempt_timeout(timeout);
            }
            builder.build().ok()
        },
    )
}

fn header_value() -> impl Strategy<Value = HeaderValue> {
    prop_oneof![
        (0..100_u64).prop_map(HeaderValue::from),
        any::<u64>().prop_map(HeaderValue::from),
        select(&[
            "Tue, 24 Nov 2026 12:00:00 GMT",
            "Tuesday, 24-Nov-26 12:00:07 GMT",
            "Tue Nov 24 12:00:09 2026"
        ])
        .prop_map(HeaderValue::from_static),
        // Every byte that a header may hold (RFC 9110, section 5.5).
        vec(prop_oneof![Just(b'\t'), b' '..=b'~', 0x80..=0xff_u8], 0..50)
            .prop_map(|bytes| HeaderValue::from_bytes(&bytes).unwrap()),
    ]
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    (vec(header_value(), 0..3), option::of(header_value())).prop_map(|(delays, date)| {
        let mut headers = HeaderMap::new();
        delays.into_iter().for_each(|delay| {
            headers.append(RETRY_AFTER, delay);
        });
        headers.extend(date.map(|date| (DATE, date)));
        headers
    })
}

fn dispatch() -> impl Strategy<Value = Dispatch> {
    prop_oneof![
        4 => select(&PROOFS).prop_map(Dispatch::NotDispatched),
        1 => Just(Dispatch::Unknown),
        1 => Just(Dispatch::Answered),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    let kind = prop_oneof![
        10 => select(&TRANSIENT_FAULTS),
        1 => select(&PERMANENT_FAULTS),
        1 => Just(FaultKind::Deadline),
    ];
    (kind, dispatch()).prop_map(|(kind, dispatch)| Fault { kind, dispatch })
}

fn status() -> impl Strategy<Value = u16> {
    prop_oneof![3 => select(&[425, 429, 502, 503, 504]), 1 => 100..=999_u16]
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let refusal = prop_oneof![
        2 => Just(None),
        2 => Just(Some(Refusal::NotDispatched)),
        1 => Just(Some(Refusal::Unavailable)),
    ];
    prop_oneof![
        4 => (status(), headers(), refusal)
            .prop_map(|(status, headers, refusal)| Evidence::Head { status, headers, refusal }),
        6 => fault().prop_map(Evidence::Fault),
        1 => (status(), fault()).prop_map(|(status, fault)| Evidence::HeadThenFault(status, fault)),
    ]
}

/// How long an attempt takes, and how late the timer after it fires.
fn pace() -> impl Strategy<Value = (Duration, Duration)> {
    let lateness = prop_oneof![8 => Just(Duration::ZERO), 1 => duration()];
    let taken = prop_oneof![8 => (0..3_000_u64).prop_map(Duration::from_millis), 1 => duration()];
    (taken, lateness)
}

fn class() -> impl Strategy<Value = Replay> {
    select(&CLASSES)
}

fn resend() -> impl Strategy<Value = Resend> {
    prop_oneof![6 => Just(Resend::Again), 1 => Just(Resend::Once)]
}

fn nanos(duration: Duration) -> u128 {
    duration.as_nanos().min(u128::from(u64::MAX))
}

/// `min(cap, base * 2^(n-1))`, with numbers that are large enough for all of it.
fn exponential(base: Duration, cap: Duration, n: u32) -> u128 {
    let base = nanos(base);
    let grown = if n > 64 && base > 0 { u128::MAX } else { base << (n - 1).min(63) };
    grown.min(nanos(cap))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_mutation_is_sent_again_only_if_all_before_was_proven_undispatched(
        policy in policy(), resend in resend(), seen in vec(evidence(), 1..30), seed: u64,
    ) {
        let mut session = Session::new(&policy, Replay::Never, seed).resend(resend);
        let mut all_proven = true;
        for evidence in &seen {
            if session.begin(Tick::ZERO).is_err() {
                break;
            }
            all_proven &= evidence.is_proof();
            // A driver that goes on after the end gets no leave either.
            if let Verdict::Retry { .. } = evidence.show(&mut session, Tick::ZERO) {
                prop_assert!(all_proven);
                prop_assert_eq!(resend, Resend::Again);
            }
        }
    }

    #[test]
    fn nothing_is_sent_more_often_than_the_retries_and_one(
        policy in policy(), class in class(), seen in vec(evidence(), 1..30), paces in vec(pace(), 30), seed: u64,
    ) {
        let mut session = Session::new(&policy, class, seed);
        let (mut now, mut sends) = (Tick::ZERO, 0_u64);
        for (evidence, (taken, late)) in seen.iter().zip(paces) {
            if session.begin(now).is_err() {
                break;
            }
            sends += 1;
            now = now.after(taken);
            let Verdict::Retry { wait, .. } = evidence.show(&mut session, now) else { break };
            now = now.after(wait).after(late);
        }
        prop_assert!(sends <= u64::from(policy.retries()) + 1);
        prop_assert_eq!(session.history().len() as u64, sends);
    }

    #[test]
    fn every_wait_is_within_its_bounds(
        retries in 1..200_u32, base in duration(), cap in duration(), jitter in duration(),
        delay in option::of(0..100_u64), seed: u64,
    ) {
        let policy = RetryPolicy::builder().retries(retries).base(base).cap(cap).jitter(jitter)
            .server_delay_cap(Duration::MAX).build().unwrap();
        let headers: HeaderMap = delay.map(|delay| (RETRY_AFTER, HeaderValue::from(delay))).into_iter().collect();
        let asked = nanos(Duration::from_secs(delay.unwrap_or(0)));
        let evidence = Evidence::Head { status: 503, headers, refusal: None };
        let mut session = Session::new(&policy, Replay::Read, seed);
        for n in 1..=retries {
            prop_assert!(session.begin(Tick::ZERO).is_ok());
            let verdict = evidence.show(&mut session, Tick::ZERO);
            let Verdict::Retry { wait, .. } = verdict else { return Err(TestCaseError::fail(format!("{verdict:?}"))) };
            let least = exponential(base, cap, n).max(asked);
            prop_assert!(wait.as_nanos() >= least, "{wait:?} before retry {n}");
            prop_assert!(wait.as_nanos() <= least + nanos(jitter), "{wait:?} before retry {n}");
        }
    }

    #[test]
    fn no_wait_and_no_attempt_passes_a_deadline_or_a_limit(
        policy in policy(), class in class(), deadline in option::of(duration()), start: u64,
        seen in vec(evidence(), 1..30), paces in vec(pace(), 30), seed: u64,
    ) {
        let start = Tick::from_nanos(start);
        let mut session = Session::new(&policy, class, seed);
        let mut end = policy.limit().map_or(Tick::MAX, |limit| start.after(limit));
        if let Some(deadline) = deadline {
            session = session.deadline(start.after(deadline));
            end = end.min(start.after(deadline));
        }
        let is_bounded = policy.limit().or(deadline).is_some();
        let mut now = start;
        for (evidence, (taken, late)) in seen.iter().zip(paces) {
            let Ok(plan) = session.begin(now) else { break };
            prop_assert_eq!(session.time_left(now).is_some(), is_bounded);
            prop_assert!(plan.limit.is_some() || !is_bounded);
            if let (Some((most, _)), true) = (plan.limit, is_bounded) {
                prop_assert!(most > Duration::ZERO && now.after(most) <= end);
            }
            now = now.after(taken);
            let Verdict::Retry { wait, .. } = evidence.show(&mut session, now) else { break };
            if is_bounded {
                prop_assert!(now.after(wait) < end, "{wait:?}");
            }
            now = now.after(wait).after(late);
        }
    }

    #[test]
    fn a_server_is_not_asked_again_before_the_time_it_named(
        policy in policy(), class in class(), headers in headers(), seed: u64,
    ) {
        let asked = retry_after(&headers);
        let mut session = Session::new(&policy, class, seed);
        prop_assert!(session.begin(Tick::ZERO).is_ok());
        let refusal = Some(Refusal::NotDispatched);
        let evidence = Evidence::Head { status: 404, headers, refusal };
        if let (Verdict::Retry { wait, .. }, Some(asked)) = (evidence.show(&mut session, Tick::ZERO), asked) {
            prop_assert!(wait >= asked);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_verdicts(
        policy in policy(), class in class(), seen in vec(evidence(), 1..30), paces in vec(pace(), 30), seed: u64,
    ) {
        let run = || {
            let mut session = Session::new(&policy, class, seed);
            let mut now = Tick::ZERO;
            let mut verdicts = Vec::new();
            for (evidence, (taken, late)) in seen.iter().zip(&paces) {
                let plan = session.begin(now);
                now = now.after(*taken);
                verdicts.push((plan, evidence.show(&mut session, now)));
                now = now.after(*late);
            }
            (verdicts, session.finish().to_string())
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn what_is_no_transient_status_and_no_refusal_is_delivered(
        policy in policy(), class in class(), code in 100..=999_u16, headers in headers(), seed: u64,
    ) {
        let mut session = Session::new(&policy, class, seed);
        prop_assert!(session.begin(Tick::ZERO).is_ok());
        let is_transient = session.is_transient(http::StatusCode::from_u16(code).unwrap());
        let evidence = Evidence::Head { status: code, headers, refusal: None };
        let verdict = evidence.show(&mut session, Tick::ZERO);
        prop_assert_eq!(verdict == Verdict::Deliver, !is_transient);
    }
}

proptest! {
    // Few cases, as each is long enough to pass what a history keeps.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_clock_and_no_evidence_panics_and_the_history_stays_small(
        policy in policy(), class in class(), resend in resend(), deadline in option::of(any::<u64>()),
        steps in vec((any::<u64>(), any::<u64>(), evidence(), any::<bool>()), 0..600), seed: u64,
    ) {
        let mut session = Session::new(&policy, class, seed).resend(resend);
        if let Some(deadline) = deadline {
            session = session.deadline(Tick::from_nanos(deadline));
        }
        for (began, ended, evidence, begins) in steps {
            // A driver that forgets to begin, or goes on after the end, is no reason to panic.
            if begins {
                let _ = session.begin(Tick::from_nanos(began));
            }
            let _ = session.time_left(Tick::from_nanos(began));
            evidence.show(&mut session, Tick::from_nanos(ended));
        }
        let history = session.finish();
        prop_assert!(history.iter().count() <= 256 && history.iter().count() <= history.len());
        let line = history.to_string();
        prop_assert!(line.len() < 8 * 1024 && !line.contains('\n'));
        prop_assert_eq!(history.is_empty(), line.is_empty());
        let _ = history.elapsed();
    }
}
