use std::fmt;

/// The name of an image, always with a tag: `python:3.12`, `registry.example:5000/team/app:latest`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ImageName(String);

/// The longest name.
const MAX: usize = 255;
/// The tag where none is named.
const TAG: &str = "latest";
/// Whose images have names that mean the root of the machine here: the platform's own.
const PLATFORMS: &str = "blaxel/";

/// What the name of an image leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// The platform's own, for which the programs of this machine stand.
    Machine,
    /// One that has to be imported.
    Imported(ImageName),
}

impl ImageName {
    /// Checks a name.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) fn new(name: &str) -> Result<Self, String> {
        let (path, tag) = match name.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, tag),
            _ => (name, TAG),
        };
        let of_path =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/:".contains(&byte);
        let of_tag = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let steps = path
            .split('/')
            .all(|step| step.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric()));
        let tag_begins =
            tag.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric() || first == b'_');
        let plain = path.bytes().all(of_path) && tag.bytes().all(of_tag);
        if !plain || !steps || !tag_begins || path.len() + tag.len() >= MAX {
            return Err(format!(
                "{name:?} is no name of an image: lower case letters and digits, as python:3.12"
            ));
        }
        Ok(Self(format!("{path}:{tag}")))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Named {
    /// What a sandbox's spec means by the name of an image.
    ///
    /// # Errors
    /// A sentence, where it is no name.
    pub(crate) fn read(name: &str) -> Result<Self, String> {
        if name.starts_with(PLATFORMS) {
            return Ok(Self::Machine);
        }
        ImageName::new(name).map(Self::Imported)
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_tag_is_the_latest() {
        for (name, whole) in [
            ("python", "python:latest"),
            ("python:3.12", "python:3.12"),
            ("reg.example:5000/a/b", "reg.example:5000/a/b:latest"),
            ("reg.example:5000/a/b:V_1", "reg.example:5000/a/b:V_1"),
        ] {
            assert_eq!(ImageName::new(name).unwrap().as_str(), whole);
        }
    }

    #[test]
    fn what_is_no_name_is_none() {
        let long = "x".repeat(300);
        for bad in ["", ":", "a:", ":a", "A", "../a", "a/../b", "a//b", "/a", "a b", "a\n", "a:b:c d", &long]
        {
            assert!(ImageName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_platforms_own_names_mean_the_machine() {
        assert_eq!(Named::read("blaxel/base-image:latest"), Ok(Named::Machine));
        assert_eq!(Named::read("mine"), Ok(Named::Imported(ImageName::new("mine").unwrap())));
    }
}
