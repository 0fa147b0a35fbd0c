use std::io;

use clap::{Args, Subcommand};
use reveille::{Method, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::output::{KeyShown, Screen};
use crate::report::{Exit, Failure, Request};
use crate::typed::lifetime;

/// Give keys of the local host to others, and take them away
///
/// A key opens everything but the making of keys, for which the host's own key is needed. The host keeps its hash
/// only: it is shown once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples
  reveille key create ci --expires 30d
  reveille key revoke ci")]
pub(crate) struct Key {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a key, and show it this once
    Create(CreateKey),
    /// List those that were made
    #[command(visible_alias = "ls")]
    List,
    /// Take a key away: from now on it opens nothing
    Revoke(RevokeKey),
}

#[derive(Debug, Args)]
struct CreateKey {
    /// What it is called
    name: String,
    /// How long it is good: 24h, 30d, 2w; else until it is revoked
    #[arg(long, value_name = "DUR", value_parser = lifetime)]
    expires: Option<String>,
}

#[derive(Debug, Args)]
struct RevokeKey {
    /// What it is called
    name: String,
}

#[derive(Debug, Deserialize)]
struct List {
    data: Vec<KeyShown>,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Key) -> Result<Exit, Failure> {
    match &asked.what {
        What::Create(asked) => {
            let mut wanted = json!({"name": asked.name});
            if let Some(expires) = &asked.expires {
                wanted["expiresIn"] = expires.as_str().into();
            }
            let made = send(connection, Method::POST, "/keys", Some(&wanted)).await?;
            if let Err(unshown) = screen.key_made(&read(&made)?, &read::<Value>(&made)?) {
                return Err(unseen(connection, &asked.name, &unshown).await);
            }
        }
        What::List => {
            let list = send(connection, Method::GET, "/keys", None).await?;
            screen.keys(&read::<List>(&list)?.data, &read::<Value>(&list)?)?;
        }
        What::Revoke(asked) => {
            let gone = revoke(connection, &asked.name).await?;
            screen.key_revoked(&read(&gone)?, &read::<Value>(&gone)?)?;
        }
    }
    Ok(Exit::Done)
}

async fn revoke(connection: &Connection, name: &str) -> Result<Response, Failure> {
    let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    send(connection, Method::DELETE, &format!("/keys/{}", name.replace('+', "%20")), None).await
}

/// Takes a key away that nobody has seen: nobody could use it, and its name would be taken.
async fn unseen(connection: &Connection, name: &str, unshown: &io::Error) -> Failure {
    match revoke(connection, name).await {
        Ok(_gone) => Failure::io("the key could not be shown, so it was revoked", unshown),
        Err(_stays) => Failure::io("the key could not be shown, and is good all the same", unshown)
            .next(format!("revoke it: reveille key revoke {name}")),
    }
}

async fn send(
    connection: &Connection,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Response, Failure> {
    let asking = connection.asking("", Request::new(method.as_str(), path));
    let mut request = connection.client().request(method, path);
    if let Some(body) = body {
        request = request.json(body);
    }
    let response = request.await.map_err(|error| asking.failed(&error))?;
    response.error_for_status().map_err(|error| asking.failed(&error))
}

fn read<T: serde::de::DeserializeOwned>(response: &Response) -> Result<T, Failure> {
    response.json().map_err(|error| Failure::new(error.to_string()))
}
