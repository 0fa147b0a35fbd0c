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
        let stage = tokio::select! {
            stage = Stage::set() => stage?,
            asked = asked_to_end() => return stopped(screen, asked),
        };
        let ended = tokio::select! {
            ended = Play::new(screen, &stage).perform() => ended,
            asked = asked_to_end() => stopped(screen, asked),
        };
        stage.strike().await;
        ended
    })
}

fn stopped(screen: &Screen, asked: std::io::Result<()>) -> Result<Exit, Failure> {
    asked.map_err(|error| Failure::io("signals cannot be heard", &error))?;
    screen.note("\nstopped; nothing stays behind");
    Ok(Exit::Interrupted)
}
