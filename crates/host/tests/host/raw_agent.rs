//! An agent that answers byte by byte.

use std::fmt;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use tokio::net::UnixListener;

/// Serves one connection, byte by byte.
#[derive(Clone)]
pub(crate) struct RawAgent(Arc<dyn Fn(UnixStream) + Send + Sync>);

impl RawAgent {
    pub(crate) fn new(serve: impl Fn(UnixStream) + Send + Sync + 'static) -> Self {
        Self(Arc::new(serve))
    }

    /// Each connection has a thread, as it is the simplest thing to write byte by byte.
    pub(crate) async fn serve(self, listener: UnixListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = stream.into_std().unwrap();
            stream.set_nonblocking(false).unwrap();
            let serve = Arc::clone(&self.0);
            std::thread::spawn(move || {
                if !hands_over_nothing(&stream) {
                    serve(stream);
                }
            });
        }
    }
}

/// Answers who asks for connections to ports that there is no such thing; false where something else is asked.
fn hands_over_nothing(mut stream: &UnixStream) -> bool {
    const ASKED: &[u8] = b"GET /port HTTP";
    let mut begin = [0; ASKED.len()];
    let seen = rustix::net::recv(stream, &mut begin, rustix::net::RecvFlags::PEEK);
    let is_asked = seen.is_ok_and(|(seen, _)| seen == ASKED.len()) && begin == ASKED;
    is_asked && stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").is_ok()
}

impl fmt::Debug for RawAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawAgent")
    }
}
