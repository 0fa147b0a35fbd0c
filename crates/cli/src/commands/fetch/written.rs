//! What `--write-out` writes.

use std::time::Duration;

use reveille::{HeaderMap, History, StatusCode};

use crate::output::Screen;
use crate::report::Failure;
use crate::typed::{Piece, Value, WriteOut};

/// What is known of a fetch once it is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Over<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    pub(super) history: &'a History,
    pub(super) redirects: usize,
    pub(super) size: u64,
    pub(super) took: Duration,
}

impl Over<'_> {
    /// Writes a format to stdout, behind the body.
    pub(super) fn write(&self, screen: &Screen, format: Option<&WriteOut>) -> Result<(), Failure> {
        for piece in format.iter().flat_map(|WriteOut(pieces)| pieces) {
            match piece {
                Piece::Text(text) => screen.raw(text.as_bytes())?,
                Piece::Value(value) => screen.word(&self.value(*value))?,
            }
        }
        Ok(())
    }

    fn value(&self, value: Value) -> String {
        match value {
            Value::HttpCode => format!("{:03}", self.status.as_u16()),
            Value::ContentType => {
                let kind = self.headers.get(http::header::CONTENT_TYPE);
                kind.map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned()).unwrap_or_default()
            }
            Value::NumRedirects => self.redirects.to_string(),
            Value::NumRetries => self.history.len().saturating_sub(1).to_string(),
            Value::SizeDownload => self.size.to_string(),
            Value::TimeTotal => format!("{:.6}", self.took.as_secs_f64()),
        }
    }
}
