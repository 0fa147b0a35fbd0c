//! Sandboxes, drives and agents, for people and as the platform's own JSON.

use std::io;
use std::time::SystemTime;

use reveille::{
    DriveMount, Health, History, Image, Page, ProcessResponse, SandboxRecord, SandboxState, Status,
    UnmountOutcome, UpgradeAccepted, UpgradeStatus, Volume,
};
use serde::Serialize;
use serde_json::Value;

use super::{BAD, FAINT, Format, GOOD, Line, STRONG, Screen, Table, WAIT};
use crate::report::{Facts, ago, duration, size, times};

/// How much of a sandbox is shown to people.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SandboxView<'a> {
    /// Everything that is known.
    Whole,
    /// What became of it.
    Sentence(&'a str),
}

/// The key of what is ours in the platform's own JSON. A local host uses it, too.
const OURS: &str = "reveille";

/// The drives of a sandbox, as its API lists them.
#[derive(Serialize)]
struct Mounts {
    mounts: Vec<DriveMount>,
}

/// What the platform said of an upgrade at its beginning, and at its end.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Upgraded<'a> {
    #[serde(flatten)]
    accepted: &'a UpgradeAccepted,
    last_upgrade: &'a UpgradeStatus,
}

impl Screen {
    /// The platform's own JSON, and what we know of the call beside what a local host says under the same key.
    pub(super) fn answer<T: Serialize>(&self, platform: &T, history: &History) -> io::Result<()> {
        let mut whole = serde_json::to_value(platform)?;
        let facts = serde_json::to_value(Facts::new(history))?;
        if let Value::Object(whole) = &mut whole {
            match (whole.get_mut(OURS), facts) {
                (Some(Value::Object(said)), Value::Object(facts)) => said.extend(facts),
                (_, facts) => drop(whole.insert(OURS.to_owned(), facts)),
            }
        }
        self.json(&whole)
    }

    pub(crate) fn sandbox(
        &self,
        view: SandboxView<'_>,
        sandbox: &SandboxRecord,
        history: &History,
    ) -> io::Result<()> {
        if self.format == Format::Json {
            return self.answer(sandbox, history);
        }
        let name = &sandbox.metadata.name;
        match view {
            SandboxView::Sentence(what) => self.line(Line::new().styled(STRONG, name).text(" ").text(what)),
            SandboxView::Whole => whole(sandbox).into_iter().try_for_each(|line| self.line(line)),
        }
    }

    pub(crate) fn sandboxes(&self, list: &Page<SandboxRecord>) -> io::Result<()> {
        if self.format == Format::Json {
            return self.json(list);
        }
        if list.data.is_empty() {
            self.note("no sandboxes yet; make the first: reveille create box");
            return Ok(());
        }
        let now = SystemTime::now();
        let since = |moment: &Option<String>| ago(moment.as_deref().unwrap_or_default(), now);
        let mut table = Table::new(["NAME", "STATE", "CREATED", "LAST USED"]);
        for sandbox in &list.data {
            table.add([
                sandbox.metadata.name.as_str().into(),
                state(sandbox),
                since(&sandbox.metadata.created_at).into(),
                since(&sandbox.last_used_at).into(),
            ]);
        }
        table.lines().try_for_each(|line| self.line(line))
    }

    /// What became of an image.
    pub(crate) fn image(&self, what: &str, image: &Image, history: &History) -> io::Result<()> {
        self.sentence(&image.metadata.name, what, image, history)
    }

    pub(crate) fn images(&self, images: &[Image]) -> io::Result<()> {
        if self.format == Format::Json {
            return self.json(&images);
        }
        if images.is_empty() {
            self.note("no images yet; sandboxes are made of the programs of this machine");
            return Ok(());
        }
        let now = SystemTime::now();
        let mut table = Table::new(["NAME", "SIZE", "IMPORTED"]);
        for image in images {
            let length = image.spec.get("size").and_then(Value::as_u64);
            table.add([
                image.metadata.name.as_str().into(),
                length.map(size).unwrap_or_default().into(),
                ago(image.metadata.created_at.as_deref().unwrap_or_default(), now).into(),
            ]);
        }
        table.lines().try_for_each(|line| self.line(line))
    }

