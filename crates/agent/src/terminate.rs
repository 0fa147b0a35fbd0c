//! Being told to end: SIGTERM.

use std::io;
use std::thread;

use signal_hook::consts::SIGTERM;
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin, Sent};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Who sent a signal from where this process sees no numbers: from outside its pid namespace (pid_namespaces(7)).
const OUTSIDE: i32 = 0;

/// Whose order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obeyed {
    Anybody,
    /// Nobody in the same pid namespace.
    Outside,
}

/// The order to end.
///
/// The first process of a pid namespace takes it from outside only: what runs in a sandbox does not end its agent, as
/// with the signals that nobody waits for, where the kernel sees to it.
#[derive(Debug)]
pub(crate) struct Terminate(UnboundedReceiver<()>);

impl Terminate {
    /// Listens for it.
    pub(crate) fn listen() -> io::Result<Self> {
        let obeyed = if std::process::id() == 1 { Obeyed::Outside } else { Obeyed::Anybody };
        let mut signals = SignalsInfo::<WithOrigin>::new([SIGTERM])?;
        let (tell, told) = unbounded_channel();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for order in &mut signals {
                if !obeyed.counts(&order) {
                    tracing::warn!("told to end from inside the sandbox, and goes on");
                } else if tell.send(()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self(told))
    }

    /// Ends when the order has come.
    pub(crate) async fn told(&mut self) {
        // Where nobody could tell any more, nobody else could end it.
        self.0.recv().await;
    }
}

impl Obeyed {
    fn counts(self, order: &Origin) -> bool {
        // Who can say of themselves who they are says so by another cause (`SI_USER`, rt_sigqueueinfo(2)).
        let from_outside = order.process.is_some_and(|process| process.pid == OUTSIDE);
        self == Self::Anybody || (from_outside && order.cause == Cause::Sent(Sent::User))
    }
}
