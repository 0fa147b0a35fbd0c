//! Whether a program is fit to go on in place of this one.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::FORMAT;
use crate::arguments::Arguments;
use crate::process::Processes;

/// How long a program may take to say that it is fit.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes.
const ANSWER: u64 = 1024;

/// Runs the next program with `--check`, which makes it say which hand-over it understands, and on the next line
/// which version it is.
///
/// # Errors
/// A sentence: it is missing, cannot be executed, understands another hand-over than this one, or is not the version
/// that is `wanted`.
pub(crate) async fn check(processes: &Processes, arguments: &Arguments, wanted: &str) -> Result<(), String> {
    let program = &arguments.program;
    let name = program.display();
    let file = std::fs::metadata(program).map_err(|error| format!("{name} cannot be used: {error}"))?;
    if !file.is_file() || file.permissions().mode() & 0o111 == 0 {
        return Err(format!("{name} cannot be used: it is no program"));
    }
    let mut command = arguments.next_program();
    command.arg("--check");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let pipe =
        processes.start_unlisted(command).await.map_err(|error| format!("{name} cannot be run: {error}"))?;
    let mut said = String::new();
    let read = async { pipe.take(ANSWER).read_to_string(&mut said).await };
    match tokio::time::timeout(PATIENCE, read).await {
        Ok(Ok(_)) => fit(&said, wanted).map_err(|why| format!("{name} {why}")),
        Ok(Err(error)) => Err(unanswered(&name, &error)),
        Err(_) => Err(unanswered(&name, &io::Error::from(io::ErrorKind::TimedOut))),
    }
}

/// Whether what a program says of itself is what is needed of it.
fn fit(said: &str, wanted: &str) -> Result<(), String> {
    let mut lines = said.lines();
    if lines.next() != Some(FORMAT) {
        return Err(format!("cannot take over from this agent: it does not say {FORMAT:?}"));
    }
    let version = lines.next().unwrap_or_default();
    let number = wanted.strip_prefix('v').unwrap_or(wanted);
    // A word like `latest` names no version: what there is, is it.
    let names_one = number.starts_with(|first: char| first.is_ascii_digit());
    if names_one && number != version {
        return Err(format!("is version {version}, and there is no other here: {wanted} was asked for"));
    }
    Ok(())
}

fn unanswered(name: &dyn std::fmt::Display, error: &io::Error) -> String {
    format!("{name} did not say whether it can take over: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_fit_for_the_version_that_it_is_and_for_no_other() {
        let said = format!("{FORMAT}\n1.2.3\n");
        for wanted in ["latest", "develop", "1.2.3", "v1.2.3"] {
            assert_eq!(fit(&said, wanted), Ok(()), "{wanted}");
        }
        for wanted in ["1.2.4", "v99", "9"] {
            assert!(fit(&said, wanted).unwrap_err().contains("version 1.2.3"), "{wanted}");
        }
        assert!(fit("", "latest").unwrap_err().contains("cannot take over"));
        assert!(fit("another hand-over 1\n1.2.3", "latest").is_err());
    }
}
