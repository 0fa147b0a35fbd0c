//! A client is graded, and a build can be held to what was found.

use std::fs;

use crate::place::Place;

/// A client that sends nothing again and takes every success for one; it speaks by the program itself.
fn client() -> Vec<String> {
    let script = r#"
unset BL_SANDBOX_BOX_URL
case $GRADE_OPERATION in
fetch) exec "$0" --quiet --no-probe --retries 0 fetch --fail box 3000 /page ;;
post) exec "$0" --quiet --no-probe --retries 0 fetch --fail -X POST box 3000 /orders ;;
*) exit 9 ;;
esac"#;
    ["sh", "-c", script, env!("CARGO_BIN_EXE_reveille")].map(str::to_owned).to_vec()
}

#[test]
fn a_client_is_graded_and_held_to_what_is_required() {
    let place = Place::new();
    let grade = |flags: &[&str]| {
        let arguments = [&["grade", "--only", "R1,R9,M1"], flags, &["--"]].concat();
        place.run(arguments.into_iter().map(str::to_owned).chain(client()))
    };
    let said = grade(&["--require", "R9,M1", "--junit", "found.xml"]).done();
    for line in ["broken  R1  a read survives", "kept    R9  other statuses", "kept    M1  a mutation"] {
        assert!(said.text().contains(line), "{}", said.text());
    }
    assert!(
        said.text().contains("not tried: list: it failed") && said.err.contains("2 rules kept, 1 broken")
    );
    let is_real = said.text().contains("fetch, a real sandbox that sleeps");
    assert!(is_real || said.err.contains("not tried on a real sandbox"), "{} {}", said.text(), said.err);
    let junit = fs::read_to_string(place.path().join("found.xml")).unwrap();
    assert!(junit.contains("<failure message=\"sent once, an error after"), "{junit}");

    let refused = grade(&["--require", "r1,M1,M5"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("required, and not kept or not judged: R1, M5"), "{}", refused.err);

    let json = grade(&["--json"]).done().json();
    assert_eq!(json["rules"][0]["rule"], "R1");
    assert_eq!(
        (&json["rules"][0]["verdict"], &json["rules"][2]["verdict"]),
        (&"broken".into(), &"kept".into())
    );
    assert_eq!(
        (&json["findings"][0]["operation"], &json["findings"][0]["sends"]),
        (&"fetch".into(), &1.into())
    );
}

#[test]
fn what_cannot_be_graded_is_said() {
    let place = Place::new();
    let unknown = place.run(["grade", "--require", "R1,X9", "--", "true"]);
    assert!(unknown.code == Some(2) && unknown.err.contains("is no rule that can be judged"), "{unknown:?}");
    let missing = place.run(["grade", "--", "/nowhere/client"]);
    assert!(
        missing.code == Some(1) && missing.err.contains("/nowhere/client cannot be started"),
        "{missing:?}"
    );
    let idle = place.run(["grade", "--", "true"]);
    assert!(idle.code == Some(1) && idle.err.contains("reveille help grade"), "{idle:?}");
    assert_eq!(place.run(["grade"]).code, Some(2));
}
