//! What was typed, made into a request.

use std::io::Read;

use reveille::{Body, Method, Request as Call};

use super::Fetch;
use crate::connection::Connection;
use crate::report::{Asked, Exit, Failure, Request};

/// The request, and what it is called.
pub(super) fn asked_for(connection: &Connection, asked: &Fetch) -> Result<(Asked, Call), Failure> {
    let method = method(asked)?;
    let path = asked.path.split(['?', '#']).next().unwrap_or_default().trim_start_matches('/');
    let request = Request::new(method.as_str(), format!("/port/{}/{path}", asked.port));
    let asking = connection.asking(&asked.sandbox, request);
    // A port that is no number is the call's error, as one that is out of range.
    let port = asked.port.parse::<i64>().map_err(|_| {
        Failure::usage(format!("{:?} is not a port: use a number from 1 to 65535", asked.port))
    })?;
    let mut call = connection.sandbox(&asked.sandbox).network().fetch(port, &asked.path).method(method);
    for header in &asked.header {
        let (name, value) = split(header)?;
        call = call.header(name, value);
    }
    if let Some(data) = &asked.data {
        call = call.body(body(data)?);
    }
    Ok((asking, call))
}

fn method(asked: &Fetch) -> Result<Method, Failure> {
    let name = match (&asked.request, &asked.data) {
        (Some(name), _) => name.as_str(),
        (None, Some(_)) => "POST",
        (None, None) => "GET",
    };
    Method::from_bytes(name.as_bytes())
        .map_err(|_| Failure::usage(format!("{name:?} is not a method: use a word like GET or POST")))
}

fn split(header: &str) -> Result<(&str, &str), Failure> {
    let shown: String = header.split(':').next().unwrap_or_default().chars().take(80).collect();
    if header.contains(['\r', '\n', '\0']) {
        return Err(Failure::usage(format!("the header {shown:?} holds a line break, which cannot be sent")));
    }
    match header.split_once(':') {
        Some((name, value)) => Ok((name.trim(), value.trim())),
        None => Err(Failure::usage(format!("{shown:?} is not a header: write it like name:value"))),
    }
}

fn body(data: &str) -> Result<Body, Failure> {
    match data.strip_prefix('@') {
        None => Ok(Body::from(data.to_owned())),
        Some("-") => Ok(Body::stream(tokio_util::io::ReaderStream::new(tokio::io::stdin()))),
        Some(path) => {
            let opened = std::fs::File::open(path).and_then(|mut file| file.read(&mut [0; 0]).map(drop));
            opened.map_err(|error| Failure::io(path, &error).exiting(Exit::Usage))?;
            Ok(Body::file(path))
        }
    }
}
