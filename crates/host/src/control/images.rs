//! Images: imported once, and what sandboxes are made of.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use futures_util::StreamExt;
use reveille_wire::SandboxSpec;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::answer::Failure;
use super::asked::{self, Query};
use super::paging::{Key, Paging};
use super::state::Control;
use crate::engine::{ImageId, remove_directory};
use crate::image::{self, Image, ImageName, Named, Pinned, Unpacked};
use crate::store::{Turn, Unwritten};

pub(super) fn routes() -> Router<Arc<Control>> {
    Router::new()
        .route("/images", get(list).post(build))
        .route("/images/{*name}", get(get_one).put(import).post(build).delete(delete))
}

/// What only the platform does with images.
async fn build() -> Failure {
    let message =
        "builds of images: the platform has these, the local host imports archives (PUT /v0/images/NAME)";
    Failure::new(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message)
}

#[derive(Debug, Deserialize)]
struct Asked {
    /// The platform's way to begin a build.
    #[serde(default)]
    upload: bool,
}

async fn list(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    Query(paging): Query<Paging>,
) -> Result<Response, Failure> {
    let found = control.images.all();
    let page =
        paging.page(&headers, found, |it| Key { created: it.imported.clone(), name: it.name.clone() })?;
    Ok(page.answer(|image| {
        let shown = shown(&image);
        async move { shown }
    }))
}

async fn get_one(
    State(control): State<Arc<Control>>,
    asked::Path(name): asked::Path<String>,
) -> Result<Json<Value>, Failure> {
    let name = ImageName::new(&name).map_err(Failure::bad_request)?;
    Ok(Json(shown(&*control.image(&name)?)))
}

/// Imports the archive in the body under a name, in place of what had the name before.
async fn import(
    State(control): State<Arc<Control>>,
    asked::Path(name): asked::Path<String>,
    Query(asked): Query<Asked>,
    body: Body,
) -> Result<Json<Value>, Failure> {
    if asked.upload {
        return Err(build().await);
    }
    let name = ImageName::new(&name).map_err(Failure::bad_request)?;
    if let Ok(Named::Machine) = Named::read(name.as_str()) {
        return Err(Failure::bad_request(format!("{name} is the platform's own: choose another name")));
    }
    // Whoever asked may go away; then the body breaks off, and nothing of it stays.
    let importing = tokio::spawn(async move { control.import(&name, body).await });
    Ok(Json(shown(&importing.await.map_err(|_| Failure::broken_off())??)))
}

async fn delete(
    State(control): State<Arc<Control>>,
    asked::Path(name): asked::Path<String>,
) -> Result<Json<Value>, Failure> {
    let name = ImageName::new(&name).map_err(Failure::bad_request)?;
    control.image(&name)?;
    let turn = control.images.turn(name.as_str()).await;
    let image = turn.read().ok_or_else(|| no_such(&name))?;
    if let Some(sandbox) = control.made_of(&image.id) {
        let message = format!("{name} is what sandbox {sandbox} is made of: delete that first");
        return Err(Failure::new(StatusCode::CONFLICT, "IMAGE_IN_USE", message));
    }
    turn.remove().await?;
    control.drop_files(image.id.clone()).await;
    let mut shown = shown(&image);
    shown["status"] = "DELETING".into();
    Ok(Json(shown))
}

fn shown(image: &Image) -> Value {
    json!({
        "metadata": { "name": image.name, "createdAt": image.imported, "updatedAt": image.imported },
        "spec": { "size": image.size, "tagCount": 1 },
        "status": "BUILT",
        "reveille": { "id": image.id, "workingDir": image.config.directory, "user": image.config.user },
    })
}

fn no_such(name: &ImageName) -> Failure {
    Failure::coded_not_found("IMAGE_NOT_FOUND", format!("there is no image called {name}"))
}

/// An image that nobody removes or replaces for as long as this is held.
pub(super) struct Claimed {
    pub(super) pinned: Pinned,
    _turn: Turn<Image>,
}

impl Control {
    fn image(&self, name: &ImageName) -> Result<Arc<Image>, Failure> {
        self.images.read(name.as_str()).ok_or_else(|| no_such(name))
    }

    /// The image that a sandbox is to be made of; `None` where that is the machine.
    pub(super) async fn claim_image(&self, of: &SandboxSpec) -> Result<Option<Claimed>, Failure> {
        let asked = of.runtime.as_ref().and_then(|runtime| runtime.image.as_deref());
        let Some(Named::Imported(name)) = asked.map(Named::read).transpose().map_err(Failure::bad_request)?
        else {
            return Ok(None);
        };
        let missing = || {
            let message = format!(
                "spec.runtime.image: there is no image called {name}; import it (reveille image import), or leave it out \
                 for the programs of this machine"
            );
            Failure::new(StatusCode::BAD_REQUEST, "IMAGE_NOT_FOUND", message)
        };
        self.images.read(name.as_str()).ok_or_else(missing)?;
        let turn = self.images.turn(name.as_str()).await;
        let image = turn.read().ok_or_else(missing)?;
        let pinned = Pinned { id: image.id.clone(), config: image.config.clone() };
        Ok(Some(Claimed { pinned, _turn: turn }))
    }

