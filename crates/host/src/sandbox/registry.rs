use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use reveille_wire::SandboxName;

use super::Resident;

/// All sandboxes of a host, by name.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    all: RwLock<BTreeMap<SandboxName, Arc<Resident>>>,
}

/// What registering came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Registered {
    New,
    /// One of that name is there already.
    Taken,
}

impl Registry {
    /// Takes a name, unless it is taken.
    pub(crate) fn register(&self, resident: &Arc<Resident>) -> Registered {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        if all.contains_key(resident.name()) {
            return Registered::Taken;
        }
        all.insert(resident.name().clone(), Arc::clone(resident));
        Registered::New
    }

    pub(crate) fn find(&self, name: &SandboxName) -> Option<Arc<Resident>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Every one of them, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Resident>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Lets go of one, so that its name is free.
    pub(crate) fn forget(&self, resident: &Resident) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        if all.get(resident.name()).is_some_and(|it| std::ptr::eq(&raw const **it, resident)) {
            all.remove(resident.name());
        }
    }
}
