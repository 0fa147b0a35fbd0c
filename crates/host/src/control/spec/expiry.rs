//! When a sandbox is deleted by itself.

use std::time::{Duration, SystemTime};

use reveille_wire::{ExpirationPolicy, SandboxSpec};

use super::Span;
use crate::clock;

/// The shortest life of a sandbox, as on the platform.
const LEAST_AGE: (Duration, &str) = (Duration::from_secs(5 * 60), "5m");
/// The shortest time without use, as on the platform.
const LEAST_IDLE: (Duration, &str) = (Duration::from_secs(60), "60s");
/// How long a record stays after the end, as on the platform.
const RETENTION: Duration = Duration::from_secs(5 * 60);

/// What a spec says of the end, read and checked. Of several rules the earliest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    /// At this time.
    at: Option<SystemTime>,
    /// So long after it was made.
    age: Option<Span>,
    /// So long after it was used last.
    idle: Option<Span>,
    retention: Duration,
}

/// When a sandbox is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expiry(pub(crate) SystemTime);

impl Life {
    /// Reads the rules, or says what is wrong with them.
    pub(crate) fn of(spec: &SandboxSpec) -> Result<Self, String> {
        let mut life = Self { at: None, age: None, idle: None, retention: RETENTION };
        if let Some(runtime) = &spec.runtime {
            if let Some(ttl) = &runtime.ttl {
                life.end_by_age(ttl).map_err(|wrong| format!("spec.runtime.ttl: {wrong}"))?;
            }
            if let Some(expires) = &runtime.expires {
                life.end_at(expires).map_err(|wrong| format!("spec.runtime.expires: {wrong}"))?;
            }
        }
        let Some(lifecycle) = &spec.lifecycle else { return Ok(life) };
        for policy in &lifecycle.expiration_policies {
            let wrong = |wrong| format!("spec.lifecycle.expirationPolicies: {wrong}");
            life.end_by(policy).map_err(wrong)?;
        }
        if let Some(retention) = &lifecycle.terminated_retention {
            let span = Span::read(retention);
            let span = span.map_err(|wrong| format!("spec.lifecycle.terminatedRetention: {wrong}"))?;
            life.retention = span.duration();
        }
        Ok(life)
    }

    /// When it is due, if ever; `idle_since` is when it was used last.
    pub(crate) fn expiry(&self, made: SystemTime, idle_since: SystemTime) -> Option<Expiry> {
        let age = self.age.and_then(|span| made.checked_add(span.duration()));
        let idle = self.idle.and_then(|span| idle_since.checked_add(span.duration()));
        [self.at, age, idle].into_iter().flatten().min().map(Expiry)
    }

    /// Until when the record of one that has ended stays.
    pub(crate) fn kept_until(&self, ended: SystemTime) -> SystemTime {
        ended.checked_add(self.retention).unwrap_or(ended)
    }

    fn end_by(&mut self, policy: &ExpirationPolicy) -> Result<(), String> {
        if let Some(action) = &policy.action
            && action != "delete"
        {
            return Err(format!("there is no action {action:?}, only \"delete\""));
        }
        match &*policy.kind {
            "ttl-max-age" => self.end_by_age(&policy.value),
            "date" => self.end_at(&policy.value),
            "ttl-idle" => {
                let (least, said) = LEAST_IDLE;
                let span = Span::read_at_least(&policy.value, least, said)?;
                self.idle = Some(self.idle.map_or(span, |idle| idle.min(span)));
                Ok(())
            }
            kind => Err(format!("there is no type {kind:?}, only ttl-idle, ttl-max-age and date")),
        }
    }

    fn end_by_age(&mut self, text: &str) -> Result<(), String> {
        let (least, said) = LEAST_AGE;
        let span = Span::read_at_least(text, least, said)?;
        self.age = Some(self.age.map_or(span, |age| age.min(span)));
        Ok(())
    }

    fn end_at(&mut self, text: &str) -> Result<(), String> {
        let wrong = || format!("{text:?} is no time: write it like 2026-12-31T23:59:59Z");
        let time = clock::read(text).ok_or_else(wrong)?;
        self.at = Some(self.at.map_or(time, |at| at.min(time)));
        Ok(())
    }
}

impl Expiry {
    /// How many whole seconds are left, rounded up.
    pub(crate) fn seconds_left(self, now: SystemTime) -> i64 {
        let left = self.0.duration_since(now).unwrap_or_default();
        let seconds = left.as_secs().saturating_add(u64::from(left.subsec_nanos() > 0));
        i64::try_from(seconds).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn life(spec: Value) -> Result<Life, String> {
        Life::of(&serde_json::from_value(spec).unwrap())
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn policies(policies: &[(&str, &str)]) -> Value {
        let all: Vec<Value> = policies
            .iter()
            .map(|(kind, value)| json!({"type": kind, "value": value, "action": "delete"}))
            .collect();
        json!({"lifecycle": {"expirationPolicies": all}})
    }

    #[test]
    fn without_a_rule_it_lives_for_ever() {
        assert_eq!(life(json!({})).unwrap().expiry(at(0), at(0)), None);
    }

    #[test]
    fn the_earliest_rule_counts() {
        let rules = life(policies(&[
            ("ttl-max-age", "2h"),
            ("ttl-idle", "10m"),
            ("date", "1970-01-01T01:30:00Z"),
            ("ttl-max-age", "3h"),
        ]));
        let rules = rules.unwrap();
        assert_eq!(rules.expiry(at(0), at(0)), Some(Expiry(at(600))));
        assert_eq!(rules.expiry(at(0), at(5000)), Some(Expiry(at(5400))));
        assert_eq!(rules.expiry(at(0), at(5400)).unwrap().seconds_left(at(5399)), 1);
    }

    #[test]
    fn the_runtimes_own_two_are_rules_like_the_others() {
        let ttl = life(json!({"runtime": {"ttl": "1h"}})).unwrap();
        assert_eq!(ttl.expiry(at(10), at(3000)), Some(Expiry(at(3610))));
        let expires = life(json!({"runtime": {"expires": "1970-01-01T02:00:00+01:00"}})).unwrap();
        assert_eq!(expires.expiry(at(0), at(0)), Some(Expiry(at(3600))));
    }

    #[test]
    fn a_rule_that_cannot_be_is_named() {
        for (spec, named) in [
            (json!({"runtime": {"ttl": "abc"}}), "spec.runtime.ttl"),
            (json!({"runtime": {"ttl": "299s"}}), "at least 5m"),
            (json!({"runtime": {"expires": "soon"}}), "spec.runtime.expires"),
            (policies(&[("ttl-idle", "59s")]), "at least 60s"),
            (policies(&[("ttl-max-age", "4m")]), "at least 5m"),
            (policies(&[("never", "1h")]), "\"never\""),
            (json!({"lifecycle": {"terminatedRetention": "x"}}), "terminatedRetention"),
            (
                json!({"lifecycle": {"expirationPolicies": [{"type": "ttl-idle", "value": "1h", "action": "keep"}]}}),
                "\"keep\"",
            ),
        ] {
            let wrong = life(spec).unwrap_err();
            assert!(wrong.contains(named), "{wrong}");
        }
    }

    #[test]
    fn times_that_no_clock_reaches_are_no_end_and_break_nothing() {
        let rules = life(json!({"runtime": {"ttl": "99999999999999999999w"}})).unwrap();
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(i64::MAX as u64);
        assert_eq!(rules.expiry(far, far), None);
        assert!(rules.expiry(at(0), at(0)).unwrap().seconds_left(at(0)) > 0);
    }
}
