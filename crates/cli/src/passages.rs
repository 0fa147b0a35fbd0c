//! What passes the gateway of a host that a command starts for itself.

use std::collections::BTreeMap;

use reveille_host::Host;
use reveille_host::observer::{Events, Seen, What};

/// Who sees it.
#[derive(Debug)]
pub(crate) struct Passages(Events);

/// What passed in some time.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// Requests that reached the gateway, in the order in which they came.
    pub(crate) requests: Vec<Passage>,
    /// How often requests of before went on to the sandbox.
    pub(crate) of_before: usize,
    /// How many events were lost.
    pub(crate) missed: u64,
}

/// A request at the gateway.
#[derive(Debug)]
pub(crate) struct Passage {
    pub(crate) method: String,
    pub(crate) path: String,
    /// How often it went on to the sandbox.
    pub(crate) inside: usize,
}

impl Passages {
    pub(crate) fn of(host: &Host) -> Self {
        Self(host.observe().events)
    }

    /// What passed since this was last asked.
    pub(crate) fn passed(&mut self) -> Passed {
        let mut passed = Passed::default();
        let mut begun = BTreeMap::new();
        while let Some(seen) = self.0.try_next() {
            let event = match seen {
                Seen::Event(event) => event,
                Seen::Missed(events) => {
                    passed.missed += events;
                    continue;
                }
                _ => continue,
            };
            match event.what {
                What::RequestBegan(began) => {
                    let (method, path) = (began.method.to_string(), began.path);
                    begun.insert(began.id, Passage { method, path, inside: 0 });
                }
                What::RequestForwarded(id) => match begun.get_mut(&id) {
                    Some(passage) => passage.inside += 1,
                    None => passed.of_before += 1,
                },
                _ => {}
            }
        }
        passed.requests = begun.into_values().collect();
        passed
    }
}

impl Passed {
    /// How many requests reached the gateway. Nothing that is lost may look as if it had not come.
    pub(crate) fn count(&self) -> usize {
        self.requests.len() + usize::try_from(self.missed).unwrap_or(usize::MAX)
    }

    /// How often something went on to the sandbox.
    pub(crate) fn inside(&self) -> usize {
        self.of_before + self.requests.iter().map(|passage| passage.inside).sum::<usize>()
    }

    /// How often a request of this method and path went on to the sandbox.
    pub(crate) fn inside_of(&self, request: &str) -> usize {
        let is_it = |passage: &&Passage| {
            request.split_once(' ') == Some((passage.method.as_str(), passage.path.as_str()))
        };
        self.requests.iter().filter(is_it).map(|passage| passage.inside).sum()
    }
}
