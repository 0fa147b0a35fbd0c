//! Previews of a sandbox, and the tokens that open them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::routing::{delete, get};
use axum::{Json, Router};
use reveille_wire::{Preview, PreviewToken, Sandbox, SandboxName};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::answer::Failure;
use super::asked::{self, Path, Query};
use super::spec::{Span, check_name, letters};
use super::state::Control;
use crate::clock;
use crate::preview::{API, Record, Urls, has_expired};
use crate::settings::PreviewUrls;
use crate::store::Turn;

/// The most previews of one sandbox, tokens of one preview, and headers that it lays over others.
const MAX_PREVIEWS: usize = 256;
const MAX_TOKENS: usize = 256;
const MAX_HEADERS: usize = 64;
/// The longest name, and the longest beginning of a URL: it is a label of a host name.
const MAX_NAME: usize = 128;
const MAX_PREFIX: usize = 40;
/// The port that no preview can open: the platform keeps it for itself (its page on previews).
const SYSTEM: i64 = 80;
/// How long a token opens where nobody says it.
const TOKEN_LIFE: Duration = Duration::from_secs(24 * 3600);

pub(super) fn routes() -> Router<Arc<Control>> {
    Router::new()
        .route("/sandboxes/{name}/previews", get(list).post(create))
        .route("/sandboxes/{name}/previews/{preview}", get(get_one).put(update).delete(remove))
        .route("/sandboxes/{name}/previews/{preview}/tokens", get(tokens).post(create_token))
        .route("/sandboxes/{name}/previews/{preview}/tokens/{token}", delete(remove_token))
}

#[derive(Debug, Deserialize)]
struct Creation {
    #[serde(default)]
    force: bool,
}

