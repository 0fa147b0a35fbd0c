use std::collections::HashMap;
use std::ffi::OsString;

/// The most retries that the environment can ask for.
const MOST_RETRIES: u32 = 100;

/// The variables of the process, as they were when the client was built.
#[derive(Clone, Default)]
pub(crate) struct Environment(HashMap<String, OsString>);

impl Environment {
    pub(crate) fn of_process() -> Self {
        Self(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect(),
        )
    }

    #[cfg(test)]
    pub(crate) fn of(vars: &[(&str, &str)]) -> Self {
        Self(vars.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect())
    }

    pub(crate) fn raw(&self, name: &str) -> Option<OsString> {
        self.0.get(name).cloned()
    }

    /// A variable without the white space around it; an empty one is not set.
    pub(super) fn text(&self, name: &'static str, warnings: &mut Vec<String>) -> Option<String> {
        let Some(text) = self.0.get(name)?.to_str() else {
            warnings.push(format!("{name} is not UTF-8, and is passed over"));
            return None;
        };
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// How often reads are tried again, by `BL_SANDBOX_READ_RETRIES`: digits; below zero counts as zero.
    pub(super) fn read_retries(&self, warnings: &mut Vec<String>) -> Option<u32> {
        self.retries("BL_SANDBOX_READ_RETRIES", warnings)
    }

    /// How often uploads are tried again that can be, by `BL_FS_PART_RETRIES`: as with reads.
    pub(super) fn part_retries(&self, warnings: &mut Vec<String>) -> Option<u32> {
        self.retries("BL_FS_PART_RETRIES", warnings)
    }

    fn retries(&self, name: &'static str, warnings: &mut Vec<String>) -> Option<u32> {
        let text = self.text(name, warnings)?;
        let (digits, negative) = match text.strip_prefix('-') {
            Some(digits) => (digits, true),
            None => (text.as_str(), false),
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            warnings.push(format!("{name} is no number ({text:?}), and is passed over"));
            return None;
        }
        let asked: u32 = if negative { 0 } else { digits.parse().unwrap_or(u32::MAX) };
        if asked > MOST_RETRIES {
            warnings.push(format!("{name} is above {MOST_RETRIES} ({text}); {MOST_RETRIES} is used"));
        }
        Some(asked.min(MOST_RETRIES))
    }

    /// `BL_SANDBOXES_<NAME>_URL`, then `BL_SANDBOX_<NAME>_URL`, by NAME.
    pub(super) fn forced_urls(&self) -> HashMap<String, String> {
        let mut urls = HashMap::new();
        for prefix in ["BL_SANDBOX_", "BL_SANDBOXES_"] {
            for (name, value) in &self.0 {
                let sandbox = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix("_URL"));
                let url = value.to_str().map(str::trim).filter(|url| !url.is_empty());
                if let (Some(sandbox), Some(url)) = (sandbox, url) {
                    urls.insert(sandbox.to_owned(), url.to_owned());
                }
            }
        }
        urls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retries(value: &str) -> (Option<u32>, usize) {
        let mut warnings = Vec::new();
        let retries = Environment::of(&[("BL_SANDBOX_READ_RETRIES", value)]).read_retries(&mut warnings);
        (retries, warnings.len())
    }

    #[test]
    fn a_number_of_retries_is_digits() {
        assert_eq!(retries(""), (None, 0));
        for (value, expected) in [(" 5 ", 5), ("0", 0), ("7", 7), ("100", 100), ("-1", 0), ("-0", 0)] {
            assert_eq!(retries(value), (Some(expected), 0), "{value}");
        }
    }

    #[test]
    fn a_bad_number_is_reported_once_and_passed_over() {
        for value in ["5abc", "1e3", "0x5", "٥", "-", "5.0", "+5"] {
            assert_eq!(retries(value), (None, 1), "{value}");
        }
        assert_eq!(retries("4294967296"), (Some(100), 1));
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_utf8_is_reported() {
        use std::os::unix::ffi::OsStringExt;
        let value = OsString::from_vec(vec![0xff]);
        let environment = Environment([("BL_SANDBOX_READ_RETRIES".to_owned(), value)].into());
        let mut warnings = Vec::new();
        assert_eq!((environment.read_retries(&mut warnings), warnings.len()), (None, 1));
    }
}
