//! What the store keeps of a sandbox.

use std::collections::HashSet;
use std::time::SystemTime;

use reveille_wire::{Event, Sandbox, SandboxName, Status};
use serde::{Deserialize, Serialize};

use super::spec::Life;
use crate::clock;
use crate::image::Pinned;
use crate::store::{Document, Shelf};

/// The most events that are kept of one sandbox; the oldest go first.
const MAX_EVENTS: usize = 32;

/// The sandboxes of which there are records.
pub(crate) fn names(records: &Shelf<Record>) -> HashSet<SandboxName> {
    let all = records.all();
    all.iter().filter_map(|record| SandboxName::new(record.sandbox.metadata.name.clone()).ok()).collect()
}

/// A sandbox as it stands in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) sandbox: Sandbox,
    /// When it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    terminated_at: Option<String>,
    /// Whether its files are being copied from elsewhere: cut off in the middle, it is nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    copying: bool,
    /// The image that it is made of, where that is not the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) image: Option<Pinned>,
}

impl Document for Record {
    const KIND: &'static str = "sandbox";
}

impl Record {
    pub(super) fn new(sandbox: Sandbox, image: Option<Pinned>) -> Self {
        Self { sandbox, terminated_at: None, copying: false, image }
    }

    /// The same while its files are copied.
    pub(super) fn while_copying(self) -> Self {
        Self { copying: true, ..self }
    }

    /// Whether its files were being copied.
    pub(super) fn was_copying(&self) -> bool {
        self.copying
    }

    /// The same with another status, and an event that tells of it.
    pub(super) fn with_status(&self, status: Status, at: SystemTime, message: &str) -> Self {
        let mut next = self.clone();
        next.sandbox.status = Some(status);
        next.copying &= status == Status::Deploying;
        let mut event = Event::default();
        event.time = Some(clock::stamp(at));
        event.kind = Some("status".to_owned());
        event.status = serde_json::to_value(status).ok().and_then(|it| it.as_str().map(str::to_owned));
        event.message = Some(message.to_owned());
        let events = &mut next.sandbox.events;
        events.push(event);
        let too_many = events.len().saturating_sub(MAX_EVENTS);
        events.drain(..too_many);
        if status == Status::Terminated {
            next.terminated_at = Some(clock::stamp(at));
        }
        next
    }

    pub(crate) fn status(&self) -> Status {
        self.sandbox.status.unwrap_or(Status::Other)
    }

    /// Whether it has its name, its volumes and its image: what has failed or ended gives them up, and so does what
    /// a delete has begun to end.
    pub(super) fn is_live(&self) -> bool {
        !matches!(self.status(), Status::Failed | Status::Terminated | Status::Deleting)
    }

    /// Whether somebody has switched it off: it keeps its name and what it is to be, and nothing else.
    pub(super) fn is_off(&self) -> bool {
        matches!(self.status(), Status::Deactivating | Status::Deactivated)
    }

    /// Why there are no files of it, where there are none.
    pub(super) fn has_no_files(&self) -> Option<&'static str> {
        match self.status() {
            Status::Failed | Status::Terminated | Status::Deleting => Some("has ended"),
            Status::Deactivating | Status::Deactivated => Some("is switched off"),
            _ => None,
        }
    }

    /// The rules of its end. What was checked when it was made has them.
    pub(super) fn life(&self) -> Option<Life> {
        Life::of(&self.sandbox.spec).ok()
    }

    pub(super) fn made_at(&self) -> SystemTime {
        let at = self.sandbox.metadata.created_at.as_deref().and_then(clock::read);
        at.unwrap_or(SystemTime::UNIX_EPOCH)
    }

    pub(super) fn last_used_at(&self) -> Option<SystemTime> {
        self.sandbox.last_used_at.as_deref().and_then(clock::read)
    }

    /// Until when the record of one that has ended stays.
    pub(super) fn kept_until(&self) -> Option<SystemTime> {
        let ended = self.terminated_at.as_deref().and_then(clock::read)?;
        Some(self.life().map_or(ended, |life| life.kept_until(ended)))
    }
}
