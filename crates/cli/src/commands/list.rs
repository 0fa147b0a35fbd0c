use clap::Args;
use futures_util::StreamExt;
use reveille::SandboxList;

use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Exit, Failure, Request};

/// How many sandboxes are shown at the most, against a list that does not end.
const MOST: usize = 100_000;

/// List the sandboxes, and whether they are awake
#[derive(Debug, Args)]
#[command(visible_alias = "ls")]
pub(crate) struct List {}

pub(crate) async fn run(screen: &Screen, connection: &Connection, _asked: &List) -> Result<Exit, Failure> {
    let asking = connection.asking("", Request::new("GET", "/sandboxes"));
    let mut pages = connection.client().sandboxes().list().pages();
    let mut all = SandboxList::default();
    let mut lost = None;
    while let Some(page) = pages.next().await {
        match page {
            Ok(_) if all.data.len() >= MOST => {
                lost = Some(Failure::new(format!(
                    "the list has more than {MOST} sandboxes; the rest is not shown"
                )));
                break;
            }
            Ok(page) => {
                screen.explain(&asking.request, pages.history());
                all.data.extend(page.data);
                all.left_out += page.left_out;
                (all.meta, all.other) = (page.meta, page.other);
            }
            Err(error) if all.data.is_empty() => return Err(asking.failed(&error)),
            Err(error) => lost = Some(asking.failed(&error)),
        }
    }
    if all.left_out > 0 {
        lost = Some(Failure::new(format!("the list holds {} more that are not shown", all.left_out)));
    }
    screen.sandboxes(&all)?;
    lost.map_or(Ok(Exit::Done), Err)
}
