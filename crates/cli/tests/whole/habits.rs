//! What users of other tools type first.

use serde_json::Value;

use crate::place::{Host, Place};

fn three(place: &Place) {
    for name in ["one", "two", "three"] {
        place.run(["create", name, "-l", &format!("letters={}", name.len())]).done();
    }
}

#[test]
fn several_sandboxes_are_taken_one_after_the_other_and_one_that_fails_stops_none() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    three(&place);
    assert_eq!(place.run(["sleep", "one", "two"]).done().text().lines().count(), 2);
    assert_eq!(place.run(["list", "--state", "standby", "--names"]).done().text(), "two\none\n");
    let said = place.run(["rm", "one", "nope", "two"]);
    assert_eq!((said.code, said.text().lines().count()), (Some(1), 2), "{said:?}");
    assert!(said.err.contains("nope") && said.err.contains("reveille list"), "{said:?}");
    assert_eq!(place.run(["list", "--names"]).done().text(), "three\n");
}

#[test]
fn all_sandboxes_are_deleted_only_when_somebody_says_so() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    three(&place);
    let said = place.run(["delete", "--all"]);
    assert_eq!((said.code, said.out.len()), (Some(2), 0), "{said:?}");
    assert!(said.err.contains("three") && said.err.contains("--yes"), "{said:?}");
    assert_eq!(place.run(["sleep", "--all"]).done().text().lines().count(), 3);
    assert_eq!(place.run(["wake", "--all", "--json"]).done().text().lines().count(), 3);
    assert_eq!(place.run(["delete", "--all", "--yes"]).done().text().lines().count(), 3);
    assert!(place.run(["delete", "--all", "--yes"]).done().err.contains("no sandboxes"));
    assert_eq!(place.run(["delete"]).code, Some(2));
    assert_eq!(place.run(["delete", "box", "--all"]).code, Some(2));
}

#[test]
fn a_list_shows_what_is_asked_for() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    three(&place);
    let names = |flags: &[&str]| place.run([&["list", "--names"], flags].concat()).done().text();
    assert_eq!(names(&["--label", "letters=3"]), "two\none\n");
    assert_eq!(names(&["-l", "letters=5", "--state", "running"]), "three\n");
    assert_eq!(names(&["--json", "-l", "letters=5"]), "\"three\"\n");
    let none = place.run(["list", "-l", "letters=9"]).done();
    assert!(none.out.is_empty() && none.err.contains("none of the 3"), "{none:?}");
    assert_eq!(place.run(["list", "-l", "letters=9", "--json"]).done().json()["data"], serde_json::json!([]));
}

#[test]
fn a_command_needs_no_dashes_before_it() {
    let place = Place::new();
    let _host = Host::start(&place, &[]);
    place.run(["create", "box"]).done();
    assert_eq!(place.run(["exec", "box", "echo", "-n", "--json"]).done().text(), "--json");
    assert_eq!(place.run(["exec", "box", "-e", "A=b", "echo $A"]).done().text(), "b\n");
    assert_eq!(place.run(["exec", "-e", "A=b", "box", "--", "echo $A"]).done().text(), "b\n");
    assert_eq!(place.run(["exec", "box"]).code, Some(2));
}

#[test]
fn what_other_tools_call_it_is_answered_with_what_it_is_here() {
    let place = Place::new();
    let said = place.run(["start", "box"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("reveille wake"), "{said:?}");
}

#[test]
fn an_error_is_json_where_json_was_asked_for_whatever_is_wrong() {
    let place = Place::new();
    for line in [
        "nonsense --json",
        "--json stop box",
        "fetch --json",
        "list --json --bogus",
        "fetch box http / --json",
        "host --json --reject-with 404",
        "create box --ttl abc --json",
        "faults absent.json --json",
        "get box --json",
        "host stop --json",
    ] {
        let said = place.run(line.split(' '));
        let error: Value =
            serde_json::from_str(&said.err).unwrap_or_else(|no| panic!("{line}: {no}: {said:?}"));
        assert!(error["error"].as_str().is_some_and(|text| !text.is_empty()), "{line}: {said:?}");
        assert_eq!(error["exit"], said.code.unwrap(), "{line}: {said:?}");
    }
    let said = place.run(["exec", "box", "--", "nonsense", "--json"]);
    assert!(said.err.starts_with("error:"), "{said:?}");
}
