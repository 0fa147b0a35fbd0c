//! Disks of a size: files with a file system of their own, so that who fills one fills nobody else's.
//!
//! Only root can mount one. It is mounted where no other process sees it, by the thread that starts a sandbox, and from
//! there comes into the sandbox's own mounts; when those are gone, so is the mount and the loop device, whatever has
//! ended the sandbox or its host.

mod image;
mod mounts;
mod own;
mod programs;

use std::path::Path;

use rustix::process::geteuid;

use super::Namespaces;

pub(super) use image::{Grown, Image, UNFINISHED};
pub(super) use mounts::Mounts;
pub(super) use own::{is_in, mount, write_back};

/// Whether disks can be made here, or why they cannot.
pub(super) fn can_be_made(namespaces: Namespaces) -> Result<(), String> {
    if !geteuid().is_root() {
        return Err("only root can mount them (to get it: run the host as root)".to_owned());
    }
    if !namespaces.is_apart() {
        return Err("sandboxes have no roots of their own here".to_owned());
    }
    if !Path::new("/dev/loop-control").exists() {
        return Err("there is no /dev/loop-control (to get it: modprobe loop)".to_owned());
    }
    match programs::missing() {
        Some(program) => Err(format!("there is no {program} (to get it: install e2fsprogs and util-linux)")),
        None => Ok(()),
    }
}
