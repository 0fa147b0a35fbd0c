//! `reveille try`: the main job, done on this machine and checked while it is done.

mod checks;
mod operations;
mod setup;

use crate::interrupt::asked_to_end;
use crate::output::Screen;
use crate::report::{Exit, Failure};
use crate::runtime::run_to_end;
use checks::Checks;
use setup::Setup;

pub(crate) fn run(screen: &Screen) -> Result<Exit, Failure> {
    run_to_end(async {
        let asked = asked_to_end()?;
        tokio::pin!(asked);
        let mut setup = tokio::select! {
            setup = Setup::build() => setup?,
            () = &mut asked => return Ok(stopped(screen)),
        };
        let ended = tokio::select! {
            ended = Checks::new(screen, &mut setup).run() => ended,
            () = &mut asked => Ok(stopped(screen)),
        };
        setup.take_down().await;
        ended
    })
}

fn stopped(screen: &Screen) -> Exit {
    screen.note("");
    screen.note("stopped; nothing stays behind");
    Exit::Interrupted
}
