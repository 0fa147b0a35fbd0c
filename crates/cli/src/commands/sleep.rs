use clap::Args;

use super::chosen::{Chosen, Consent, each};
use crate::connection::Connection;
use crate::output::{SandboxView, Screen};
use crate::report::{Exit, Failure, Request};

/// Put sandboxes to standby now; any request wakes one
#[derive(Debug, Args)]
pub(crate) struct Sleep {
    #[command(flatten)]
    chosen: Chosen,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Sleep) -> Result<Exit, Failure> {
    let names = asked.chosen.names(screen, connection, Consent::Needless).await?;
    each(screen, &names, async |name| {
        let asking = connection.asking(name, Request::new("POST", format!("/sandboxes/{name}/standby")));
        let call = connection.client().sandboxes().sleep(name).with_history();
        let (sandbox, history) = call.await.map_err(|error| asking.failed(&error))?;
        screen.explain(&asking.request, &history);
        let what = SandboxView::Sentence("is asleep; any request wakes it");
        Ok(screen.sandbox(what, &sandbox, &history)?)
    })
    .await
}
