//! The endpoints under `/terminal`.

use axum::Router;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State, WebSocketUpgrade};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue};
use reveille_wire::header::{STREAM, STREAM_EXACT, TERMINAL};
use serde::Deserialize;

use super::connection::{self, AtTheEnd};
use super::exact;
use super::pty::Size;
use super::sessions::Wanted;
use crate::agent::Agent;
use crate::failure::Failure;

/// The largest message that a client may send, in bytes: a large paste.
const LARGEST: usize = 1 << 20;

const PAGE: &str = include_str!("page.html");

/// The endpoints under `/terminal`.
pub(crate) fn routes() -> Router<Agent> {
    Router::new().route("/terminal", get(page)).route("/terminal/ws", get(open))
}

async fn page() -> Html<&'static str> {
    Html(PAGE)
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Asked {
    cols: String,
    rows: String,
    shell: String,
    working_dir: String,
    session_id: String,
    exit: String,
    command: String,
    /// What the session is called that is to be shown again, and no other.
    terminal: String,
    /// By what name the client types.
    client: String,
    /// How many bytes of the output it has seen.
    from: String,
}

async fn open(
    State(agent): State<Agent>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let upgrade = upgrade.map_err(|_| Failure::bad("this endpoint speaks WebSocket"))?;
    let upgrade = upgrade.max_message_size(LARGEST).max_frame_size(LARGEST);
    if headers.get(STREAM).is_some_and(|value| value == STREAM_EXACT) {
        return exactly(&agent, asked, upgrade).await;
    }
    let at_the_end = if asked.exit == "true" { AtTheEnd::Told } else { AtTheEnd::Closed };
    let wanted = wanted(asked);
    Ok(upgrade
        .on_upgrade(move |socket| async move {
            let shell = wanted.shell.clone().unwrap_or_default();
            match agent.terminals().open(wanted, agent.processes()).await {
                Ok(session) => connection::show(socket, &session, at_the_end).await,
                Err(error) => {
                    let reason = format!("the terminal {shell:?} could not be started: {error}");
                    connection::refuse(socket, reason).await;
                }
            }
        })
        .into_response())
}

/// Begins or finds a session before anything is answered, so that a failure is an answer like any other.
async fn exactly(agent: &Agent, asked: Asked, upgrade: WebSocketUpgrade) -> Result<Response, Failure> {
    let (id, typed_by) = (asked.terminal.clone(), asked.client.clone());
    let from = asked.from.parse().unwrap_or(0);
    let wanted = wanted(asked);
    let session = if id.is_empty() {
        let shell = wanted.shell.clone().unwrap_or_default();
        let opened = agent.terminals().open(wanted, agent.processes()).await;
        opened.map_err(|error| {
            Failure::unworkable(format!("the terminal {shell:?} could not be started: {error}"))
        })?
    } else {
        let known = agent.terminals().known(&wanted.name, &id);
        let session = known.ok_or_else(|| {
            Failure::absent(format!("the terminal {:?} is not there any more", wanted.name))
        })?;
        // The size of a terminal that is over does not matter.
        let _over = session.resize(wanted.size);
        session
    };
    let client = exact::Client { typist: session.typists().named(&typed_by), from };
    let headers = [
        (STREAM, HeaderValue::from_static(STREAM_EXACT)),
        (TERMINAL, HeaderValue::try_from(session.id()).map_err(|_| Failure::broken("it has no name"))?),
    ];
    let response =
        upgrade.on_upgrade(move |socket| async move { exact::show(socket, &session, &client).await });
    Ok((headers, response).into_response())
}

fn wanted(asked: Asked) -> Wanted {
    // A size that is no number counts as not said.
    let number = |given: &str| given.parse().unwrap_or(0);
    let name = if asked.session_id.is_empty() { "default".to_owned() } else { asked.session_id };
    Wanted {
        name,
        size: Size::new(number(&asked.cols), number(&asked.rows)),
        shell: Some(asked.shell).filter(|shell| !shell.is_empty()),
        command: Some(asked.command).filter(|command| !command.is_empty()),
        directory: asked.working_dir,
    }
}
