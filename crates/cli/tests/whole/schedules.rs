//! Schedules, as somebody at a prompt uses them.

use crate::place::{Host, Place, eventually};

#[test]
fn a_command_is_run_by_the_clock_and_told_of() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    place.run(["create", "box"]).done();
    let nightly =
        ["schedule", "create", "box", "--cron", "0 3 * * *", "--id", "nightly", "--", "echo", "a b"];
    assert_eq!(place.run(nightly).done().text(), "nightly is there\n");
    let soon =
        ["schedule", "create", "box", "--after", "1s", "--id", "soon", "-e", "WORD=said", "echo $WORD"];
    assert_eq!(place.run(soon).done().text(), "soon is there\n");
    for listed in [place.run(["schedule", "list"]), place.run(["schedule", "ls", "box"])] {
        let listed = listed.done().text();
        assert!(listed.contains("nightly  box  0 3 * * *") && listed.contains("echo 'a b'"), "{listed}");
    }
    let runs = || place.run(["schedule", "runs", "box", "--id", "soon"]).done().text();
    eventually("the command is handed over", || runs().contains("yes"));
    let process = runs().split_whitespace().last().unwrap().to_owned();
    eventually("it has run", || place.run(["logs", "box", &process]).text() == "said\n");
    assert_eq!(place.run(["schedule", "rm", "box", "nightly"]).done().text(), "nightly is gone\n");
    let again = place.run(["schedule", "rm", "box", "nightly"]);
    assert!(again.code == Some(1) && again.err.contains("reveille schedule list"), "{again:?}");
    for wrong in [
        &["schedule", "create", "box", "true"][..],
        &["schedule", "create", "box", "--after", "0s", "true"],
        &["schedule", "create", "box", "--after", "1s", "--cron", "* * * * *", "true"],
        &["schedule", "create", "box", "--after", "1s", "--timeout", "1ms", "true"],
        &["schedule", "create", "box", "--after", "1s"],
    ] {
        assert_eq!(place.run(wrong.iter().copied()).code, Some(2), "{wrong:?}");
    }
    let no_time = place.run(["schedule", "create", "box", "--at", "soon", "true"]);
    assert!(no_time.code == Some(1) && no_time.err.contains("soon"), "{no_time:?}");
}
