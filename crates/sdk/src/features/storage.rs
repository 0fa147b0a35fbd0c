//! What outlives sandboxes: volumes, drives and images, as records of the control plane.

use std::sync::Arc;

use http::Method;
use reveille_wire::{Drive, Image, Page, Volume};
use serde::de::DeserializeOwned;

use super::List;

use crate::call::{Call, Operation, Target, like_a_call, segment};
use crate::core::{Body, Core};
use crate::record::Site;

/// The operations that records of one kind have in common.
#[derive(Clone, Debug)]
pub(super) struct Records {
    core: Arc<Core>,
    path: &'static str,
}

impl Records {
    pub(super) fn new(core: Arc<Core>, path: &'static str) -> Self {
        Self { core, path }
    }

    fn all(&self, method: Method) -> Operation {
        Operation::new(method, self.at(""))
    }

    pub(super) fn list<T: DeserializeOwned + Send + 'static>(&self) -> List<T> {
        List::new(Call::<Page<T>>::json(self.core(), self.all(Method::GET)))
    }

    fn one(&self, method: Method, name: &str) -> Operation {
        self.below(method, ("name", name), "")
    }

    /// An operation on one, or on what is below it; with the word for what names it.
    pub(super) fn below(&self, method: Method, (what, name): (&'static str, &str), rest: &str) -> Operation {
        match segment(what, name) {
            Ok(name) => Operation::new(method, self.at(&format!("/{name}{rest}"))),
            Err(invalid) => Operation::invalid(method, invalid),
        }
    }

    fn at(&self, rest: &str) -> Target {
        Target::new(self.core.settings.api_url.as_str(), format!("{}{rest}", self.path), Site::ControlPlane)
    }

    pub(super) fn core(&self) -> Arc<Core> {
        Arc::clone(&self.core)
    }
}

/// The volumes of a workspace: files with lives of their own, each in one sandbox at a time.
///
/// ```
/// # use reveille_faults::{FaultServer, Script, Step};
/// # let volume = r#"{"metadata":{"name":"data"},"spec":{"size":2048},"state":{"attachedTo":""}}"#;
/// # let script = Script::new()
/// #     .on("GET", "/volumes", Step::ok(format!(r#"{{"data":[{volume}],"meta":{{"hasMore":false}}}}"#)))
/// #     .on("POST", "/sandboxes", Step::ok(r#"{"metadata":{"name":"box"}}"#))
/// #     .on("*", "/", Step::ok(volume));
/// # let server = FaultServer::start(script)?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").api_url(server.url()).build()?;
/// let volumes = client.volumes();
/// volumes.create("data").size(2048).wait()?;
/// client.sandboxes().create("box").volume("data", "/mnt/data").wait()?;
///
/// // The same in async code.
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// for mut volume in volumes.list().await?.data {
///     println!("{} is in {:?}", volume.metadata.name, volume.state);
///     volume.spec.size = Some(4096);
///     volumes.update(&volume).await?;
/// }
/// # Ok::<(), reveille::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Volumes(Records);

impl Volumes {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self(Records::new(core, "/volumes"))
    }

    /// A page of them, or all of them by [`List::pages`]. A read.
    pub fn list(&self) -> List<Volume> {
        self.0.list()
    }

    /// One of them. A read.
    pub fn get(&self, name: impl AsRef<str>) -> Call<Volume> {
        Call::json(self.0.core(), self.0.one(Method::GET, name.as_ref()))
    }

    /// Makes one of this name, as large as the platform makes them until told otherwise. A mutation.
    pub fn create(&self, name: impl Into<String>) -> CreateVolume {
        let mut volume = Volume::default();
        volume.metadata.name = name.into();
        volume.spec.region.clone_from(&self.0.core.settings.region);
        CreateVolume { call: Call::json(self.0.core(), self.0.all(Method::POST)), volume }
    }

    /// Makes one what its record says: its size can grow, and its labels and its display name can change. A mutation.
    pub fn update(&self, volume: &Volume) -> Call<Volume> {
        let operation = self.0.one(Method::PUT, &volume.metadata.name).json(volume);
        Call::json(self.0.core(), operation)
    }

    /// Deletes one and its files; one that is in a sandbox stays. A mutation.
    pub fn delete(&self, name: impl AsRef<str>) -> Call<Volume> {
        Call::json(self.0.core(), self.0.one(Method::DELETE, name.as_ref()))
    }
}

