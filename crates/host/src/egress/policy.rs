use super::{Domains, Routing};

/// What a sandbox reaches of the outside, and what is added to its requests on the way.
///
/// ```
/// use reveille_host::egress::{Domains, Policy, Route, Routing};
///
/// let route = Route::to(["api.example.com".parse()?])
///     .with_secret("key", "sk-live-1")?
///     .with_header("authorization", "Bearer {{SECRET:key}}")?;
/// let policy = Policy::from(Domains::all()).with_routing(Routing::new([route]));
/// assert!(policy.domains().allow("api.example.com"));
/// assert!(!format!("{policy:?}").contains("sk-live-1"));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    domains: Domains,
    routing: Option<Routing>,
}

impl Policy {
    /// The same with routes. Where there is a routing, be it one without routes, programs inside are told of the
    /// authority whose certificates they meet.
    #[must_use]
    pub fn with_routing(mut self, routing: Routing) -> Self {
        self.routing = Some(routing);
        self
    }

    /// Which names may be reached.
    #[must_use]
    pub fn domains(&self) -> &Domains {
        &self.domains
    }

    /// Whether there are names that programs inside reach by certificates of the host's authority.
    #[must_use]
    pub fn shows_certificates(&self) -> bool {
        self.routing.is_some() || self.domains.have_parts()
    }

    /// What is added on the way, where anything can be.
    #[must_use]
    pub fn routing(&self) -> Option<&Routing> {
        self.routing.as_ref()
    }
}

impl From<Domains> for Policy {
    fn from(domains: Domains) -> Self {
        Self { domains, routing: None }
    }
}
