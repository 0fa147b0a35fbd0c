//! What is added to a sandbox's requests on their way: headers, fields of bodies, secrets.

mod destination;
mod made;
mod route;
mod secret;
mod text;

pub use destination::Destination;
pub(super) use made::Made;
pub use route::Route;
pub(super) use secret::{PLACEHOLDER, resolve};
pub(super) use text::Text;

use super::Domain;

/// The routes of a sandbox, in their order. All that lead to a destination hold for it; where two say the same, the
/// earlier one counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routing {
    routes: Vec<Route>,
    bypass: Vec<Domain>,
}

impl Routing {
    /// These routes.
    #[must_use]
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        Self { routes: routes.into_iter().collect(), bypass: Vec::new() }
    }

    /// The same, but for these names, to which no route leads.
    #[must_use]
    pub fn with_bypass(mut self, bypass: impl IntoIterator<Item = Domain>) -> Self {
        self.bypass = bypass.into_iter().collect();
        self
    }

    /// The routes that lead to a name. It is as [`super::bare`] writes it.
    pub(super) fn to(&self, name: &str) -> Vec<&Route> {
        if self.bypass.iter().any(|domain| domain.covers(name)) {
            return Vec::new();
        }
        self.routes.iter().filter(|route| route.leads_to(name)).collect()
    }
}
