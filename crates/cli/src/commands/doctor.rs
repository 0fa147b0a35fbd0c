use clap::Args;

use crate::output::Screen;
use crate::report::{Exit, Failure};

/// What keeps sandboxes apart on this machine, what is missing, and how to get it
///
/// Tries it, as a host does when it starts. Nothing is left behind.
#[derive(Debug, Args)]
pub(crate) struct Doctor {}

#[cfg(target_os = "linux")]
pub(crate) fn run(screen: &Screen, _asked: &Doctor) -> Result<Exit, Failure> {
    use std::sync::Arc;

    use reveille_host::Notebook;
    use reveille_host::engine::{Engine as _, LocalEngine, LocalEngineSettings};

    let directory = tempfile::tempdir().map_err(|error| Failure::io("a temporary directory", &error))?;
    let settings = LocalEngineSettings::new(crate::program::agent()?, directory.path().join("engine"));
    let memory = Notebook::open(directory.path()).map_err(|error| Failure::new(error.to_string()))?;
    let engine =
        LocalEngine::start(settings, Arc::new(memory)).map_err(|error| Failure::new(error.to_string()))?;
    screen.isolation(engine.isolation())?;
    Ok(Exit::Done)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn run(_screen: &Screen, _asked: &Doctor) -> Result<Exit, Failure> {
    Err(Failure::new(super::LINUX_ONLY))
}