    /// What became of a volume.
    pub(crate) fn volume(&self, what: &str, volume: &Volume, history: &History) -> io::Result<()> {
        self.sentence(&volume.metadata.name, what, volume, history)
    }

    pub(crate) fn volumes(&self, volumes: &[Volume]) -> io::Result<()> {
        if self.format == Format::Json {
            return self.json(&volumes);
        }
        if volumes.is_empty() {
            self.note("no volumes yet; make the first: reveille volume create data");
            return Ok(());
        }
        let mut table = Table::new(["NAME", "SIZE", "IN"]);
        for volume in volumes {
            let holder = volume.state.as_ref().and_then(|state| state.attached_to.as_deref());
            table.add([
                volume.metadata.name.as_str().into(),
                volume.spec.size.map(|size| format!("{size} MB")).unwrap_or_default().into(),
                holder.map(|holder| holder.trim_start_matches("sandbox:")).unwrap_or_default().into(),
            ]);
        }
        table.lines().try_for_each(|line| self.line(line))
    }

    fn sentence<T: Serialize>(
        &self,
        name: &str,
        what: &str,
        record: &T,
        history: &History,
    ) -> io::Result<()> {
        match self.format {
            Format::Json => self.answer(record, history),
            Format::People => self.line(Line::new().styled(STRONG, name).text(" ").text(what)),
        }
    }

    /// Their names, one a line.
    pub(crate) fn names(&self, list: &Page<SandboxRecord>) -> io::Result<()> {
        let mut names = list.data.iter().map(|sandbox| sandbox.metadata.name.as_str());
        match self.format {
            Format::Json => names.try_for_each(|name| self.json(&name)),
            Format::People => names.try_for_each(|name| self.line(name)),
        }
    }

    /// A list of which nothing was wanted.
    pub(crate) fn none_of(&self, had: usize, list: &Page<SandboxRecord>) -> io::Result<()> {
        if self.format == Format::Json {
            return self.json(list);
        }
        self.note(format_args!("none of the {had} sandboxes is like that"));
        Ok(())
    }

    pub(crate) fn health(&self, health: &Health, history: &History) -> io::Result<()> {
        if self.format == Format::Json {
            return self.answer(health, history);
        }
        // A server may say anything for a number of seconds.
        let up = std::time::Duration::try_from_secs_f64(health.uptime_seconds).unwrap_or_default();
        let Health { status, version, .. } = health;
        let style = if status == "ok" { GOOD } else { WAIT };
        let rest = format!(", agent {version}, up {}, upgraded {}", duration(up), upgrades(health));
        self.line(Line::new().styled(style, status).text(rest))
    }

    pub(crate) fn upgrading(
        &self,
        sandbox: &str,
        accepted: &UpgradeAccepted,
        history: &History,
    ) -> io::Result<()> {
        if self.format == Format::Json {
            return self.answer(accepted, history);
        }
        self.line(format_args!("the upgrade to {} has begun", accepted.version))?;
        self.note(format_args!("how it went: reveille health {sandbox} --json"));
        Ok(())
    }

    /// An upgrade that is over, and went well.
    pub(crate) fn upgraded(
        &self,
        accepted: &UpgradeAccepted,
        health: &Health,
        history: &History,
    ) -> io::Result<()> {
        if self.format == Format::Json {
            let ended = Upgraded { accepted, last_upgrade: &health.last_upgrade };
            return self.answer(&ended, history);
        }
        self.line(format_args!("agent {} goes on, upgraded {}", health.version, upgrades(health)))
    }

    pub(crate) fn started(&self, process: &ProcessResponse, history: &History) -> io::Result<()> {
        if self.format == Format::Json {
            return self.answer(process, history);
        }
        self.line(&process.name)?;
        self.note(format_args!("it runs as process {}", process.pid));
        Ok(())
    }

    pub(crate) fn mounts(&self, sandbox: &str, mounts: Vec<DriveMount>, history: &History) -> io::Result<()> {
        let mounts = Mounts { mounts };
        if self.format == Format::Json {
            return self.answer(&mounts, history);
        }
        if mounts.mounts.is_empty() {
            self.note(format_args!(
                "no drives mounted; mount the first: reveille drive mount {sandbox} data /mnt/data"
            ));
            return Ok(());
        }
        let mut table = Table::new(["DRIVE", "PATH", "DRIVE PATH", "ACCESS"]);
        for mount in mounts.mounts {
            let access = if mount.read_only { "read only" } else { "read and write" };
            table.add([mount.drive.into(), mount.path.into(), mount.drive_path.into(), access.into()]);
        }
        table.lines().try_for_each(|line| self.line(line))
    }

