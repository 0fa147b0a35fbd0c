use http::Method;
use reveille_wire::{
    DriveMount, DriveMounts, DriveName, InvalidInput, MountOutcome, MountPath, UnmountOutcome,
};

use super::Sandbox;
use crate::answer::Reading;
use crate::call::{Call, like_a_call};

const MOUNTS: &str = "/drives/mount";

/// Drives that are mounted in a sandbox.
///
/// ```
/// # use reveille_faults::{FaultServer, Script, Step};
/// # let script = Script::new()
/// #     .on("GET", "/", Step::ok(r#"{"mounts":[{"driveName":"data","mountPath":"/mnt/data"}]}"#))
/// #     .on("POST", "/", Step::ok(r#"{"success":true,"driveName":"data","mountPath":"/mnt/data"}"#))
/// #     .on("DELETE", "/", Step::ok(r#"{"success":true,"mountPath":"/mnt/data"}"#));
/// # let server = FaultServer::start(script)?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
/// let drives = client.sandbox("box").drives();
/// let mount = drives.mount("data", "/mnt/data").read_only().wait()?;
/// assert_eq!(mount.path, "/mnt/data");
/// for mount in drives.list().wait()? {
///     println!("{} at {}", mount.drive, mount.path);
/// }
///
/// // The same in async code.
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// drives.unmount("/mnt/data").await?;
/// # Ok::<(), reveille::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Drives(Sandbox);

impl Drives {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self(sandbox)
    }

    /// What is mounted. A read.
    pub fn list(&self) -> Call<Vec<DriveMount>> {
        let mut operation = self.0.endpoint(Method::GET, Ok(MOUNTS.to_owned()));
        operation.accept_json();
        Call::new(self.0.core(), operation, Reading::json_as(|listed: DriveMounts| listed.mounts))
    }

    /// Mounts a drive at a path, all of it and writable until told otherwise. A mutation.
    pub fn mount(&self, drive: impl Into<String>, path: impl AsRef<str>) -> Mount {
        let mut operation = self.0.endpoint(Method::POST, Ok(MOUNTS.to_owned()));
        operation.accept_json();
        let wanted = || {
            let (drive, path) = (DriveName::new(drive)?, MountPath::new(path.as_ref())?);
            Ok::<_, InvalidInput>(DriveMount::new(drive.as_str(), path.as_str()))
        };
        let request = wanted().unwrap_or_else(|invalid| {
            operation.refuse(invalid);
            DriveMount::default()
        });
        let call = Call::new(self.0.core(), operation, Reading::json_as(|done: MountOutcome| done.mount));
        Mount { call, request }
    }

    /// Unmounts what is mounted at a path. A mutation.
    pub fn unmount(&self, path: impl AsRef<str>) -> Call<UnmountOutcome> {
        let path = MountPath::new(path.as_ref()).map(|path| path.as_url_path(MOUNTS));
        Call::json(self.0.core(), self.0.endpoint(Method::DELETE, path))
    }
}

/// A mount that is to be made; by [`Drives::mount`].
#[derive(Debug)]
#[must_use = "nothing is sent until the call is awaited, or waited for with `.wait()`"]
pub struct Mount {
    call: Call<DriveMount>,
    request: DriveMount,
}

impl Mount {
    /// Mounts it for reading only.
    pub fn read_only(mut self) -> Self {
        self.request.read_only = true;
        self
    }

    /// Mounts only this directory of the drive; an absolute path within it.
    pub fn drive_path(mut self, path: impl Into<String>) -> Self {
        self.request.drive_path = path.into();
        if !self.request.drive_path.starts_with('/') {
            let rule = "it starts with /, the root of the drive";
            self.call.operation.refuse(InvalidInput::new(
                "drive path",
                self.request.drive_path.clone(),
                rule,
            ));
        }
        self
    }

    fn into_call(mut self) -> Call<DriveMount> {
        self.call.operation = self.call.operation.json(&self.request);
        self.call
    }
}

like_a_call!(Mount => DriveMount);
