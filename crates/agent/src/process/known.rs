//! Which processes are known, and by what.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use nix::unistd::Pid;

use super::child::Process;
use super::log::Weight;

/// How many processes are remembered after their end. The one that ended first is forgotten first.
const REMEMBERED: usize = 10_000;
/// How much output of ended processes is kept in memory in all, in bytes. The oldest is forgotten first.
const REMEMBERED_IN_MEMORY: u64 = 64 << 20;
/// How much output of ended processes is kept in files in all, in bytes. The oldest is forgotten first.
const REMEMBERED_IN_FILES: u64 = 512 << 20;
/// How many files with output of ended processes are kept open.
const REMEMBERED_FILES: u64 = 1024;

/// Processes, found by any of their names.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// In the order in which they were started.
    all: VecDeque<Arc<Process>>,
    /// The latest of each number.
    by_pid: HashMap<i32, Arc<Process>>,
    /// The latest of each name.
    by_name: HashMap<String, Arc<Process>>,
    /// By the number of what runs for them now.
    running: HashMap<i32, Arc<Process>>,
    /// In the order in which they ended.
    ended: VecDeque<Ended>,
    weight: Weight,
}

#[derive(Debug)]
struct Ended {
    process: Arc<Process>,
    weight: Weight,
}

impl Known {
    /// Adds one.
    pub(super) fn add(&mut self, process: &Arc<Process>) {
        self.all.push_back(Arc::clone(process));
        self.by_pid.insert(process.pid.as_raw(), Arc::clone(process));
        self.by_name.insert(process.orders.name.clone(), Arc::clone(process));
        let standing = process.standing();
        match standing.running {
            Some(pid) => self.runs(Pid::from_raw(pid), process),
            None if standing.is_over() => self.over(process, process.weight()),
            None => {}
        }
    }

    /// Notes that `pid` runs for `process`.
    pub(super) fn runs(&mut self, pid: Pid, process: &Arc<Process>) {
        self.running.insert(pid.as_raw(), Arc::clone(process));
    }

    /// For which process `pid` runs.
    pub(super) fn runs_as(&self, pid: Pid) -> Option<Arc<Process>> {
        self.running.get(&pid.as_raw()).cloned()
    }

    /// Notes that `pid` runs no more.
    pub(super) fn ended(&mut self, pid: Pid) {
        self.running.remove(&pid.as_raw());
    }

    /// Notes that `process` is over, and forgets what is too much to remember.
    pub(super) fn over(&mut self, process: &Arc<Process>, weight: Weight) {
        self.weight += weight;
        self.ended.push_back(Ended { process: Arc::clone(process), weight });
        for ended in &mut self.ended {
            let weight = &self.weight;
            let bearable = weight.in_memory <= REMEMBERED_IN_MEMORY
                && weight.in_files <= REMEMBERED_IN_FILES
                && weight.files <= REMEMBERED_FILES;
            if bearable {
                break;
            }
            if ended.weight != Weight::default() {
                self.weight -= std::mem::take(&mut ended.weight);
                ended.process.forget_output();
            }
        }
        while self.ended.len() > REMEMBERED {
            let Some(oldest) = self.ended.pop_front() else { return };
            self.weight -= oldest.weight;
            self.forget(&oldest.process);
        }
    }

    fn forget(&mut self, process: &Arc<Process>) {
        let is_other = |other: &Arc<Process>| !Arc::ptr_eq(other, process);
        if let Some(at) = self.all.iter().position(|other| !is_other(other)) {
            self.all.remove(at);
        }
        if self.by_pid.get(&process.pid.as_raw()).is_some_and(|other| !is_other(other)) {
            self.by_pid.remove(&process.pid.as_raw());
        }
        if self.by_name.get(&process.orders.name).is_some_and(|other| !is_other(other)) {
            self.by_name.remove(&process.orders.name);
        }
    }

    /// The process with this number, else the latest with this name.
    pub(super) fn find(&self, id: &str) -> Option<Arc<Process>> {
        let number: Option<i32> = id.parse().ok();
        number.and_then(|number| self.by_pid.get(&number)).or_else(|| self.named(id)).cloned()
    }

    /// The latest with this name.
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Process>> {
        self.by_name.get(name)
    }

    /// All, in the order in which they were started.
    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = &Arc<Process>> {
        self.all.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::log::{Log, Place, Source};
    use crate::process::orders::{Keep, Orders};
    use crate::process::standing::End;
    use reveille_wire::ProcessRequest;

    fn process(pid: i32, output: usize) -> Arc<Process> {
        let mut request = ProcessRequest::new("true");
        request.name = Some(format!("n{pid}"));
        let mut log = Log::new(&Arc::new(Place::of_bound(1 << 20)));
        log.append(Source::Stdout, &vec![b'x'; output]);
        Arc::new(Process::new(Pid::from_raw(pid), Orders::from(request), Keep::Not, log))
    }

    fn end(known: &mut Known, process: &Arc<Process>) {
        process.ended(End::Exit(0));
        known.ended(process.pid);
        known.over(process, process.weight());
    }

    #[test]
    fn what_ended_first_is_forgotten_first_and_what_runs_never() {
        let mut known = Known::default();
        let runs = process(1, 0);
        known.add(&runs);
        for pid in 2..=(REMEMBERED as i32 + 12) {
            let brief = process(pid, 0);
            known.add(&brief);
            end(&mut known, &brief);
        }
        assert_eq!(known.all().count(), REMEMBERED + 1);
        assert!(known.find("1").is_some() && known.find("n1").is_some());
        assert!(known.find("12").is_none() && known.find("n12").is_none());
        assert!(known.find("13").is_some());
    }

    #[test]
    fn output_of_the_oldest_goes_first_and_they_are_known_without_it() {
        let mut known = Known::default();
        let each = 32 << 10;
        let count = (REMEMBERED_IN_MEMORY / each) as i32 + 10;
        for pid in 1..=count {
            let brief = process(pid, each as usize);
            known.add(&brief);
            end(&mut known, &brief);
        }
        let kept = |id: &str| known.find(id).unwrap().logs().stdout.len() as u64;
        assert_eq!((kept("1"), kept(&count.to_string())), (0, each));
        assert_eq!(known.find("1").unwrap().logs().truncated.unwrap().stdout, each);
    }

    #[test]
    fn the_latest_of_a_name_is_found_and_an_older_one_goes_without_taking_it_along() {
        let mut known = Known::default();
        let (old, new) = (process(7, 0), process(7, 0));
        known.add(&old);
        end(&mut known, &old);
        known.add(&new);
        known.forget(&old);
        assert!(Arc::ptr_eq(&known.find("n7").unwrap(), &new));
        assert!(Arc::ptr_eq(&known.find("7").unwrap(), &new));
    }
}
