//! Processes, and what they write.

use std::io;
use std::time::SystemTime;

use reveille::{History, OutputEvent, ProcessLogs, ProcessResponse, ProcessStatus, TerminalEnd};

use super::{BAD, FAINT, Format, GOOD, Line, STRONG, Screen, Table, WAIT};
use crate::attended::{Left, Shell};
use crate::report::{Exit, Failure, ago};

/// How much of a command stands in a list, in letters.
const COMMAND: usize = 60;
/// What stands for bytes that were no text where a platform sends text only.
const LOST: &[u8] = "\u{FFFD}".as_bytes();

/// The names of the signals that have one everywhere (POSIX, `signal.h`).
const SIGNALS: [(i32, &str); 16] = [
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (10, "SIGUSR1"),
    (11, "SIGSEGV"),
    (12, "SIGUSR2"),
    (13, "SIGPIPE"),
    (14, "SIGALRM"),
    (15, "SIGTERM"),
    (24, "SIGXCPU"),
];

/// The output of one process on its way to the screen.
#[derive(Debug)]
pub(crate) struct ShownOutput<'a> {
    screen: &'a Screen,
    /// Whether bytes arrive as they are; nothing where that is not known.
    exact: Option<bool>,
    /// What was missing, in a sentence.
    missing: Option<String>,
}

impl ShownOutput<'_> {
    /// Shows what happens, and says how it ended where that is the last.
    ///
    /// # Errors
    /// At the end, when output was missing: it cannot be taken for whole.
    pub(crate) fn show(&mut self, event: &OutputEvent) -> Result<Option<Exit>, Failure> {
        if self.screen.format == Format::Json {
            self.screen.json(&event.to_frame())?;
        }
        let people = self.screen.format == Format::People;
        match event {
            OutputEvent::Stdout(bytes) => {
                self.note_loss(bytes);
                if people {
                    self.screen.raw(bytes)?;
                }
            }
            OutputEvent::Stderr(bytes) => {
                self.note_loss(bytes);
                if people {
                    self.screen.raw_to_stderr(bytes)?;
                }
            }
            OutputEvent::Restart(line) => self.screen.note(line.trim_end()),
            OutputEvent::Missing { stream, bytes } => {
                let bytes = bytes.map_or_else(|| "some".to_owned(), |bytes| format!("{bytes} bytes"));
                let stream = stream.map_or_else(|| "the output".to_owned(), |stream| stream.to_string());
                let what =
                    format!("{bytes} of {stream} are missing: the sandbox does not keep them any more");
                self.screen.warning(&what);
                self.missing = Some(what);
            }
            OutputEvent::Ended(process) => return self.end(process).map(Some),
            _ => {}
        }
        Ok(None)
    }

    /// Says once that bytes which are no text do not arrive here.
    fn note_loss(&mut self, bytes: &[u8]) {
        if self.exact == Some(false) && bytes.windows(LOST.len()).any(|letter| letter == LOST) {
            self.screen.warning("this platform sends output as text: bytes that are none arrive as U+FFFD");
            self.exact = None;
        }
    }

    fn end(&mut self, process: &ProcessResponse) -> Result<Exit, Failure> {
        if let Some(missing) = self.missing.take() {
            return Err(Failure::new(missing));
        }
        if let Some(signal) = process.signal {
            self.screen.note(format_args!("the command was ended by {}", signal_name(signal)));
            return Ok(Exit::Command(u8::try_from(128 + signal).unwrap_or(u8::MAX)));
        }
        u8::try_from(process.exit_code).map(Exit::Command).map_err(|_| {
            Failure::new("the command was ended by a signal, and the sandbox does not say by which")
        })
    }
}

