use std::io;

use reveille::SandboxName;
use reveille_relay::{Passage, Relay};
use serde_json::json;

use super::{BAD, FAINT, Format, GOOD, Line, STRONG, Screen, WAIT};
use crate::report::{duration, size};

/// What a relay shows: what to export, and each request that has passed.
impl Screen {
    pub(crate) fn relay_begins(
        &self,
        relay: &Relay,
        workspace: &str,
        sandboxes: &[SandboxName],
    ) -> io::Result<()> {
        let client = relay.client();
        let urls: Vec<_> =
            sandboxes.iter().map(|name| (name, relay.sandbox_url(workspace, name.as_str()))).collect();
        if self.format == Format::Json {
            let sandboxes: serde_json::Map<_, _> =
                urls.into_iter().map(|(name, url)| (name.to_string(), url.into())).collect();
            return self.json(&json!({"listening": {
                "url": relay.url(), "apiUrl": relay.api_url(), "sandboxes": sandboxes,
                "to": {"apiUrl": client.api_url(), "runUrl": client.run_url()},
            }}));
        }
        self.note(
            Line::from("relay to ")
                .styled(STRONG, client.run_url())
                .text(" and ")
                .styled(STRONG, client.api_url())
                .text(", until Ctrl-C"),
        );
        self.line(format!("export BL_API_URL={} BL_RUN_URL={}", relay.api_url(), relay.url()))?;
        for (name, url) in urls {
            let name = name.as_str().to_ascii_uppercase().replace('-', "_");
            self.line(format!("export BL_SANDBOX_{name}_URL={url}"))?;
        }
        Ok(())
    }

    pub(crate) fn passed(&self, passage: &Passage) -> io::Result<()> {
        let Passage { method, path, status, attempts, took, sent, received, .. } = passage;
        if self.format == Format::Json {
            return self.json(&json!({"passage": {
                "method": method.as_str(), "path": path, "status": status.map(|status| status.as_u16()),
                "attempts": attempts, "tookMs": (took.as_secs_f64() * 10_000.0).round() / 10.0,
                "sent": sent, "received": received,
            }}));
        }
        let (style, became) = match status.map(|status| status.as_u16()) {
            None => (WAIT, "left".to_owned()),
            Some(status @ 500..) => (BAD, status.to_string()),
            Some(status) => (GOOD, status.to_string()),
        };
        let line = Line::new()
            .styled(style, format_args!("{became:<4}"))
            .text(format_args!(" {:<7} {path}  ", method.as_str()))
            .styled(FAINT, format_args!("{} ", duration(*took)))
            .styled(FAINT, format_args!("{} up, {} down", size(*sent), size(*received)));
        // One attempt and no wait is what everybody expects.
        let is_plain = status.is_some_and(|status| attempts == status.as_str());
        let line =
            if is_plain || attempts.is_empty() { line } else { line.text(format_args!("  ({attempts})")) };
        self.line(line)
    }
}
