use std::io;

use reveille_grade::{Finding, Report, Rule, Verdict};
use serde_json::json;

use super::{BAD, FAINT, Format, GOOD, Line, STRONG, Screen, Table, WAIT};

/// What a grading shows: each rule in each scenario, and the sum.
impl Screen {
    pub(crate) fn graded(&self, report: &Report) -> io::Result<()> {
        if self.format == Format::Json {
            let rules: Vec<_> = Rule::all()
                .filter_map(|rule| {
                    let verdict = report.of(rule)?;
                    Some(json!({"rule": rule, "title": rule.title(), "verdict": verdict}))
                })
                .collect();
            return self.json(&json!({
                "rules": rules, "findings": report.findings, "own": report.own, "notTried": report.not_tried,
            }));
        }
        for rule in Rule::all() {
            let findings: Vec<_> = report.findings.iter().filter(|finding| finding.rule == rule).collect();
            let Some(verdict) = report.of(rule) else { continue };
            self.line(
                mark(verdict).text("  ").styled(STRONG, rule).text(format_args!("  {}", rule.title())),
            )?;
            let mut table = Table::<3>::bare();
            for finding in &findings {
                table.add(row(finding));
            }
            table.lines().try_for_each(|line| self.line(Line::from("          ").then(line)))?;
            let said = findings.iter().rev().find(|finding| !finding.said.is_empty());
            if let Some(finding) = said.filter(|_| matches!(rule, Rule::R8 | Rule::T1 | Rule::T2)) {
                self.line(Line::from("          ").styled(FAINT, format_args!("said: {}", finding.said)))?;
            }
        }
        for own in &report.own {
            self.line(mark(own.verdict).text("  ").styled(STRONG, &own.name))?;
            for missed in &own.missed {
                self.line(Line::from("          ").text(missed))?;
            }
            if own.verdict == Verdict::Broken && !own.said.is_empty() {
                self.line(Line::from("          ").styled(FAINT, format_args!("said: {}", own.said)))?;
            }
        }
        for (operation, said) in &report.not_tried {
            self.line(
                Line::new()
                    .styled(WAIT, format_args!("not tried: {operation}"))
                    .text(format_args!(": {said}")),
            )?;
        }
        let judged = Rule::all().filter_map(|rule| report.of(rule));
        let (kept, broken): (Vec<_>, Vec<_>) = judged.partition(|verdict| *verdict == Verdict::Kept);
        let rules = if kept.len() == 1 { "rule" } else { "rules" };
        self.note(format_args!("{} {rules} kept, {} broken", kept.len(), broken.len()));
        Ok(())
    }

    /// The rules that were required and are not kept.
    pub(crate) fn not_kept(&self, missing: &[Rule]) {
        let names: Vec<_> = missing.iter().map(|rule| rule.name()).collect();
        self.warning(format_args!("required, and not kept or not judged: {}", names.join(", ")));
    }
}

fn mark(verdict: Verdict) -> Line {
    match verdict {
        Verdict::Kept => Line::new().styled(GOOD, "kept  "),
        Verdict::Broken => Line::new().styled(BAD, "broken"),
    }
}

fn row(finding: &Finding) -> [Line; 3] {
    let scenario = format!("{}, {}", finding.operation, finding.scenario);
    let seen = match finding.verdict {
        Verdict::Kept => Line::new().styled(FAINT, &finding.seen),
        Verdict::Broken => Line::from(finding.seen.as_str()),
    };
    [mark(finding.verdict), scenario.into(), seen]
}
