//! `reveille try`: the main job, done on this machine and checked while it is done.

mod acts;
mod claims;
mod play;
mod stage;
mod timeline;

use crate::commands::run_to_end;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::asked_to_end;
use crate::output::Screen;
pub(crate) use claims::Claim;
use play::Play;
use stage::Stage;
pub(crate) use timeline::{Progress, Timeline};

pub(crate) fn run(screen: &Screen) -> Result<Exit, Failure> {
    run_to_end(async {
        let asked = asked_to_end()?;
        tokio::pin!(asked);
        let stage = tokio::select! {
            stage = Stage::set() => stage?,
            () = &mut asked => return Ok(stopped(screen)),
        };
        let ended = tokio::select! {
            ended = Play::new(screen, &stage).perform() => ended,
            () = &mut asked => Ok(stopped(screen)),
        };
        stage.strike().await;
        ended
    })
}

fn stopped(screen: &Screen) -> Exit {
    screen.note("\nstopped; nothing stays behind");
    Exit::Interrupted
}