    pub(crate) fn mounted(&self, mount: &DriveMount, history: &History) -> io::Result<()> {
        if self.format == Format::Json {
            return self.answer(mount, history);
        }
        let DriveMount { drive, path, .. } = mount;
        self.line(Line::new().styled(STRONG, drive).text(" is mounted at ").text(path))
    }

    pub(crate) fn unmounted(&self, outcome: &UnmountOutcome, history: &History) -> io::Result<()> {
        if self.format == Format::Json {
            return self.answer(outcome, history);
        }
        self.line(format_args!("nothing is mounted at {} any more", outcome.path))
    }
}

/// How often an agent has been upgraded.
fn upgrades(health: &Health) -> String {
    times(usize::try_from(health.upgrade_count).unwrap_or(usize::MAX))
}

/// Whether it runs or sleeps, or why it does neither.
pub(super) fn state(sandbox: &SandboxRecord) -> Line {
    match (sandbox.state, sandbox.status) {
        (Some(SandboxState::Running), _) => Line::new().styled(GOOD, "running"),
        (Some(SandboxState::Standby), _) => Line::new().styled(WAIT, "standby"),
        (_, Some(Status::Deploying)) => Line::new().styled(WAIT, "being made"),
        (_, Some(Status::Deleting)) => Line::new().styled(WAIT, "being deleted"),
        (_, Some(Status::Failed)) => Line::new().styled(BAD, "failed"),
        (_, Some(Status::Terminated)) => Line::new().styled(FAINT, "ended"),
        (_, Some(Status::Deactivating | Status::Deactivated)) => Line::new().styled(FAINT, "off"),
        _ => Line::new().styled(FAINT, "unknown"),
    }
}

/// A line for everything that is known of a sandbox.
fn whole(sandbox: &SandboxRecord) -> Vec<Line> {
    let SandboxRecord { metadata, spec, .. } = sandbox;
    let runtime = spec.runtime.as_ref();
    let labels: Vec<String> = metadata.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut table = Table::<2>::bare();
    let mut add = |name: &'static str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            table.add([Line::new().styled(FAINT, name), value.into()]);
        }
    };
    add("name", Some(metadata.name.clone()));
    add("url", metadata.url.clone());
    add("workspace", metadata.workspace.clone());
    let now = SystemTime::now();
    let dated =
        |moment: &Option<String>| moment.as_deref().map(|moment| format!("{moment} ({})", ago(moment, now)));
    add("created", dated(&metadata.created_at));
    add("last used", dated(&sandbox.last_used_at));
    add("region", spec.region.clone());
    add("image", runtime.and_then(|runtime| runtime.image.clone()));
    add("memory", runtime.and_then(|runtime| runtime.memory).map(|memory| format!("{memory} MB")));
    add("ttl", runtime.and_then(|runtime| runtime.ttl.clone()));
    add("labels", Some(labels.join(", ")));
    table.add([Line::new().styled(FAINT, "state"), state(sandbox)]);
    // Nothing that ran goes on, and any request starts it with its files.
    if let Some(reason) = sandbox.other.get(OURS).and_then(|ours| ours.get("ended")?.as_str()) {
        table.add([Line::new().styled(FAINT, "ended"), Line::new().styled(BAD, reason)]);
    }
    table.lines().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_a_word_for_people() {
        for (record, word) in [
            (r#"{"status":"DEPLOYED","state":"STANDBY"}"#, "standby"),
            (r#"{"status":"DEACTIVATED"}"#, "off"),
            (r#"{"status":"TERMINATED"}"#, "ended"),
            (r#"{"status":"NOVEL"}"#, "unknown"),
        ] {
            let said = serde_json::from_str(record).map(|sandbox| state(&sandbox).to_string());
            assert!(said.as_ref().is_ok_and(|said| said.contains(word)), "{record}: {said:?}");
        }
    }
}
