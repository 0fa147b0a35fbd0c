#[cfg(target_os = "linux")]
mod sleeper;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use reveille_grade::{Error, Grade as Grading, Own, Rule};

use crate::output::Screen;
use crate::report::{Exit, Failure};
use crate::runtime::interruptible;
use crate::typed::duration;

/// Find out how any client behaves while a sandbox wakes
///
/// Runs COMMAND once for each scenario of the resume window, against a server that misbehaves and, on Linux, against a
/// real sandbox of this machine behind a gateway that refuses, and judges by what arrived which rules of the contract
/// (docs/contract.md) its client keeps. The environment tells the command what to do and where: GRADE_OPERATION is list,
/// fetch, exec, post or put, and BL_RUN_URL, BL_API_URL, BL_SANDBOX_BOX_URL, BL_API_KEY, BL_WORKSPACE are set as for a
/// sandbox called box.
#[derive(Debug, Args)]
#[command(after_help = "\
What a command does
  list   lists the drives of the sandbox      fetch  GET /page on port 3000, fails from status 400 on
  exec   runs \"true\" and waits for its end    post   POST /orders on port 3000, the same
  put    PUT /orders/1 on port 3000, the same
It ends with 0 after a success, else with another status, and the error on stderr. What does not
work while nothing is wrong is not judged.

A scenario of your own is a file (docs/command-line.md)
  {\"name\": \"two refusals\", \"operation\": \"fetch\",
   \"script\": {\"steps\": [{\"status\": 503, \"times\": 2}, {\"status\": 200, \"body\": \"{}\"}], \"repeat\": \"last\"},
   \"expect\": {\"ends\": \"success\", \"sends\": [3, 3]}}

Examples
  reveille grade -- python3 client.py
  reveille grade --require R1,R2,R8,M1,M2 --junit grade.xml -- node client.mjs")]
pub(crate) struct Grade {
    /// Fail unless these rules are kept
    #[arg(long, value_name = "RULE,...", value_delimiter = ',')]
    require: Vec<Rule>,
    /// Run only the scenarios of these rules
    #[arg(long, value_name = "RULE,...", value_delimiter = ',')]
    only: Vec<Rule>,
    /// Write the findings to a file as JUnit's XML, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Run this scenario of your own, too, and fail unless it goes as expected; may be said again
    #[arg(long, value_name = "FILE")]
    scenario: Vec<PathBuf>,
    /// Kill the command if it has not ended by itself after this long
    #[arg(long, value_name = "DUR", default_value = "30s", value_parser = duration::parse_positive)]
    limit: Duration,
    /// The command, and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) fn run(screen: &Screen, asked: &Grade) -> Result<Exit, Failure> {
    interruptible(async {
        let mut grade = Grading::new(asked.command.clone()).limit(asked.limit);
        if !asked.only.is_empty() {
            grade = grade.only(asked.only.clone());
        }
        for file in &asked.scenario {
            grade = grade.scenario(read(file)?);
        }
        screen.note("each scenario runs the command once; this takes a minute or two");
        #[cfg(target_os = "linux")]
        let report = match sleeper::Sleeper::start().await {
            Ok(sleeper) => {
                let report = grade.sleeper(sleeper.clone()).run().await;
                sleeper.end().await;
                report
            }
            Err(failure) => {
                screen.warning(format_args!("not tried on a real sandbox: {}", failure.what()));
                grade.run().await
            }
        };
        #[cfg(not(target_os = "linux"))]
        let report = grade.run().await;
        let report = report.map_err(|error| refused(&error))?;
        if let Some(file) = &asked.junit {
            let suite = asked.command.first().map(|program| program.to_string_lossy()).unwrap_or_default();
            let written = std::fs::write(file, report.junit(&suite));
            written.map_err(|error| Failure::io(file.display(), &error))?;
        }
        screen.graded(&report)?;
        let missing = report.missing(&asked.require);
        if !missing.is_empty() {
            screen.not_kept(&missing);
        }
        Ok(if missing.is_empty() && report.is_as_expected() { Exit::Done } else { Exit::Failed })
    })
}

fn read(file: &Path) -> Result<Own, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::io(file.display(), &error))?;
    Own::from_json(&text).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
}

fn refused(error: &Error) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        Error::NothingWorks(_) => {
            failure.next("see what a command is told, and how it is to end: reveille help grade")
        }
        _ => failure,
    }
}
