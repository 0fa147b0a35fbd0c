use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A rule of the contract that can be judged by what arrives. Its name is the one in `docs/contract.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A read that meets a status of the window is sent again.
    R1,
    /// So is one whose connection breaks.
    R2,
    /// So is one that meets the platform's 404.
    R3,
    /// It survives a window of 4 s.
    R4,
    /// It arrives within 2.5 s after the sandbox is there.
    R5,
    /// It is not sent before the time that the server named.
    R6,
    /// It is sent at most 20 times in a window of 4 s.
    R7,
    /// An answer that breaks off is no result.
    R8,
    /// Other statuses are not sent again.
    R9,
    /// A mutation that met a status of the window is not sent again.
    M1,
    /// Nor is one whose connection broke.
    M2,
    /// With proof it is sent again.
    M3,
    /// What an app could have written is no proof.
    M4,
    /// It survives the window, sent once.
    M5,
    /// A PUT is no read: it is not sent again.
    M6,
    /// Where the client gives up it fails.
    T1,
    /// Its error names the status that it met.
    T2,
}

/// Every rule that can be judged.
const ALL: [(Rule, &str, &str); 17] = [
    (Rule::R1, "R1", "a read survives the statuses of the window"),
    (Rule::R2, "R2", "a read survives a broken connection"),
    (Rule::R3, "R3", "a read survives the platform's 404"),
    (Rule::R4, "R4", "a read survives a window of 4 s"),
    (Rule::R5, "R5", "a read arrives within 2.5 s after the window"),
    (Rule::R6, "R6", "Retry-After is obeyed"),
    (Rule::R7, "R7", "at most 20 sends in a window of 4 s"),
    (Rule::R8, "R8", "an answer that breaks off is no result"),
    (Rule::R9, "R9", "other statuses are answers"),
    (Rule::M1, "M1", "a mutation is not repeated after a status"),
    (Rule::M2, "M2", "a mutation is not repeated after a break"),
    (Rule::M3, "M3", "a mutation is repeated with proof"),
    (Rule::M4, "M4", "an app's own words are no proof"),
    (Rule::M5, "M5", "a mutation survives the window, sent once"),
    (Rule::M6, "M6", "a PUT is not repeated after a status"),
    (Rule::T1, "T1", "giving up is a failure"),
    (Rule::T2, "T2", "the error names the status"),
];

/// What is no name of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownRule(String);

impl Rule {
    /// All of them, in the contract's order.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.iter().map(|(rule, ..)| *rule)
    }

    /// What it says, in a few words.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.entry().2
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().1
    }

    fn entry(self) -> &'static (Self, &'static str, &'static str) {
        let at = ALL.iter().position(|(rule, ..)| *rule == self).unwrap_or_default();
        &ALL[at]
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        let found = ALL.iter().find(|(_, name, _)| name.eq_ignore_ascii_case(text.trim()));
        found.map(|(rule, ..)| *rule).ok_or_else(|| UnknownRule(text.to_owned()))
    }
}

impl fmt::Display for UnknownRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Rule::all().map(Rule::name).collect();
        write!(f, "{:?} is no rule that can be judged: use {}", self.0, names.join(", "))
    }
}

impl std::error::Error for UnknownRule {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_by_the_name_that_it_is_written_with() {
        for rule in Rule::all() {
            assert_eq!(rule.to_string().parse(), Ok(rule));
            assert_eq!(rule.name().to_lowercase().parse(), Ok(rule));
        }
        assert!("".parse::<Rule>().is_err() && "R99".parse::<Rule>().is_err());
    }

    #[test]
    fn every_rule_that_is_judged_stands_in_the_contract() {
        let contract = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/contract.md");
        let Ok(contract) = std::fs::read_to_string(contract) else {
            eprintln!("SKIPPED: not in the workspace, so that there is no contract to read");
            return;
        };
        for rule in Rule::all() {
            assert!(contract.contains(&format!("| {rule} | ")), "{rule}");
        }
    }
}
