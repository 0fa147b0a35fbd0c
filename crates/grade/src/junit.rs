//! JUnit's XML.

use std::fmt::Write as _;

use crate::report::{Report, Verdict};

pub(crate) fn write(report: &Report, suite: &str) -> String {
    let verdicts = report.findings.iter().map(|it| it.verdict).chain(report.own.iter().map(|it| it.verdict));
    let broken = verdicts.filter(|verdict| *verdict == Verdict::Broken).count();
    let tests = report.findings.len() + report.own.len() + report.not_tried.len();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "<testsuite name=\"{}\" tests=\"{tests}\" failures=\"{broken}\" skipped=\"{}\">",
        text(suite),
        report.not_tried.len()
    );
    for finding in &report.findings {
        let name = format!("{} {}: {}", finding.rule, finding.operation, finding.scenario);
        case(&mut out, finding.rule.title(), &name, (finding.verdict, &finding.seen, &finding.said));
    }
    for own in &report.own {
        case(&mut out, "own", &own.name, (own.verdict, &own.missed.join("; "), &own.said));
    }
    for (operation, said) in &report.not_tried {
        let _ = writeln!(
            out,
            "  <testcase classname=\"not tried\" name=\"{operation}\"><skipped message=\"{}\"/></testcase>",
            text(said)
        );
    }
    out.push_str("</testsuite>\n");
    out
}

/// One test, with its verdict, what was seen and what the command said.
fn case(out: &mut String, class: &str, name: &str, (verdict, seen, said): (Verdict, &str, &str)) {
    let (class, name) = (text(class), text(name));
    // Writing to a string cannot fail.
    let _ = match verdict {
        Verdict::Kept => writeln!(out, "  <testcase classname=\"{class}\" name=\"{name}\"/>"),
        Verdict::Broken => writeln!(
            out,
            "  <testcase classname=\"{class}\" name=\"{name}\"><failure message=\"{}\">{}</failure></testcase>",
            text(seen),
            text(said)
        ),
    };
}

/// Text as it may stand in XML 1.0, which has no place for most controls.
fn text(plain: &str) -> String {
    let mut out = String::new();
    for letter in plain.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(' '),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            control if control.is_control() => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_cannot_break_out_of_its_place() {
        assert_eq!(text("\u{1b}[31m<a b=\"c\">&\n\0"), "\u{fffd}[31m&lt;a b=&quot;c&quot;&gt;&amp; \u{fffd}");
    }
}
