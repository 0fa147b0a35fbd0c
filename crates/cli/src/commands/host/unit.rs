//! The unit by which systemd runs a host.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use crate::report::Failure;

/// Whose systemd runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Machines,
    Users,
}

/// What a unit is made of.
#[derive(Debug)]
pub(super) struct Unit<'a> {
    pub(super) whose: Whose,
    pub(super) program: &'a Path,
    /// The flags with which the host is to be started.
    pub(super) flags: &'a [String],
    /// Variables that say where clients look for the host.
    pub(super) environment: &'a [(&'a str, String)],
}

/// The flag that asks for the unit.
const FLAG: &str = "--print-unit";

/// The flags of this command that the unit's is to have, too.
pub(super) fn flags(arguments: impl Iterator<Item = std::ffi::OsString>) -> Result<Vec<String>, Failure> {
    let words = arguments
        .skip_while(|word| word != OsStr::new("host"))
        .skip(1)
        .filter(|word| word != OsStr::new(FLAG));
    words.map(|word| word.into_string().map_err(|_| Failure::usage("a unit can hold text only"))).collect()
}

/// Sets a flag, in whichever way it was written before.
pub(super) fn set(flags: &mut Vec<String>, flag: &str, value: String) {
    let joined = format!("{flag}=");
    while let Some(at) = flags.iter().position(|word| word == flag || word.starts_with(&joined)) {
        let words = if flags[at] == flag { 2 } else { 1 };
        flags.drain(at..(at + words).min(flags.len()));
    }
    flags.extend([flag.to_owned(), value]);
}

impl Unit<'_> {
    pub(super) fn text(&self) -> String {
        let command: Vec<String> = [self.program.display().to_string(), "host".to_owned()]
            .iter()
            .chain(self.flags)
            .map(|word| quoted(word, Dollar::Doubled))
            .collect();
        let (place, target, how) = match self.whose {
            Whose::Machines => ("/etc/systemd/system", "multi-user.target", "systemctl"),
            Whose::Users => ("~/.config/systemd/user", "default.target", "systemctl --user"),
        };
        let mut environment = String::new();
        for (name, value) in self.environment {
            let pair = quoted(&format!("{name}={value}"), Dollar::Plain);
            // Writing to a string cannot fail.
            let _ = writeln!(environment, "Environment={pair}");
        }
        format!(
            "# {place}/reveille.service\n\
             # {how} daemon-reload && {how} enable --now reveille\n\
             [Unit]\n\
             Description=Reveille: sandboxes that sleep\n\
             After=network.target\n\
             \n\
             [Service]\n\
             Type=exec\n\
             ExecStart={command}\n\
             {environment}\
             # The host makes cgroups of its own, in which sandboxes sleep and are bound.\n\
             Delegate=yes\n\
             # It ends its sandboxes by itself, in order; requests in flight get 10 s. Where it fails, or is told\n\
             # to leave them running, they go on, and the next start takes them over.\n\
             KillMode=process\n\
             TimeoutStopSec=60\n\
             Restart=on-failure\n\
             LimitNOFILE=65536\n\
             \n\
             [Install]\n\
             WantedBy={target}\n",
            command = command.join(" "),
        )
    }
}

/// Whether a dollar sign stands for a variable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dollar {
    Doubled,
    Plain,
}

/// A word as systemd reads it (systemd.syntax(7), systemd.service(5)).
fn quoted(word: &str, dollar: Dollar) -> String {
    let mut quoted = String::new();
    for letter in word.chars() {
        match letter {
            '%' => quoted.push_str("%%"),
            '$' if dollar == Dollar::Doubled => quoted.push_str("$$"),
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => {
                let mut bytes = [0; 4];
                for byte in letter.encode_utf8(&mut bytes).bytes() {
                    // Writing to a string cannot fail.
                    let _ = write!(quoted, "\\x{byte:02x}");
                }
            }
            letter => quoted.push(letter),
        }
    }
    let plain = |letter: char| letter.is_alphanumeric() || "-_./:=@%+,".contains(letter);
    if !word.is_empty() && word.chars().all(plain) { quoted } else { format!("\"{quoted}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_systemd_reads_them() {
        let quote = |word| quoted(word, Dollar::Doubled);
        assert_eq!(quote("127.0.0.1:80"), "127.0.0.1:80");
        assert_eq!(quote("100%"), "100%%");
        assert_eq!(quote("a b\"c\\$d\n"), "\"a b\\\"c\\\\$$d\\x0a\"");
        assert_eq!(quote(""), "\"\"");
        assert_eq!(quoted("A=$b", Dollar::Plain), "\"A=$b\"");
    }

    #[test]
    fn the_unit_has_the_flags_of_the_command() {
        let words = ["reveille", "--workspace", "w", "host", "--print-unit", "--data", "/a b"];
        let flags = flags(words.into_iter().map(Into::into)).unwrap();
        assert_eq!(flags, ["--data", "/a b"]);
        let mut flags = ["--data", "a", "--log", "--data=b"].map(str::to_owned).to_vec();
        set(&mut flags, "--data", "/c".to_owned());
        assert_eq!(flags, ["--log", "--data", "/c"]);
    }
}
