//! An answer that comes line by line, read in the background.

use std::io::{self, BufRead};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::http::Response;

/// The lines of an answer, as they come.
#[derive(Debug)]
pub(crate) struct Stream {
    shared: Arc<(Mutex<Seen>, Condvar)>,
    connection: TcpStream,
}

/// What has come so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) head: Option<(u16, String)>,
    pub(crate) lines: Vec<String>,
    pub(crate) ended: bool,
}

impl Stream {
    /// Reads what `answer` gives from `connection`.
    pub(crate) fn open(
        connection: TcpStream,
        answer: impl FnOnce() -> io::Result<Response> + Send + 'static,
    ) -> Self {
        let shared = Arc::new((Mutex::new(Seen::default()), Condvar::new()));
        let to = Arc::clone(&shared);
        std::thread::spawn(move || {
            let note = |change: &dyn Fn(&mut Seen)| {
                change(&mut to.0.lock().expect("no reader panicked"));
                to.1.notify_all();
            };
            // An answer that breaks off has ended, too.
            let _broken = answer().and_then(|mut response| {
                note(&|seen| seen.head = Some((response.status, super::media_type(&response))));
                let mut line = Vec::new();
                while response.body.read_until(b'\n', &mut line)? > 0 {
                    let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                    note(&|seen| seen.lines.push(text.clone()));
                    line.clear();
                }
                Ok(())
            });
            note(&|seen| seen.ended = true);
        });
        Self { shared, connection }
    }

    /// Waits until so many lines of news have come and no more for `quiet`, or it has ended, or `most` has passed.
    pub(crate) fn settle(&self, wanted: usize, quiet: Duration, most: Duration) -> Seen {
        let news = |seen: &Seen| seen.lines.iter().filter(|line| super::is_news(line)).count();
        let seen = self.until(most, |seen| seen.ended || news(seen) >= wanted);
        self.until(quiet, |now| now.ended || news(now) > news(&seen))
    }

    /// Waits until so many lines have come, of whatever kind, for at most `most`.
    pub(crate) fn hear(&self, lines: usize, most: Duration) {
        self.until(most, |seen| seen.ended || seen.lines.len() >= lines);
    }

    /// Waits until it has ended, for at most `most`.
    pub(crate) fn end(&self, most: Duration) -> Seen {
        self.until(most, |seen| seen.ended)
    }

    fn until(&self, most: Duration, so: impl Fn(&Seen) -> bool) -> Seen {
        let seen = self.shared.0.lock().expect("no reader panicked");
        let waited = self.shared.1.wait_timeout_while(seen, most, |seen| !so(seen));
        waited.expect("no reader panicked").0.clone()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // It may have been closed from the other side.
        let _closed = self.connection.shutdown(Shutdown::Both);
    }
}
