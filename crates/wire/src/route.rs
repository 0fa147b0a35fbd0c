use percent_encoding::percent_decode_str;

use crate::SandboxName;

/// A path of the data plane, with its query, taken apart where it leads to a sandbox. Both parts stand byte by byte as
/// they were sent.
///
/// ```
/// use reveille_wire::SandboxPath;
///
/// let path = SandboxPath::of("/acme/sandboxes/box/port/3000/a%20b?c=1").ok_or("no sandbox")?;
/// assert_eq!((path.sandbox, path.below), ("/acme/sandboxes/box", "/port/3000/a%20b?c=1"));
/// assert!(path.may_lead_to_app());
/// assert_eq!(SandboxPath::of("/acme/agents/helper"), None);
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SandboxPath<'a> {
    /// What names the sandbox: `/{workspace}/sandboxes/{name}`.
    pub sandbox: &'a str,
    /// What is below it: nothing, or what begins with `/` or `?`.
    pub below: &'a str,
}

impl<'a> SandboxPath<'a> {
    /// Takes a path apart; `None` where it leads to no sandbox.
    #[must_use]
    pub fn of(path_and_query: &'a str) -> Option<Self> {
        let (workspace, rest) = path_and_query.strip_prefix('/')?.split_once('/')?;
        let rest = rest.strip_prefix("sandboxes/")?;
        let name = rest.split(['/', '?']).next().unwrap_or_default();
        let is_workspace = !workspace.is_empty() && !workspace.contains('?') && !is_dots(workspace);
        if !is_workspace || !SandboxName::is_one(name) {
            return None;
        }
        let length = "/".len() + workspace.len() + "/sandboxes/".len() + name.len();
        let (sandbox, below) = path_and_query.split_at(length);
        Some(Self { sandbox, below })
    }

    /// Whether an app behind a port may be who answers: below `/port/`, or where whoever resolves the path might come
    /// to arrive there.
    #[must_use]
    pub fn may_lead_to_app(&self) -> bool {
        if self.below.starts_with("/port/") {
            return true;
        }
        let path = self.below.split('?').next().unwrap_or_default();
        let mut segments = path.split('/').skip(1);
        let is_port = segments.next().is_some_and(|first| {
            let first = percent_decode_str(first).decode_utf8_lossy();
            first == "port"
                || (path.len() > 1 && first.is_empty())
                || first.contains(['/', '\\'])
                || first == "."
        });
        is_port || path.split('/').any(is_up)
    }
}

fn is_dots(segment: &str) -> bool {
    segment.starts_with(['.', '%']) && matches!(&*percent_decode_str(segment).decode_utf8_lossy(), "." | "..")
}

fn is_up(segment: &str) -> bool {
    percent_decode_str(segment).decode_utf8_lossy().split(['/', '\\']).any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(path: &str) -> Option<(&str, &str)> {
        SandboxPath::of(path).map(|path| (path.sandbox, path.below))
    }

    #[test]
    fn what_is_below_a_sandbox_stays_as_it_was_sent() {
        let sandbox = "/acme/sandboxes/box";
        for below in ["", "/", "?a=/b", "/health?x=1", "//a/../b%2F", "/port/3000"] {
            assert_eq!(parts(&format!("{sandbox}{below}")), Some((sandbox, below)));
        }
    }

    #[test]
    fn a_path_that_names_no_sandbox_leads_to_none() {
        for path in [
            "",
            "/",
            "acme/sandboxes/box",
            "//sandboxes/box",
            "/acme/sandboxes",
            "/acme/sandboxes/",
            "/acme/agents/box",
            "/../sandboxes/box",
            "/%2e%2e/sandboxes/box",
            "/acme/sandboxes/..",
            "/acme/sandboxes/Box",
            "/acme?/sandboxes/box",
        ] {
            assert_eq!(parts(path), None, "{path}");
        }
    }

    #[test]
    fn whatever_could_be_read_as_a_port_counts_as_one() {
        let leads = |below: &str| SandboxPath { sandbox: "/w/sandboxes/b", below }.may_lead_to_app();
        for below in [
            "/port",
            "/port/",
            "/port/1",
            "/port?x",
            "/%70ort/1",
            "//port/1",
            "/./port/1",
            "/x/../port/1",
            "/x/%2e%2e/port/1",
            "/.%2Fport/1",
            "/x%2F..%2Fport/1",
        ] {
            assert!(leads(below), "{below}");
        }
        for below in ["", "/", "?a=/port/", "/health", "/ports/1", "/process/port", "/filesystem//etc/x"] {
            assert!(!leads(below), "{below}");
        }
    }
}
