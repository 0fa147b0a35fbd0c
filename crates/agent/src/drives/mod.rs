//! Drives: directories outside the sandbox that are mounted into it while it runs.

mod endpoints;
pub(crate) mod place;
mod reach;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reveille_wire::{DriveMount, MountPath};
use tokio::sync::{Mutex, MutexGuard};

pub(crate) use endpoints::routes;

use crate::arguments;
use crate::failure::Failure;
use reach::Reach;

/// How long a mount or an unmount waits for another that is under way.
const PATIENCE: Duration = Duration::from_secs(30);

/// The drives of this sandbox. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Drives {
    kept: Kept,
    /// What was mounted through this agent. One mount or unmount at a time.
    table: Arc<Mutex<Vec<DriveMount>>>,
}

impl Drives {
    /// Drives that are `kept` somewhere, of which some are mounted already.
    pub(crate) fn new(kept: arguments::Drives, mounted: Vec<DriveMount>) -> Self {
        let kept = match kept {
            arguments::Drives::In(directory) => Kept::In(Reach::to(&directory)),
            arguments::Drives::Refused(reason) => Kept::Refused(reason),
        };
        Self { kept, table: Arc::new(Mutex::new(mounted)) }
    }

    /// What is mounted. A mount that a program in the sandbox has undone is not.
    pub(crate) async fn mounted(&self) -> Vec<DriveMount> {
        let table = self.table.lock().await.clone();
        if table.is_empty() {
            return table;
        }
        let still = move || table.into_iter().filter(|mount| place::is_mounted(&mount.path)).collect();
        tokio::task::spawn_blocking(still).await.unwrap_or_default()
    }

    /// Mounts a drive; one that is mounted there in the same way already stays.
    ///
    /// # Errors
    /// When it cannot be mounted, or something else is mounted there.
    pub(crate) async fn mount(&self, wanted: DriveMount) -> Result<(), Failure> {
        let reach = self.reach()?.clone();
        let this = self.clone();
        // On a task of its own: a caller that goes away must not leave a mount that nobody knows of.
        finished(tokio::spawn(async move {
            let mut table = this.one_at_a_time().await?;
            let done = finished(tokio::task::spawn_blocking({
                let (wanted, known) = (wanted.clone(), table.clone());
                move || place_drive(&reach, &wanted, &known)
            }))
            .await?;
            if done == Placed::Now {
                table.retain(|mount| mount.path != wanted.path);
                table.push(wanted);
            }
            Ok(())
        }))
        .await
    }

    /// Unmounts what is mounted at `path`.
    ///
    /// # Errors
    /// When no drive is mounted there, or it is in use.
    pub(crate) async fn unmount(&self, path: MountPath) -> Result<(), Failure> {
        let this = self.clone();
        finished(tokio::spawn(async move {
            let mut table = this.one_at_a_time().await?;
            let known = table.iter().any(|mount| mount.path == path.as_str());
            let place = path.clone();
            finished(tokio::task::spawn_blocking(move || {
                if known && place::is_mounted(place.as_str()) {
                    return place::unmount(place.as_str()).map_err(Failure::broken);
                }
                let exists = std::path::Path::new(place.as_str()).exists();
                let why = if exists { "no drive is mounted there" } else { "it does not exist" };
                Err(Failure::broken(format!("{place} cannot be unmounted: {why}")))
            }))
            .await?;
            table.retain(|mount| mount.path != path.as_str());
            Ok(())
        }))
        .await
    }

    fn reach(&self) -> Result<&Reach, Failure> {
        match &self.kept {
            Kept::In(reach) => Ok(reach),
            Kept::Refused(reason) => Err(Failure::broken(format!("drives cannot be mounted: {reason}"))),
        }
    }

    async fn one_at_a_time(&self) -> Result<MutexGuard<'_, Vec<DriveMount>>, Failure> {
        let late = |_| Failure::broken("another mount has been under way for 30 s");
        tokio::time::timeout(PATIENCE, self.table.lock()).await.map_err(late)
    }
}

/// Where drives are kept, if anywhere.
#[derive(Clone, Debug)]
enum Kept {
    In(Reach),
    /// They cannot be mounted, for this reason.
    Refused(String),
}

/// Whether a drive had to be mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placed {
    Before,
    Now,
}

fn place_drive(reach: &Reach, wanted: &DriveMount, known: &[DriveMount]) -> Result<Placed, Failure> {
    // Links may lead there.
    let leads_to = std::fs::canonicalize(&wanted.path).ok();
    for path in [Some(&*wanted.path), leads_to.as_deref().and_then(Path::to_str)].into_iter().flatten() {
        if let Some(reserved) = MountPath::new(path).ok().and_then(|path| path.reserved()) {
            let why = format!("nothing can be mounted at {}: a sandbox needs its {reserved}", wanted.path);
            return Err(Failure::bad(why));
        }
    }
    if place::is_mounted(&wanted.path) {
        return match known.iter().find(|mount| mount.path == wanted.path) {
            Some(mount) if mount == wanted => Ok(Placed::Before),
            Some(mount) => Err(Failure::conflict(format!(
                "{} is taken: drive {:?} is mounted there, {}from its {}",
                wanted.path,
                mount.drive,
                if mount.read_only { "read-only, " } else { "" },
                mount.drive_path
            ))),
            None => Err(Failure::conflict(format!("{} is taken: it is a mount point", wanted.path))),
        };
    }
    place::check_way(&wanted.path).map_err(Failure::bad)?;
    reach.mount(wanted).map(|()| Placed::Now).map_err(Failure::broken)
}

async fn finished<T>(task: tokio::task::JoinHandle<Result<T, Failure>>) -> Result<T, Failure> {
    task.await.unwrap_or_else(|error| Err(Failure::broken(format!("it broke off: {error}"))))
}