impl Screen {
    /// Shows the output of a process; `exact` says whether the sandbox sends it byte for byte.
    pub(crate) fn output_of_a_process(&self, exact: Option<bool>) -> ShownOutput<'_> {
        ShownOutput { screen: self, exact, missing: None }
    }

    /// How a shell at a terminal was left; `again` is what shows it again.
    pub(crate) fn left(&self, left: Left, again: &str) -> Result<Exit, Failure> {
        match left {
            Left::Ended(TerminalEnd { signal: Some(signal), .. }) => {
                self.note(format_args!("it was ended by {}", signal_name(signal)));
                Ok(Exit::Command(u8::try_from(128 + signal).unwrap_or(u8::MAX)))
            }
            Left::Ended(TerminalEnd { code, .. }) => match code.map(u8::try_from) {
                Some(Ok(code)) => Ok(Exit::Command(code)),
                _ => Err(Failure::new("it has ended, and the sandbox does not say how")),
            },
            Left::Away => {
                self.note(format_args!("it goes on; come back with {again}"));
                Ok(Exit::Done)
            }
            Left::Interrupted(Shell::Ended) => Ok(Exit::Interrupted),
            Left::Interrupted(Shell::GoesOn) => {
                self.note(format_args!("it may go on; look with {again}"));
                Ok(Exit::Interrupted)
            }
        }
    }

    pub(crate) fn processes(&self, sandbox: &str, processes: &[ProcessResponse]) -> io::Result<()> {
        if self.format == Format::Json {
            return self.json(&processes);
        }
        if processes.is_empty() {
            self.note(format_args!(
                "nothing that was started runs; start something: reveille exec -d {sandbox} -- CMD"
            ));
            return Ok(());
        }
        let now = SystemTime::now();
        let mut table = Table::new(["PID", "NAME", "STATE", "STARTED", "COMMAND"]);
        for process in processes {
            table.add([
                process.pid.as_str().into(),
                process.name.as_str().into(),
                state(process),
                started(process, now).into(),
                shortened(&process.command).as_str().into(),
            ]);
        }
        table.lines().try_for_each(|line| self.line(line))
    }

    /// The end of a log, as text.
    pub(crate) fn logs(&self, logs: &ProcessLogs, history: &History) -> io::Result<()> {
        if self.format == Format::Json {
            return self.answer(logs, history);
        }
        if let Some(left_out) = logs.truncated {
            let (out, err) = (left_out.stdout, left_out.stderr);
            self.warning(format_args!("{out} bytes of stdout and {err} of stderr before this are not shown"));
        }
        self.raw(logs.stdout.as_bytes())?;
        self.raw_to_stderr(logs.stderr.as_bytes())
    }

    /// A process that was asked to end.
    pub(crate) fn ended(&self, process: &ProcessResponse, history: &History) -> io::Result<()> {
        if self.format == Format::Json {
            return self.answer(process, history);
        }
        let said = match process.status {
            ProcessStatus::Running => " was asked to end, and runs on",
            ProcessStatus::Killed => " is killed",
            ProcessStatus::Stopped => " has stopped",
            _ => " has ended",
        };
        self.line(Line::new().styled(STRONG, &process.name).text(said))
    }
}

fn state(process: &ProcessResponse) -> Line {
    let (style, word) = match process.status {
        ProcessStatus::Running => (GOOD, "running".to_owned()),
        ProcessStatus::Completed => (FAINT, "done".to_owned()),
        ProcessStatus::Killed => (WAIT, "killed".to_owned()),
        ProcessStatus::Stopped => (WAIT, "stopped".to_owned()),
        ProcessStatus::Failed => match process.signal {
            Some(signal) => (BAD, signal_name(signal)),
            None => (BAD, format!("failed ({})", process.exit_code)),
        },
        _ => (FAINT, "unknown".to_owned()),
    };
    Line::new().styled(style, word)
}

fn signal_name(signal: i32) -> String {
    let known = SIGNALS.iter().find(|(number, _)| *number == signal);
    known.map_or_else(|| format!("signal {signal}"), |(_, name)| (*name).to_owned())
}

/// When it was started; what is no HTTP date stays as it is.
fn started(process: &ProcessResponse, now: SystemTime) -> String {
    match httpdate::parse_http_date(&process.started_at) {
        Ok(moment) => ago(&humantime::format_rfc3339(moment).to_string(), now),
        Err(_) => process.started_at.clone(),
    }
}

/// The first line of a command, as far as a list has room for it.
fn shortened(command: &str) -> String {
    let line = command.lines().next().unwrap_or_default();
    let short: String = line.chars().take(COMMAND).collect();
    if short.len() < command.len() { short + "..." } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_the_names_that_people_know() {
        assert_eq!([signal_name(9), signal_name(15), signal_name(34)], ["SIGKILL", "SIGTERM", "signal 34"]);
    }

    #[test]
    fn a_list_shows_the_beginning_of_a_command() {
        assert_eq!(shortened("make test"), "make test");
        assert_eq!(shortened("a\nb"), "a...");
        assert_eq!(shortened(&"x".repeat(70)).len(), 63);
    }
}
