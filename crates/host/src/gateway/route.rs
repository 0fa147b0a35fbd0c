//! Which sandbox a URL names, and what of it the agent gets to see.

use http::Uri;
use http::uri::PathAndQuery;
use percent_encoding::percent_decode_str;
use reveille_wire::{Port, SandboxName};

/// A sandbox and what is asked of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) sandbox: SandboxName,
    /// Path and query below the sandbox's base, byte by byte as they were sent.
    pub(super) target: PathAndQuery,
    /// The port of the sandbox that it is for, with path and query below that.
    pub(super) port: Option<(Port, PathAndQuery)>,
}

/// Why a URL leads to no sandbox.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoRoute {
    Elsewhere,
    Workspace(String),
    Sandbox(String),
    /// What should be a port is none.
    Port(String),
    /// Its dot segments lead out of the sandbox.
    Climbs,
}

impl Route {
    pub(super) fn of(uri: &Uri, workspace: &str) -> Result<Self, NoRoute> {
        let Some(whole) = uri.path_and_query() else { return Err(NoRoute::Elsewhere) };
        let path = whole.path().strip_prefix('/').ok_or(NoRoute::Elsewhere)?;
        let mut parts = path.splitn(4, '/');
        let (Some(named), Some("sandboxes"), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoRoute::Elsewhere);
        };
        if named.is_empty() || name.is_empty() {
            return Err(NoRoute::Elsewhere);
        }
        if named != workspace {
            return Err(NoRoute::Workspace(named.to_owned()));
        }
        let sandbox = SandboxName::new(name).map_err(|_| NoRoute::Sandbox(name.to_owned()))?;
        let below = parts.next().unwrap_or_default();
        if climbs(below) {
            return Err(NoRoute::Climbs);
        }
        let target = match whole.query() {
            Some(query) => format!("/{below}?{query}"),
            None => format!("/{below}"),
        };
        let target = PathAndQuery::try_from(target).map_err(|_| NoRoute::Elsewhere)?;
        let port = port(&target)?;
        Ok(Self { sandbox, target, port })
    }
}

/// The port that a target names, with what is below it; nothing when it is not below `/port/`.
fn port(target: &PathAndQuery) -> Result<Option<(Port, PathAndQuery)>, NoRoute> {
    let Some(rest) = target.as_str().strip_prefix("/port/") else { return Ok(None) };
    let (port, below) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let port = port.parse::<Port>().map_err(|_| NoRoute::Port(port.to_owned()))?;
    let slash = if below.starts_with('/') { "" } else { "/" };
    let below = PathAndQuery::try_from(format!("{slash}{below}")).map_err(|_| NoRoute::Elsewhere)?;
    Ok(Some((port, below)))
}

/// Whether a path has more `..` than what they could take back. Escaped ones count too: who reads the path
/// after us may unescape it.
pub(crate) fn climbs(path: &str) -> bool {
    let mut depth = 0_usize;
    for segment in path.split('/') {
        match &*percent_decode_str(segment).decode_utf8_lossy() {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn route(url: &str) -> Result<String, NoRoute> {
        Route::of(&url.parse().unwrap(), "local").map(|route| route.target.to_string())
    }

    #[test]
    fn the_agent_sees_what_is_below_the_sandbox() {
        assert_eq!(route("/local/sandboxes/box/health").unwrap(), "/health");
        assert_eq!(route("/local/sandboxes/box").unwrap(), "/");
        assert_eq!(route("/local/sandboxes/box/").unwrap(), "/");
        assert_eq!(route("/local/sandboxes/box?a=1").unwrap(), "/?a=1");
        assert_eq!(route("http://h:1/local/sandboxes/box/port/1/a?b=/../c").unwrap(), "/port/1/a?b=/../c");
    }

    #[test]
    fn a_port_has_one_name_and_what_is_below_it_stays_as_it_came() {
        let below = |url: &str| {
            Route::of(&url.parse().unwrap(), "local")
                .map(|route| route.port.map(|(port, below)| (port.get(), below.to_string())))
        };
        let base = "/local/sandboxes/box";
        for (path, wanted) in [
            ("/port/80", "/"),
            ("/port/80/", "/"),
            ("/port/80?a=/b", "/?a=/b"),
            ("/port/80//a%2Fb/../c?x=%20", "//a%2Fb/../c?x=%20"),
        ] {
            assert_eq!(below(&format!("{base}{path}")).unwrap(), Some((80, wanted.to_owned())), "{path}");
        }
        assert_eq!(below(&format!("{base}/ports/80")), Ok(None));
        for port in ["+80", "080", "0", "65536", "", "http"] {
            let url = format!("{base}/port/{port}/");
            assert_eq!(below(&url), Err(NoRoute::Port(port.to_owned())), "{url}");
        }
    }

    #[test]
    fn the_bytes_of_a_path_stay_as_they_are() {
        for path in [
            "/filesystem//a//b/",
            "/port/1/a%2Fb%20c",
            "/port/1/%C3%BC",
            "/a%zz%",
            "/port/1/%e4",
            "/a;b=c:@!$&'()*+,=",
        ] {
            assert_eq!(route(&format!("/local/sandboxes/box{path}")).unwrap(), path);
        }
    }

    #[test]
    fn dots_may_move_within_the_sandbox_and_not_out_of_it() {
        assert_eq!(route("/local/sandboxes/box/a/../b").unwrap(), "/a/../b");
        for path in
            ["/..", "/../other/health", "/a/../../other", "/%2e%2E/other", "/.%2e", "//../x", "/a/./../.."]
        {
            assert_eq!(route(&format!("/local/sandboxes/box{path}")), Err(NoRoute::Climbs), "{path}");
        }
    }

    #[test]
    fn other_urls_say_what_is_wrong_with_them() {
        for url in [
            "/",
            "/local",
            "/local/sandboxes",
            "/local/sandboxes/",
            "//sandboxes/box",
            "/local/functions/box",
            "*",
        ] {
            assert_eq!(route(url), Err(NoRoute::Elsewhere), "{url}");
        }
        assert_eq!(route("/other/sandboxes/box/x"), Err(NoRoute::Workspace("other".into())));
        assert_eq!(route("/local/sandboxes/Box/x"), Err(NoRoute::Sandbox("Box".into())));
        assert_eq!(route("/local/sandboxes/../x"), Err(NoRoute::Sandbox("..".into())));
    }

    proptest! {
        #[test]
        fn whatever_is_forwarded_resolves_to_a_place_below_the_sandbox(
            segments in prop::collection::vec(prop::sample::select(vec!["a", "..", ".", "", "%2e%2e", ".%2E", "b%2F.."]), 0..8)
        ) {
            let path = segments.join("/");
            let url = format!("http://h/base/{path}");
            // The url crate resolves dot segments as browsers do; it drops nothing below an empty base.
            let resolved = url::Url::parse(&url).unwrap();
            if route(&format!("/local/sandboxes/box/{path}")).is_ok() {
                prop_assert!(resolved.path().starts_with("/base"), "{} {}", path, resolved);
            }
        }
    }
}
