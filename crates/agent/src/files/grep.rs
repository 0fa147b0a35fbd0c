//! Finding text in files, or lines that match an expression.

use std::io;
use std::path::Path;

use axum::Json;
use globset::GlobSet;
use grep_matcher::Matcher;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkMatch};
use http::Uri;
use reveille_wire::{ContentMatch, ContentMatches};

use super::disk::{self, Interest};
use super::named::Named;
use super::walk::{self, Depth, Found, Hidden, Skipped, Walk};
use crate::failure::Failure;
use crate::parameters::Parameters;

/// How many lines are told when nothing was said, and how many at the most.
const RESULTS: usize = 100;
const MOST: usize = 10_000;
/// How many lines around each are told at the most.
const CONTEXT: usize = 50;
/// The longest query, in bytes.
const QUERY: usize = 16 << 10;
/// How much is told in all, in bytes, before the search ends.
const TOLD: usize = 32 << 20;
/// How much of a line is told, in bytes. Of a longer one the part around what was found is told.
const LINE: usize = 4 << 10;
/// How much of a longer line is told before what was found, in bytes.
const BEFORE: usize = 256;
/// The longest line that is searched, in bytes; a file with a longer one is left out.
const HELD: usize = 16 << 20;

/// `GET /filesystem-content-search/{dir}?query=`: lines that hold a text, which is no pattern.
pub(crate) async fn get(uri: Uri, asked: Parameters) -> Result<Json<ContentMatches>, Failure> {
    let named = Named::of(&uri, "/filesystem-content-search")?;
    let grep = Grep::asked(&asked)?;
    disk::while_wanted(move |interest| grep.search(&named, interest)).await.map(Json)
}

/// Lines of the working directory's files that match a regular expression, for a tool. Patterns look at names and at
/// paths below that directory.
///
/// # Errors
/// 400 when the expression or a pattern cannot be understood.
pub(crate) async fn expression(
    query: String,
    case: Case,
    wanted: Option<String>,
    unwanted: Option<String>,
) -> Result<ContentMatches, Failure> {
    let pattern = |given: Option<String>| walk::patterns(given.as_slice());
    let grep = Grep {
        matcher: matcher(&query, case, Query::Expression)?,
        query,
        context: 0,
        most: RESULTS,
        files: Files { wanted: pattern(wanted)?, unwanted: pattern(unwanted)?, look: Look::NameAndPath },
        walk: Walk {
            depth: Depth::All,
            skipped: Skipped::these_or_noise(Vec::new()),
            hidden: Hidden::Skipped,
        },
    };
    let named = Named::new(b"")?;
    disk::while_wanted(move |interest| grep.search(&named, interest)).await
}

/// Whether letters in capitals are others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Told,
    Ignored,
}

impl Case {
    /// As a flag for it says.
    pub(crate) fn told_if(sensitive: bool) -> Self {
        if sensitive { Self::Told } else { Self::Ignored }
    }
}

/// What a query is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Query {
    Text,
    Expression,
}

fn matcher(query: &str, case: Case, kind: Query) -> Result<RegexMatcher, Failure> {
    if query.len() > QUERY || query.contains(['\n', '\0']) {
        return Err(Failure::bad("the query is longer than 16 KiB, or more than a line"));
    }
    RegexMatcherBuilder::new()
        .fixed_strings(kind == Query::Text)
        .case_insensitive(case == Case::Ignored)
        .line_terminator(Some(b'\n'))
        .build(query)
        .map_err(|error| Failure::bad(format!("the query cannot be searched for: {error}")))
}

/// Which files are searched.
struct Files {
    wanted: Option<GlobSet>,
    unwanted: Option<GlobSet>,
    look: Look,
}

/// What patterns look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Name,
    NameAndPath,
}

impl Files {
    fn has(&self, found: &Found) -> bool {
        let fits = |set: &GlobSet| {
            set.is_match(found.name()) || self.look == Look::NameAndPath && set.is_match(&found.relative)
        };
        found.is_file() && self.wanted.as_ref().is_none_or(fits) && !self.unwanted.as_ref().is_some_and(fits)
    }
}

/// What is searched for, and where.
struct Grep {
    query: String,
    matcher: RegexMatcher,
    context: usize,
    most: usize,
    files: Files,
    walk: Walk,
}

