//! Snapshots, and what is made of them.

use std::io;
use std::time::SystemTime;

use reveille::{Forked, History, Restored, Snapshot};
use serde_json::json;

use super::{BAD, FAINT, Format, Line, STRONG, Screen, Table};
use crate::report::ago;

impl Screen {
    pub(crate) fn snapshot_taken(&self, snapshot: &Snapshot, history: &History) -> io::Result<()> {
        if self.format() == Format::Json {
            return self.answer(snapshot, history);
        }
        let taken = Line::new().styled(STRONG, &snapshot.name).text(" is taken");
        let has_a_name = snapshot.name != snapshot.id;
        self.line(if has_a_name { taken.text(", as ").styled(FAINT, &snapshot.id) } else { taken })
    }

    pub(crate) fn snapshots(&self, snapshots: &[Snapshot]) -> io::Result<()> {
        if self.format() == Format::Json {
            return self.json(&snapshots);
        }
        if snapshots.is_empty() {
            self.note("no snapshots yet; take the first: reveille snapshot create box");
            return Ok(());
        }
        let now = SystemTime::now();
        let mut table = Table::new(["NAME", "OF", "TAKEN", "STATUS", "ID"]);
        for snapshot in snapshots {
            let source = snapshot.source.as_ref();
            let of = source.map(|source| source.name.as_str()).unwrap_or_default();
            let is_gone = source.is_some_and(|source| source.deleted == Some(true));
            let of = Line::new().text(of);
            let failed = snapshot.status == "failed";
            table.add([
                snapshot.name.as_str().into(),
                if is_gone { of.styled(FAINT, ", gone") } else { of },
                ago(snapshot.created_at.as_deref().unwrap_or_default(), now).into(),
                if failed { Line::new().styled(BAD, "failed") } else { snapshot.status.as_str().into() },
                snapshot.id.as_str().into(),
            ]);
        }
        table.lines().try_for_each(|line| self.line(line))
    }

    pub(crate) fn restored(
        &self,
        sandbox: &str,
        snapshot: &str,
        restored: &Restored,
        history: &History,
    ) -> io::Result<()> {
        if self.format() == Format::Json {
            return self.answer(restored, history);
        }
        self.line(Line::new().styled(STRONG, sandbox).text(" is as it was in ").text(snapshot))
    }

    pub(crate) fn forked(&self, forked: &Forked, history: &History) -> io::Result<()> {
        if self.format() == Format::Json {
            return self.answer(forked, history);
        }
        self.line(Line::new().styled(STRONG, &forked.name).text(" is awake"))
    }

    pub(crate) fn gone(&self, id: &str, history: &History) -> io::Result<()> {
        if self.format() == Format::Json {
            return self.answer(&json!({ "id": id }), history);
        }
        self.line(Line::new().styled(STRONG, id).text(" is gone"))
    }
}
