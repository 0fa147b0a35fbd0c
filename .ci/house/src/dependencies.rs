use std::collections::BTreeMap;

use cargo_metadata::semver::{Version, VersionReq};
use cargo_metadata::{Metadata, Package};
use spdx::{Expression, Licensee, ParseMode};

use crate::rules::{Rules, Skip};

/// Packages whose licence is none of those that are allowed.
#[must_use]
pub fn refused_licences(workspace: &Metadata, rules: &Rules) -> Vec<String> {
    let allowed: Vec<_> =
        rules.licenses.allow.iter().filter_map(|licence| Licensee::parse(licence).ok()).collect();
    let refused = workspace.packages.iter().filter(|package| !is_licensed(package, &allowed));
    refused.map(|package| format!("{} {}: {:?}", package.name, package.version, package.license)).collect()
}

fn is_licensed(package: &Package, allowed: &[Licensee]) -> bool {
    let Some(licence) = &package.license else { return false };
    // Older packages write `MIT/Apache-2.0`.
    let Ok(expression) = Expression::parse_mode(licence, ParseMode::LAX) else { return false };
    expression.evaluate(|wanted| allowed.iter().any(|licence| licence.satisfies(wanted)))
}

/// Crates of which more than one version is in the tree without being allowed to, and allowances that nothing
/// needs any more.
#[must_use]
pub fn duplicates(workspace: &Metadata, rules: &Rules) -> Vec<String> {
    let mut versions: BTreeMap<&str, Vec<&Version>> = BTreeMap::new();
    for package in &workspace.packages {
        versions.entry(package.name.as_str()).or_default().push(&package.version);
    }
    let skips: Vec<_> = rules.bans.skip.iter().filter_map(read).collect();
    let mut found: Vec<_> = rules
        .bans
        .skip
        .iter()
        .filter(|skip| read(skip).is_none())
        .map(|skip| format!("{} is no name@version", skip.which))
        .collect();
    for (name, versions) in &versions {
        let borne =
            |version: &Version| skips.iter().any(|(skip, which)| skip == name && which.matches(version));
        let rest: Vec<_> = versions.iter().filter(|version| !borne(version)).collect();
        if versions.len() > 1 && rest.len() > 1 {
            found.push(format!("{name}: {rest:?}"));
        }
    }
    for (name, which) in &skips {
        let needed =
            versions.get(name).is_some_and(|them| them.len() > 1 && them.iter().any(|it| which.matches(it)));
        if !needed {
            found.push(format!("{name}@{which} is allowed beside another version, and need not be"));
        }
    }
    found
}

fn read(skip: &Skip) -> Option<(&str, VersionReq)> {
    let (name, version) = skip.which.split_once('@')?;
    Some((name, VersionReq::parse(version).ok()?))
}

/// Packages that want a newer Rust than the workspace says that it needs.
#[must_use]
pub fn too_new(workspace: &Metadata) -> Vec<String> {
    let members = workspace.workspace_packages();
    let stated = members.iter().filter_map(|package| package.rust_version.as_ref()).min();
    let Some(stated) = stated else { return vec!["the workspace states no Rust version".to_owned()] };
    let wants_more = |package: &&Package| package.rust_version.as_ref().is_some_and(|wanted| wanted > stated);
    let newer = workspace.packages.iter().filter(wants_more);
    newer
        .map(|package| format!("{} {} wants Rust {:?}", package.name, package.version, package.rust_version))
        .collect()
}
