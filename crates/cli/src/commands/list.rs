use clap::Args;
use reveille::SandboxList;

use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Exit, Failure, Request};

/// How many pages are asked for at the most, against a server whose list does not end.
const PAGES: usize = 1_000;

/// List the sandboxes, and whether they are awake
#[derive(Debug, Args)]
#[command(visible_alias = "ls")]
pub(crate) struct List {}

pub(crate) async fn run(screen: &Screen, connection: &Connection, _asked: &List) -> Result<Exit, Failure> {
    let asking = connection.asking("", Request::new("GET", "/sandboxes"));
    let mut all = SandboxList::default();
    for _ in 0..PAGES {
        let page = connection.client().sandboxes().list();
        let page = match &all.meta.next_cursor {
            Some(cursor) => page.cursor(cursor),
            None => page,
        };
        let (page, history) = page.with_history().await.map_err(|error| asking.failed(&error))?;
        screen.explain(&asking.request, &history);
        all.data.extend(page.data);
        all.meta = page.meta;
        if !all.meta.has_more || all.meta.next_cursor.is_none() {
            break;
        }
    }
    screen.sandboxes(&all)?;
    Ok(Exit::Done)
}
