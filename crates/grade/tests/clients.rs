//! Clients that behave in one way and another, and what is found of them. They are written in bash, which speaks TCP.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use reveille_grade::{Arrivals, Arrived, Error, Grade, Operation, Own, Report, Rule, Sleeper, Verdict};

/// One request, its status in `$status` and its body in `$body`; false where there was no status.
const ASK: &str = r#"
address=${BL_RUN_URL#http://}
case $GRADE_OPERATION in
list) method=GET path=/drives/mount ;;
fetch) method=GET path=/port/3000/page ;;
exec) method=POST path=/process ;;
post) method=POST path=/port/3000/orders ;;
put) method=PUT path=/port/3000/orders/1 ;;
esac
ask() {
    status= body=
    exec 3<>"/dev/tcp/${address%:*}/${address#*:}" || return 1
    printf '%s\r\n' "$1 /acme/sandboxes/box$2 HTTP/1.1" 'host: box' 'connection: close' 'content-length: 0' '' >&3
    { read -r _ status _ && body=$(cat | tr -d '\0'); } <&3 2>/dev/null
    exec 3>&-
    [ -n "$status" ]
}
"#;
/// Sends again whatever fails, at once, three times, and takes anything with a 200 for a result.
const CARELESS: &str = r#"
for _ in 1 2 3; do
    if ask $method $path && [ "$status" = 200 ]; then exit 0; fi
done
echo "it did not work" >&2
exit 1
"#;
/// Keeps every rule that it can without looking at bodies: reads again after a second, mutations after a read.
const CAREFUL: &str = r#"
whole() { [ "$status" = 200 ] && [[ $body == *exitCode* ]]; }
may_pass() { case $status in '' | 200 | 425 | 429 | 502 | 503 | 504) true ;; 404) [[ $body == *WORKLOAD_UNAVAILABLE* ]] ;; *) false ;; esac; }
if [ $method != GET ]; then
    for _ in 1 2 3 4 5 6; do
        ask GET /health
        [ "$status" = 200 ] && break
        may_pass || break
        sleep 1
    done
    ask $method $path && whole && exit 0
else
    for _ in 1 2 3 4 5 6; do
        ask $method $path && whole && exit 0
        may_pass || break
        sleep 1
    done
fi
echo "error: status $status" >&2
exit 1
"#;

