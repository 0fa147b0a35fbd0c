use rustix::process::Signal;

use super::status::found;
use super::{Stop, replacing};
use crate::output::Screen;
use crate::report::{Exit, Failure};
use crate::runtime::interruptible;

pub(super) fn run(screen: &Screen, how: Stop) -> Result<Exit, Failure> {
    interruptible(async {
        let (host, _) = found().await?;
        if how.leave_running {
            replacing::ask(host.pid, Signal::USR2).await?;
            screen.host_left(&host)?;
        } else {
            replacing::ask(host.pid, Signal::TERM).await?;
            screen.host_stopped(&host)?;
        }
        Ok(Exit::Done)
    })
}
