/// A port of this machine that leads to one in a sandbox, as it is typed: `LOCAL:PORT`, or `PORT` for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forwarding {
    /// 0 is one that is free.
    pub(crate) local: u16,
    pub(crate) port: u16,
}

/// Reads one.
///
/// # Errors
/// When a port is none.
pub(crate) fn forwarding(typed: &str) -> Result<Forwarding, String> {
    let (local, port) = typed.rsplit_once(':').unwrap_or((typed, typed));
    let number = |text: &str| text.parse::<u16>().map_err(|_| format!("{text:?} is no port"));
    match (number(local)?, number(port)?) {
        (_, 0) => Err("0 is no port of a sandbox".to_owned()),
        (local, port) => Ok(Forwarding { local, port }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_is_both() {
        assert_eq!(forwarding("3000"), Ok(Forwarding { local: 3000, port: 3000 }));
        assert_eq!(forwarding("8080:3000"), Ok(Forwarding { local: 8080, port: 3000 }));
        assert_eq!(forwarding("0:3000"), Ok(Forwarding { local: 0, port: 3000 }));
        for bad in ["", ":", "a:1", "1:a", "1:0", "0", "65536:1", "127.0.0.1:1:2", "-1"] {
            assert!(forwarding(bad).is_err(), "{bad}");
        }
    }
}
