use std::net::IpAddr;
use std::str::FromStr;

use crate::egress::Domain;

/// Where a route leads: a name, the names below one but not that itself, or everywhere.
///
/// ```
/// use reveille_host::egress::Destination;
///
/// let below: Destination = "*.example.com".parse()?;
/// assert!(below.is("api.example.com") && !below.is("example.com"));
/// assert!("api.example.com:443".parse::<Destination>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination(Domain);

impl Destination {
    /// Whether this name, in lower case and without a dot at its end, is one of them.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.0.covers(name)
    }
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let domain: Domain = text.parse()?;
        if domain.as_str().contains([':', '[']) && domain.as_str().parse::<IpAddr>().is_err() {
            return Err(format!("{text:?} is no destination: name the host without a port"));
        }
        Ok(Self(domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_leads_to_what_is_below_and_not_to_the_name_itself() {
        let is = |destination: &str, name: &str| destination.parse::<Destination>().unwrap().is(name);
        assert!(is("*", "anything.example") && is("A.example.", "a.example"));
        assert!(is("*.example.com", "a.b.example.com"));
        assert!(!is("*.example.com", "example.com") && !is("*.example.com", ".example.com"));
        assert!(!is("*.example.com", "badexample.com") && !is("example.com", "a.example.com"));
        assert!(is("192.0.2.1", "192.0.2.1") && is("2001:db8::1", "2001:db8::1"));
    }

    #[test]
    fn what_no_host_is_called_is_refused() {
        for bad in ["", "a b", "a\r\nb", "a\0", "https://a", "a:443", "[::1]:443", "a/b", "*a"] {
            assert!(bad.parse::<Destination>().is_err(), "{bad:?}");
        }
    }
}
