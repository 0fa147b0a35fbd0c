//! Which sandboxes run and which sleep.

use std::cmp::Reverse;
use std::io;
use std::time::SystemTime;

use reveille::{Page, SandboxRecord, SandboxState};
use serde_json::json;

use super::records::state;
use super::{FAINT, Format, GOOD, Line, STRONG, Screen, Table, WAIT};
use crate::report::ago;

impl Screen {
    pub(crate) fn status(&self, url: &str, list: &Page<SandboxRecord>) -> io::Result<()> {
        if self.format() == Format::Json {
            let Counted { running, standby, other } = count(list);
            return self.json(&json!({
                "url": url, "running": running, "standby": standby, "other": other, "sandboxes": list.data,
            }));
        }
        self.status_lines(url, list).into_iter().try_for_each(|line| self.line(line))
    }

    /// The same in lines, those that run first and of those the ones that were used last.
    pub(crate) fn status_lines(&self, url: &str, list: &Page<SandboxRecord>) -> Vec<Line> {
        let Counted { running, standby, other } = count(list);
        let mut counts = Line::new().styled(GOOD, format_args!("{running} running"));
        counts = counts.text(", ").styled(WAIT, format_args!("{standby} in standby"));
        if other > 0 {
            counts = counts.text(format_args!(", {other} in another state"));
        }
        let mut lines = vec![Line::new().styled(STRONG, url.trim_end_matches("/v0")).text("  ").then(counts)];
        if list.data.is_empty() {
            lines.push(Line::new().styled(FAINT, "make the first: reveille create box"));
            return lines;
        }
        let mut sandboxes: Vec<_> = list.data.iter().collect();
        sandboxes
            .sort_by_key(|it| (it.state != Some(SandboxState::Running), Reverse(it.last_used_at.as_deref())));
        let now = SystemTime::now();
        let mut table = Table::new(["NAME", "STATE", "LAST USED"]);
        for sandbox in sandboxes {
            let used = ago(sandbox.last_used_at.as_deref().unwrap_or_default(), now);
            table.add([sandbox.metadata.name.as_str().into(), state(sandbox), used.into()]);
        }
        lines.extend(table.lines());
        lines
    }
}

struct Counted {
    running: usize,
    standby: usize,
    other: usize,
}

fn count(list: &Page<SandboxRecord>) -> Counted {
    let of = |state| list.data.iter().filter(|sandbox| sandbox.state == Some(state)).count();
    let (running, standby) = (of(SandboxState::Running), of(SandboxState::Standby));
    Counted { running, standby, other: list.data.len() - running - standby }
}
