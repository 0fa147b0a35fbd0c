//! Writing answers of HTTP/1.1, as correct or as broken as they are asked for.

use std::io;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::reading::Request;
use crate::answer::{Afterwards, Answer, Framing, Place};
use crate::connection::sleep_unless_gone;
use crate::step::End;

pub(super) enum Sent {
    Whole(Delivery),
    Cut(End),
    Gone,
}

/// Whether the client can know where the answer ended without the connection's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    KeepsConnection,
    EndsConnection,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BodyForm {
    Absent,
    Plain,
    Chunked,
}

pub(super) async fn send(stream: &mut TcpStream, answer: &Answer, request: &Request) -> Sent {
    match try_send(stream, answer, request).await {
        Ok(sent) => sent,
        Err(_) => Sent::Gone,
    }
}

async fn try_send(stream: &mut TcpStream, answer: &Answer, request: &Request) -> io::Result<Sent> {
    for informational in &answer.informational {
        let mut head = status_line(&informational.status, None);
        put_headers(&mut head, &informational.headers);
        head.extend_from_slice(b"\r\n");
        stream.write_all(&head).await?;
    }
    if !sleep_unless_gone(stream, answer.delay).await {
        return Ok(Sent::Gone);
    }
    let (head, form, delivery) = head(answer, request);
    if let Some(cut) = answer.cut.filter(|cut| cut.place == Place::Head) {
        let size = usize::try_from(cut.at).unwrap_or(usize::MAX).min(head.len());
        stream.write_all(&head[..size]).await?;
        return Ok(Sent::Cut(cut.end));
    }
    stream.write_all(&head).await?;
    if !sleep_unless_gone(stream, answer.body_delay).await {
        return Ok(Sent::Gone);
    }
    if form != BodyForm::Absent {
        for piece in answer.body.pieces(answer.cut.map(|cut| cut.at)) {
            match form {
                BodyForm::Chunked => stream.write_all(&chunk(&piece)).await?,
                _ => stream.write_all(&piece).await?,
            }
        }
    }
    if let Some(cut) = answer.cut {
        return Ok(Sent::Cut(cut.end));
    }
    if form == BodyForm::Chunked {
        stream.write_all(b"0\r\n\r\n").await?;
    }
    Ok(Sent::Whole(delivery))
}

fn head(answer: &Answer, request: &Request) -> (Vec<u8>, BodyForm, Delivery) {
    let mut head = status_line(&answer.status, answer.reason.as_ref());
    put_headers(&mut head, &answer.headers);

    let bodiless = answer.status.starts_with('1') || matches!(answer.status.as_str(), "204" | "304");
    let by_hand = answer.headers.iter().any(|(name, _)| {
        name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"transfer-encoding")
    });
    let mut delivery = Delivery::KeepsConnection;
    let mut form = BodyForm::Plain;
    if let Some(length) = answer.declared_length {
        put_header(&mut head, b"content-length", length.to_string().as_bytes());
        if answer.body.length().is_some_and(|real| real < length) {
            delivery = Delivery::EndsConnection;
        }
    }
    match (answer.framing, answer.body.length()) {
        (Framing::Bare | Framing::UntilClose, _) => {}
        (Framing::Length, _) if by_hand || bodiless || answer.declared_length.is_some() => {}
        (Framing::Length, Some(length)) => {
            put_header(&mut head, b"content-length", length.to_string().as_bytes());
        }
        (Framing::Chunked, _) | (Framing::Length, None) => {
            put_header(&mut head, b"transfer-encoding", b"chunked");
            form = BodyForm::Chunked;
        }
    }
    let announced = matches!(answer.afterwards, Afterwards::Announced);
    let closing = announced || request.wants_close || answer.framing == Framing::UntilClose;
    if closing {
        put_header(&mut head, b"connection", b"close");
    }
    head.extend_from_slice(b"\r\n");

    let tunnel = request.method == "CONNECT" && answer.status.starts_with('2');
    if request.method == "HEAD" || bodiless || tunnel {
        form = BodyForm::Absent;
        delivery = Delivery::KeepsConnection;
    }
    if closing {
        delivery = Delivery::EndsConnection;
    }
    (head, form, delivery)
}

fn status_line(status: &str, reason: Option<&Bytes>) -> Vec<u8> {
    let mut line = Vec::with_capacity(256);
    line.extend_from_slice(b"HTTP/1.1 ");
    line.extend_from_slice(status.as_bytes());
    line.push(b' ');
    line.extend_from_slice(reason.map_or(usual_reason(status).as_bytes(), |reason| reason));
    line.extend_from_slice(b"\r\n");
    line
}

fn put_headers(head: &mut Vec<u8>, headers: &[(Bytes, Bytes)]) {
    for (name, value) in headers {
        put_header(head, name, value);
    }
}

fn put_header(head: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    head.extend_from_slice(name);
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

fn chunk(piece: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
    chunk.extend_from_slice(piece);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

fn usual_reason(status: &str) -> &'static str {
    match status {
        "100" => "Continue",
        "101" => "Switching Protocols",
        "102" => "Processing",
        "103" => "Early Hints",
        "200" => "OK",
        "201" => "Created",
        "202" => "Accepted",
        "204" => "No Content",
        "206" => "Partial Content",
        "301" => "Moved Permanently",
        "302" => "Found",
        "303" => "See Other",
        "304" => "Not Modified",
        "307" => "Temporary Redirect",
        "308" => "Permanent Redirect",
        "400" => "Bad Request",
        "401" => "Unauthorized",
        "403" => "Forbidden",
        "404" => "Not Found",
        "407" => "Proxy Authentication Required",
        "408" => "Request Timeout",
        "409" => "Conflict",
        "412" => "Precondition Failed",
        "413" => "Content Too Large",
        "416" => "Range Not Satisfiable",
        "417" => "Expectation Failed",
        "425" => "Too Early",
        "429" => "Too Many Requests",
        "500" => "Internal Server Error",
        "502" => "Bad Gateway",
        "503" => "Service Unavailable",
        "504" => "Gateway Timeout",
        _ => "",
    }
}
