//! Bodies that are forms, with a file in them that is written as it comes.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use multer::{Field, Multipart};

use super::disposition::Disposition;
use crate::failure::Failure;
use crate::files::disk;

/// How much is gathered before it is written, in bytes. As much again is on its way to the disk.
const GATHERED: usize = 512 << 10;
/// The longest text of a field, in bytes.
const FIELD: usize = 4 << 10;
/// How much of a body is read and dropped once its answer is known, in bytes: a caller that still sends would not see
/// the answer otherwise.
const DROPPED: u64 = 256 << 20;
/// How long that may take.
const DROPPING: Duration = Duration::from_secs(10);

/// Whether a body says that it is a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    media_type(headers)
        .is_some_and(|media| media.trim_start().to_ascii_lowercase().starts_with("multipart/form-data"))
}

fn media_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

/// Gives the form in `body` to `read`. What `read` leaves of the body when it says no is dropped.
pub(crate) async fn read<T>(
    headers: &HeaderMap,
    body: Body,
    read: impl AsyncFnOnce(Form<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let boundary = media_type(headers).map(multer::parse_boundary);
    let Some(Ok(boundary)) = boundary else {
        return Err(Failure::bad("the form has no boundary"));
    };
    let mut data = body.into_data_stream();
    let done = read(Form { parts: Multipart::new(&mut data, boundary) }).await;
    if done.is_err() {
        // Whatever becomes of it, the answer is known.
        let _late = tokio::time::timeout(DROPPING, drop_rest(&mut data)).await;
    }
    done
}

async fn drop_rest(data: &mut (impl Stream<Item = Result<Bytes, axum::Error>> + Unpin)) {
    let mut dropped = 0;
    while let Some(Ok(some)) = data.next().await {
        dropped += some.len() as u64;
        if dropped > DROPPED {
            return;
        }
    }
}

/// A form, of which the parts are taken one by one.
#[derive(Debug)]
pub(crate) struct Form<'body> {
    parts: Multipart<'body>,
}

/// A part that means something.
#[derive(Debug)]
pub(crate) enum Part<'body> {
    /// A file.
    File(Box<Field<'body>>),
    /// The mode of the file.
    Permissions(String),
}

impl<'body> Form<'body> {
    /// The next part that means something; nothing at the end of the form.
    ///
    /// # Errors
    /// When the body is no form, or was cut.
    pub(crate) async fn next(&mut self) -> Result<Option<Part<'body>>, Failure> {
        while let Some(field) = self.parts.next_field().await.map_err(|error| broken(&error))? {
            let says = Disposition::of(field.headers());
            match says.name.as_deref() {
                Some(b"file") if says.is_file => return Ok(Some(Part::File(Box::new(field)))),
                Some(b"permissions") => return short(field).await.map(|text| Some(Part::Permissions(text))),
                _ => {}
            }
        }
        Ok(None)
    }
}

async fn short(mut field: Field<'_>) -> Result<String, Failure> {
    let mut text = Vec::new();
    while let Some(some) = field.chunk().await.map_err(|error| broken(&error))? {
        text.extend_from_slice(&some);
        if text.len() > FIELD {
            return Err(Failure::bad("a field of the form is longer than 4 KiB"));
        }
    }
    String::from_utf8(text).map_err(|_| Failure::bad("a field of the form is no text"))
}

/// Writes a part to `file` as it comes, and shows all that is written to `see`. Gives its length.
///
/// # Errors
/// 400 when the form is cut, 422 when it cannot be written.
pub(crate) async fn pour(
    mut field: Field<'_>,
    file: &File,
    mut see: impl FnMut(&[u8]),
) -> Result<u64, Failure> {
    let file = Arc::new(file.try_clone().map_err(|error| unwritten(&error))?);
    let mut length = 0;
    let mut gathered = Vec::new();
    let mut size = 0;
    let mut writing = None;
    loop {
        let some = field.chunk().await.map_err(|error| broken(&error))?;
        let over = some.is_none();
        if let Some(some) = some {
            see(&some);
            length += some.len() as u64;
            size += some.len();
            gathered.push(some);
        }
        if size >= GATHERED || over {
            if let Some(writing) = writing.take() {
                finished(writing).await?;
            }
            let (pieces, file) = (std::mem::take(&mut gathered), Arc::clone(&file));
            size = 0;
            writing = Some(tokio::spawn(disk::io(move || write(&file, &pieces))));
        }
        if over {
            if let Some(writing) = writing.take() {
                finished(writing).await?;
            }
            return Ok(length);
        }
    }
}

async fn finished(writing: tokio::task::JoinHandle<io::Result<()>>) -> Result<(), Failure> {
    writing.await.map_err(io::Error::other).and_then(|written| written).map_err(|error| unwritten(&error))
}

fn write(mut file: &File, pieces: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> =
        pieces.iter().filter(|piece| !piece.is_empty()).map(|piece| IoSlice::new(piece)).collect();
    let mut left = slices.as_mut_slice();
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn unwritten(error: &io::Error) -> Failure {
    Failure::unworkable(format!("it could not be written: {error}"))
}

fn broken(error: &multer::Error) -> Failure {
    Failure::bad(format!("the form cannot be read: {error}"))
}
