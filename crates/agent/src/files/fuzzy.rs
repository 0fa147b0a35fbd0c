//! Finding files by a part of their path that is nearly right.

use std::cmp::Reverse;

use axum::Json;
use http::Uri;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use reveille_wire::{FoundKind, FuzzyMatch, FuzzyMatches};

use super::named::Named;
use super::{disk, find, walk};
use crate::failure::Failure;
use crate::parameters::Parameters;

/// How many are told when nothing was said, and how many at the most.
const RESULTS: usize = 20;
const MOST: usize = 1000;
/// How many paths are looked at.
const PATHS: usize = 200_000;
/// The longest query, in bytes.
const QUERY: usize = 1024;

const ENDPOINT: &str = "/filesystem-search";

/// `GET /filesystem-search/{dir}?query=`, or, as clients did before, `GET /filesystem-search/{query}`, which searches
/// the working directory.
pub(crate) async fn get(uri: Uri, asked: Parameters) -> Result<Json<FuzzyMatches>, Failure> {
    let behind = Named::of(&uri, ENDPOINT)?;
    let (named, query) = match asked.text("query") {
        Some(query) => (behind, query.to_owned()),
        None if matches!(uri.path(), ENDPOINT | "/filesystem-search/") => {
            return Err(Failure::bad("the query is missing"));
        }
        None => (Named::new(b"")?, behind.text()),
    };
    if query.len() > QUERY {
        return Err(Failure::bad("the query is longer than 1,024 bytes"));
    }
    let most = match asked.number("maxResults", RESULTS)? {
        0 => MOST,
        asked => asked.min(MOST),
    };
    let patterns = walk::patterns(&asked.list("patterns"))?;
    let walk = find::quiet(&asked);
    disk::while_wanted(move |interest| {
        let mut matcher = Matcher::new(Config::DEFAULT.match_paths());
        let pattern = Pattern::parse(&query, CaseMatching::Smart, Normalization::Smart);
        let mut room = Vec::new();
        let mut matches = Vec::new();
        for found in walk.below(&named, interest)?.take(PATHS) {
            let found = found?;
            if found.relative.as_os_str().is_empty()
                || patterns.as_ref().is_some_and(|patterns| !patterns.is_match(found.name()))
            {
                continue;
            }
            let path = found.relative.to_string_lossy().into_owned();
            if let Some(score) = pattern.score(Utf32Str::new(&path, &mut room), &mut matcher) {
                let kind = if found.is_directory() { FoundKind::Directory } else { FoundKind::File };
                matches.push(FuzzyMatch::new(path, score, kind));
            }
        }
        // The sort is stable: equals stay in the order of the walk, the shorter path first.
        matches.sort_by_key(|found| (Reverse(found.score), found.path.len()));
        matches.truncate(most);
        Ok(Json(FuzzyMatches::new(matches)))
    })
    .await
}
