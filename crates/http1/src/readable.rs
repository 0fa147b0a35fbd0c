use std::io;
use std::task::{Context, Poll};

use tokio::net::TcpStream;

/// A connection that says whether there is something to be read, before anybody makes room for it.
pub trait Readable {
    /// Ready when there is something to be read, or has been an end.
    ///
    /// # Errors
    /// When the connection is broken.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Readable for TcpStream {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx)
    }
}
