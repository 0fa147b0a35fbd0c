//! After what time a sandbox goes to standby, where it has its own.

use std::time::Duration;

use reveille_wire::Sandbox;

use super::span::Span;

/// The label that says it. The platform has no place for it, and every client can set labels.
const LABEL: &str = "standby-after";
/// What says that it never does by itself.
const NEVER: &str = "never";
/// The shortest.
const SHORTEST: Duration = Duration::from_secs(1);

/// The time that a record says; none where it says nothing.
///
/// # Errors
/// A sentence, where it cannot be understood.
pub(in super::super) fn standby_after(sandbox: &Sandbox) -> Result<Option<Duration>, String> {
    let Some(said) = sandbox.metadata.labels.get(LABEL) else { return Ok(None) };
    if said == NEVER {
        return Ok(Some(Duration::MAX));
    }
    let span = Span::read_at_least(said, SHORTEST, "1s, or never");
    span.map(|span| Some(span.duration())).map_err(|error| format!("the label {LABEL}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Result<Option<Duration>, String> {
        let mut sandbox = Sandbox::default();
        sandbox.metadata.labels.insert(LABEL.to_owned(), text.to_owned());
        standby_after(&sandbox)
    }

    #[test]
    fn a_time_or_never_is_what_a_sandbox_can_have() {
        assert_eq!(standby_after(&Sandbox::default()), Ok(None));
        assert_eq!(said("90s"), Ok(Some(Duration::from_secs(90))));
        assert_eq!(said("never"), Ok(Some(Duration::MAX)));
        for wrong in ["", "0s", "15", "Never", "-1s", "soon"] {
            assert!(said(wrong).unwrap_err().contains(LABEL), "{wrong}");
        }
    }
}
