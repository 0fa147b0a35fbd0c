//! All that there is of a kind, page by page.

use futures_util::StreamExt;
use reveille::{List, Page, SandboxRecord};
use serde::de::DeserializeOwned;

use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Asked, Failure, Request};

/// How many records are read at the most, against a list that does not end.
const MOST: usize = 100_000;

/// What came of a list.
pub(crate) struct Listed<T> {
    pub(crate) list: Page<T>,
    /// Why it is not all of it, where it is not.
    pub(crate) lost: Option<Failure>,
}

/// All sandboxes, as far as the list goes.
///
/// # Errors
/// When nothing of it came.
pub(crate) async fn sandboxes(
    screen: &Screen,
    connection: &Connection,
) -> Result<Listed<SandboxRecord>, Failure> {
    let asking = connection.asking("", Request::new("GET", "/sandboxes"));
    whole(screen, &asking, connection.client().sandboxes().list()).await
}

/// Reads the list to its end, or as far as it goes.
///
/// # Errors
/// When nothing of it came.
pub(crate) async fn whole<T>(screen: &Screen, asking: &Asked, wanted: List<T>) -> Result<Listed<T>, Failure>
where
    T: DeserializeOwned + Send + 'static,
{
    let mut pages = wanted.pages();
    let mut list = Page::default();
    let mut lost = None;
    while let Some(page) = pages.next().await {
        match page {
            Ok(_) if list.data.len() >= MOST => {
                let said = format!("the list has more than {MOST} entries; the rest is not shown");
                lost = Some(Failure::new(said));
                break;
            }
            Ok(page) => {
                screen.explain(&asking.request, pages.history());
                list.data.extend(page.data);
                list.left_out += page.left_out;
                (list.meta, list.other) = (page.meta, page.other);
            }
            Err(error) if list.data.is_empty() => return Err(asking.failed(&error)),
            Err(error) => lost = Some(asking.failed(&error)),
        }
    }
    if list.left_out > 0 {
        lost = Some(Failure::new(format!("the list holds {} more that are not shown", list.left_out)));
    }
    Ok(Listed { list, lost })
}
