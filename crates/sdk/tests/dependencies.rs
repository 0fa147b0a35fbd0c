//! What a user of this crate compiles.

use std::process::Command;

#[test]
fn a_user_of_the_sdk_compiles_no_server_and_no_processes() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "-p",
            "reveille",
            "-e",
            "normal,features",
            "--prefix",
            "none",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("hyper feature \"client\""), "cargo tells nothing of features:\n{tree}");
    for unwanted in [
        "hyper feature \"server\"",
        "hyper-util feature \"server",
        "tokio feature \"process\"",
        "tokio feature \"signal\"",
        "tokio feature \"full\"",
        "axum v",
        "reveille-host",
        "reveille-agent",
        "clap v",
    ] {
        assert!(!tree.contains(unwanted), "{unwanted} is compiled");
    }
}
