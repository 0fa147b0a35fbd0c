//! A terminal that hands on every key as it is, and is as it was afterwards.

use std::io;
use std::sync::{Mutex, Once, PoisonError};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// How the terminal was before.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);
static HOOKED: Once = Once::new();

/// The terminal at standard input hands on every key as it is, until this is dropped, or something panics.
#[derive(Debug)]
pub(super) struct RawMode(());

impl RawMode {
    pub(super) fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        HOOKED.call_once(|| {
            let tell = std::panic::take_hook();
            // What is said of a panic is to be read.
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                tell(panic);
            }));
        });
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before.clone());
        let raw = Self(());
        let mut keys = before;
        keys.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Drain, &keys)?;
        Ok(raw)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before {
        // A terminal that is gone needs nothing.
        let _gone = tcsetattr(io::stdin(), OptionalActions::Drain, &before);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::termios::{InputModes, LocalModes};

    use super::*;

    /// Run by the test below, at a terminal of its own.
    #[test]
    #[ignore = "it panics, for another test to see what is left"]
    fn panics_while_keys_are_handed_on() {
        let _raw = RawMode::begin().unwrap();
        let modes = tcgetattr(io::stdin()).unwrap().local_modes;
        assert!(!modes.contains(LocalModes::ICANON));
        panic!("as it was meant to");
    }

    #[test]
    fn a_panic_leaves_a_terminal_as_it_was_and_is_told_in_lines() {
        use std::io::Read;
        let (mut pty, pts) = pty_process::blocking::open().unwrap();
        let mut before = tcgetattr(&pty).unwrap();
        before.input_modes.toggle(InputModes::IXANY);
        tcsetattr(&pty, OptionalActions::Now, &before).unwrap();
        let command = pty_process::blocking::Command::new(std::env::current_exe().unwrap());
        let it = "attended::raw::tests::panics_while_keys_are_handed_on";
        let mut child = command.args(["--exact", it, "--ignored", "--nocapture"]).spawn(pts).unwrap();
        let (mut screen, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(read @ 1..) = pty.read(&mut piece) {
            screen.extend_from_slice(&piece[..read]);
        }
        assert!(!child.wait().unwrap().success());
        let after = tcgetattr(&pty).unwrap();
        assert_eq!((after.local_modes, after.input_modes), (before.local_modes, before.input_modes));
        let screen = String::from_utf8_lossy(&screen);
        assert!(screen.contains("as it was meant to\r\n"), "{screen}");
    }
}