async fn list(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<Json<Vec<Preview>>, Failure> {
    control.find(&name)?;
    let mut all = control.previews_of(&name);
    all.sort_by(|(_, a), (_, b)| a.preview.metadata.created_at.cmp(&b.preview.metadata.created_at));
    Ok(Json(all.iter().map(|(_, record)| control.shown_preview(record)).collect()))
}

async fn get_one(
    State(control): State<Arc<Control>>,
    Path((name, preview)): Path<(String, String)>,
) -> Result<Json<Preview>, Failure> {
    let (_, record) = control.preview(&name, &preview)?;
    Ok(Json(control.shown_preview(&record)))
}

async fn create(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    Query(creation): Query<Creation>,
    asked::Json(draft): asked::Json<Preview>,
) -> Result<Json<Preview>, Failure> {
    // The sandbox's turn: nobody else gives the same name, and it is not deleted meanwhile.
    let (_turn, of) = control.turn(&name).await?;
    let made = of.sandbox.metadata.created_at.clone().unwrap_or_default();
    let sandbox = SandboxName::new(of.sandbox.metadata.name.clone()).map_err(|_| Failure::broken_off())?;
    let closes = check(&draft, control.clock.now())?;
    check_port(&draft, &of.sandbox)?;
    let wanted = match &*draft.metadata.name {
        "" => format!("preview-{}", draft.spec.port.unwrap_or_default()),
        name => name.to_owned(),
    };
    control.sweep_previews(&name).await;
    let before = control.preview(&name, &wanted).ok();
    if before.is_some() && !creation.force {
        let message = format!("{name} has a preview called {wanted} already");
        return Err(Failure::exists("PREVIEW_ALREADY_EXISTS", message));
    }
    if before.is_none() && control.previews_of(&name).len() >= MAX_PREVIEWS {
        return Err(Failure::conflict(format!("{name} has {MAX_PREVIEWS} previews: delete one")));
    }
    if let Some((id, _)) = before {
        control.previews.turn(&id).await.remove().await?;
    }
    let id = draft.spec.prefix_url.clone().unwrap_or_else(|| place_of(&sandbox, &made, &wanted));
    let turn = control.previews.turn(&id).await;
    if turn.read().is_some() {
        let message = format!("another preview has a URL that begins with {id}");
        return Err(Failure::exists("PREVIEW_PREFIX_TAKEN", message));
    }
    let mut preview = draft;
    preview.metadata.name = wanted;
    preview.metadata.resource_name = Some(name);
    preview.metadata.resource_type = Some("sandbox".to_owned());
    preview.metadata.created_at = Some(control.clock.stamp());
    preview.metadata.updated_at.clone_from(&preview.metadata.created_at);
    let record = Record { sandbox, preview, tokens: Vec::new(), closes, id };
    turn.put(record.clone()).await?;
    Ok(Json(control.shown_preview(&record)))
}

async fn update(
    State(control): State<Arc<Control>>,
    Path((name, preview)): Path<(String, String)>,
    asked::Json(draft): asked::Json<Preview>,
) -> Result<Json<Preview>, Failure> {
    let (turn, before) = control.preview_turn(&name, &preview).await?;
    let mut next = Record::clone(&before);
    next.closes = check(&draft, control.clock.now())?;
    check_port(&draft, &control.find(&name)?.sandbox)?;
    let prefix = next.preview.spec.prefix_url.clone();
    if draft.spec.prefix_url.is_some() && draft.spec.prefix_url != prefix {
        return Err(Failure::bad_request("the URL of a preview cannot change: create another"));
    }
    next.preview.spec = draft.spec;
    next.preview.spec.prefix_url = prefix;
    next.preview.metadata.updated_at = Some(control.clock.stamp());
    turn.put(next.clone()).await?;
    Ok(Json(control.shown_preview(&next)))
}

async fn remove(
    State(control): State<Arc<Control>>,
    Path((name, preview)): Path<(String, String)>,
) -> Result<Json<Preview>, Failure> {
    let (turn, record) = control.preview_turn(&name, &preview).await?;
    turn.remove().await?;
    let mut shown = control.shown_preview(&record);
    shown.status = Some("DELETING".to_owned());
    Ok(Json(shown))
}

async fn tokens(
    State(control): State<Arc<Control>>,
    Path((name, preview)): Path<(String, String)>,
) -> Result<Json<Vec<PreviewToken>>, Failure> {
    let (_, record) = control.preview(&name, &preview)?;
    let now = control.clock.now();
    Ok(Json(record.tokens.iter().map(|token| shown_token(token, now)).collect()))
}

async fn create_token(
    State(control): State<Arc<Control>>,
    Path((name, preview)): Path<(String, String)>,
    asked::Json(draft): asked::Json<PreviewToken>,
) -> Result<Json<PreviewToken>, Failure> {
    let (turn, before) = control.preview_turn(&name, &preview).await?;
    let now = control.clock.now();
    let expires = match draft.spec.expires_at.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => clock::read(text).filter(|at| *at > now).ok_or_else(|| {
            Failure::bad_request(format!("spec.expiresAt: {text:?} is no time in the future"))
        })?,
        None => now + TOKEN_LIFE,
    };
    let mut next = Record::clone(&before);
    next.tokens.retain(|token| !has_expired(token, now));
    if next.tokens.len() >= MAX_TOKENS {
        return Err(Failure::conflict(format!("{preview} has {MAX_TOKENS} tokens: delete one")));
    }
    let mut token = draft;
    let named = &mut token.metadata.name;
    if named.is_empty() {
        *named = format!("token-{}", letters());
    } else if next.tokens.iter().any(|other| other.metadata.name == *named) {
        // Clients name tokens by the millisecond, and make several in one; each is to be deleted alone.
        *named = format!("{named}-{}", letters());
    }
    token.metadata.preview_name = Some(preview);
    token.metadata.resource_name = Some(name);
    token.metadata.resource_type = Some("sandbox".to_owned());
    token.metadata.workspace = Some(control.workspace.clone());
    token.spec.token = Some(secret()?);
    token.spec.expires_at = Some(clock::stamp(expires));
    next.tokens.push(token.clone());
    turn.put(next).await?;
    Ok(Json(shown_token(&token, now)))
}

