//! Files and directories of a sandbox.

mod asked;
mod directories;
mod download;
mod form;
mod local;
mod upload;
mod watch;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Version};
use reveille_retry::Replay;
use reveille_wire::header::FILE_TYPE;
use reveille_wire::{FileRequest, InvalidInput};

use super::Sandbox;
use crate::answer::{Reading, Whole};
use crate::call::{Call, Operation};
use crate::core::Body;
use crate::error::Error;

pub use asked::{Copy, Find, Grep, Remove, Search, Tree, Write};
pub use directories::{DownloadDirectory, Moved, UploadDirectory};
pub use download::{Download, Transfer};
pub use local::Progress;
pub use reveille_wire::{
    ContentMatch, ContentMatches, CopyOutcome, Directory, File, FilePath, FindMatch, FindMatches, FoundKind,
    FuzzyMatch, FuzzyMatches, Subdirectory, WatchEvent, WatchOp,
};
pub use upload::Upload;
pub use watch::{Watch, Watched, Watching};

const FILES: &str = "/filesystem";

/// Files and directories of a sandbox.
///
/// A path is absolute, or relative to the sandbox's working directory (`.`); it may hold any bytes but zero.
/// What reads is tried again through a resume. A write of bytes puts the same bytes there when it is repeated, and is
/// tried again as `BL_FS_PART_RETRIES` says (3 times); a write of text, a copy and a removal are not.
///
/// ```
/// # use reveille_faults::{FaultServer, Script, Step};
/// # let hello = Step::ok("hello\n").header("Content-Disposition", "attachment");
/// # let script = Script::new().on("GET", "/", hello).on("PUT", "/", Step::ok(r#"{"path":"/a","message":""}"#));
/// # let server = FaultServer::start(script)?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
/// let files = client.sandbox("box").files();
/// files.write("/app/hello.txt", "hello\n").wait()?;
/// assert_eq!(files.read_text("/app/hello.txt").wait()?, "hello\n");
///
/// // The same in async code.
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let bytes = files.read("/app/hello.txt").await?;
/// # assert_eq!(bytes.len(), 6);
/// # Ok::<(), reveille::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Files(Sandbox);

