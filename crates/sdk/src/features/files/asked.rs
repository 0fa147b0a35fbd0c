//! Calls on files that can be asked for in more than one way.

use reveille_retry::Replay;
use reveille_wire::{
    ContentMatches, CopyOutcome, CopyRequest, Directory, FileRequest, FindMatches, FuzzyMatches,
};

use super::form;
use crate::call::{Call, like_a_call};
use crate::core::Body;

/// A file or directory that is to be written; by [`Files::write`](super::Files::write),
/// [`write_text`](super::Files::write_text) and [`make_directory`](super::Files::make_directory).
#[derive(Debug)]
#[must_use = "nothing is sent until the call is awaited, or waited for with `.wait()`"]
pub struct Write {
    call: Call<()>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Json(FileRequest),
    Bytes { body: Body, mode: Option<String> },
}

impl Write {
    pub(super) fn of_json(call: Call<()>, request: FileRequest) -> Self {
        Self { call, content: Content::Json(request) }
    }

    pub(super) fn of_bytes(call: Call<()>, body: Body) -> Self {
        Self { call, content: Content::Bytes { body, mode: None } }
    }

    /// Gives it this mode if it is new, as in `0o755`. One that is there keeps its own.
    pub fn mode(mut self, mode: u32) -> Self {
        let octal = format!("{:04o}", mode & 0o7777);
        match &mut self.content {
            Content::Json(request) => request.permissions = Some(octal),
            Content::Bytes { mode, .. } => *mode = Some(octal),
        }
        self
    }

    /// States that a repeat is harmless, so that the write is tried again.
    pub fn vouched(mut self) -> Self {
        self.call.operation = self.call.operation.declare(Replay::Vouched);
        self
    }

    fn into_call(mut self) -> Call<()> {
        let operation = self.call.operation;
        self.call.operation = match self.content {
            Content::Json(request) => operation.json(&request),
            Content::Bytes { body, mode } => form::put(operation, body, mode.as_deref()),
        };
        self.call
    }
}

like_a_call!(Write => ());

/// A removal; by [`Files::remove`](super::Files::remove).
#[derive(Debug)]
#[must_use = "nothing is sent until the call is awaited, or waited for with `.wait()`"]
pub struct Remove {
    call: Call<()>,
}

impl Remove {
    pub(super) fn new(call: Call<()>) -> Self {
        Self { call }
    }

    /// Removes a directory with all that is below it.
    pub fn recursive(mut self) -> Self {
        self.call.operation.query("recursive", "true");
        self
    }

    fn into_call(self) -> Call<()> {
        self.call
    }
}

like_a_call!(Remove => ());

/// A copy; by [`Files::copy`](super::Files::copy).
#[derive(Debug)]
#[must_use = "nothing is sent until the call is awaited, or waited for with `.wait()`"]
pub struct Copy {
    call: Call<CopyOutcome>,
    request: CopyRequest,
}

impl Copy {
    pub(super) fn new(call: Call<CopyOutcome>, from: String, to: String) -> Self {
        Self { call, request: CopyRequest::new(from, to) }
    }

    /// Fails with a conflict when something is there already.
    pub fn no_overwrite(mut self) -> Self {
        self.request.no_overwrite = true;
        self
    }

    fn into_call(mut self) -> Call<CopyOutcome> {
        self.call.operation = self.call.operation.json(&self.request);
        self.call
    }
}

like_a_call!(Copy => CopyOutcome);