async fn remove_token(
    State(control): State<Arc<Control>>,
    Path((name, preview, token)): Path<(String, String, String)>,
) -> Result<Json<PreviewToken>, Failure> {
    let (turn, before) = control.preview_turn(&name, &preview).await?;
    let mut next = Record::clone(&before);
    let Some(at) = next.tokens.iter().position(|it| is_meant(it, &token)) else {
        return Err(Failure::coded_not_found(
            "TOKEN_NOT_FOUND",
            format!("{preview} has no token called {token:?}"),
        ));
    };
    let removed = next.tokens.remove(at);
    turn.put(next).await?;
    Ok(Json(shown_token(&removed, control.clock.now())))
}

/// Whether a token is the one of a URL: by its name or, as the vendor's own tests do it, by its value.
fn is_meant(token: &PreviewToken, named: &str) -> bool {
    token.metadata.name == named || token.spec.token.as_deref() == Some(named)
}

impl Control {
    fn previews_of(&self, sandbox: &str) -> Vec<(String, Arc<Record>)> {
        let now = self.clock.now();
        let all = self.previews.all().into_iter();
        let of_it = all.filter(|record| record.sandbox.as_str() == sandbox && record.is_open(now));
        of_it.map(|record| (record.id.clone(), record)).collect()
    }

    fn preview(&self, sandbox: &str, preview: &str) -> Result<(String, Arc<Record>), Failure> {
        self.find(sandbox)?;
        let found = self.previews_of(sandbox).into_iter().find(|(_, it)| it.preview.metadata.name == preview);
        found.ok_or_else(|| {
            Failure::coded_not_found(
                "PREVIEW_NOT_FOUND",
                format!("{sandbox} has no preview called {preview:?}"),
            )
        })
    }

    async fn preview_turn(
        &self,
        sandbox: &str,
        preview: &str,
    ) -> Result<(Turn<Record>, Arc<Record>), Failure> {
        let (id, _) = self.preview(sandbox, preview)?;
        let turn = self.previews.turn(&id).await;
        // It may have been replaced while its turn was waited for.
        let (now, record) = self.preview(sandbox, preview)?;
        if now != id {
            Err(Failure::conflict(format!("{preview} was replaced: try again")))
        } else {
            Ok((turn, record))
        }
    }

    fn shown_preview(&self, record: &Record) -> Preview {
        let mut preview = record.preview.clone();
        let urls = Urls::of(&self.url, &record.id);
        preview.metadata.workspace = Some(self.workspace.clone());
        preview.spec.url = Some(match self.preview_urls {
            PreviewUrls::ByPath => urls.by_path,
            PreviewUrls::ByName => urls.by_host.clone(),
        });
        preview.status = Some("DEPLOYED".to_owned());
        preview.other.insert("reveille".to_owned(), json!({ "hostUrl": urls.by_host }));
        preview
    }

    /// Removes the previews of a sandbox that is no more.
    pub(super) async fn remove_previews(&self, sandbox: &str) -> Result<(), Failure> {
        for record in self.previews.all().iter().filter(|record| record.sandbox.as_str() == sandbox) {
            self.previews.turn(&record.id).await.remove().await?;
        }
        Ok(())
    }

    /// Lets go of those whose time has come.
    async fn sweep_previews(&self, sandbox: &str) {
        let now = self.clock.now();
        let all = self.previews.all();
        for record in all.iter().filter(|it| it.sandbox.as_str() == sandbox && !it.is_open(now)) {
            if let Err(unwritten) = self.previews.turn(&record.id).await.remove().await {
                tracing::warn!(sandbox, ?unwritten, "a preview that is closed could not be removed");
            }
        }
    }
}

