use std::io;
use std::path::Path;
use std::time::Duration;

use reveille::LocalHost;
use reveille_host::observer::{Ended, Event, Outcome, Phase, What};
use reveille_host::{Host, Isolation};
use serde_json::json;

use super::{BAD, FAINT, Format, GOOD, Line, STRONG, Screen, Table, WAIT};
use crate::report::{duration, size};

/// What keeps sandboxes apart, without what a better choice would have needed.
pub(super) fn walls(isolation: &Isolation) -> String {
    let Isolation { namespaces, landlock, freezer, limits, .. } = isolation;
    format!("{namespaces}, {landlock}, {freezer}, {limits}")
}

/// What a local host shows: where it is when it runs, and every request.
impl Screen {
    /// What keeps sandboxes apart here, and what a better choice would have needed.
    pub(crate) fn isolation(&self, isolation: &Isolation) -> io::Result<()> {
        if self.format == Format::Json {
            return self.json(&json!(isolation));
        }
        self.line(Line::new().styled(FAINT, "sandboxes  ").text(isolation.namespaces.to_string()))?;
        self.line(Line::new().styled(FAINT, "programs   ").text(isolation.landlock.to_string()))?;
        self.line(Line::new().styled(FAINT, "standby    ").text(isolation.freezer.to_string()))?;
        self.line(Line::new().styled(FAINT, "limits     ").text(isolation.limits.to_string()))?;
        if isolation.missing.is_empty() {
            return self.line(Line::new().styled(GOOD, "nothing is missing"));
        }
        for missing in &isolation.missing {
            self.line(Line::new().styled(WAIT, "missing    ").text(missing.clone()))?;
        }
        Ok(())
    }

    pub(crate) fn host_runs(&self, host: &Host, data: &Path, standby_after: Duration) -> io::Result<()> {
        if self.format == Format::Json {
            return self.json(&json!({
                "url": host.url(),
                "key": host.key(),
                "workspace": host.workspace(),
                "pid": std::process::id(),
                "isolation": host.isolation(),
                "data": data,
                "announced": host.announced(),
                "standbyAfterMs": millis(standby_after),
            }));
        }
        let mut table = Table::<2>::bare();
        let mut add = |name: &str, value: String| table.add([Line::new().styled(FAINT, name), value.into()]);
        add("listening", host.url());
        add("key", host.key().to_owned());
        add("workspace", host.workspace().to_owned());
        let isolation = host.isolation();
        add("isolation", walls(isolation));
        for missing in &isolation.missing {
            add("missing", missing.clone());
        }
        add("standby", format!("after {} without a request", duration(standby_after)));
        add("data", data.display().to_string());
        if let Some(announced) = host.announced() {
            add("found by", format!("{} (only you can read it)", announced.display()));
        }
        table.lines().try_for_each(|line| self.line(line))?;
        let url = host.url();
        let exported = format!(
            "  export BL_API_URL={url}/v0 BL_RUN_URL={url} BL_WORKSPACE={} BL_API_KEY={} BL_DISABLE_H2=true",
            host.workspace(),
            host.key(),
        );
        let found_by_themselves = [
            "",
            "in another terminal",
            "  reveille create box",
            "  reveille exec box -- echo hello",
            "",
            "with another SDK",
        ];
        let pointed_here = ["", "in another terminal, and with any SDK, before all else"];
        let before = if host.announced().is_some() { &found_by_themselves[..] } else { &pointed_here };
        for line in before.iter().chain(&[exported.as_str(), ""]) {
            self.note(*line);
        }
        Ok(())
    }

    pub(crate) fn host_ends_with_ctrl_c(&self) {
        self.note(Line::new().styled(STRONG, "Ctrl-C").text(" ends it"));
    }

    /// A host that goes on in the background.
    pub(crate) fn host_stays(&self, log: &Path) {
        self.note(Line::new().styled(STRONG, "reveille host stop").text(" ends it"));
        self.note(format_args!("what it says stands in {}", log.display()));
    }

