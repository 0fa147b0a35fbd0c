use std::sync::OnceLock;

/// A value of which each process has its own.
///
/// What a `fork` copies into a child is a shell: threads that are not there, an epoll set that is still the
/// parent's. So the child makes its own, and never drops the copy, as closing it would reach into the parent.
pub(crate) struct PerProcess<T> {
    made: OnceLock<(u32, T)>,
    next: OnceLock<Box<Self>>,
}

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self { made: OnceLock::new(), next: OnceLock::new() }
    }

    /// This process's value; `make` makes it at the first use.
    pub(crate) fn get(&self, make: impl Fn() -> T) -> &T {
        let pid = std::process::id();
        let mut link = self;
        loop {
            let (maker, value) = link.made.get_or_init(|| (pid, make()));
            if *maker == pid {
                return value;
            }
            link = link.next.get_or_init(|| Box::new(Self::new()));
        }
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        if let Some((maker, value)) = self.made.take()
            && maker != std::process::id()
        {
            std::mem::forget(value);
        }
    }
}
