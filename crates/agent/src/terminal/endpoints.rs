//! The endpoints under `/terminal`.

use axum::Router;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State, WebSocketUpgrade};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::connection::{self, AtTheEnd};
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
}

async fn open(
    State(agent): State<Agent>,
    Query(asked): Query<Asked>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let upgrade = upgrade.map_err(|_| Failure::bad("this endpoint speaks WebSocket"))?;
    let at_the_end = if asked.exit == "true" { AtTheEnd::Told } else { AtTheEnd::Silent };
    let wanted = wanted(asked);
    Ok(upgrade
        .max_message_size(LARGEST)
        .max_frame_size(LARGEST)
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

fn wanted(asked: Asked) -> Wanted {
    // A size that is no number counts as not said.
    let number = |given: &str| given.parse().unwrap_or(0);
    let id = if asked.session_id.is_empty() { "default".to_owned() } else { asked.session_id };
    Wanted {
        id,
        size: Size::new(number(&asked.cols), number(&asked.rows)),
        shell: Some(asked.shell).filter(|shell| !shell.is_empty()),
        directory: asked.working_dir,
    }
}
