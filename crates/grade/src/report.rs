use serde::Serialize;

use crate::own::OwnFinding;
use crate::rule::Rule;
use crate::scenario::Operation;

/// What became of one rule in one scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// What the command was asked to do.
    pub operation: Operation,
    /// What it met.
    pub scenario: String,
    /// Whether the rule was kept.
    pub verdict: Verdict,
    /// How often the operation itself was sent.
    pub sends: usize,
    /// How often anything was sent to the sandbox.
    pub requests: usize,
    /// What was seen, in a few words.
    pub seen: String,
    /// The last line of what the command said of its error.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub said: String,
}

/// Whether a rule was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It was.
    Kept,
    /// It was not.
    Broken,
}

/// What is known of a client.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Each rule in each scenario that it was judged in.
    pub findings: Vec<Finding>,
    /// What became of the scenarios of one's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<OwnFinding>,
    /// What does not even work while nothing is wrong, and what the command said of it.
    pub not_tried: Vec<(Operation, String)>,
}

impl Report {
    /// Whether a rule was kept wherever it was judged; `None` where it was not.
    ///
    /// ```
    /// # let report = reveille_grade::Report::default();
    /// use reveille_grade::{Rule, Verdict};
    /// assert_eq!(report.of(Rule::M1), None);
    /// ```
    #[must_use]
    pub fn of(&self, rule: Rule) -> Option<Verdict> {
        let mut verdicts =
            self.findings.iter().filter(|finding| finding.rule == rule).map(|finding| finding.verdict);
        let first = verdicts.next()?;
        let kept = first == Verdict::Kept && verdicts.all(|verdict| verdict == Verdict::Kept);
        Some(if kept { Verdict::Kept } else { Verdict::Broken })
    }

    /// Those of these rules that were broken, or not judged at all.
    #[must_use]
    pub fn missing(&self, required: &[Rule]) -> Vec<Rule> {
        required.iter().copied().filter(|rule| self.of(*rule) != Some(Verdict::Kept)).collect()
    }

    /// Whether every scenario of one's own went as expected.
    #[must_use]
    pub fn is_as_expected(&self) -> bool {
        self.own.iter().all(|it| it.verdict == Verdict::Kept)
    }

    /// The report as JUnit's XML, which continuous integration reads: a suite of this name, a test for each finding.
    #[must_use]
    pub fn junit(&self, suite: &str) -> String {
        crate::junit::write(self, suite)
    }
}
