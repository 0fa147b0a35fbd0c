//! `GET /process/{id}/logs/stream`: the log as lines, each with the stream it is from.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;

use super::follow::{Followed, Follower};
use super::log::Source;

/// How often a line says that the stream lives when there is nothing else to say. There are clients that take five
/// silent seconds for its end.
const KEEPALIVE: Duration = Duration::from_secs(4);
/// The longest line, in bytes; a longer one is broken.
const LINE: usize = 4 << 20;

/// The body of the stream.
pub(crate) fn body(follower: Follower) -> Body {
    let state = (follower, Lines::default());
    Body::from_stream(stream::unfold(state, |(mut follower, mut lines)| async {
        let chunk = lines.next(&mut follower).await?;
        Some((Ok::<_, Infallible>(chunk), (follower, lines)))
    }))
}

/// Output on its way to becoming lines.
#[derive(Debug, Default)]
struct Lines {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    ready: VecDeque<Bytes>,
    end: bool,
}

impl Lines {
    /// The next lines; nothing at the end.
    async fn next(&mut self, follower: &mut Follower) -> Option<Bytes> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(ready);
            }
            if self.end {
                return None;
            }
            match tokio::time::timeout(KEEPALIVE, follower.next()).await {
                Err(_) => return Some(Bytes::from_static(b"[keepalive]\n")),
                Ok(Some(Followed::Output(source, _, bytes))) => self.add(source, &bytes),
                Ok(Some(Followed::Missing(source, bytes))) => {
                    self.flush(source);
                    // Without the name of a stream in front it is no line of the process.
                    self.ready.push_back(format!("[{bytes} bytes of {source} are missing here]\n").into());
                }
                Ok(None) => {
                    self.end = true;
                    self.flush(Source::Stdout);
                    self.flush(Source::Stderr);
                }
            }
        }
    }

    fn add(&mut self, source: Source, bytes: &[u8]) {
        let mut out = Vec::new();
        let partial = self.partial(source);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            partial.extend_from_slice(part);
            if part.ends_with(b"\n") || partial.len() >= LINE {
                write_line(&mut out, source, partial);
            }
        }
        self.ready.extend((!out.is_empty()).then(|| Bytes::from(out)));
    }

    /// Makes a line of what has no end yet.
    fn flush(&mut self, source: Source) {
        let mut out = Vec::new();
        let partial = self.partial(source);
        if !partial.is_empty() {
            write_line(&mut out, source, partial);
        }
        self.ready.extend((!out.is_empty()).then(|| Bytes::from(out)));
    }

    fn partial(&mut self, source: Source) -> &mut Vec<u8> {
        match source {
            Source::Stdout => &mut self.stdout,
            Source::Stderr => &mut self.stderr,
        }
    }
}

fn write_line(out: &mut Vec<u8>, source: Source, line: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line));
    out.extend_from_slice(format!("{source}:{text}\n").as_bytes());
    line.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &mut Lines) -> String {
        lines.ready.drain(..).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).collect()
    }

    #[test]
    fn lines_of_both_streams_do_not_mix() {
        let mut lines = Lines::default();
        lines.add(Source::Stdout, b"a\nhal");
        lines.add(Source::Stderr, b"e\n");
        lines.add(Source::Stdout, b"f\nlast");
        assert_eq!(text(&mut lines), "stdout:a\nstderr:e\nstdout:half\n");
        lines.flush(Source::Stdout);
        lines.flush(Source::Stderr);
        assert_eq!(text(&mut lines), "stdout:last\n");
    }

    #[test]
    fn a_line_without_an_end_is_broken_before_it_fills_the_memory() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            lines.add(Source::Stdout, &[b'x'; 64 << 10]);
        }
        assert_eq!(text(&mut lines).lines().count(), 1);
        assert!(lines.stdout.len() < LINE);
    }
}
