//! Who commands run as, where that is not the agent itself: the user that an image asks for.

use std::ffi::OsString;
use std::fs;
use std::io;

/// A user as an image names it: `name`, `1000`, `name:group`, `1000:1000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User(String);

/// What it comes to in this sandbox, now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) user: u32,
    pub(crate) group: u32,
    home: OsString,
}

impl User {
    pub(crate) fn named(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Looks it up in `/etc/passwd` and `/etc/group`, as they are now. A number needs no entry.
    ///
    /// # Errors
    /// When a name is not there.
    pub(crate) fn identify(&self) -> io::Result<Identity> {
        let read = |file| fs::read(file).map(|text| String::from_utf8_lossy(&text).into_owned());
        self.identify_in(&read("/etc/passwd").unwrap_or_default(), &read("/etc/group").unwrap_or_default())
    }

    fn identify_in(&self, passwd: &str, groups: &str) -> io::Result<Identity> {
        let (user, group) = match self.0.split_once(':') {
            Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
            None => (&*self.0, None),
        };
        let missing = |kind: &str, name: &str| {
            let what = format!("its image wants the {kind} {name:?}, which this sandbox does not have");
            io::Error::new(io::ErrorKind::NotFound, what)
        };
        let entry = line(passwd, user);
        let field = |number: usize| entry.and_then(|entry| entry.split(':').nth(number));
        let number = |number: usize| field(number).and_then(|text| text.parse().ok());
        let id = number(2).or_else(|| user.parse().ok()).ok_or_else(|| missing("user", user))?;
        let group = match group {
            Some(group) => line(groups, group)
                .and_then(|entry| entry.split(':').nth(2)?.parse().ok())
                .or_else(|| group.parse().ok())
                .ok_or_else(|| missing("group", group))?,
            // As container engines have it, a number without an entry has root's group.
            None => number(3).unwrap_or(0),
        };
        let home = field(5).filter(|home| home.starts_with('/')).unwrap_or("/").into();
        Ok(Identity { user: id, group, home })
    }
}

/// Gives the directory that commands begin in to who they run as, if nothing is in it yet.
pub(crate) fn give_directory(user: &User) -> io::Result<()> {
    if fs::read_dir(".")?.next().is_some() {
        return Ok(());
    }
    let identity = user.identify()?;
    std::os::unix::fs::chown(".", Some(identity.user), Some(identity.group))
}

impl Identity {
    /// Its home, unless somebody has said another for all of the sandbox.
    pub(crate) fn home(&self) -> Option<&OsString> {
        std::env::var_os("HOME").is_none().then_some(&self.home)
    }
}

/// The line of an entry, by its name or by its number.
fn line<'a>(file: &'a str, wanted: &str) -> Option<&'a str> {
    let by = |number: usize| file.lines().find(|line| line.split(':').nth(number) == Some(wanted));
    by(0).or_else(|| by(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nnode:x:1000:1001:,:/home/node:/bin/sh\nodd:x:a:b:c\n";
    const GROUPS: &str = "root:x:0:\nstaff:x:50:node\n";

    fn identify(name: &str) -> Option<(u32, u32, String)> {
        let found = User::named(name).identify_in(PASSWD, GROUPS).ok()?;
        Some((found.user, found.group, found.home.into_string().unwrap()))
    }

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let node = |group| Some((1000, group, "/home/node".to_owned()));
        for (name, group) in
            [("node", 1001), ("1000", 1001), ("node:staff", 50), ("1000:50", 50), ("node:", 1001)]
        {
            assert_eq!(identify(name), node(group), "{name}");
        }
        assert_eq!(identify("4242"), Some((4242, 0, "/".to_owned())));
        assert_eq!(identify("4242:77"), Some((4242, 77, "/".to_owned())));
        for unknown in ["nobody", "node:nobody", "odd", "", ":50", "-1", "4294967296"] {
            assert_eq!(identify(unknown), None, "{unknown}");
        }
    }
}
