//! The date of an answer (RFC 9110, section 6.6.1), put into words once a second.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use httpdate::HttpDate;

struct Said {
    second: u64,
    line: String,
}

thread_local! {
    static SAID: RefCell<Said> = const { RefCell::new(Said { second: u64::MAX, line: String::new() }) };
}

/// Writes its line.
pub(super) fn write(out: &mut Vec<u8>) {
    let now = SystemTime::now();
    // A clock before its own beginning has no date that HTTP could say.
    let second = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    SAID.with_borrow_mut(|said| {
        if said.second != second {
            let date = HttpDate::from(SystemTime::UNIX_EPOCH + Duration::from_secs(second));
            *said = Said { second, line: format!("date: {date}\r\n") };
        }
        out.extend_from_slice(said.line.as_bytes());
    });
}
