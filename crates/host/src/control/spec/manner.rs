//! How a sandbox is kept: after what time it goes to standby, and what is started with it.

use std::time::Duration;

use reveille_wire::Sandbox;

use super::span::Span;
use crate::sandbox::Manner;

/// The labels that say it. The platform has no place for it, and every client can set labels.
const AUTOSTART: &str = "autostart";
const LABEL: &str = "standby-after";
/// What says that it never does by itself.
const NEVER: &str = "never";
/// The shortest.
const SHORTEST: Duration = Duration::from_secs(1);

/// How a record says that it is to be kept.
///
/// # Errors
/// A sentence, where it cannot be understood.
pub(in super::super) fn manner(sandbox: &Sandbox) -> Result<Manner, String> {
    let autostart = sandbox.metadata.labels.get(AUTOSTART).cloned();
    if autostart.as_deref().is_some_and(|command| command.trim().is_empty() || command.contains('\0')) {
        return Err(format!("the label {AUTOSTART} holds no command"));
    }
    Ok(Manner { standby_after: standby_after(sandbox)?, autostart })
}

fn standby_after(sandbox: &Sandbox) -> Result<Option<Duration>, String> {
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
    fn a_command_is_what_starts_with_it() {
        let with = |command: &str| {
            let mut sandbox = Sandbox::default();
            sandbox.metadata.labels.insert(AUTOSTART.to_owned(), command.to_owned());
            manner(&sandbox)
        };
        assert_eq!(with("npm start").unwrap().autostart.as_deref(), Some("npm start"));
        assert!(with(" ").is_err() && with("a\0b").is_err());
        assert_eq!(manner(&Sandbox::default()), Ok(Manner::default()));
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
