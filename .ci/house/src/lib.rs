//! Holds the workspace against its own rules, which `deny.toml` and this crate state: the licences of what it
//! depends on, duplicates, the stated Rust version, the arrows between rooms.
//!
//! Each rule gives a line for everything that breaks it; the tests of this crate want none.

mod arrows;
mod dependencies;
mod rules;

pub use arrows::forbidden_arrows;
pub use dependencies::{duplicates, refused_licences, too_new};
pub use rules::Rules;

use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, MetadataCommand};

/// The root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The workspace with all that it depends on, as the lock file has it.
///
/// # Errors
/// When cargo cannot tell.
pub fn workspace() -> Result<Metadata, cargo_metadata::Error> {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(vec!["--locked".to_owned()])
        .exec()
}
