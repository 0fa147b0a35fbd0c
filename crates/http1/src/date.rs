//! The date of an answer (RFC 9110, section 6.6.1), put into words once a second.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use httpdate::HttpDate;

struct Said {
    second: u64,
    date: HeaderValue,
}

thread_local! {
    static SAID: RefCell<Said> =
        const { RefCell::new(Said { second: u64::MAX, date: HeaderValue::from_static("") }) };
}

/// The date of an answer that is made now, for as long as `say` takes.
///
/// ```
/// let date = reveille_http1::with_date(Clone::clone);
/// assert!(date.to_str()?.ends_with(" GMT"));
/// # Ok::<(), http::header::ToStrError>(())
/// ```
pub fn with_date<T>(say: impl FnOnce(&HeaderValue) -> T) -> T {
    let now = SystemTime::now();
    // A clock before its own beginning has no date that HTTP could say.
    let second = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    SAID.with_borrow_mut(|said| {
        if said.second != second {
            let date = HttpDate::from(SystemTime::UNIX_EPOCH + Duration::from_secs(second)).to_string();
            *said =
                Said { second, date: HeaderValue::try_from(date).unwrap_or(HeaderValue::from_static("")) };
        }
        say(&said.date)
    })
}