    async fn import(&self, name: &ImageName, body: Body) -> Result<Image, Failure> {
        self.room()?;
        let id = ImageId::random();
        let root = self.images_directory().join(id.as_str());
        let archive = root.with_extension("archive");
        let unpacked = match receive(body, &archive).await {
            Ok(()) => unpack(archive.clone(), root.clone()).await,
            Err(failure) => Err(failure),
        };
        // Whatever became of it, it has been read.
        let _gone = tokio::fs::remove_file(&archive).await;
        let Unpacked { size, config } = unpacked?;
        let image =
            Image { name: name.to_string(), id: id.clone(), imported: self.clock.stamp(), size, config };
        let turn = self.images.turn(name.as_str()).await;
        let before = turn.read();
        if let Err(unwritten) = turn.put(image.clone()).await {
            self.drop_files(id).await;
            return Err(unwritten.into());
        }
        if let Some(before) = before.filter(|before| self.made_of(&before.id).is_none()) {
            self.drop_files(before.id.clone()).await;
        }
        Ok(image)
    }

    /// A sandbox that is made of an image.
    fn made_of(&self, id: &ImageId) -> Option<String> {
        let records = self.records.all();
        let found = records
            .iter()
            .find(|record| record.is_live() && record.image.as_ref().is_some_and(|it| it.id == *id));
        found.map(|record| record.sandbox.metadata.name.clone())
    }

    /// Removes the files of an image, unless a snapshot lies over them; then the next host does when that is gone.
    async fn drop_files(&self, id: ImageId) {
        if self.images_in_use().contains(&id) {
            return;
        }
        let root = self.images_directory().join(id.as_str());
        let removed = tokio::task::spawn_blocking(move || remove_directory(&root)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(%id, %error, "the files of an image could not be removed; the next host tries it again");
        }
    }

    fn images_in_use(&self) -> BTreeSet<ImageId> {
        let named = self.images.all().into_iter().map(|image| image.id.clone());
        let records = self.records.all().into_iter().filter(|record| record.is_live());
        let of_sandboxes = records.filter_map(|record| record.image.as_ref().map(|image| image.id.clone()));
        let snapshots = self.snapshots.all().into_iter();
        let of_snapshots =
            snapshots.filter_map(|snapshot| snapshot.image.as_ref().map(|image| image.id.clone()));
        named.chain(of_sandboxes).chain(of_snapshots).collect()
    }

    fn images_directory(&self) -> PathBuf {
        self.store.directory().images()
    }

    /// Removes what imports that broke off have left, and images that nothing is made of any more. Nobody is served yet.
    pub(crate) fn sweep_images(&self) {
        let used = self.images_in_use();
        let Ok(entries) = std::fs::read_dir(self.images_directory()) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let known = name.to_str().and_then(ImageId::read).is_some_and(|id| used.contains(&id));
            if known {
                continue;
            }
            let path = entry.path();
            let removed = if path.is_dir() { remove_directory(&path) } else { std::fs::remove_file(&path) };
            if let Err(error) = removed {
                tracing::warn!(path = %path.display(), %error, "what an import left could not be removed");
            }
        }
    }
}

/// Writes a body to a file as it comes.
async fn receive(body: Body, archive: &Path) -> Result<(), Failure> {
    let unwritten = |error| Failure::of_disk("the archive could not be kept", &error);
    let mut file = File::create(archive).await.map_err(unwritten)?;
    let mut data = body.into_data_stream();
    while let Some(piece) = data.next().await {
        let piece = piece.map_err(|error| Failure::bad_request(format!("the archive broke off: {error}")))?;
        file.write_all(&piece).await.map_err(unwritten)?;
    }
    file.flush().await.map_err(unwritten)
}

async fn unpack(archive: PathBuf, root: PathBuf) -> Result<Unpacked, Failure> {
    let unpacked = tokio::task::spawn_blocking(move || image::unpack(&archive, &root)).await;
    unpacked.map_err(|_| Failure::broken_off())?.map_err(|error| match error.kind() {
        std::io::ErrorKind::StorageFull => Unwritten::Full.into(),
        _ => Failure::bad_request(format!("it is no image that can be used: {error}")),
    })
}
