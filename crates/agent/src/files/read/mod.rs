//! Reading files and listing directories.

mod media;
mod range;
pub(crate) mod source;
mod text;

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT, ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use reveille_wire::header::{FILE_MODE, FILE_TYPE};

use self::range::Wanted;
use self::source::{End, Source};
use super::named::Named;
use super::open::{self, Opened};
use super::{disk, facts};
use crate::clock;
use crate::failure::Failure;
use crate::parameters::Parameters;

/// `GET /filesystem/{path}`.
pub(crate) async fn get(uri: Uri, asked: Parameters, headers: HeaderMap) -> Result<Response, Failure> {
    let named = Named::of(&uri, "/filesystem")?;
    let answer = match open::open(named.path(), named.shown()).await? {
        Opened::Directory => return Ok(Json(list(named).await?).into_response()),
        Opened::File(file, facts) if asked.flag("download", false) || wants_bytes(&headers) => {
            bytes(&named, file, &facts, &headers).await
        }
        Opened::File(file, facts) => as_text(&named, file, &facts).await,
    };
    answer.map_err(|error| open::refusal(&error, named.shown()))
}

/// `HEAD /filesystem/{path}`: what it is, what may be done with it, and how large it is; nothing of all that where there
/// is nothing. It is not opened.
pub(crate) async fn head(uri: Uri) -> Result<Response, Failure> {
    let named = Named::of(&uri, "/filesystem")?;
    let mut response = Response::new(Body::empty());
    let Ok(facts) = open::facts(named.path()).await else { return Ok(response) };
    let headers = response.headers_mut();
    let kind = if facts.is_dir() { "directory" } else { "file" };
    headers.insert(FILE_TYPE, HeaderValue::from_static(kind));
    headers.insert(FILE_MODE, permissions(&facts));
    headers.insert(LAST_MODIFIED, last_modified(&facts));
    if !facts.is_dir() {
        headers.insert(CONTENT_LENGTH, facts.len().into());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media::of(named.path())));
    }
    Ok(response)
}

/// What is in a directory.
pub(crate) async fn list(named: Named) -> Result<reveille_wire::Directory, Failure> {
    disk::work(move || {
        facts::directory(named.shown(), named.path()).map_err(|error| open::refusal(&error, named.shown()))
    })
    .await
}

/// Whether the bytes are wanted, and not JSON with text in it.
fn wants_bytes(headers: &HeaderMap) -> bool {
    let accepted: Vec<&str> =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let names = |media: &str| accepted.iter().any(|accepted| accepted.contains(media));
    !accepted.is_empty()
        && (names("application/octet-stream") || !(names("application/json") || names("*/*")))
}

async fn as_text(named: &Named, file: File, facts: &Metadata) -> io::Result<Response> {
    let told = facts::file(named.shown(), facts);
    let size = size(&file, facts);
    let end = if size == 0 { End::Unknown } else { End::At(size) };
    let source = Source::new(file, 0, end);
    match size {
        1..=text::SMALL => text::whole(told, source).await,
        _ => Ok(text::streamed(&told, source.begun().await?)),
    }
}

async fn bytes(named: &Named, file: File, facts: &Metadata, headers: &HeaderMap) -> io::Result<Response> {
    let size = size(&file, facts);
    let mut response = match range::wanted(headers, size, facts::modified(facts)) {
        Wanted::Whole if size == 0 => unsized_bytes(file).await?,
        Wanted::Whole => sized(file, 0, size).await?,
        Wanted::Part(start, end) => {
            let mut response = sized(file, start, end).await?;
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let range = format!("bytes {start}-{}/{size}", end - 1);
            if let Ok(range) = range.parse() {
                response.headers_mut().insert(CONTENT_RANGE, range);
            }
            response
        }
        Wanted::NotModified => StatusCode::NOT_MODIFIED.into_response(),
        Wanted::Failed => StatusCode::PRECONDITION_FAILED.into_response(),
        Wanted::Beyond => {
            let range = [(CONTENT_RANGE, format!("bytes */{size}"))];
            let said = "invalid range: failed to overlap\n";
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, range, said).into_response());
        }
        Wanted::Nonsense => {
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, "invalid range\n").into_response());
        }
    };
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(LAST_MODIFIED, last_modified(facts));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_DISPOSITION, disposition(named.path()));
    if status != StatusCode::NOT_MODIFIED {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media::of(named.path())));
    }
    Ok(response)
}

/// How long a file is, in bytes; 0 as well for one of the kernel's that is made as it is read. Such a one says that it
/// is empty, or, in sysfs, that it is as long as a page.
fn size(file: &File, facts: &Metadata) -> u64 {
    /// `SYSFS_MAGIC` of statfs(2).
    const SYSFS: rustix::fs::FsWord = 0x6265_6572;
    let is_made = facts.len() == facts.blksize()
        && rustix::fs::fstatfs(file).is_ok_and(|system| system.f_type == SYSFS);
    if is_made { 0 } else { facts.len() }
}

async fn sized(file: File, start: u64, end: u64) -> io::Result<Response> {
    let source = Source::new(file, start, End::At(end)).begun().await?;
    let mut response = Response::new(source.body());
    response.headers_mut().insert(CONTENT_LENGTH, (end - start).into());
    Ok(response)
}

/// A file that says that it is empty: it is, or it is one of the kernel's.
async fn unsized_bytes(file: File) -> io::Result<Response> {
    let source = Source::new(file, 0, End::Unknown).begun().await?;
    if !source.is_empty() {
        return Ok(Response::new(source.body()));
    }
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(CONTENT_LENGTH, 0.into());
    Ok(response)
}

/// The permissions with the three bits above them (`S_ISUID`, `S_ISGID`, `S_ISVTX`).
fn permissions(facts: &Metadata) -> HeaderValue {
    let octal = format!("{:o}", facts.mode() & 0o7777);
    octal.parse().unwrap_or_else(|_| HeaderValue::from_static("0"))
}

fn last_modified(facts: &Metadata) -> HeaderValue {
    let date = clock::http_date(facts::modified(facts));
    date.parse().unwrap_or_else(|_| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

/// What a browser calls the file that it keeps. A name that a header cannot hold goes in a second, encoded form.
fn disposition(path: &Path) -> HeaderValue {
    let name = path.file_name().unwrap_or_default();
    let plain: String = name
        .to_string_lossy()
        .chars()
        .map(
            |letter| {
                if letter == '"' || letter == '\\' || !(' '..='~').contains(&letter) { '_' } else { letter }
            },
        )
        .collect();
    let mut said = format!("attachment; filename=\"{plain}\"");
    if plain.as_str() != name {
        let bytes = std::os::unix::ffi::OsStrExt::as_bytes(name);
        let encoded = percent_encoding::percent_encode(bytes, percent_encoding::NON_ALPHANUMERIC);
        said.push_str(&format!("; filename*=UTF-8''{encoded}"));
    }
    said.parse().unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_file_leaves_its_header() {
        let said = |name: &str| disposition(Path::new(name)).to_str().unwrap().to_owned();
        assert_eq!(said("/d/a.txt"), "attachment; filename=\"a.txt\"");
        assert_eq!(
            said("/d/a\"\r\nX: y"),
            "attachment; filename=\"a___X: y\"; filename*=UTF-8''a%22%0D%0AX%3A%20y"
        );
    }
}
