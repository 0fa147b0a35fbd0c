//! Keys that were made for others.

use std::io;
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::Value;

use super::{BAD, FAINT, Format, GOOD, Line, STRONG, Screen, Table};
use crate::report::ago;

/// A key as its host tells of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyShown {
    name: String,
    hint: String,
    created_at: String,
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    expired: bool,
    /// Told when it is made, and never again.
    #[serde(default)]
    key: String,
}

impl Screen {
    pub(crate) fn key_made(&self, key: &KeyShown, whole: &Value) -> io::Result<()> {
        if self.format() == Format::Json {
            return self.json(whole);
        }
        self.line(key.key.as_str())?;
        let until = key.expires_at.as_deref().map(|at| format!(", until {at}")).unwrap_or_default();
        self.note(Line::new().styled(STRONG, &key.name).text(format_args!("{until}; it is not shown again")));
        Ok(())
    }

    pub(crate) fn keys(&self, keys: &[KeyShown], whole: &Value) -> io::Result<()> {
        if self.format() == Format::Json {
            return self.json(whole);
        }
        if keys.is_empty() {
            self.note("no keys yet; make the first: reveille key create NAME");
            return Ok(());
        }
        let now = SystemTime::now();
        let mut table = Table::new(["NAME", "KEY", "CREATED", "EXPIRES"]);
        for key in keys {
            let expires = match &key.expires_at {
                _ if key.expired => Line::new().styled(BAD, "expired"),
                Some(at) => at.as_str().into(),
                None => Line::new().styled(FAINT, "never"),
            };
            let hint = format!("{}...", key.hint);
            table.add([key.name.as_str().into(), hint.into(), ago(&key.created_at, now).into(), expires]);
        }
        table.lines().try_for_each(|line| self.line(line))
    }

    pub(crate) fn key_revoked(&self, key: &KeyShown, whole: &Value) -> io::Result<()> {
        if self.format() == Format::Json {
            return self.json(whole);
        }
        self.line(Line::new().styled(STRONG, &key.name).text(" ").styled(GOOD, "is revoked"))
    }
}
