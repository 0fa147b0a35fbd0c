//! Who commands run as, where that is not the agent itself: the user that an image asks for.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::thread;

use rustix::fs::Gid;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities, set_thread_groups, set_thread_res_gid};

/// A user as an image names it: `name`, `1000`, `name:group`, `1000:1000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User(String);

/// What it comes to in this sandbox, now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) user: u32,
    pub(crate) group: u32,
    /// The groups that it is in besides.
    groups: Vec<u32>,
    home: OsString,
    name: OsString,
}

impl User {
    pub(crate) fn named(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Looks it up in `/etc/passwd` and `/etc/group`, as they are now. A number needs no entry. As container engines have
    /// it, who is named with a group has no other (`GetExecUser` of moby/sys/user).
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
        let id =
            number(2).or_else(|| user.parse().ok()).filter(is_one).ok_or_else(|| missing("user", user))?;
        let (group, others) = match group {
            Some(group) => {
                let own = line(groups, group)
                    .and_then(|entry| entry.split(':').nth(2)?.parse().ok())
                    .or_else(|| group.parse().ok())
                    .filter(is_one)
                    .ok_or_else(|| missing("group", group))?;
                (own, Vec::new())
            }
            // A number without an entry has root's group.
            None => (
                number(3).filter(is_one).unwrap_or(0),
                field(0).map_or_else(Vec::new, |name| of(groups, name)),
            ),
        };
        let home = field(5).filter(|home| home.starts_with('/')).unwrap_or("/").into();
        let name = field(0).unwrap_or(user).into();
        Ok(Identity { user: id, group, groups: others, home, name })
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
    /// Does what starts a program that becomes this user, in its groups.
    ///
    /// That happens on a thread of its own, which has the groups already and is not to change them: with the user the
    /// standard library takes away all groups, where it may.
    pub(crate) fn in_groups<T: Send>(&self, start: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let on_its_thread = || self.take_groups().and_then(|()| start());
        let started = thread::scope(|threads| threads.spawn(on_its_thread).join());
        started.unwrap_or_else(|_| Err(io::Error::other("the thread that starts it has ended")))
    }

    fn take_groups(&self) -> io::Result<()> {
        let groups: Vec<_> = self.groups.iter().map(|group| Gid::from_raw(*group)).collect();
        set_thread_groups(&groups)?;
        let group = Gid::from_raw(self.group);
        set_thread_res_gid(group, group, group)?;
        let mut own = capabilities(None)?;
        own.effective.remove(CapabilitySet::SETGID);
        Ok(set_capabilities(None, own)?)
    }

    /// Where its home is and what it is called, as a login tells its programs, unless somebody has said something else
    /// for all of the sandbox.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &OsString)> {
        let all = [("HOME", &self.home), ("USER", &self.name), ("LOGNAME", &self.name)];
        all.into_iter().filter(|(variable, _)| std::env::var_os(variable).is_none())
    }
}

/// The line of an entry, by its name or by its number.
fn line<'a>(file: &'a str, wanted: &str) -> Option<&'a str> {
    let by = |number: usize| file.lines().find(|line| line.split(':').nth(number) == Some(wanted));
    by(0).or_else(|| by(2))
}

/// The groups that somebody of this name is a member of.
fn of(groups: &str, name: &str) -> Vec<u32> {
    let entries = groups.lines().filter_map(|line| {
        let mut fields = line.split(':').skip(2);
        let number = fields.next()?.parse().ok().filter(is_one)?;
        fields.next()?.split(',').any(|member| member == name).then_some(number)
    });
    entries.collect()
}

/// The highest number is nobody's: to the kernel it says that nothing is to change (setresgid(2)).
fn is_one(id: &u32) -> bool {
    *id != u32::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nnode:x:1000:1001:,:/home/node:/bin/sh\nodd:x:a:b:c\n";
    const GROUPS: &str = "root:x:0:\nstaff:x:50:node\n";

    fn identify(name: &str) -> Option<(u32, u32, String)> {
        let found = User::named(name).identify_in(PASSWD, GROUPS).ok()?;
        let called = if found.user == 1000 { "node" } else { "4242" };
        assert_eq!(found.name, called, "{name}");
        Some((found.user, found.group, found.home.into_string().unwrap()))
    }

    #[test]
    fn who_is_named_alone_is_in_the_groups_that_name_it() {
        let groups =
            "a:x:1:node\nb:x:2:\nc:x:3:other,node\nd:x:4:nodes\ne:x:5\nf:x:4294967295:node\ng:x:y:node\n";
        for (name, of) in [("node", vec![1, 3]), ("1000", vec![1, 3]), ("node:", vec![1, 3])] {
            assert_eq!(User::named(name).identify_in(PASSWD, groups).unwrap().groups, of, "{name}");
        }
        for alone in ["node:a", "1000:3", "4242", "root"] {
            assert!(User::named(alone).identify_in(PASSWD, groups).unwrap().groups.is_empty(), "{alone}");
        }
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
        for unknown in
            ["4294967295", "node:4294967295", "nobody", "node:nobody", "odd", "", ":50", "-1", "4294967296"]
        {
            assert_eq!(identify(unknown), None, "{unknown}");
        }
    }
}
