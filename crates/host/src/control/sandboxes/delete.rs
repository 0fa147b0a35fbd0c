use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use reveille_wire::Status;

use super::super::answer::Failure;
use super::super::asked::Path;
use super::super::record::Record;
use super::super::state::Control;
use super::start::end;
use crate::store::Unwritten;

pub(super) async fn delete(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    // Whoever asked may go away; a delete that has begun is carried out.
    let deleting = tokio::spawn({
        let control = Arc::clone(&control);
        async move { control.delete(&name).await }
    });
    let record = deleting.await.map_err(|_| Failure::broken_off())??;
    Ok(control.shown(&record).await.into_response())
}

impl Control {
    /// Ends a sandbox and removes all that is kept of it.
    async fn delete(&self, name: &str) -> Result<Record, Failure> {
        let (turn, before) = self.turn(name).await?;
        let deleting = before.with_status(Status::Deleting, self.clock.now(), "it is being deleted");
        // On disk first: a delete that is cut off is finished at the next start.
        match turn.mark(deleting.clone()).await {
            // The files are what fills the disk.
            Ok(()) | Err(Unwritten::Full) => {}
            Err(unwritten) => return Err(unwritten.into()),
        }
        if let Err(failure) = end(self, &before).await {
            turn.mark(Record::clone(&before)).await?;
            return Err(failure);
        }
        self.remove_belongings(name).await?;
        turn.remove().await?;
        Ok(deleting)
    }
}
