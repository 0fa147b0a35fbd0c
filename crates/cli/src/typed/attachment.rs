/// A volume, and where in a sandbox it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attachment {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) access: Access,
}

/// What the sandbox may do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadOnly,
    ReadWrite,
}

/// Reads `NAME:/PATH`, `NAME:/PATH:ro` or `NAME:/PATH:rw`.
pub(crate) fn attachment(text: &str) -> Result<Attachment, String> {
    let wrong = || format!("{text:?} is no NAME:/PATH, and no NAME:/PATH:ro");
    let (name, place) = text.split_once(':').ok_or_else(wrong)?;
    let (path, access) = match place.rsplit_once(':') {
        Some((path, "ro")) => (path, Access::ReadOnly),
        Some((path, "rw")) => (path, Access::ReadWrite),
        _ => (place, Access::ReadWrite),
    };
    if name.is_empty() || !path.starts_with('/') {
        return Err(wrong());
    }
    Ok(Attachment { name: name.to_owned(), path: path.to_owned(), access })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_can_be_read_only() {
        let read = |text: &str| attachment(text).map(|it| (it.name, it.path, it.access));
        assert_eq!(read("v:/a"), Ok(("v".into(), "/a".into(), Access::ReadWrite)));
        assert_eq!(read("v:/a:ro"), Ok(("v".into(), "/a".into(), Access::ReadOnly)));
        assert_eq!(read("v:/a:b:rw"), Ok(("v".into(), "/a:b".into(), Access::ReadWrite)));
        for bad in ["", "v", "v:", ":/a", "v:a", "v:ro"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
