//! Files of sandboxes, for people and as the platform's own JSON.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use reveille::History;
use reveille::files::{ContentMatches, Directory, FindMatches, Moved, Watched};
use serde::Serialize;

use super::{FAINT, Format, Line, STRONG, Screen, Table, WAIT};
use crate::report::{ago, size};
use crate::typed::place::Remote;

/// How much of each file is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    Names,
    Long,
}

/// What was copied.
#[derive(Debug, Serialize)]
pub(crate) struct Copied {
    destination: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// What was left out, as it is no file.
    pub(crate) skipped: Vec<PathBuf>,
}

impl Copied {
    /// A file.
    pub(crate) fn file(bytes: u64, to: impl fmt::Display) -> Self {
        Self { destination: to.to_string(), files: Some(1), bytes: Some(bytes), skipped: Vec::new() }
    }

    /// A directory.
    pub(crate) fn directory(moved: Moved, to: impl fmt::Display) -> Self {
        let Moved { files, bytes, skipped, .. } = moved;
        Self { destination: to.to_string(), files: Some(files), bytes: Some(bytes), skipped }
    }

    /// Something that never left its sandbox.
    pub(crate) fn within(to: &Remote) -> Self {
        Self { destination: to.to_string(), files: None, bytes: None, skipped: Vec::new() }
    }
}

impl Screen {
    pub(crate) fn listed(&self, directory: &Directory, detail: Detail, history: &History) -> io::Result<()> {
        if self.format == Format::Json {
            return self.answer(directory, history);
        }
        let mut entries: Vec<(&str, Option<&reveille::files::File>)> =
            directory.subdirectories.iter().map(|directory| (directory.name.as_str(), None)).collect();
        entries.extend(directory.files.iter().map(|file| (file.name.as_str(), Some(file))));
        entries.sort_unstable_by_key(|(name, _)| *name);
        if entries.is_empty() {
            self.note("nothing is in it");
        }
        let named = |name: &str, is_file: bool| match is_file {
            true => Line::from(name),
            false => Line::new().styled(STRONG, name).text("/"),
        };
        if detail == Detail::Names {
            return entries.into_iter().try_for_each(|(name, file)| self.line(named(name, file.is_some())));
        }
        let now = SystemTime::now();
        let mut table = Table::<5>::bare();
        for (name, file) in entries {
            let fact = |fact: String| Line::new().styled(FAINT, fact);
            table.add(match file {
                Some(file) => [
                    fact(file.permissions.clone()),
                    fact(format!("{}:{}", file.owner, file.group)),
                    size(file.size).as_str().into(),
                    fact(ago(&file.last_modified, now)),
                    named(name, true),
                ],
                None => [Line::new(), Line::new(), Line::new(), Line::new(), named(name, false)],
            });
        }
        table.lines().try_for_each(|line| self.line(line))
    }

    pub(crate) fn tree(&self, directory: &Directory, history: &History) -> io::Result<()> {
        if self.format == Format::Json {
            return self.answer(directory, history);
        }
        let below = |path: &str| {
            path.strip_prefix(&directory.path).unwrap_or(path).trim_start_matches('/').to_owned()
        };
        let mut paths: Vec<(Vec<String>, bool)> = Vec::new();
        let segments = |path: &str| below(path).split('/').map(str::to_owned).collect::<Vec<String>>();
        paths.extend(directory.subdirectories.iter().map(|directory| (segments(&directory.path), true)));
        paths.extend(directory.files.iter().map(|file| (segments(&file.path), false)));
        paths.sort_unstable();
        self.line(Line::new().styled(STRONG, &directory.path))?;
        for (path, is_directory) in &paths {
            let Some((name, above)) = path.split_last() else { continue };
            let indent = "  ".repeat(above.len() + 1);
            let line = Line::new().text(indent);
            self.line(if *is_directory { line.styled(STRONG, name).text("/") } else { line.text(name) })?;
        }
        let counted =
            |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        let files = counted(directory.files.len(), "file", "files");
        let directories = counted(directory.subdirectories.len(), "directory", "directories");
        self.note(format_args!("{files}, {directories}"));
        Ok(())
    }

    pub(crate) fn found(&self, found: &FindMatches, history: &History) -> io::Result<()> {
        if self.format == Format::Json {
            return self.answer(found, history);
        }
        if found.matches.is_empty() {
            self.note("nothing is like that");
        }
        found.matches.iter().try_for_each(|found| self.line(found.path.as_str()))
    }

    pub(crate) fn grepped(&self, found: &ContentMatches, history: &History) -> io::Result<()> {
        if self.format == Format::Json {
            return self.answer(found, history);
        }
        if found.matches.is_empty() {
            self.note("no line holds it");
        }
        for (at, line) in found.matches.iter().enumerate() {
            let head = Line::new().styled(STRONG, &line.path).styled(FAINT, format_args!(":{}:", line.line));
            let Some(context) = &line.context else {
                self.line(head.text(&line.text))?;
                continue;
            };
            if at > 0 {
                self.line("--")?;
            }
            self.line(head)?;
            context.lines().try_for_each(|line| self.line(format_args!("  {line}")))?;
        }
        Ok(())
    }

    pub(crate) fn changed(&self, remote: &Remote, what: &str, history: &History) -> io::Result<()> {
        if self.format == Format::Json {
            return self.answer(&serde_json::json!({"path": remote.path}), history);
        }
        self.note(Line::new().styled(STRONG, remote).text(" ").text(what));
        Ok(())
    }

    pub(crate) fn copied(&self, copied: &Copied) -> io::Result<()> {
        if self.format == Format::Json {
            return self.json(copied);
        }
        for skipped in &copied.skipped {
            self.warning(format_args!(
                "{} is no file, or none any more, and was left out",
                skipped.display()
            ));
        }
        let amount = match (copied.files, copied.bytes) {
            (Some(1), Some(bytes)) => format!("{}, ", size(bytes)),
            (Some(files), Some(bytes)) => format!("{files} files, {}, ", size(bytes)),
            _ => String::new(),
        };
        self.note(format_args!("{amount}copied to {}", copied.destination));
        Ok(())
    }

    pub(crate) fn watched(&self, watched: &Watched) -> io::Result<()> {
        match (watched, self.format) {
            (Watched::Event(event), Format::Json) => self.json(event),
            (Watched::Event(event), Format::People) => {
                let path = format!("{}/{}", event.path.trim_end_matches('/'), event.name);
                self.line(Line::new().styled(FAINT, format_args!("{:<7}", event.op)).text(" ").text(path))
            }
            (_, Format::Json) => self.json(&serde_json::json!({"op": "MISSED"})),
            (_, Format::People) => {
                self.line(Line::new().styled(WAIT, "missed ").text(" some of what happened may not be shown"))
            }
        }
    }
}
