//! A server on loopback that misbehaves to a script, over HTTP/1.1 and HTTP/2, and counts what
//! arrived.
//!
//! It is for tests of clients: what does the client do when the connection is reset after the
//! request was sent, when a GOAWAY does not cover its stream, when a 503 has three megabytes of body?
//!
//! ```
//! use std::io::{Read, Write};
//! use reveille_faults::{FaultServer, Moment, Script, Step};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = FaultServer::start(
//!     Script::new()
//!         .step(Step::status(503).header("retry-after", "0"))
//!         .step(Step::reset(Moment::AfterRequest))
//!         .then(Step::ok("hello")),
//! )?;
//!
//! let mut connection = std::net::TcpStream::connect(server.address())?;
//! connection.write_all(b"GET /status HTTP/1.1\r\nhost: box\r\nconnection: close\r\n\r\n")?;
//! let mut answer = String::new();
//! connection.read_to_string(&mut answer)?;
//!
//! assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\n"));
//! assert_eq!(server.arrivals().len(), 1);
//! assert_eq!(server.arrivals()[0].path(), "/status");
//! # Ok(())
//! # }
//! ```
//!
//! A [`Script`] gives one [`Step`] to every request that arrives; [`Answer`] is the step that
//! answers, correctly unless told otherwise. [`FaultServer`] runs it and tells what it saw. The
//! server has its own thread, so that tests with and without a runtime use it in the same way;
//! what it has to be waited for is a [`Wait`], with `.await` or with [`wait()`](Wait::wait).
//! For addresses where nobody answers there are [`Refusing`] and [`BlackHole`].
//!
//! # Not ready until
//!
//! A step that is [`lasting`](Step::lasting) opens a window with the first request that it is given
//! to and keeps it open by the server's clock:
//!
//! ```
//! # use std::time::Duration;
//! # use reveille_faults::{Script, Step};
//! let script = Script::new()
//!     .step(Step::status(503).lasting(Duration::from_millis(300)))
//!     .then(Step::ok("awake"));
//! ```
//!
//! # Script files
//!
//! [`Script::from_json`] reads the same from a file that a person can write:
//!
//! ```
//! # let script = reveille_faults::Script::from_json(r#"
//! {
//!   "steps": [
//!     {"status": 503, "headers": {"retry-after": "0"}, "times": 2},
//!     {"reset": "after-request"},
//!     {"status": 200, "body": "hello"}
//!   ],
//!   "repeat": "last"
//! }
//! # "#).unwrap();
//! ```
//!
//! The file is one object:
//!
//! | key | value | meaning |
//! | --- | --- | --- |
//! | `steps` | list of steps | one for each request, in the order of arrival |
//! | `then` | a step | what every later request gets; an empty 200 if absent |
//! | `repeat` | `"last"`, `"all"` | instead of `then`: stay at the last step, begin again |
//! | `routes` | list | each `{"method": "GET", "path": "/prefix", "steps": …, "then": …, "repeat": …}`; the first that fits takes the request; `method` may be left out |
//!
//! A step is an object with exactly one of these:
//!
//! | key | value | meaning |
//! | --- | --- | --- |
//! | `status` | number or text | answers; a text is sent as it is: `"99"` |
//! | `reset` | a moment | resets the connection (RST) |
//! | `close` | a moment | closes the connection (FIN) |
//! | `hang` | a moment | never answers |
//! | `freeze` | a moment | goes silent on the whole connection, PINGs included |
//! | `garbage` | raw text | sends these bytes instead of an answer; with `at` (a moment) and `end` |
//! | `rst_stream` | a code | resets the stream; with `at` (a moment) |
//! | `goaway` | object | sends a GOAWAY, see below |
//!
//! and any of these: `delay_ms` waits before acting, `times` stays at the step for so many requests,
//! `for_ms` stays at it for so long after its first request.
//!
//! A moment is `"before-request"`, `"after-head"` or `"after-request"` ([`Moment`]). An end is
//! `"close"`, `"reset"`, `"hang"`, `"freeze"` or `{"rst_stream": code}` ([`End`]). A code is a name
//! like `"REFUSED_STREAM"` or a number ([`Code`]). A raw text stands for bytes, one a character, up
//! to `\u00ff`; so do the names and values of headers.
//!
//! Beside `status`:
//!
//! | key | value | meaning |
//! | --- | --- | --- |
//! | `reason` | raw text | the reason phrase of HTTP/1.1 |
//! | `headers` | object | texts, or lists of texts for headers that repeat |
//! | `body` | text | sent as UTF-8 |
//! | | `{"json": …}` | any JSON |
//! | | `{"raw": "…"}` | raw text |
//! | | `{"repeat": "x", "length": 3000000}` | so many bytes, made by repeating the text |
//! | | `{"endless": "x"}` | the text over and over |
//! | `framing` | `"length"`, `"chunked"`, `"until-close"`, `"bare"` | how the end of the body is made known ([`Framing`]) |
//! | `content_length` | number | declared whatever the body's length is |
//! | `informational` | list | heads sent first: `103`, or `{"status": 103, "headers": {…}}` |
//! | `body_delay_ms` | number | waits between head and body |
//! | `early` | true | answers without reading the request's body |
//! | `cut_head`, `cut_body` | `{"after": 10, "end": …}` | sends so many bytes of the head or body, then an end |
//! | `connection_close` | true | announces the end of the connection, then ends it |
//! | `then` | an end | ends the connection without announcement |
//! | `then_after_ms` | number | with `then`: only once the connection was idle for so long |
//!
//! A `goaway` has these:
//!
//! | key | value | meaning |
//! | --- | --- | --- |
//! | `last` | `"covering"`, `"not-covering"`, a number | the last stream; needed |
//! | `code` | a code | `NO_ERROR` if absent |
//! | `at` | a moment | `"after-request"` if absent |
//! | `graceful` | true | sends one with 2^31-1 first |
//! | `answer` | a step with a `status` | answers all the same |
//! | `end` | an end | ends right after the frame |
//!
//! A file that uses most of it:
//!
//! ```
//! # let script = reveille_faults::Script::from_json(r#"
//! {
//!   "steps": [
//!     {"reset": "before-request"},
//!     {"status": 503, "body": {"repeat": "<p>", "length": 3000000}, "framing": "chunked", "for_ms": 300},
//!     {"status": "99", "reason": "Odd", "headers": {"set-cookie": ["a=1", "b=2"], "x-raw": "\u00ff"}},
//!     {"status": 200, "body": {"json": {"ok": true}}, "informational": [102, {"status": 103, "headers": {"link": "</a>"}}]},
//!     {"status": 200, "body": "hello", "cut_body": {"after": 2, "end": "reset"}},
//!     {"status": 200, "body": "hello", "cut_head": {"after": 9, "end": {"rst_stream": "CANCEL"}}},
//!     {"status": 413, "early": true, "connection_close": true},
//!     {"status": 200, "then": "close", "then_after_ms": 50},
//!     {"status": 200, "content_length": 10, "body": "short", "delay_ms": 5, "body_delay_ms": 5},
//!     {"garbage": "\u0016\u0003\u0001", "at": "after-head", "end": "reset"},
//!     {"rst_stream": "REFUSED_STREAM", "at": "after-head", "times": 2},
//!     {"goaway": {"last": "not-covering", "code": "ENHANCE_YOUR_CALM", "end": "close"}},
//!     {"goaway": {"last": "covering", "graceful": true, "answer": {"status": 200, "body": "late"}}},
//!     {"hang": "after-request"},
//!     {"freeze": "after-head"},
//!     {"close": "after-head"}
//!   ],
//!   "then": {"status": 200, "body": {"raw": "\u0000\u00ff"}},
//!   "routes": [
//!     {"method": "CONNECT", "path": "example.com:443", "then": {"status": 407}},
//!     {"path": "/flood", "then": {"status": 200, "body": {"endless": "ha"}}}
//!   ]
//! }
//! # "#).unwrap();
//! ```
#![forbid(unsafe_code)]

mod answer;
mod arrivals;
mod body;
mod code;
mod connection;
mod error;
mod h1;
mod h2;
mod json;
mod nowhere;
mod script;
mod server;
mod step;
mod turns;
mod watching;

pub use answer::{Answer, Framing};
pub use arrivals::{Arrival, BodyState, Counts, Protocol, ReceivedBody};
pub use body::Body;
pub use code::Code;
pub use error::{Error, ErrorKind};
pub use nowhere::{BlackHole, Refusing};
pub use script::{Script, Steps};
pub use server::{FaultServer, Listen};
pub use step::{End, GoAway, Moment, Step};
pub use watching::{Feed, Wait};
