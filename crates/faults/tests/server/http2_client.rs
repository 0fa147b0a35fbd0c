//! Two clients of HTTP/2: one that knows the protocol, and one that only knows frames.

use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{Error, RecvStream, SendStream};
use http::{HeaderMap, Method, Request, StatusCode};
use reveille_faults::FaultServer;
use tokio::task::JoinHandle;

use crate::client::{PATIENCE, connect};

/// One connection.
pub(crate) struct Client {
    requests: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), Error>>,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) async fn connect(server: &FaultServer) -> Self {
        let stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        Self { requests, connection: tokio::spawn(connection) }
    }

    /// Sends the head of a request; its body is to be sent by the caller.
    pub(crate) async fn begin(
        &mut self,
        method: Method,
        target: &str,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), Error> {
        self.requests = self.requests.clone().ready().await?;
        self.requests.send_request(request(method, target), false)
    }

    /// Sends a request without a body.
    pub(crate) async fn ask(&mut self, method: Method, target: &str) -> Result<ResponseFuture, Error> {
        self.requests = self.requests.clone().ready().await?;
        self.requests.send_request(request(method, target), true).map(|(response, _)| response)
    }

    pub(crate) async fn get(&mut self) -> Result<Answer, Error> {
        read(self.ask(Method::GET, "/status?x=1").await?).await
    }

    pub(crate) async fn post(&mut self, body: &'static [u8]) -> Result<Answer, Error> {
        let (response, mut upload) = self.begin(Method::POST, "/orders").await?;
        upload.send_data(Bytes::from_static(body), true)?;
        read(response).await
    }

    /// How the connection ends.
    pub(crate) async fn end(self) -> Result<(), Error> {
        drop(self.requests);
        tokio::time::timeout(PATIENCE, self.connection).await.expect("the connection ends").unwrap()
    }

    /// How the connection ends that the server ends, whatever is still wanted of it.
    pub(crate) async fn ended(&mut self) -> Result<(), Error> {
        tokio::time::timeout(PATIENCE, &mut self.connection).await.expect("the connection ends").unwrap()
    }
}

fn request(method: Method, target: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("http://box{target}")).body(()).unwrap()
}

/// Reads the whole answer.
pub(crate) async fn read(response: ResponseFuture) -> Result<Answer, Error> {
    let answer = tokio::time::timeout(PATIENCE, async {
        let (head, mut body) = response.await?.into_parts();
        let body = read_body(&mut body).await?;
        Ok(Answer { status: head.status, headers: head.headers, body })
    });
    answer.await.expect("an answer or an error comes")
}

pub(crate) async fn read_body(stream: &mut RecvStream) -> Result<Bytes, Error> {
    let mut body = BytesMut::new();
    while let Some(piece) = stream.data().await {
        let piece = piece?;
        stream.flow_control().release_capacity(piece.len())?;
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// Sends all of this, as fast as the server allows.
pub(crate) async fn upload(stream: &mut SendStream<Bytes>, mut body: Bytes) -> Result<(), Error> {
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        let Some(allowed) = poll_fn(|context| stream.poll_capacity(context)).await else { break };
        stream.send_data(body.split_to(allowed?), false)?;
    }
    stream.send_data(Bytes::new(), true)
}

/// Whether nothing comes of it for a moment.
pub(crate) async fn stays_silent<T>(future: &mut (impl Future<Output = T> + Unpin)) -> bool {
    tokio::time::timeout(Duration::from_millis(50), future).await.is_err()
}

pub(crate) const HEADERS: u8 = 0x1;
pub(crate) const SETTINGS: u8 = 0x4;
pub(crate) const PING: u8 = 0x6;
const GOAWAY: u8 = 0x7;

const ACK: u8 = 0x1;
const END_STREAM_AND_HEADERS: u8 = 0x5;
/// `GET http:/` in entries of the static table (RFC 7541, appendix A).
const GET_BLOCK: &[u8] = &[0x82, 0x86, 0x84];

/// One connection, frame by frame.
pub(crate) struct Frames(pub(crate) TcpStream);

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frames {
    /// Connects and says what a client says first.
    pub(crate) fn connect(server: &FaultServer) -> Self {
        let mut frames = Self(connect(server));
        frames.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        frames.send(SETTINGS, 0, 0, &[]);
        frames
    }

    pub(crate) fn get(&mut self, stream: u32) {
        self.send(HEADERS, END_STREAM_AND_HEADERS, stream, GET_BLOCK);
    }

    pub(crate) fn ping(&mut self) {
        self.send(PING, 0, 0, b"12345678");
    }

    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend_from_slice(&[kind, flags]);
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        self.0.write_all(&frame).unwrap();
    }

    /// The next frame that is not about settings; none once the connection has ended or says nothing.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            self.read(&mut head)?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            self.read(&mut payload)?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            if head[3] != SETTINGS {
                return Some(Frame { kind: head[3], stream, payload });
            }
            if head[4] & ACK == 0 {
                self.send(SETTINGS, ACK, 0, &[]);
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Option<()> {
        match self.0.read_exact(buffer) {
            Ok(()) => Some(()),
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                None
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// A GOAWAY, as it stands on the wire.
pub(crate) fn goaway(last: u32, code: u32) -> Frame {
    Frame { kind: GOAWAY, stream: 0, payload: [last.to_be_bytes(), code.to_be_bytes()].concat() }
}
