//! What processes do on the network.

mod monitor;
pub(crate) mod sockets;
mod tunnel;

use axum::extract::{Path, State};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use reveille_wire::{Done, ProcessPorts, ProcessSocket, SocketState};
use serde::Deserialize;

pub(crate) use self::monitor::Monitors;
use crate::agent::Agent;
use crate::failure::Failure;
use crate::json::JsonBody;

/// The endpoints under `/network`.
pub(crate) fn routes() -> Router<Agent> {
    Router::new()
        .route("/network/process/{pid}/ports", get(ports))
        .route("/network/process/{pid}/monitor", post(begin).delete(end))
        .route("/network/tunnel/config", put(tunnel::configure))
        .route("/network/tunnel", delete(tunnel::remove))
}

async fn ports(State(agent): State<Agent>, Path(pid): Path<String>) -> Result<Json<ProcessPorts>, Failure> {
    let pid = number(&pid)?;
    let runs = agent.processes().number(pid);
    let sockets = tokio::task::spawn_blocking(move || sockets::of(runs)).await;
    let sockets = sockets.map_err(std::io::Error::other).and_then(|sockets| sockets);
    let sockets =
        sockets.map_err(|error| Failure::unworkable(format!("the sockets cannot be read: {error}")))?;
    Ok(Json(ProcessPorts { pid, ports: sockets.into_iter().map(told).collect() }))
}

fn told(owned: sockets::Owned) -> ProcessSocket {
    let mut told = ProcessSocket::default();
    told.pid = owned.pid;
    told.process_name = owned.process;
    told.protocol = owned.socket.protocol.to_owned();
    told.local_addr = owned.socket.local.ip().to_canonical().to_string();
    told.local_port = owned.socket.local.port();
    told.state = owned.socket.state.map(|state| state.as_str().to_owned()).unwrap_or_default();
    let alone = owned.socket.state == Some(SocketState::Listen) || owned.socket.remote.port() == 0;
    if !alone {
        told.remote_addr = owned.socket.remote.ip().to_canonical().to_string();
        told.remote_port = owned.socket.remote.port();
    }
    told
}

/// The body of `POST /network/process/{pid}/monitor`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MonitorRequest {
    callback: String,
}

async fn begin(
    State(agent): State<Agent>,
    Path(pid): Path<String>,
    JsonBody(request): JsonBody<MonitorRequest>,
) -> Result<Json<Done>, Failure> {
    agent.monitors().begin(number(&pid)?, &request.callback)?;
    Ok(Json(Done::new("", "monitoring started: ports that open are told")))
}

async fn end(State(agent): State<Agent>, Path(pid): Path<String>) -> Result<Json<Done>, Failure> {
    agent.monitors().end(number(&pid)?);
    Ok(Json(Done::new("", "monitoring stopped")))
}

fn number(pid: &str) -> Result<i32, Failure> {
    match pid.parse() {
        Ok(pid) if pid > 0 => Ok(pid),
        _ => Err(Failure::bad(format!("{pid:?} is no number of a process"))),
    }
}
