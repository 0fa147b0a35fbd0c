use std::sync::OnceLock;

use forkguard::Guard;

/// A value of which each process has its own.
///
/// What a `fork` copies into a child is a shell: threads that are not there, an epoll set that is still the
/// parent's. So the child makes its own, and never drops the copy, as closing it would reach into the parent.
pub(crate) struct PerProcess<T> {
    made: OnceLock<(Guard, T)>,
    next: OnceLock<Box<Self>>,
}

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self { made: OnceLock::new(), next: OnceLock::new() }
    }

    /// This process's value; `make` makes it at the first use.
    pub(crate) fn get(&self, make: impl Fn() -> T) -> &T {
        let mut link = self;
        loop {
            let (maker, value) = link.made.get_or_init(|| (Guard::default(), make()));
            if is_here(maker) {
                return value;
            }
            link = link.next.get_or_init(|| Box::new(Self::new()));
        }
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        if let Some((maker, value)) = self.made.take()
            && !is_here(&maker)
        {
            std::mem::forget(value);
        }
    }
}

/// Whether this is the process that a guard was made in. To ask takes no system call, as each `fork` of the C library
/// counts in its child.
fn is_here(maker: &Guard) -> bool {
    !maker.clone().detected_fork()
}
