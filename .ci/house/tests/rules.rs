//! The workspace keeps its own rules.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use cargo_metadata::Metadata;
use reveille_house::{Rules, duplicates, forbidden_arrows, refused_licences, root, too_new, workspace};

fn read() -> (Metadata, Rules) {
    (workspace().unwrap(), Rules::read(&root().join("deny.toml")).unwrap())
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let (workspace, rules) = read();
    assert_eq!(refused_licences(&workspace, &rules), [""; 0]);
}

#[test]
fn no_crate_is_in_the_tree_twice_unless_it_must_be() {
    let (workspace, rules) = read();
    assert_eq!(duplicates(&workspace, &rules), [""; 0]);
}

#[test]
fn what_evidence_is_read_from_is_in_the_tree_once() {
    let (workspace, _) = read();
    for name in ["hyper", "hyper-util", "h2", "rustls", "http"] {
        let versions = workspace.packages.iter().filter(|package| package.name.as_str() == name).count();
        assert_eq!(versions, 1, "{name}");
    }
}

#[test]
fn no_dependency_wants_a_newer_rust_than_is_stated() {
    let (workspace, _) = read();
    assert_eq!(too_new(&workspace), [""; 0]);
}

#[test]
fn the_rooms_use_each_other_only_downwards() {
    let (workspace, _) = read();
    assert_eq!(forbidden_arrows(&workspace), [""; 0]);
}