    /// The host that runs.
    pub(crate) fn host_found(&self, host: &LocalHost, sandboxes: usize) -> io::Result<()> {
        let LocalHost { url, workspace, pid, .. } = host;
        if self.format == Format::Json {
            return self
                .json(&json!({"url": url, "workspace": workspace, "pid": pid, "sandboxes": sandboxes}));
        }
        let plural = if sandboxes == 1 { "sandbox" } else { "sandboxes" };
        self.line(
            Line::new()
                .styled(STRONG, url)
                .text(format_args!(", process {pid}, workspace {workspace}, {sandboxes} {plural}")),
        )
    }

    /// The host that ran.
    pub(crate) fn host_stopped(&self, host: &LocalHost) -> io::Result<()> {
        if self.format == Format::Json {
            return self.json(&json!({"stopped": {"url": host.url, "pid": host.pid}}));
        }
        self.line(
            Line::from("stopped ").styled(STRONG, &host.url).text(", and every process of every sandbox"),
        )
    }

    /// The host that ran, and has left what runs in its sandboxes.
    pub(crate) fn host_left(&self, host: &LocalHost) -> io::Result<()> {
        if self.format == Format::Json {
            return self.json(&json!({"stopped": {"url": host.url, "pid": host.pid, "leftRunning": true}}));
        }
        let rest = "; what runs in the sandboxes goes on, for the next host";
        self.line(Line::from("stopped ").styled(STRONG, &host.url).text(rest))
    }

    /// One thing that happened: a request that ended, a sandbox that woke or fell asleep, or did not wake. Where there
    /// are several workspaces its sandbox is called `WORKSPACE/NAME`.
    pub(crate) fn happened(&self, workspace: Option<&str>, event: &Event) -> io::Result<()> {
        let in_full = workspace.map(|workspace| format!("{workspace}/{}", event.sandbox));
        let sandbox = in_full.as_deref().unwrap_or(event.sandbox.as_str());
        let at = humantime::format_rfc3339_millis(event.at);
        let when = Line::new().styled(FAINT, humantime::format_rfc3339_seconds(event.at)).text("  ");
        match &event.what {
            What::RequestEnded(ended) if self.format == Format::Json => {
                let (what, status) = named(ended.outcome);
                self.json(&json!({"request": {
                    "at": at.to_string(), "sandbox": sandbox, "method": ended.method.as_str(), "path": ended.path,
                    "what": what, "status": status, "sentBytes": ended.sent, "receivedBytes": ended.received,
                    "tookMs": millis(ended.took),
                }}))
            }
            What::RequestEnded(ended) => self.request(when, sandbox, ended),
            What::Phase(phase) if self.format == Format::Json => self.json(
                &json!({"phase": {"at": at.to_string(), "sandbox": sandbox, "phase": phase.to_string()}}),
            ),
            What::Phase(phase @ (Phase::Awake | Phase::Asleep | Phase::Gone)) => {
                self.line(when.text(sandbox).text("  ").styled(FAINT, phase))
            }
            What::WakeFailed { reason } if self.format == Format::Json => self.json(&json!({"wakeFailed": {
                "at": at.to_string(), "sandbox": sandbox, "reason": &**reason,
            }})),
            What::WakeFailed { reason } => {
                self.line(when.text(sandbox).text("  ").styled(BAD, "did not wake").text("  ").text(reason))
            }
            _ => Ok(()),
        }
    }

    fn request(&self, when: Line, sandbox: &str, ended: &Ended) -> io::Result<()> {
        let Ended { method, path, outcome, .. } = ended;
        let style = match outcome {
            Outcome::Answered(_) => GOOD,
            Outcome::Refused(_) => WAIT,
            _ => BAD,
        };
        let (sent, received) = (size(ended.sent), size(ended.received));
        let line = when.text(format_args!("{sandbox}  {method:<7} {path}  ")).styled(style, outcome);
        let line = line.text(format_args!("  {}  ", duration(ended.took)));
        self.line(line.styled(FAINT, format_args!("{sent} in, {received} out")))
    }
}

/// What became of a request, for programs.
fn named(outcome: Outcome) -> (&'static str, Option<u16>) {
    match outcome {
        Outcome::Answered(status) => ("answered", Some(status.as_u16())),
        Outcome::Refused(status) => ("refused", Some(status.as_u16())),
        Outcome::Reset => ("reset", None),
        Outcome::Left => ("left", None),
        _ => ("broken", None),
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
