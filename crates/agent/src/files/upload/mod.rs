//! Uploads in parts: any number of them at once, in any order, and again after a restart.

mod store;

use axum::body::Body;
use axum::extract::{Path, Request};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use http::{HeaderMap, Uri};
use md5::{Digest, Md5};
use reveille_wire::{Done, UploadBegun, UploadEnd, UploadRequest, UploadedPart, UploadedParts, Uploads};

use super::named::Named;
use super::write::draft::Mode;
use super::write::form::{self, Form, Part};
use super::{disk, write};
use crate::agent::Agent;
use crate::failure::Failure;
use crate::json::{self, JsonBody};
use crate::parameters::Parameters;

/// The last number that a part can have.
const LAST: usize = 10_000;

const INITIATE: &str = "/filesystem-multipart/initiate";

/// The endpoints under `/filesystem-multipart`.
pub(crate) fn routes() -> Router<Agent> {
    Router::new()
        .route("/filesystem-multipart", get(list))
        .route("/filesystem-multipart/", get(list))
        .route("/filesystem-multipart/initiate/{*path}", post(begin))
        .route("/filesystem-multipart/{id}/part", put(upload))
        .route("/filesystem-multipart/{id}/parts", get(parts))
        .route("/filesystem-multipart/{id}/complete", post(complete))
        .route("/filesystem-multipart/{id}/abort", delete(abort))
}

async fn list() -> Result<Json<Uploads>, Failure> {
    let uploads = disk::io(store::all).await;
    let uploads = uploads.map_err(|error| Failure::broken(format!("the uploads cannot be read: {error}")))?;
    Ok(Json(Uploads { uploads }))
}

async fn begin(uri: Uri, request: Request) -> Result<Json<UploadBegun>, Failure> {
    let named = Named::of(&uri, INITIATE)?;
    let body = json::read(request.into_body()).await?;
    let request: UploadRequest = if body.is_empty() { UploadRequest::default() } else { json::parse(&body)? };
    super::write::mode(request.permissions.as_deref(), Mode::FILE)?;
    disk::work(move || {
        let begun = store::begin(named.path(), named.shown(), request.permissions);
        let begun = begun.map_err(|error| Failure::unworkable(format!("it cannot be begun: {error}")))?;
        Ok(Json(UploadBegun::new(begun.id(), begun.shown())))
    })
    .await
}

async fn upload(
    Path(id): Path<String>,
    asked: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<UploadedPart>, Failure> {
    let number = match (asked.text("partNumber"), asked.number("partNumber", 0)?) {
        (Some(_), number @ 1..=LAST) => u32::try_from(number).unwrap_or_default(),
        _ => return Err(Failure::bad("partNumber is not a number from 1 to 10,000")),
    };
    form::read(&headers, body, async |form| take(id, number, form).await).await.map(Json)
}

async fn take(id: String, number: u32, mut form: Form<'_>) -> Result<UploadedPart, Failure> {
    let unwritten =
        |error: std::io::Error| Failure::unworkable(format!("the part cannot be written: {error}"));
    let begun = disk::work(move || store::find(&id)).await?;
    let mut taken = None;
    while let Some(part) = form.next().await? {
        let Part::File(field) = part else { continue };
        if taken.is_some() {
            return Err(Failure::bad("the form holds two files, and is one part"));
        }
        let coming = begun.coming().map_err(unwritten)?;
        let mut md5 = Md5::new();
        let size = form::pour(*field, &coming.file, |some| md5.update(some)).await?;
        taken = Some((coming, md5.finalize(), size));
    }
    let (coming, md5, size) =
        taken.ok_or_else(|| Failure::bad("the form has no part \"file\" with a filename"))?;
    let etag: String = md5.iter().map(|byte| format!("{byte:02x}")).collect();
    let told = UploadedPart::new(number, etag.as_str(), size);
    disk::io(move || begun.place(&coming, number, &etag)).await.map_err(unwritten)?;
    Ok(told)
}

async fn parts(Path(id): Path<String>) -> Result<Json<UploadedParts>, Failure> {
    disk::work(move || {
        let parts = store::find(&id)?.told_parts();
        let parts = parts.map_err(|error| Failure::broken(format!("the parts cannot be read: {error}")))?;
        Ok(Json(UploadedParts { upload_id: id, parts }))
    })
    .await
}

async fn complete(Path(id): Path<String>, JsonBody(end): JsonBody<UploadEnd>) -> Result<Json<Done>, Failure> {
    if end.parts.is_empty() {
        return Err(Failure::bad("no parts are named"));
    }
    if end.parts.len() > LAST {
        return Err(Failure::bad("there are at most 10,000 parts"));
    }
    disk::work(move || {
        let begun = store::find(&id)?;
        let parts: Vec<_> = end.parts.into_iter().map(|part| (part.part_number, part.etag)).collect();
        begun.end(&parts)?;
        Ok(Json(Done::new(begun.shown(), write::WRITTEN)))
    })
    .await
}

async fn abort(Path(id): Path<String>) -> Result<Json<Done>, Failure> {
    disk::work(move || {
        let gone = store::find(&id)?.forget();
        gone.map_err(|error| Failure::broken(format!("the parts cannot be removed: {error}")))?;
        Ok(Json(Done::new("", "the upload was aborted")))
    })
    .await
}
