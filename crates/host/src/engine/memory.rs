use std::fmt;
use std::io;

/// What an engine has to remember when its host is gone, kept by whoever runs the engine.
///
/// A few small notes under keys that the engine chooses. A note outlives a host that is killed and a machine that
/// stops: it is there when [`keep`](Memory::keep) has ended well, and gone when [`forget`](Memory::forget) has.
/// Everything here blocks.
///
/// [`Notebook`](crate::Notebook) is one.
pub trait Memory: fmt::Debug + Send + Sync {
    /// Every note, with its key.
    fn notes(&self) -> Vec<(String, Vec<u8>)>;

    /// Keeps a note, in place of the one that has this key.
    ///
    /// # Errors
    /// When it cannot be kept; the kind is [`io::ErrorKind::StorageFull`] on a full disk. The one before it is
    /// there still.
    fn keep(&self, key: &str, note: Vec<u8>) -> io::Result<()>;

    /// Forgets notes. Ones that are not there are no error. This works on a full disk, too.
    ///
    /// # Errors
    /// When some of them are there still.
    fn forget(&self, keys: &[String]) -> io::Result<()>;
}