/// Makes a builder around a read with a query.
macro_rules! asked {
    ($(#[$doc:meta])* $name:ident => $output:ty { $($(#[$method_doc:meta])* $method:ident($($argument:ident: $kind:ty)?) $build:block)* }) => {
        $(#[$doc])*
        #[derive(Debug)]
        #[must_use = "nothing is sent until the call is awaited, or waited for with `.wait()`"]
        pub struct $name {
            call: Call<$output>,
            lists: Lists,
        }

        impl $name {
            pub(super) fn new(call: Call<$output>) -> Self {
                Self { call, lists: Lists::default() }
            }

            $(asked!(@method $(#[$method_doc])* $method($($argument: $kind)?) $build);)*

            /// Does not look into directories of this name. The first one takes the place of those that are noise in
            /// most projects (`node_modules`, `target` and the like).
            pub fn skip(mut self, directory: impl Into<String>) -> Self {
                self.lists.skipped.push(directory.into());
                self
            }

            fn into_call(mut self) -> Call<$output> {
                for (name, values) in [(PATTERNS, self.lists.patterns), ("excludeDirs", self.lists.skipped)] {
                    if !values.is_empty() {
                        self.call.operation.query(name, &values.join(","));
                    }
                }
                self.call
            }
        }

        like_a_call!($name => $output);
    };
    (@method $(#[$doc:meta])* $method:ident() $build:block) => {
        $(#[$doc])*
        pub fn $method(mut self) -> Self {
            let change: fn(&mut Self) = $build;
            change(&mut self);
            self
        }
    };
    (@method $(#[$doc:meta])* $method:ident($argument:ident: $kind:ty) $build:block) => {
        $(#[$doc])*
        pub fn $method(mut self, $argument: $kind) -> Self {
            let change: fn(&mut Self, $kind) = $build;
            change(&mut self, $argument);
            self
        }
    };
}

const PATTERNS: &str = "patterns";

/// What stands between commas in a query.
#[derive(Debug, Default)]
struct Lists {
    patterns: Vec<String>,
    skipped: Vec<String>,
}

asked! {
    /// All that is below a directory; by [`Files::tree`](super::Files::tree).
    Tree => Directory {
        /// Tells what is in the files, as text.
        content() { |tree| tree.call.operation.query("content", "true") }
        /// Tells only of files whose names match, as in `*.rs`; of several patterns one is enough.
        pattern(pattern: &str) { |tree, pattern| tree.lists.patterns.push(pattern.to_owned()) }
        /// Leaves out names that begin with a dot, and all that is below them.
        skip_hidden() { |tree| tree.call.operation.query("excludeHidden", "true") }
        /// Fails when there are more files than this; 10,000 when nothing is said, and 100,000 at the most.
        max_files(most: usize) { |tree, most| tree.call.operation.query("maxFiles", &most.to_string()) }
        /// Fails when there is more content than this, in bytes; 32 MiB when nothing is said, and 256 MiB at the most.
        max_bytes(most: usize) { |tree, most| tree.call.operation.query("maxBytes", &most.to_string()) }
    }
}

asked! {
    /// A search by name; by [`Files::find`](super::Files::find).
    Find => FindMatches {
        /// Tells only of what matches, as in `*.rs`; of several patterns one is enough.
        pattern(pattern: &str) { |find, pattern| find.lists.patterns.push(pattern.to_owned()) }
        /// Finds directories instead of files.
        directories() { |find| find.call.operation.query("type", "directory") }
        /// Tells also of names that begin with a dot.
        hidden() { |find| find.call.operation.query("excludeHidden", "false") }
        /// Tells of so many at the most; 20 when nothing is said, and 0 means all.
        limit(most: usize) { |find, most| find.call.operation.query("maxResults", &most.to_string()) }
    }
}

asked! {
    /// A search by what a path is nearly; by [`Files::search`](super::Files::search).
    Search => FuzzyMatches {
        /// Tells only of names that match, as in `*.rs`; of several patterns one is enough.
        pattern(pattern: &str) { |search, pattern| search.lists.patterns.push(pattern.to_owned()) }
        /// Tells also of names that begin with a dot.
        hidden() { |search| search.call.operation.query("excludeHidden", "false") }
        /// Tells of so many at the most; 20 when nothing is said.
        limit(most: usize) { |search, most| search.call.operation.query("maxResults", &most.to_string()) }
    }
}

asked! {
    /// A search in files; by [`Files::grep`](super::Files::grep).
    Grep => ContentMatches {
        /// Looks only into files whose names match this, as in `*.rs`.
        pattern(pattern: &str) { |grep, pattern| grep.call.operation.query("filePattern", pattern) }
        /// Takes capitals for other letters.
        case_sensitive() { |grep| grep.call.operation.query("caseSensitive", "true") }
        /// Tells so many lines before and behind each.
        context(lines: usize) { |grep, lines| grep.call.operation.query("contextLines", &lines.to_string()) }
        /// Tells of so many at the most; 100 when nothing is said.
        limit(most: usize) { |grep, most| grep.call.operation.query("maxResults", &most.to_string()) }
    }
}