/// A volume that is to be made; by [`Volumes::create`].
#[derive(Debug)]
#[must_use = "nothing is sent until the call is awaited, or waited for with `.wait()`"]
pub struct CreateVolume {
    call: Call<Volume>,
    volume: Volume,
}

impl CreateVolume {
    /// How large it is, in MB.
    pub fn size(mut self, megabytes: u64) -> Self {
        self.volume.spec.size = Some(megabytes);
        self
    }

    /// Where it is.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.volume.spec.region = Some(region.into());
        self
    }

    /// A label; may be said again.
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.volume.metadata.labels.insert(key.into(), value.into());
        self
    }

    fn into_call(mut self) -> Call<Volume> {
        self.call.operation = self.call.operation.json(&self.volume);
        self.call
    }
}

like_a_call!(CreateVolume => Volume);

/// The drives of a workspace. What of them a sandbox has mounted is said by [`Sandbox::drives`](crate::Sandbox::drives).
///
/// ```
/// # use reveille_faults::{FaultServer, Script, Step};
/// # let script = Script::new().on("GET", "/drives", Step::ok("[]")).on("*", "/", Step::ok(r#"{"metadata":{"name":"d"}}"#));
/// # let server = FaultServer::start(script)?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").api_url(server.url()).build()?;
/// let drives = client.drives();
/// drives.create("d").wait()?;
/// assert!(drives.list().wait()?.data.is_empty());
/// drives.delete("d").wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct WorkspaceDrives(Records);

impl WorkspaceDrives {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self(Records::new(core, "/drives"))
    }

    /// A page of them, or all of them by [`List::pages`]. A read.
    pub fn list(&self) -> List<Drive> {
        self.0.list()
    }

    /// One of them. A read.
    pub fn get(&self, name: impl AsRef<str>) -> Call<Drive> {
        Call::json(self.0.core(), self.0.one(Method::GET, name.as_ref()))
    }

    /// Makes an empty one. A mutation.
    pub fn create(&self, name: impl Into<String>) -> Call<Drive> {
        let mut drive = Drive::default();
        drive.metadata.name = name.into();
        if let Some(region) = &self.0.core.settings.region {
            drive.spec.insert("region".to_owned(), region.as_str().into());
        }
        Call::json(self.0.core(), self.0.all(Method::POST).json(&drive))
    }

    /// Deletes one and its files; one that is mounted stays. A mutation.
    pub fn delete(&self, name: impl AsRef<str>) -> Call<Drive> {
        Call::json(self.0.core(), self.0.one(Method::DELETE, name.as_ref()))
    }
}

/// The images that sandboxes are made of.
///
/// ```
/// # use reveille_faults::{FaultServer, Script, Step};
/// # let image = r#"{"metadata":{"name":"mine:1"},"spec":{"size":5}}"#;
/// # let script = Script::new().on("GET", "/images", Step::ok(format!("[{image}]"))).on("*", "/", Step::ok(image));
/// # let server = FaultServer::start(script)?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").api_url(server.url()).build()?;
/// let images = client.images();
/// images.import("mine:1", "the bytes of an archive").wait()?;      // only a local host knows it
/// for image in images.list().wait()?.data {
///     println!("{}", image.metadata.name);
/// }
/// images.delete("mine:1").wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Images(Records);

impl Images {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self(Records::new(core, "/images"))
    }

    /// A page of them, or all of them by [`List::pages`]. A read.
    pub fn list(&self) -> List<Image> {
        self.0.list()
    }

    /// Imports an archive under a name, in place of what had the name before. A mutation. Only the local host knows it:
    /// the platform builds its images.
    pub fn import(&self, name: impl AsRef<str>, archive: impl Into<Body>) -> Call<Image> {
        let mut operation = self.of(Method::PUT, name.as_ref());
        operation.body = archive.into();
        Call::json(self.0.core(), operation)
    }

    /// Removes one that no sandbox is made of. A mutation. Only the local host knows it.
    pub fn delete(&self, name: impl AsRef<str>) -> Call<Image> {
        Call::json(self.0.core(), self.of(Method::DELETE, name.as_ref()))
    }

    /// An operation on one of them, whose name may have several steps.
    fn of(&self, method: Method, name: &str) -> Operation {
        let steps: Result<Vec<_>, _> = name.split('/').map(|step| segment("image", step)).collect();
        match steps {
            Ok(steps) => Operation::new(method, self.0.at(&format!("/{}", steps.join("/")))),
            Err(invalid) => Operation::invalid(method, invalid),
        }
    }
}
