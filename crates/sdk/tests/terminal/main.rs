//! What a terminal does when its connection does not do what it should.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod lost;
mod opened;
mod secured;
mod server;

use reveille::{Client, ClientBuilder, Error, Terminal, TerminalEvent};

/// What is answered to who asks for the health of a sandbox.
const HEALTHY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 64\r\nconnection: close\r\n\r\n\
                       {\"status\":\"ok\",\"capabilities\":[\"exact-terminals\"]}              ";

fn builder(url: &str) -> ClientBuilder {
    Client::builder().api_key("key").workspace("acme").run_url(url).no_probe()
}

fn client(server: &server::Server) -> Client {
    builder(&server.url()).build().unwrap()
}

/// All that comes, with the output in one.
fn all(terminal: Terminal) -> (String, Vec<TerminalEvent>, Option<Error>) {
    let (mut screen, mut events) = (String::new(), Vec::new());
    for event in terminal {
        match event {
            Ok(TerminalEvent::Output(bytes)) => screen.push_str(std::str::from_utf8(&bytes).unwrap()),
            Ok(event) => events.push(event),
            Err(error) => return (screen, events, Some(error)),
        }
    }
    (screen, events, None)
}
