use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use reveille_faults::{Arrival, FaultServer, Script};

use crate::client::{self, Ended, How};
use crate::error::Error;
use crate::judgement::{RUNS, judge};
use crate::own::Own;
use crate::real::{self, Sleeper};
use crate::report::{Finding, Report};
use crate::rule::Rule;
use crate::scenario::{Operation, Scenario};
use crate::seen::Run;

/// How long a command has for one operation: longer than any client that ends by itself needs in any scenario.
const LIMIT: Duration = Duration::from_secs(30);
/// How many run at a time. Few, as how late each is counts.
const AT_ONCE: usize = 3;

/// The grading of a client.
///
/// ```
/// use std::time::Duration;
/// use reveille_grade::Grade;
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let nothing = Grade::new(["true"]).limit(Duration::from_secs(5)).run().await;
/// // A command that does nothing has no operation that works.
/// assert!(nothing.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is run until run() is awaited"]
pub struct Grade {
    command: Vec<OsString>,
    limit: Duration,
    rules: Vec<Rule>,
    own: Vec<Own>,
    sleeper: Option<Arc<dyn Sleeper>>,
}

impl Grade {
    /// Of the client that this command uses: the program, and its arguments.
    pub fn new<S: Into<OsString>>(command: impl IntoIterator<Item = S>) -> Self {
        let command = command.into_iter().map(Into::into).collect();
        Self { command, limit: LIMIT, rules: Rule::all().collect(), own: Vec::new(), sleeper: None }
    }

    /// Kills a command that has not ended by itself after this long; by default 30 s.
    pub fn limit(mut self, most: Duration) -> Self {
        self.limit = most;
        self
    }

    /// Runs only the scenarios of these rules.
    pub fn only(mut self, rules: impl IntoIterator<Item = Rule>) -> Self {
        self.rules = rules.into_iter().collect();
        self
    }

    /// Runs this scenario of one's own, too.
    pub fn scenario(mut self, own: Own) -> Self {
        self.own.push(own);
        self
    }

    /// Runs the command against a real sandbox that sleeps, too.
    pub fn sleeper(mut self, sleeper: Arc<dyn Sleeper>) -> Self {
        self.sleeper = Some(sleeper);
        self
    }

    /// Runs the command in every scenario.
    ///
    /// # Errors
    /// When it cannot be started, or nothing of it works while nothing is wrong.
    pub async fn run(&self) -> Result<Report, Error> {
        let mut report = Report::default();
        let mut works = Vec::new();
        let plain = self.all(Operation::ALL.map(|operation| (operation, Scenario::Plain)).to_vec());
        for run in plain.await? {
            if run.succeeded() {
                works.push(run.operation);
            } else {
                report.not_tried.push((run.operation, why_not(&run)));
            }
        }
        if works.is_empty() {
            let said = report.not_tried.into_iter().next().map(|(_, said)| said);
            return Err(Error::NothingWorks(said.unwrap_or_default()));
        }
        let is_asked = |rules: &[Rule]| rules.iter().any(|rule| self.rules.contains(rule));
        let asked = RUNS.iter().filter(|(operation, _, rules)| works.contains(operation) && is_asked(rules));
        let runs =
            self.all(asked.clone().map(|(operation, scenario, _)| (*operation, *scenario)).collect()).await?;
        for (run, (_, _, rules)) in runs.iter().zip(asked) {
            let rules = rules.iter().filter(|rule| self.rules.contains(rule));
            report.findings.extend(rules.map(|rule| judge(*rule, run)));
        }
        if let Some(sleeper) = &self.sleeper {
            let asked = works.iter().filter(|operation| self.rules.contains(&real::rule(**operation)));
            for operation in asked {
                report.findings.push(self.while_it_wakes(&**sleeper, *operation).await?);
            }
        }
        report.findings.sort_by_key(|finding| finding.rule);
        let own = self.own.iter().map(|own| async move {
            let (ended, arrivals) = self.against(own.script(), own.operation()).await?;
            Ok::<_, Error>(own.judge(ended, arrivals))
        });
        report.own = stream::iter(own).buffered(AT_ONCE).try_collect().await?;
        Ok(report)
    }

    /// Runs the command in each of these, in their order.
    async fn all(&self, asked: Vec<(Operation, Scenario)>) -> Result<Vec<Run>, Error> {
        let runs = asked.into_iter().map(|(operation, scenario)| self.once(operation, scenario));
        stream::iter(runs).buffered(AT_ONCE).try_collect().await
    }

    async fn once(&self, operation: Operation, scenario: Scenario) -> Result<Run, Error> {
        let (ended, arrivals) = self.against(scenario.script(operation), operation).await?;
        Ok(Run::new(operation, scenario, ended, arrivals))
    }

    async fn while_it_wakes(&self, sleeper: &dyn Sleeper, operation: Operation) -> Result<Finding, Error> {
        let url = sleeper.nap().await.map_err(Error::Sleeper)?;
        let ended = self.command(operation, &url).await?;
        Ok(real::judge(operation, &ended, &sleeper.arrived()))
    }

    async fn command(&self, operation: Operation, platform: &str) -> Result<Ended, Error> {
        let program = self.command.first().ok_or(Error::NoCommand)?;
        let ended = client::run(&self.command, operation, platform, self.limit).await;
        ended.map_err(|error| Error::Command(program.to_string_lossy().into_owned(), error))
    }

    /// Runs the command against a server of its own with this script.
    async fn against(&self, script: Script, operation: Operation) -> Result<(Ended, Vec<Arrival>), Error> {
        let server = FaultServer::start(script).map_err(Error::Server)?;
        let ended = self.command(operation, &server.url()).await?;
        Ok((ended, server.arrivals()))
    }
}

fn why_not(run: &Run) -> String {
    let said = run.last_words();
    match run.ended.how {
        How::TooLate => format!("it did not end in {:.1} s", run.ended.took.as_secs_f64()),
        How::Success if run.sends().next().is_none() => {
            "it ended well, but nothing of the operation arrived: use the URLs in the environment".to_owned()
        }
        How::Success => "it ended well, but the operation was not answered".to_owned(),
        How::Failure if said.is_empty() => "it failed, and said nothing".to_owned(),
        How::Failure => said,
    }
}