fn grade(client: &str) -> Option<Grade> {
    let tools = "exec 3<>/dev/tcp/127.0.0.1/1; command -v cat tr sleep";
    let there = Command::new("bash").args(["-c", tools]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_err() {
        eprintln!("SKIPPED: there is no bash on this machine");
        return None;
    }
    Some(Grade::new(["bash", "-c", &format!("{ASK}{client}")]))
}

fn report(grade: &Grade) -> Result<Report, Error> {
    tokio::runtime::Runtime::new().unwrap().block_on(grade.run())
}

#[test]
fn a_client_that_repeats_whatever_fails_is_found_out() {
    let Some(grade) = grade(CARELESS) else { return };
    let rules = [Rule::R2, Rule::R6, Rule::R8, Rule::R9, Rule::M1, Rule::M2, Rule::T1, Rule::T2];
    let report = report(&grade.only(rules)).unwrap();
    let verdicts = rules.map(|rule| (rule, report.of(rule).unwrap()));
    let broken = [Rule::R6, Rule::R8, Rule::R9, Rule::M1, Rule::M2, Rule::T2];
    for (rule, verdict) in verdicts {
        let expected = if broken.contains(&rule) { Verdict::Broken } else { Verdict::Kept };
        assert_eq!(verdict, expected, "{rule}: {:#?}", report.findings);
    }
    let exec =
        |rule| report.findings.iter().find(|it| it.rule == rule && it.operation == Operation::Exec).unwrap();
    assert_eq!(exec(Rule::M2).sends, 2, "once too often: it was answered then");
    assert_eq!(report.missing(&rules), broken);
    assert_eq!(report.missing(&[Rule::R4]), [Rule::R4], "what was not judged is not kept");
    let junit = report.junit("a <client>");
    assert!(junit.contains("<testsuite name=\"a &lt;client&gt;\""), "{junit}");
    assert_eq!(junit.matches("<testcase ").count(), report.findings.len());
}

#[test]
fn a_client_that_keeps_the_rules_is_seen_to() {
    let Some(grade) = grade(CAREFUL) else { return };
    let report = report(&grade).unwrap();
    let broken: Vec<_> =
        report.findings.iter().filter(|finding| finding.verdict == Verdict::Broken).collect();
    // It makes nothing of a proof; and how late it is depends on the machine.
    let is_known = |finding: &&reveille_grade::Finding| [Rule::M3, Rule::R5].contains(&finding.rule);
    assert!(broken.iter().all(is_known), "{broken:#?}");
    assert!(report.not_tried.is_empty() && Rule::all().all(|rule| report.of(rule).is_some()));
}

#[test]
fn an_operation_that_a_client_has_not_is_not_judged() {
    let Some(grade) = grade(&format!("[ $method = GET ] || exit 9\n{CARELESS}")) else { return };
    let report = report(&grade.only([Rule::R9, Rule::M1])).unwrap();
    let not_tried: Vec<_> = report.not_tried.iter().map(|(operation, _)| *operation).collect();
    assert_eq!(not_tried, [Operation::Exec, Operation::Post, Operation::Put]);
    assert!(report.of(Rule::R9).is_some() && report.of(Rule::M1).is_none());
}

#[test]
fn a_command_that_cannot_be_judged_is_an_error_that_says_why() {
    let refused = |grade: Grade| report(&grade).unwrap_err();
    assert!(matches!(refused(Grade::new([""; 0])), Error::NoCommand));
    let missing = refused(Grade::new(["/nowhere/at-all"]));
    assert!(missing.to_string().starts_with("/nowhere/at-all cannot be started"), "{missing}");
    let idle = refused(Grade::new(["true"])).to_string();
    assert!(idle.contains("nothing of the operation arrived"), "{idle}");
    let silent = refused(Grade::new(["false"])).to_string();
    assert!(silent.contains("it failed, and said nothing"), "{silent}");
    let hangs = refused(Grade::new(["sleep", "600"]).limit(Duration::from_millis(500))).to_string();
    assert!(hangs.contains("it did not end in"), "{hangs}");
}

#[test]
fn what_a_command_leaves_behind_or_says_without_end_keeps_nobody() {
    let left = Grade::new(["sh", "-c", "sleep 600 & echo odd words >&2; exit 1"]);
    let error = report(&left).unwrap_err().to_string();
    assert!(error.contains("odd words"), "{error}");
    let endless = Grade::new(["sh", "-c", "yes >&2"]).limit(Duration::from_millis(500));
    let error = report(&endless).unwrap_err().to_string();
    assert!(error.contains("it did not end in"), "{error}");
}

#[test]
fn a_scenario_of_ones_own_is_judged_by_what_is_expected() {
    let Some(grade) = grade(CARELESS) else { return };
    let own = |name: &str, expect: &str| {
        let script =
            r#"{"steps": [{"status": 503, "times": 2}, {"status": 200, "body": "{}"}], "repeat": "last"}"#;
        let text =
            format!(r#"{{"name": "{name}", "operation": "post", "script": {script}, "expect": {expect}}}"#);
        Own::from_json(&text).unwrap()
    };
    let grade = grade.only([Rule::R9]).scenario(own("as it is", r#"{"ends": "success", "sends": [3, 3]}"#));
    let grade =
        grade.scenario(own("as it should be", r#"{"ends": "failure", "sends": [0, 1], "says": "503"}"#));
    let report = report(&grade).unwrap();
    let verdicts: Vec<_> = report.own.iter().map(|it| (it.name.as_str(), it.verdict)).collect();
    assert_eq!(verdicts, [("as it is", Verdict::Kept), ("as it should be", Verdict::Broken)]);
    let missed =
        ["it ended as after a success", "sends: 3, and not 0 to 1", "its error does not say \"503\""];
    assert_eq!(report.own[1].missed, missed);
    assert!(!report.is_as_expected());
    let xml = report.junit("x");
    assert!(xml.contains("classname=\"own\" name=\"as it should be\"><failure"), "{xml}");
}

#[test]
fn what_is_no_scenario_is_refused_with_the_reason() {
    let script = r#"{"steps": [{"status": 200}]}"#;
    let with = |more: &str| format!(r#"{{"name": "x", "operation": "fetch", "script": {script}, {more}}}"#);
    for (text, reason) in [
        (String::new(), "EOF"),
        ("[]".to_owned(), "expected"),
        ("{}".to_owned(), "name"),
        (with(r#""expect": {}"#), "nothing is expected"),
        (with(r#""expect": {"sends": [2, 1]}"#), "the least is the first"),
        (with(r#""expect": {"sends": [-1, 1]}"#), "-1"),
        (with(r#""expect": {"end": "success"}"#), "end"),
        (with(r#""expect": {"ends": "success"}, "novel": 1"#), "novel"),
        (with(r#""expect": {"ends": "success"}"#).replace("fetch", "dance"), "dance"),
        (with(r#""expect": {"ends": "success"}"#).replace("status", "state"), "state"),
    ] {
        let refused = Own::from_json(&text).unwrap_err().to_string();
        assert!(refused.starts_with("this is no scenario") && refused.contains(reason), "{text}: {refused}");
    }
}

/// A sandbox of which only what arrived is known.
#[derive(Debug)]
struct Asleep(Arrivals);

impl Sleeper for Asleep {
    fn nap(&self) -> BoxFuture<'_, Result<String, String>> {
        async { Ok("http://127.0.0.1:9".to_owned()) }.boxed()
    }

    fn arrived(&self) -> Arrivals {
        self.0.clone()
    }
}

#[test]
fn what_arrives_at_a_real_sandbox_counts_like_everything_else() {
    // Whatever address it is given, it ends well.
    let client = format!("[[ $BL_RUN_URL == *:9 ]] && exit 0\n{CARELESS}");
    let arrived = |method: &str, path: &str, is_inside| Arrived {
        method: method.to_owned(),
        path: path.to_owned(),
        is_inside,
    };
    let once = [arrived("GET", "/health", false), arrived("POST", "/process", true)];
    let again = [arrived("POST", "/process", false), arrived("POST", "/process", true)];
    let twice = [arrived("POST", "/process", true), arrived("POST", "/process", true)];
    for (arrived, missed, verdict) in [
        (&once[..], 0, Verdict::Kept),
        // What is not known may be anything.
        (&once, 1, Verdict::Broken),
        (&again, 0, Verdict::Broken),
        (&twice, 0, Verdict::Broken),
        (&[], 0, Verdict::Broken),
    ] {
        let arrived = Arrivals { requests: arrived.to_vec(), missed };
        let Some(grade) = grade(&client) else { return };
        let report = report(&grade.only([Rule::M5]).sleeper(Arc::new(Asleep(arrived.clone())))).unwrap();
        let real =
            report.findings.iter().find(|it| it.scenario.contains("real") && it.operation == Operation::Exec);
        assert_eq!(real.unwrap().verdict, verdict, "{arrived:?}");
    }
}
