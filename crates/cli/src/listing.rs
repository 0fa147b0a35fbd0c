//! All that there is of a kind, page by page.

use futures_util::StreamExt;
use reveille::{Call, Page, SandboxList};

use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Asked, Failure, Request};

/// How many sandboxes are read at the most, against a list that does not end.
const MOST: usize = 100_000;

/// What came of a list.
pub(crate) struct Listed {
    pub(crate) list: SandboxList,
    /// Why it is not all of it, where it is not.
    pub(crate) lost: Option<Failure>,
}

/// Reads the list to its end, or as far as it goes.
///
/// # Errors
/// When nothing of it came.
pub(crate) async fn whole(screen: &Screen, connection: &Connection) -> Result<Listed, Failure> {
    let asking = connection.asking("", Request::new("GET", "/sandboxes"));
    let mut pages = connection.client().sandboxes().list().pages();
    let mut list = SandboxList::default();
    let mut lost = None;
    while let Some(page) = pages.next().await {
        match page {
            Ok(_) if list.data.len() >= MOST => {
                lost = Some(Failure::new(format!(
                    "the list has more than {MOST} sandboxes; the rest is not shown"
                )));
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

/// Reads the pages of another list to its end.
///
/// # Errors
/// When a page does not come, or the list leads back to where it came from.
pub(crate) async fn pages<T>(
    asking: &Asked,
    page: impl Fn(Option<&str>) -> Call<Page<T>>,
) -> Result<Vec<T>, Failure>
where
    T: Send + 'static,
{
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let read = page(cursor.as_deref()).await.map_err(|error| asking.failed(&error))?;
        all.extend(read.data);
        let next = read.meta.next_cursor.filter(|_| read.meta.has_more);
        if next.is_none() {
            return Ok(all);
        }
        if next == cursor || all.len() >= MOST {
            return Err(Failure::new("the list does not end: it leads back to where it came from"));
        }
        cursor = next;
    }
}
