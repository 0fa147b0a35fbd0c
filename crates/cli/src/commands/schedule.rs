use std::time::Duration;

use clap::{Args, Subcommand};
use reveille::When;

use super::exec::line;
use crate::connection::Connection;
use crate::listing::{self, Listed};
use crate::output::Screen;
use crate::report::{Asked, Exit, Failure, Request};
use crate::typed::{duration, pair};

/// Have sandboxes run commands by the clock; they are woken for them
#[derive(Debug, Args)]
#[command(after_help = "\
Examples
  reveille schedule create box --cron '0 3 * * *' -- ./backup
  reveille schedule create box --after 30m -- ./clean-up
  reveille schedule runs box")]
pub(crate) struct Schedule {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Create(Create),
    List(List),
    Runs(Runs),
    Delete(Delete),
}

/// Run a command at times
#[derive(Debug, Args)]
struct Create {
    /// The sandbox
    sandbox: String,
    #[command(flatten)]
    times: Times,
    /// What the schedule is called
    #[arg(long)]
    id: Option<String>,
    /// The directory that the command runs in
    #[arg(long, short, value_name = "DIR")]
    workdir: Option<String>,
    /// A variable for it; may be given again
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// When it is ended; 0s is never [default: 10m]
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    timeout: Option<Duration>,
    /// The sandbox may sleep while it runs, and it with the sandbox
    #[arg(long)]
    may_sleep: bool,
    /// The command: one word is read by the sandbox's shell, several are the command and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

/// When.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Times {
    /// Again and again, by the five fields of cron, in UTC
    #[arg(long, value_name = "FIELDS")]
    cron: Option<String>,
    /// Once, at this time: 2026-12-01T03:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Once, so long from now: 30m, 12h
    #[arg(long, value_name = "DUR", value_parser = duration::parse_positive)]
    after: Option<Duration>,
}

/// List them
#[derive(Debug, Args)]
#[command(visible_alias = "ls")]
struct List {
    /// Only those of this sandbox
    sandbox: Option<String>,
}

/// List when commands were handed to sandboxes, and whether they took them
#[derive(Debug, Args)]
struct Runs {
    /// Only those of this sandbox
    sandbox: Option<String>,
    /// Only those of this schedule
    #[arg(long)]
    id: Option<String>,
}

/// Delete one; what it runs now goes on
#[derive(Debug, Args)]
#[command(visible_alias = "rm")]
struct Delete {
    /// The sandbox
    sandbox: String,
    /// The schedule
    id: String,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Schedule) -> Result<Exit, Failure> {
    match &asked.what {
        What::Create(asked) => create(screen, connection, asked).await,
        What::List(asked) => list(screen, connection, asked).await,
        What::Runs(asked) => runs(screen, connection, asked).await,
        What::Delete(asked) => delete(screen, connection, asked).await,
    }
}

async fn create(screen: &Screen, connection: &Connection, asked: &Create) -> Result<Exit, Failure> {
    let Some(when) = asked.times.when() else {
        return Err(Failure::usage("say when: --cron, --at or --after"));
    };
    let timeout = asked.timeout.map(whole_seconds).transpose()?;
    let schedules = connection.sandbox(&asked.sandbox).schedules();
    let mut call = schedules.create(when, line(&asked.command));
    if let Some(id) = &asked.id {
        call = call.id(id);
    }
    if let Some(dir) = &asked.workdir {
        call = call.working_dir(dir);
    }
    if let Some(seconds) = timeout {
        call = call.timeout(seconds);
    }
    if asked.may_sleep {
        call = call.may_sleep();
    }
    let call = asked.env.iter().fold(call, |call, (name, value)| call.env(name, value));
    let asking = about(connection, &asked.sandbox, "POST", "/schedules");
    let (schedule, history) = call.with_history().await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.schedule("is there", &schedule, &history)?;
    Ok(Exit::Done)
}

async fn list(screen: &Screen, connection: &Connection, asked: &List) -> Result<Exit, Failure> {
    let (asking, all) = match &asked.sandbox {
        Some(sandbox) => {
            let asking = about(connection, sandbox, "GET", "/schedules");
            (asking, connection.sandbox(sandbox).schedules().list())
        }
        None => {
            let asking = connection.asking("", Request::new("GET", "/schedules"));
            (asking, connection.client().schedules().list())
        }
    };
    let Listed { list, lost } = listing::whole(screen, &asking, all).await?;
    screen.schedules(&list.data)?;
    lost.map_or(Ok(Exit::Done), Err)
}

async fn runs(screen: &Screen, connection: &Connection, asked: &Runs) -> Result<Exit, Failure> {
    let (asking, mut all) = match &asked.sandbox {
        Some(sandbox) => {
            let asking = about(connection, sandbox, "GET", "/schedule-executions");
            (asking, connection.sandbox(sandbox).schedules().executions())
        }
        None => {
            let asking = connection.asking("", Request::new("GET", "/schedule-executions"));
            (asking, connection.client().schedules().executions())
        }
    };
    if let Some(id) = &asked.id {
        all = all.schedule(id);
    }
    let Listed { list, lost } = listing::whole(screen, &asking, all).await?;
    screen.executions(&list.data)?;
    lost.map_or(Ok(Exit::Done), Err)
}

async fn delete(screen: &Screen, connection: &Connection, asked: &Delete) -> Result<Exit, Failure> {
    let asking = about(connection, &asked.sandbox, "DELETE", &format!("/schedules/{}", asked.id));
    let call = connection.sandbox(&asked.sandbox).schedules().delete(&asked.id).with_history();
    let (schedule, history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.schedule("is gone", &schedule, &history)?;
    Ok(Exit::Done)
}

impl Times {
    fn when(&self) -> Option<When> {
        let cron = self.cron.as_ref().map(When::cron);
        let at = self.at.as_ref().map(When::at);
        cron.or(at).or_else(|| self.after.map(When::after))
    }
}

fn whole_seconds(span: Duration) -> Result<u32, Failure> {
    let whole = span.subsec_nanos() == 0;
    let seconds = u32::try_from(span.as_secs()).ok().filter(|_| whole);
    seconds.ok_or_else(|| Failure::usage("--timeout takes whole seconds: 90s, 10m"))
}

fn about(connection: &Connection, sandbox: &str, method: &'static str, rest: &str) -> Asked {
    let request = Request::new(method, format!("/sandboxes/{sandbox}{rest}"));
    connection.asking(sandbox, request).listed_by("reveille schedule list")
}
