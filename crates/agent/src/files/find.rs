//! Finding files and directories by their names.

use axum::Json;
use http::Uri;
use reveille_wire::{FindMatch, FindMatches, FoundKind};

use super::disk;
use super::named::Named;
use super::walk::{self, Depth, Hidden, Skipped, Walk};
use crate::failure::Failure;
use crate::parameters::Parameters;

/// How many are told when nothing was said, and how many at the most when a number was.
const RESULTS: usize = 20;
const MOST: usize = 1000;

/// `GET /filesystem-find/{path}`.
pub(crate) async fn get(uri: Uri, asked: Parameters) -> Result<Json<FindMatches>, Failure> {
    let named = Named::of(&uri, "/filesystem-find")?;
    let kind = match asked.text("type") {
        None | Some("file") => FoundKind::File,
        Some("directory") => FoundKind::Directory,
        Some(_) => return Err(Failure::bad("type is neither file nor directory")),
    };
    let patterns = walk::patterns(&asked.list("patterns"))?;
    let most = most(asked.number("maxResults", RESULTS)?);
    let walk = quiet(&asked);
    disk::while_wanted(move |interest| {
        let mut matches = Vec::new();
        for found in walk.below(&named, interest)? {
            let found = found?;
            if found.is_directory() != (kind == FoundKind::Directory) {
                continue;
            }
            if patterns.as_ref().is_some_and(|patterns| !patterns.is_match(found.name())) {
                continue;
            }
            let relative = found.relative.to_string_lossy();
            let path = if relative.is_empty() { ".".into() } else { relative };
            matches.push(FindMatch::new(path, kind));
            if matches.len() == most {
                break;
            }
        }
        Ok(Json(FindMatches::new(matches)))
    })
    .await
}

/// How many results are told for a number that was asked for; 0 asks for all.
fn most(asked: usize) -> usize {
    if asked == 0 { usize::MAX } else { asked.min(MOST) }
}

/// A walk that leaves out what most searches do not want, unless it was asked for.
pub(crate) fn quiet(asked: &Parameters) -> Walk {
    let hidden = if asked.flag("excludeHidden", true) { Hidden::Skipped } else { Hidden::Told };
    Walk { depth: Depth::All, skipped: Skipped::these_or_noise(asked.list("excludeDirs")), hidden }
}
