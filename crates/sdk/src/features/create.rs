use reveille_wire::{EnvVar, PortSpec, Sandbox as Record, SandboxRuntime, VolumeAttachment};

use crate::call::{Call, like_a_call};

/// A sandbox that is to be made; by [`Sandboxes::create`](crate::Sandboxes::create).
///
/// What it cannot say is said by [`Client::request`](crate::Client::request).
#[derive(Debug)]
#[must_use = "nothing is sent until the call is awaited, or waited for with `.wait()`"]
pub struct CreateSandbox {
    call: Call<Record>,
    record: Record,
}

impl CreateSandbox {
    pub(super) fn new(call: Call<Record>, record: Record) -> Self {
        Self { call, record }
    }

    /// Gives the sandbox of this name that is there already, where there is one; the platform makes one only where it is
    /// missing, has failed, or is no more. Still a mutation.
    pub fn if_missing(mut self) -> Self {
        self.call.operation.query("createIfNotExist", "true");
        self
    }

    /// The image that it is made of.
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.runtime().image = Some(image.into());
        self
    }

    /// How much memory it has, in MB.
    pub fn memory(mut self, megabytes: u64) -> Self {
        self.runtime().memory = Some(megabytes);
        self
    }

    /// A volume, at a place in the sandbox. It must be there already, and in no other sandbox.
    pub fn volume(self, name: impl Into<String>, path: impl Into<String>) -> Self {
        self.attached(name.into(), path.into(), None)
    }

    /// The same, which the sandbox may not write to.
    pub fn read_only_volume(self, name: impl Into<String>, path: impl Into<String>) -> Self {
        self.attached(name.into(), path.into(), Some(true))
    }

    fn attached(mut self, name: String, path: String, read_only: Option<bool>) -> Self {
        let mut volume = VolumeAttachment::default();
        (volume.name, volume.mount_path, volume.read_only) = (name, path, read_only);
        self.record.spec.volumes.push(volume);
        self
    }

    /// A variable in the environment of its processes; may be said again.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let var = EnvVar { name: name.into(), value: value.into(), secret: None };
        self.runtime().envs.push(var);
        self
    }

    /// The same, whose value the platform shows to nobody.
    pub fn secret(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let var = EnvVar { name: name.into(), value: value.into(), secret: Some(true) };
        self.runtime().envs.push(var);
        self
    }

    /// A port that it serves; may be said again.
    pub fn port(mut self, port: u16) -> Self {
        let mut spec = PortSpec::default();
        spec.target = port;
        self.runtime().ports.push(spec);
        self
    }

    /// How long it lives: `30m`, `24h`, `7d`.
    pub fn ttl(mut self, ttl: impl Into<String>) -> Self {
        self.runtime().ttl = Some(ttl.into());
        self
    }

    /// Until when it lives, RFC 3339.
    pub fn expires(mut self, moment: impl Into<String>) -> Self {
        self.runtime().expires = Some(moment.into());
        self
    }

    /// Where it runs, instead of the client's region.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.record.spec.region = Some(region.into());
        self
    }

    /// A label; may be said again.
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.record.metadata.labels.insert(key.into(), value.into());
        self
    }

    /// The caller's own name for it, at most 64 letters.
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.record.metadata.external_id = Some(id.into());
        self
    }

    /// A name for people.
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.record.metadata.display_name = Some(name.into());
        self
    }

    fn runtime(&mut self) -> &mut SandboxRuntime {
        self.record.spec.runtime.get_or_insert_default()
    }

    fn into_call(mut self) -> Call<Record> {
        self.call.operation = self.call.operation.json(&self.record);
        self.call
    }
}

like_a_call!(CreateSandbox => Record);