impl Files {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self(sandbox)
    }

    /// What is in a file. A read.
    ///
    /// An answer that does not say where it ends, or that is no file, is an error and never an empty file.
    pub fn read(&self, path: impl AsRef<[u8]>) -> Call<Bytes> {
        Call::new(self.0.core(), self.bytes_of(path.as_ref()), Reading::Success(Box::new(content)))
    }

    /// What is in a file, as text; bytes that are none are an error. A read.
    pub fn read_text(&self, path: impl AsRef<[u8]>) -> Call<String> {
        let reading = Reading::Success(Box::new(|answer: Whole| {
            let (answered, record) = (answer.answered.clone(), answer.record.clone());
            String::from_utf8(content(answer)?.into())
                .map_err(|error| Error::of_decode(answered, record, error))
        }));
        Call::new(self.0.core(), self.bytes_of(path.as_ref()), reading)
    }

    /// Brings a file here: into a file, or as it comes. A read.
    pub fn download(&self, path: impl AsRef<[u8]>) -> Download {
        Download::new(self, path.as_ref())
    }

    /// Writes a file, making the directories on the way. A write of bytes: a repeat of it is harmless.
    ///
    /// For what is large, or comes from a file of this machine, see [`upload`](Self::upload).
    pub fn write(&self, path: impl AsRef<[u8]>, content: impl Into<Body>) -> Write {
        let (operation, policy) = (self.form_to(path.as_ref()), self.0.core().settings.upload_policy());
        Write::of_bytes(Call::empty(self.0.core(), operation).retry(policy), content.into())
    }

    /// Writes a text as JSON, as clients without bytes do. A mutation: it is never sent twice.
    pub fn write_text(&self, path: impl AsRef<[u8]>, text: impl Into<String>) -> Write {
        let call = Call::empty(self.0.core(), self.at(Method::PUT, FILES, path.as_ref()));
        Write::of_json(call, FileRequest::text(text))
    }

    /// Brings a file of this machine, bytes or a reader into the sandbox; in parts, several at once, where it is
    /// larger than 5 MiB. The file is there whole or not at all.
    pub fn upload(&self, path: impl AsRef<[u8]>) -> Upload {
        Upload::new(self.clone(), path.as_ref())
    }

    /// Brings a directory of this machine into the sandbox, with all that is below it.
    pub fn upload_directory(
        &self,
        from: impl Into<std::path::PathBuf>,
        to: impl AsRef<[u8]>,
    ) -> UploadDirectory {
        UploadDirectory::new(self.clone(), from.into(), FilePath::new(to))
    }

    /// Brings a directory of the sandbox here, with all that is below it.
    pub fn download_directory(
        &self,
        from: impl AsRef<[u8]>,
        to: impl Into<std::path::PathBuf>,
    ) -> DownloadDirectory {
        DownloadDirectory::new(self.clone(), FilePath::new(from), to.into())
    }

    /// Makes a directory, with those above it. One that is there already stays. A mutation.
    pub fn make_directory(&self, path: impl AsRef<[u8]>) -> Write {
        let call = Call::empty(self.0.core(), self.at(Method::PUT, FILES, path.as_ref()));
        Write::of_json(call, FileRequest::directory())
    }

    /// What a path leads to; nothing where there is nothing. A read.
    ///
    /// Servers before November 2026 say nothing of what there is, either: where that matters, look for it in the
    /// [list](Self::list) of the directory that it is in. Agents of ours before then answer 404 where there is nothing.
    pub fn kind(&self, path: impl AsRef<[u8]>) -> Call<Option<FoundKind>> {
        let reading = Reading::Success(Box::new(|answer: Whole| {
            let kind = answer.answered.headers.get(FILE_TYPE).map(HeaderValue::as_bytes);
            Ok(match kind {
                Some(b"directory") => Some(FoundKind::Directory),
                Some(_) => Some(FoundKind::File),
                None => None,
            })
        }));
        Call::new(self.0.core(), self.at(Method::HEAD, FILES, path.as_ref()), reading)
    }

    /// What is in a directory. A read.
    pub fn list(&self, path: impl AsRef<[u8]>) -> Call<Directory> {
        Call::json(self.0.core(), self.at(Method::GET, FILES, path.as_ref()))
    }

    /// All that is below a directory, with what is in the files if asked for. A read. The path is absolute.
    pub fn tree(&self, path: impl AsRef<[u8]>) -> Tree {
        let mut operation = self.at(Method::GET, "/filesystem/tree", path.as_ref());
        if !path.as_ref().starts_with(b"/") {
            let shown = String::from_utf8_lossy(path.as_ref()).into_owned();
            operation.refuse(InvalidInput::new("path of a tree", shown, "it begins with /"));
        }
        operation.query("recursive", "true");
        Tree::new(Call::json(self.0.core(), operation))
    }

    /// Removes a file, or a directory that is empty. A mutation.
    pub fn remove(&self, path: impl AsRef<[u8]>) -> Remove {
        Remove::new(Call::empty(self.0.core(), self.at(Method::DELETE, FILES, path.as_ref())))
    }

    /// Copies a file or a directory within the sandbox, as `cp -r` places it. A mutation.
    pub fn copy(&self, from: impl Into<String>, to: impl Into<String>) -> Copy {
        let operation = self.0.endpoint(Method::POST, Ok("/filesystem-copy".to_owned()));
        Copy::new(Call::json(self.0.core(), operation), from.into(), to.into())
    }

    /// Finds files, or directories, below a directory. A read.
    pub fn find(&self, directory: impl AsRef<[u8]>) -> Find {
        Find::new(Call::json(self.0.core(), self.at(Method::GET, "/filesystem-find", directory.as_ref())))
    }

    /// Finds files below a directory whose paths are nearly `query`, the best first. A read.
    pub fn search(&self, directory: impl AsRef<[u8]>, query: impl AsRef<str>) -> Search {
        let mut operation = self.at(Method::GET, "/filesystem-search", directory.as_ref());
        operation.query("query", query.as_ref());
        Search::new(Call::json(self.0.core(), operation))
    }

    /// Finds the lines below a directory that hold `text`, which is no pattern. A read.
    pub fn grep(&self, directory: impl AsRef<[u8]>, text: impl AsRef<str>) -> Grep {
        let mut operation = self.at(Method::GET, "/filesystem-content-search", directory.as_ref());
        operation.query("query", text.as_ref());
        Grep::new(Call::json(self.0.core(), operation))
    }

    /// Watches a directory. A read, which goes on until it is dropped.
    pub fn watch(&self, directory: impl AsRef<[u8]>) -> Watch {
        Watch::new(self.clone(), FilePath::new(directory))
    }

    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.0
    }

    fn at(&self, method: Method, endpoint: &str, path: &[u8]) -> Operation {
        self.0.endpoint(method, FilePath::new(path).map(|path| path.as_url_path(endpoint)))
    }

    fn bytes_of(&self, path: &[u8]) -> Operation {
        let bytes = HeaderValue::from_static("application/octet-stream");
        self.at(Method::GET, FILES, path).header(ACCEPT, bytes)
    }

    fn form_to(&self, path: &[u8]) -> Operation {
        self.at(Method::PUT, FILES, path).declare(Replay::Vouched)
    }
}

/// The content of a file that an answer is.
fn content(answer: Whole) -> Result<Bytes, Error> {
    match not_a_file(&answer.answered.headers, answer.version) {
        Some(why) => Err(Error::of_decode(answer.answered, answer.record, why)),
        None => Ok(answer.answered.body),
    }
}

/// Why an answer is not to be taken for a file, if so.
fn not_a_file(headers: &HeaderMap, version: Version) -> Option<&'static str> {
    let is_framed = version > Version::HTTP_11
        || headers.contains_key(CONTENT_LENGTH)
        || headers.contains_key(TRANSFER_ENCODING);
    if !headers.contains_key(CONTENT_DISPOSITION) {
        return Some("it is a directory, or no answer of the files of a sandbox");
    }
    (!is_framed).then_some("it does not say where it ends, so that nobody can tell whether it is whole")
}
