//! How a connection of HTTP/2 begins.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// RFC 9113, section 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether a connection of which this came speaks HTTP/2. Reads on until that is sure.
///
/// ```
/// use bytes::BytesMut;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let mut came = BytesMut::from("PRI * HT");
/// assert!(reveille_http2::is_spoken(&mut &b"TP/2.0\r\n\r\nSM\r\n\r\n and more"[..], &mut came).await?);
/// assert!(came.starts_with(b"PRI * HTTP/2.0"), "what was read is kept");
///
/// let mut came = BytesMut::from("PR");
/// assert!(!reveille_http2::is_spoken(&mut &b"INT / HTTP/1.1\r\n\r\n"[..], &mut came).await?);
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// When the connection breaks before that.
pub async fn is_spoken(socket: &mut (impl AsyncRead + Unpin), came: &mut BytesMut) -> io::Result<bool> {
    loop {
        let begun = came.len().min(PREFACE.len());
        if came[..begun] != PREFACE[..begun] {
            return Ok(false);
        }
        if begun == PREFACE.len() {
            return Ok(true);
        }
        if socket.read_buf(came).await? == 0 {
            return Ok(false);
        }
    }
}
