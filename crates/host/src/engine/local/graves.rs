use std::collections::HashMap;

use reveille_wire::SandboxName;

use crate::engine::Generation;

/// How many deleted names are remembered one by one.
const LIMIT: usize = 4096;

/// How late the commands to names were that have no sandbox any more, so that later ones can be told from late
/// ones.
#[derive(Debug, Default)]
pub(super) struct Graves {
    latest: HashMap<SandboxName, Generation>,
    /// What is no later than this comes late for any name. Names that are forgotten are covered by it.
    floor: Generation,
}

impl Graves {
    /// The latest generation of a name that has no sandbox.
    pub(super) fn latest(&self, name: &SandboxName) -> Generation {
        self.latest.get(name).copied().unwrap_or(self.floor)
    }

    /// A name's sandbox is gone.
    pub(super) fn bury(&mut self, name: SandboxName, latest: Generation) {
        if self.latest.len() >= LIMIT {
            let mut all: Vec<Generation> = self.latest.values().copied().collect();
            all.sort_unstable();
            self.floor = self.floor.max(all[all.len() / 2]);
            self.latest.retain(|_, latest| *latest > self.floor);
        }
        self.latest.insert(name, latest.max(self.floor));
    }

    /// A name has a sandbox again, which remembers by itself.
    pub(super) fn open(&mut self, name: &SandboxName) -> Generation {
        self.latest.remove(name).unwrap_or(self.floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Issuer;

    fn generation(number: u64) -> Generation {
        Generation::new(number, Issuer::new(1))
    }

    fn name(number: u64) -> SandboxName {
        SandboxName::new(format!("box-{number}")).unwrap()
    }

    #[test]
    fn what_was_deleted_is_remembered_also_when_its_name_is_forgotten() {
        let mut graves = Graves::default();
        assert_eq!(graves.latest(&name(1)), Generation::NONE);
        let many = 3 * LIMIT as u64;
        for number in 1..=many {
            graves.bury(name(number), generation(number));
        }
        assert!(graves.latest.len() <= LIMIT);
        for number in [1, 2, many / 2, many - 1, many] {
            assert!(graves.latest(&name(number)) >= generation(number), "{number}");
        }
        assert_eq!(graves.open(&name(many)), generation(many));
        assert!(graves.latest(&name(many)) < generation(many), "its sandbox remembers from now on");
    }
}