/// Refuses what cannot be; says until when it is open.
fn check(draft: &Preview, now: SystemTime) -> Result<Option<String>, Failure> {
    let wrong = |message: &str| Err(Failure::bad_request(message));
    let spec = &draft.spec;
    if !matches!(spec.port, Some(1..=65535)) {
        return wrong("spec.port must be a number from 1 to 65535");
    }
    if spec.port == Some(SYSTEM) {
        return wrong("spec.port: 80 is the system's own, as on the platform: let the app listen on another");
    }
    check_name("metadata.name", &draft.metadata.name, MAX_NAME)?;
    let label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if let Some(prefix) = &spec.prefix_url
        && (prefix.len() > MAX_PREFIX
            || !prefix.bytes().all(label)
            || prefix.is_empty()
            || prefix.starts_with('-'))
    {
        return wrong("spec.prefixUrl must be lower case letters, digits and hyphens, 1 to 40 of them");
    }
    if spec.other.get("customDomain").is_some_and(|domain| !domain.is_null() && *domain != json!("")) {
        let message = "custom domains: the platform has these, the local host has not";
        return Err(Failure::new(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message));
    }
    for headers in [&spec.request_headers, &spec.response_headers] {
        check_headers(headers.as_ref())?;
    }
    let mut closes = None;
    if let Some(expires) = &spec.expires {
        let at = clock::read(expires);
        closes =
            Some(at.ok_or_else(|| Failure::bad_request(format!("spec.expires: {expires:?} is no time")))?);
    }
    if let Some(ttl) = &spec.ttl {
        let span = Span::read(ttl).map_err(|wrong| Failure::bad_request(format!("spec.ttl: {wrong}")))?;
        let at = now.checked_add(span.duration());
        closes = [closes, at].into_iter().flatten().min();
    }
    Ok(closes.map(clock::stamp))
}

/// Refuses a port that the sandbox has not, where its record says which it has.
fn check_port(draft: &Preview, sandbox: &Sandbox) -> Result<(), Failure> {
    let has: Vec<u16> = sandbox.spec.runtime.iter().flat_map(|it| &it.ports).map(|it| it.target).collect();
    match draft.spec.port {
        Some(port) if port != API && !has.is_empty() && !has.iter().any(|it| i64::from(*it) == port) => {
            let name = &sandbox.metadata.name;
            Err(Failure::bad_request(format!("spec.port: {port} is none of the ports of {name}, {has:?}")))
        }
        _ => Ok(()),
    }
}

fn check_headers(headers: Option<&BTreeMap<String, String>>) -> Result<(), Failure> {
    let Some(headers) = headers else { return Ok(()) };
    if headers.len() > MAX_HEADERS {
        return Err(Failure::bad_request(format!(
            "a preview lays at most {MAX_HEADERS} headers over others"
        )));
    }
    // Some frame a message or speak for the platform; an app behind a preview must not be made to.
    let is_ours = |name: &HeaderName| {
        let framing =
            ["connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"];
        framing.contains(&name.as_str()) || name.as_str().starts_with("x-blaxel-")
    };
    for (name, value) in headers {
        let can_be = HeaderName::try_from(name).is_ok_and(|name| !is_ours(&name))
            && HeaderValue::try_from(value).is_ok();
        if !can_be {
            return Err(Failure::bad_request(format!(
                "{name:?} is no header that a preview can lay over others"
            )));
        }
    }
    Ok(())
}

/// Where a preview is that asks for no place of its own: one that is made again under its name has the URL that it had
/// before, as on the platform.
fn place_of(sandbox: &SandboxName, made: &str, preview: &str) -> String {
    let digest = Sha256::digest(format!("{sandbox}\n{made}\n{preview}"));
    let letter = |byte: &u8| char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[usize::from(*byte) % 36]);
    digest.iter().take(16).map(letter).collect()
}

fn shown_token(token: &PreviewToken, now: SystemTime) -> PreviewToken {
    let mut shown = token.clone();
    shown.spec.expired = Some(has_expired(token, now));
    shown
}

/// 192 random bits.
fn secret() -> Result<String, Failure> {
    let mut bits = [0_u8; 24];
    getrandom::fill(&mut bits)
        .map_err(|_| Failure::internal("the system gave no random bits for a token"))?;
    let mut text = String::from("bl_preview_");
    for byte in bits {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}
