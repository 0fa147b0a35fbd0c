//! Forms with one file in them.

use bytes::Bytes;
use http::{HeaderValue, header::CONTENT_TYPE};

use crate::call::Operation;
use crate::core::Body;

/// Sends `body` as the file of a form, and `mode` before it.
pub(super) fn put(mut operation: Operation, body: Body, mode: Option<&str>) -> Operation {
    let boundary = format!("reveille-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let mut head = String::new();
    if let Some(mode) = mode {
        head.push_str(&format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"permissions\"\r\n\r\n{mode}\r\n"
        ));
    }
    head.push_str(&format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    ));
    let tail = format!("\r\n--{boundary}--\r\n");
    operation.body = body.between(Bytes::from(head), Bytes::from(tail));
    match HeaderValue::try_from(format!("multipart/form-data; boundary={boundary}")) {
        Ok(media) => operation.header(CONTENT_TYPE, media),
        Err(_) => operation,
    }
}