impl Grep {
    fn asked(asked: &Parameters) -> Result<Self, Failure> {
        let query = asked.text("query").ok_or_else(|| Failure::bad("the query is missing"))?.to_owned();
        let matcher = matcher(&query, Case::told_if(asked.flag("caseSensitive", false)), Query::Text)?;
        let most = match asked.number("maxResults", RESULTS)? {
            0 => MOST,
            asked => asked.min(MOST),
        };
        Ok(Self {
            query,
            matcher,
            // What is no number asks for no lines, as at the platform's server.
            context: asked.number("contextLines", 0).unwrap_or(0).min(CONTEXT),
            most,
            files: Files {
                wanted: walk::patterns(&asked.list("filePattern"))?,
                unwanted: None,
                look: Look::Name,
            },
            walk: Walk {
                depth: Depth::All,
                skipped: Skipped::these_or_noise(asked.list("excludeDirs")),
                hidden: Hidden::Told,
            },
        })
    }

    fn search(&self, named: &Named, interest: &Interest) -> Result<ContentMatches, Failure> {
        let mut searcher = SearcherBuilder::new()
            .binary_detection(BinaryDetection::quit(0))
            .before_context(self.context)
            .after_context(self.context)
            .heap_limit(Some(HELD))
            .build();
        let mut told = Told { matches: Vec::new(), size: 0 };
        for found in self.walk.below(named, interest)? {
            let found = found?;
            if !self.files.has(&found) {
                continue;
            }
            let mut lines = Lines { grep: self, interest, seen: Vec::new(), room: self.room(&told), last: 0 };
            // A file that cannot be read, or not to its end, tells what it told until then.
            let _unread = searcher.search_path(&self.matcher, &found.path, &mut lines);
            told.add(&found.relative, &lines.seen, self.context);
            if self.room(&told) == 0 {
                break;
            }
        }
        Ok(ContentMatches::new(self.query.clone(), told.matches))
    }

    /// How many more lines are told.
    fn room(&self, told: &Told) -> usize {
        if told.size > TOLD { 0 } else { self.most - told.matches.len().min(self.most) }
    }
}

/// What was found so far.
struct Told {
    matches: Vec<ContentMatch>,
    /// The length of all texts in it.
    size: usize,
}

impl Told {
    fn add(&mut self, path: &Path, seen: &[Line], context: usize) {
        for (at, line) in seen.iter().enumerate() {
            let Some(column) = line.column else { continue };
            let mut found = ContentMatch::new(path.to_string_lossy(), line.number, column, line.text.clone());
            if context > 0 {
                let near = |other: &&Line| other.number.abs_diff(line.number) <= context;
                let before = seen[..at].iter().rev().take_while(near).count();
                let behind = seen[at + 1..].iter().take_while(near).count();
                let lines: Vec<&str> =
                    seen[at - before..=at + behind].iter().map(|line| line.text.as_str()).collect();
                found.context = Some(lines.join("\n"));
            }
            self.size += found.text.len() + found.context.as_ref().map_or(0, String::len);
            self.matches.push(found);
        }
    }
}

/// A line that holds the text, or stands near one that does.
struct Line {
    number: usize,
    text: String,
    /// Where the text begins, counted in bytes from 1.
    column: Option<usize>,
}

/// The lines of one file.
struct Lines<'a> {
    grep: &'a Grep,
    interest: &'a Interest,
    seen: Vec<Line>,
    /// How many more lines that hold the text are wanted.
    room: usize,
    /// The number of the last one of them.
    last: usize,
}

impl Sink for Lines<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, line: &SinkMatch<'_>) -> io::Result<bool> {
        let bytes = without_end(line.bytes());
        let number = number(line.line_number());
        if self.room == 0 {
            // It may still stand behind the last one that is told.
            self.seen.push(Line { number, text: shown(bytes, 0), column: None });
            return Ok(number - self.last < self.grep.context && self.interest.lasts());
        }
        self.room -= 1;
        self.last = number;
        let at = self.grep.matcher.find(bytes).ok().flatten().map_or(0, |found| found.start());
        self.seen.push(Line { number, text: shown(bytes, at), column: Some(at + 1) });
        Ok((self.room > 0 || self.grep.context > 0) && self.interest.lasts())
    }

    fn context(&mut self, _: &Searcher, line: &SinkContext<'_>) -> io::Result<bool> {
        let text = shown(without_end(line.bytes()), 0);
        self.seen.push(Line { number: number(line.line_number()), text, column: None });
        Ok(self.interest.lasts())
    }
}

fn number(counted: Option<u64>) -> usize {
    usize::try_from(counted.unwrap_or(1)).unwrap_or(usize::MAX)
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A line as it is told: all of it, or the part of a long one that begins shortly before `at`.
fn shown(line: &[u8], at: usize) -> String {
    let start = if line.len() <= LINE { 0 } else { at.saturating_sub(BEFORE) };
    let end = line.len().min(start.saturating_add(LINE));
    String::from_utf8_lossy(&line[start..end]).into_owned()
}
