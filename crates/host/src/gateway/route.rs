//! Which sandbox a URL names, and what of it the agent gets to see.

use std::borrow::Cow;

use http::Uri;
use http::uri::{InvalidUri, PathAndQuery};
use percent_encoding::percent_decode_str;
use reveille_wire::{Port, SandboxName};

/// A sandbox and what is asked of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) sandbox: SandboxName,
    /// What is below the sandbox's base.
    pub(super) target: Target,
    /// The port of the sandbox that it is for, with what is below that.
    pub(super) port: Option<(Port, Target)>,
}

/// Path and query from some point of a URL on, byte by byte as they were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    uri: Uri,
    from: usize,
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
        let (named, rest) = path.split_at(slash(path));
        let rest = rest.strip_prefix("/sandboxes/").ok_or(NoRoute::Elsewhere)?;
        let (name, below) = rest.split_at(slash(rest));
        if named.is_empty() || name.is_empty() {
            return Err(NoRoute::Elsewhere);
        }
        if named != workspace {
            return Err(NoRoute::Workspace(named.to_owned()));
        }
        let sandbox = SandboxName::new(name).map_err(|_| NoRoute::Sandbox(name.to_owned()))?;
        if climbs(below) {
            return Err(NoRoute::Climbs);
        }
        let base = "/".len() + named.len() + "/sandboxes/".len() + name.len();
        let target = Target { uri: uri.clone(), from: base };
        let port = port(&target)?;
        Ok(Self { sandbox, target, port })
    }
}

/// Where the first slash of a path is, or its end.
fn slash(path: &str) -> usize {
    memchr::memchr(b'/', path.as_bytes()).unwrap_or(path.len())
}

impl Target {
    /// As it goes into the head of a request. Nothing is below a base without a slash: that is its root.
    pub(super) fn text(&self) -> Cow<'_, str> {
        let rest = self.rest();
        if rest.starts_with('/') { Cow::Borrowed(rest) } else { Cow::Owned(format!("/{rest}")) }
    }

    pub(super) fn path(&self) -> &str {
        let rest = self.rest();
        match &rest[..memchr::memchr(b'?', rest.as_bytes()).unwrap_or(rest.len())] {
            "" => "/",
            path => path,
        }
    }

    /// Fails for no target, as any end of a path is one behind a slash.
    pub(super) fn uri(&self) -> Result<Uri, InvalidUri> {
        self.text().parse::<PathAndQuery>().map(Uri::from)
    }

    fn rest(&self) -> &str {
        let whole = self.uri.path_and_query().map_or("", PathAndQuery::as_str);
        whole.get(self.from..).unwrap_or_default()
    }
}

/// The port that a target names, with what is below it; nothing when it is not below `/port/`.
fn port(target: &Target) -> Result<Option<(Port, Target)>, NoRoute> {
    const PREFIX: &str = "/port/";
    let Some(rest) = target.rest().strip_prefix(PREFIX) else { return Ok(None) };
    let named = &rest[..memchr::memchr2(b'/', b'?', rest.as_bytes()).unwrap_or(rest.len())];
    let port = named.parse::<Port>().map_err(|_| NoRoute::Port(named.to_owned()))?;
    let from = target.from + PREFIX.len() + named.len();
    Ok(Some((port, Target { uri: target.uri.clone(), from })))
}

/// Whether a path has more `..` than what they could take back. Escaped ones count too: who reads the path
/// after us may unescape it.
pub(crate) fn climbs(path: &str) -> bool {
    // Most paths have neither.
    if memchr::memchr2(b'.', b'%', path.as_bytes()).is_none() {
        return false;
    }
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
        Route::of(&url.parse().unwrap(), "local").map(|route| route.target.text().into_owned())
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
    fn a_target_is_a_url_of_its_own() {
        for (url, path, whole) in [
            ("/local/sandboxes/box", "/", "/"),
            ("/local/sandboxes/box?a=/b?c", "/", "/?a=/b?c"),
            ("http://h/local/sandboxes/box/x%2F?", "/x%2F", "/x%2F?"),
            ("/local/sandboxes/box//x?y", "//x", "//x?y"),
        ] {
            let target = Route::of(&url.parse().unwrap(), "local").unwrap().target;
            assert_eq!((target.path(), target.uri().unwrap().to_string()), (path, whole.to_owned()), "{url}");
        }
    }

    #[test]
    fn a_port_has_one_name_and_what_is_below_it_stays_as_it_came() {
        let below = |url: &str| {
            Route::of(&url.parse().unwrap(), "local")
                .map(|route| route.port.map(|(port, below)| (port.get(), below.text().into_owned())))
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
