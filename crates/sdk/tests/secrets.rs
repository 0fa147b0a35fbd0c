//! E44: what must not be seen is not seen, in errors, in what is printed for debugging, and in logs.
//!
//! It is alone in its process, as `tracing` remembers for the whole process which events nobody wants.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io;
use std::sync::{Arc, Mutex};

use reveille::{Client, RetryPolicy};
use reveille_faults::{FaultServer, Moment, Script, Step};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[test]
fn a_key_and_a_query_are_in_no_text_of_this_crate() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(log.clone())
        .finish();
    let script = Script::new().step(Step::status(503)).then(Step::reset(Moment::AfterRequest));
    let server = FaultServer::start(script).unwrap();
    let client = Client::builder().api_key("hidden-key").workspace("acme").run_url(server.url());
    let client = client.retry(RetryPolicy::new().with_retries(1)).build().unwrap();
    let fetch = client.sandbox("box").network().fetch(3000, "/page").query("token", "hidden-token");
    let fetch = fetch.header("authorization", "hidden-header");
    let mut texts = vec![format!("{client:?}"), format!("{fetch:?}")];
    let error = tracing::subscriber::with_default(subscriber, || fetch.wait()).unwrap_err();
    texts.extend([format!("{error}"), format!("{error:?}")]);
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("reveille.call") && logged.contains("seen=503"), "{logged}");
    texts.push(logged);
    for text in texts {
        assert!(!text.contains("hidden"), "{text}");
    }
}
