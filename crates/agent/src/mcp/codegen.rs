//! Tools for programs that write code: finding and reading what is in the working directory.
//!
//! Those that the platform lists and does not carry out (a search by meaning, edits in many places, an edit once more)
//! are not listed here, and neither are those that ask a model outside: there is no key for one.

use axum::Router;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reveille_wire::{FilePath, FoundKind, FuzzyMatches};
use serde_json::{Map, Value, json};

use super::tools::{ask, bytes, tool};
use crate::files::grep::{self, Case};
use crate::files::working_directory;

/// How many files a search by name tells, as the platform's does.
const FILES: usize = 10;
/// How many are looked at for them: directories fit names, too, and are not told.
const LOOKED_AT: usize = 100;

/// Them, as they are listed.
pub(super) fn all() -> Vec<Value> {
    let path = json!({"type": "string", "description": "absolute, or relative to the working directory"});
    let text = |what: &str| json!({"type": "string", "description": what});
    vec![
        tool(
            "codegenFileSearch",
            "Find files by a part of their path that is nearly right",
            &["query"],
            json!({"query": text("a part of the path"), "directory": path}),
        ),
        tool(
            "codegenGrepSearch",
            "Find lines of the files in the working directory that match a regular expression",
            &["query"],
            json!({
                "query": text("the expression"),
                "caseSensitive": {"type": "boolean", "description": "whether capitals are other letters"},
                "includePattern": text("which files are searched: *.ts, src/**"),
                "excludePattern": text("which files are left out"),
            }),
        ),
        tool(
            "codegenListDir",
            "List a directory",
            &["relativeWorkspacePath"],
            json!({"relativeWorkspacePath": path}),
        ),
        tool(
            "codegenReadFileRange",
            "Read lines of a file, 250 at the most",
            &["targetFile", "startLineOneIndexed", "endLineOneIndexedInclusive"],
            json!({
                "targetFile": path,
                "startLineOneIndexed": {"type": "integer", "description": "the first line, counted from 1"},
                "endLineOneIndexedInclusive": {"type": "integer", "description": "the last line"},
            }),
        ),
    ]
}

/// Uses one of them.
///
/// # Errors
/// A sentence, also when there is none of that name.
pub(super) async fn run(endpoints: &Router, name: &str, given: &Map<String, Value>) -> Result<Value, String> {
    let text = |key: &str| given.get(key).and_then(Value::as_str).map(str::to_owned);
    match name {
        "codegenFileSearch" => {
            let (query, directory) = (text("query").unwrap_or_default(), text("directory"));
            let matches = files(endpoints, &query, directory.as_deref()).await?;
            Ok(json!({"success": true, "matches": matches, "query": query}))
        }
        "codegenGrepSearch" => {
            let case = Case::told_if(given.get("caseSensitive").and_then(Value::as_bool).unwrap_or_default());
            let [wanted, unwanted] = ["includePattern", "excludePattern"]
                .map(|key| text(key).filter(|pattern| !pattern.is_empty()));
            let found = grep::expression(text("query").unwrap_or_default(), case, wanted, unwanted).await;
            let lines: Vec<String> = found
                .map_err(|failure| failure.sentence().to_owned())?
                .matches
                .iter()
                .map(|line| format!("{}:{}:{}\n", line.path, line.line, line.text))
                .collect();
            Ok(json!({"success": true, "results": lines.concat()}))
        }
        "codegenListDir" => {
            let path = text("relativeWorkspacePath").filter(|path| !path.is_empty() && path != ".");
            let told = ask(endpoints, Method::GET, file(path.as_deref())?, None).await?;
            if told.get("subdirectories").is_none() {
                return Err(format!("{} is no directory", path.unwrap_or_default()));
            }
            Ok(json!({"success": true, "directory": told}))
        }
        "codegenReadFileRange" => {
            let path = text("targetFile").unwrap_or_default();
            let [first, last] = ["startLineOneIndexed", "endLineOneIndexedInclusive"]
                .map(|key| given.get(key).and_then(Value::as_u64).unwrap_or_default());
            let content = bytes(endpoints, &file(Some(&path))?).await?;
            let content = String::from_utf8(content).map_err(|_| format!("{path} is no text"))?;
            Ok(json!({"success": true, "content": lines(&content, first, last)?, "file": path}))
        }
        _ => Err(format!("there is no tool {name:?}")),
    }
}

fn file(path: Option<&str>) -> Result<String, String> {
    let Some(path) = path else { return Ok("/filesystem/".to_owned()) };
    FilePath::new(path).map(|path| path.as_url_path("/filesystem")).map_err(|error| error.to_string())
}

/// Files that fit best by their paths, absolute.
async fn files(endpoints: &Router, query: &str, directory: Option<&str>) -> Result<Vec<String>, String> {
    let below = match directory.filter(|directory| !directory.is_empty() && *directory != ".") {
        None => "/filesystem-search/".to_owned(),
        Some(directory) => {
            FilePath::new(directory).map_err(|error| error.to_string())?.as_url_path("/filesystem-search")
        }
    };
    let query = utf8_percent_encode(query, NON_ALPHANUMERIC);
    let target = format!("{below}?query={query}&maxResults={LOOKED_AT}");
    let told = ask(endpoints, Method::GET, target, None).await?;
    let told: FuzzyMatches =
        serde_json::from_value(told).map_err(|error| format!("the answer is not understood: {error}"))?;
    let root = working_directory().join(directory.unwrap_or_default());
    let files = told.matches.into_iter().filter(|found| found.kind == FoundKind::File);
    Ok(files.take(FILES).map(|found| root.join(found.path).to_string_lossy().into_owned()).collect())
}

/// How many lines are read at once at the most.
const LINES: u64 = 250;

/// The lines from `first` to `last`, counted from 1.
fn lines(content: &str, first: u64, last: u64) -> Result<String, String> {
    let all: Vec<&str> = content.split('\n').collect();
    let index = |line: u64| usize::try_from(line).unwrap_or(usize::MAX);
    if first < 1 || last < first || index(last) > all.len() {
        return Err(format!("there are no lines {first} to {last}: the file has {}", all.len()));
    }
    if last - first >= LINES {
        return Err(format!("lines {first} to {last} are more than {LINES}"));
    }
    Ok(all[index(first) - 1..index(last)].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_that_are_there_and_250_at_the_most() {
        assert_eq!(lines("a\nb\nc", 2, 3), Ok("b\nc".to_owned()));
        assert_eq!(lines("a\n", 1, 2), Ok("a\n".to_owned()));
        for (first, last) in [(0, 1), (2, 1), (1, 4), (4, 4)] {
            assert!(lines("a\nb\nc", first, last).unwrap_err().contains("the file has 3"));
        }
        let long = "x\n".repeat(300);
        assert!(lines(&long, 1, 250).is_ok() && lines(&long, 51, 300).is_ok());
        assert!(lines(&long, 1, 251).unwrap_err().contains("more than 250"));
    }
}
