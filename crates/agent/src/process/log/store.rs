//! The last bytes of one stream: in memory while they are few, then in a file that overwrites its oldest bytes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::place::Place;

/// How much of a stream is kept in memory before a file is made for it, in bytes. Most processes say less.
const IN_MEMORY: usize = 32 << 10;
/// How much is kept in memory where no file can be made, in bytes.
const WITHOUT_FILE: u64 = 1 << 20;
/// Room for what is taken in whether or not somebody still has to read what it overwrites, in bytes: what a process
/// leaves in its pipe when it ends, and the lines between two of its runs.
const RESERVE: u64 = 1 << 20;

/// The last bytes of one stream.
#[derive(Debug)]
pub(crate) struct Store {
    bytes: Bytes,
    /// How many bytes came before the first that is kept.
    cut: u64,
    /// How many bytes there have been.
    total: u64,
    /// How many bytes are kept.
    capacity: u64,
    place: Arc<Place>,
}

#[derive(Debug)]
enum Bytes {
    Memory(VecDeque<u8>),
    /// The byte at position `p` stands at `p` modulo the capacity.
    File(File),
}

/// What a store needs besides its bytes to go on in another program.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct SavedStore {
    cut: u64,
    total: u64,
    capacity: u64,
    in_file: bool,
}

/// The bytes of a store on their way to another program.
#[derive(Debug)]
pub(crate) enum SavedBytes {
    Memory(Vec<u8>),
    File(File),
}

impl Store {
    /// An empty one, which makes its file at `place`.
    pub(crate) fn new(place: Arc<Place>) -> Self {
        let capacity = place.bound().saturating_add(RESERVE);
        Self { bytes: Bytes::Memory(VecDeque::new()), cut: 0, total: 0, capacity, place }
    }

    /// How many bytes came before the first that is kept.
    pub(crate) fn cut(&self) -> u64 {
        self.cut
    }

    /// How many bytes there have been, whether or not they are kept.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// How many bytes can come before the one at `position` is overwritten.
    pub(crate) fn room_after(&self, position: u64) -> u64 {
        let usable = self.capacity - RESERVE.min(self.capacity / 2);
        usable.saturating_sub(self.total.saturating_sub(position))
    }

    /// Whether reading and writing may have to wait for a disk.
    pub(crate) fn is_in_file(&self) -> bool {
        matches!(self.bytes, Bytes::File(_))
    }

    /// Adds bytes. The oldest go where there is no room.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        if let Bytes::Memory(kept) = &self.bytes
            && kept.len() + bytes.len() > IN_MEMORY
            && self.capacity > WITHOUT_FILE
        {
            self.move_to_file();
        }
        let in_file = self.total;
        if let Bytes::File(_) = &self.bytes
            && let Err(error) = self.write(bytes)
        {
            tracing::warn!(%error, "output cannot be kept in a file any more");
            self.go_on_in_memory();
        }
        // What did not reach the file, and everything where there is none.
        let written = usize::try_from(self.total - in_file).unwrap_or(bytes.len());
        if let Bytes::Memory(kept) = &mut self.bytes {
            kept.extend(&bytes[written..]);
            self.total = in_file + bytes.len() as u64;
            let surplus = (kept.len() as u64).saturating_sub(self.capacity);
            kept.drain(..surplus as usize);
            self.cut += surplus;
        }
    }

    fn move_to_file(&mut self) {
        let Bytes::Memory(kept) = &mut self.bytes else { return };
        let moved = self.place.file().and_then(|file| {
            let (from, capacity) = (self.cut, self.capacity);
            for (at, byte) in split(from, kept.make_contiguous(), capacity) {
                file.write_all_at(byte, at)?;
            }
            Ok(file)
        });
        match moved {
            Ok(file) => self.bytes = Bytes::File(file),
            Err(error) => {
                tracing::warn!(%error, "output is kept in memory, and less of it");
                self.capacity = WITHOUT_FILE;
            }
        }
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let Bytes::File(file) = &self.bytes else { return Ok(()) };
        while !bytes.is_empty() {
            let at = self.total % self.capacity;
            let most = (self.capacity - at).min(bytes.len() as u64) as usize;
            match file.write_at(&bytes[..most], at) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = &bytes[written..];
                    self.total += written as u64;
                    self.cut = self.cut.max(self.total.saturating_sub(self.capacity));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The disk is full: what the file has got is what there is, from now on.
                Err(_) if self.total < self.capacity && self.total >= IN_MEMORY as u64 && self.cut == 0 => {
                    self.capacity = self.total;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn go_on_in_memory(&mut self) {
        self.bytes = Bytes::Memory(VecDeque::new());
        self.cut = self.total;
        self.capacity = WITHOUT_FILE;
    }

    /// At most `len` bytes from position `from` on, which must be kept.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn copy(&self, from: u64, len: u64) -> io::Result<Vec<u8>> {
        let len = len.min(self.total - from) as usize;
        match &self.bytes {
            Bytes::Memory(kept) => {
                let begin = (from - self.cut) as usize;
                Ok(kept.range(begin..begin + len).copied().collect())
            }
            Bytes::File(file) => {
                let mut bytes = vec![0; len];
                let at = (from % self.capacity) as usize;
                let front = len.min(self.capacity as usize - at);
                let (first, rest) = bytes.split_at_mut(front);
                file.read_exact_at(first, at as u64)?;
                file.read_exact_at(rest, 0)?;
                Ok(bytes)
            }
        }
    }

    /// How many bytes are kept.
    pub(crate) fn len(&self) -> u64 {
        self.total - self.cut
    }

    /// Lets go of everything that is kept.
    pub(crate) fn forget(&mut self) {
        self.bytes = Bytes::Memory(VecDeque::new());
        self.cut = self.total;
    }

    /// What is to be known of it, and its bytes.
    pub(crate) fn save(&self) -> io::Result<(SavedStore, SavedBytes)> {
        let saved = SavedStore {
            cut: self.cut,
            total: self.total,
            capacity: self.capacity,
            in_file: self.is_in_file(),
        };
        let bytes = match &self.bytes {
            Bytes::Memory(kept) => SavedBytes::Memory(kept.iter().copied().collect()),
            Bytes::File(file) => SavedBytes::File(file.try_clone()?),
        };
        Ok((saved, bytes))
    }

    /// Takes up what [`Store::save`] gave. Bytes that are not those which it knows of are left out.
    pub(crate) fn restored(saved: SavedStore, bytes: SavedBytes, place: &Arc<Place>) -> Self {
        let SavedStore { cut, total, capacity, .. } = saved;
        let known = total.saturating_sub(cut);
        let bytes = match bytes {
            SavedBytes::Memory(kept) if kept.len() as u64 == known => Some(Bytes::Memory(kept.into())),
            SavedBytes::File(file) if capacity > 0 => Some(Bytes::File(file)),
            _ => None,
        };
        let empty = || Self { cut: total, total, ..Self::new(Arc::clone(place)) };
        bytes.map_or_else(empty, |bytes| Self { bytes, cut, total, capacity, place: Arc::clone(place) })
    }
}

impl SavedStore {
    /// How many bytes go beside it, where they go as bytes.
    pub(crate) fn in_memory(&self) -> Option<u64> {
        (!self.in_file).then(|| self.total.saturating_sub(self.cut))
    }
}

/// Where the parts of `bytes`, the first of which is at position `from`, stand in a file of `capacity`.
fn split(from: u64, bytes: &[u8], capacity: u64) -> impl Iterator<Item = (u64, &[u8])> {
    let at = from % capacity;
    let front = bytes.len().min((capacity - at) as usize);
    let (first, rest) = bytes.split_at(front);
    [(at, first), (0, rest)].into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(bound: u64) -> Store {
        Store::new(Arc::new(Place::of_bound(bound)))
    }

    /// The byte at a position, so that a wrong one is noticed.
    fn byte(position: u64) -> u8 {
        (position.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
    }

    fn fill(store: &mut Store, len: u64) {
        let from = store.total();
        let bytes: Vec<u8> = (from..from + len).map(byte).collect();
        store.append(&bytes);
    }

    fn assert_whole(store: &Store) {
        let kept = store.copy(store.cut(), u64::MAX).unwrap();
        assert_eq!(kept.len() as u64, store.len());
        assert!(kept.iter().zip(store.cut()..).all(|(got, position)| *got == byte(position)));
    }

    #[test]
    fn what_is_kept_is_what_came_last_wherever_it_is_kept() {
        let mut store = store(1 << 20);
        for len in [1, 1000, 31_000, 2000, 65_536, 0, 900_000, 2_000_000, 77] {
            fill(&mut store, len);
            assert_whole(&store);
        }
        assert!(store.is_in_file() && store.cut() > 0);
        assert_eq!(store.len(), (1 << 20) + RESERVE);
    }

    #[test]
    fn few_bytes_need_no_file() {
        let mut store = store(1 << 20);
        fill(&mut store, IN_MEMORY as u64);
        assert!(!store.is_in_file());
        fill(&mut store, 1);
        assert!(store.is_in_file());
        assert_whole(&store);
    }

    #[test]
    fn where_no_file_can_be_made_less_is_kept() {
        let mut store = Store::new(Arc::new(Place::nowhere(64 << 20)));
        for _ in 0..40 {
            fill(&mut store, 64 << 10);
            assert_whole(&store);
        }
        assert_eq!(store.len(), WITHOUT_FILE);
    }

    #[test]
    fn a_full_disk_ends_the_growth_and_nothing_else() {
        use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
        let mut store = store(64 << 20);
        fill(&mut store, 100_000);
        let full = File::from(memfd_create("full", MemfdFlags::ALLOW_SEALING).unwrap());
        ftruncate(&full, 150_000).unwrap();
        fcntl_add_seals(&full, SealFlags::GROW).unwrap();
        full.write_all_at(&store.copy(0, u64::MAX).unwrap(), 0).unwrap();
        store.bytes = Bytes::File(full);
        for _ in 0..10 {
            fill(&mut store, 30_000);
            assert_whole(&store);
        }
        assert!((100_000..=150_000).contains(&store.len()), "{} bytes are kept", store.len());
    }

    #[test]
    fn a_disk_that_takes_nothing_is_told_from_silence() {
        let mut store = store(64 << 20);
        fill(&mut store, 100_000);
        store.bytes = Bytes::File(File::options().read(true).write(true).open("/dev/full").unwrap());
        fill(&mut store, 5);
        assert_eq!((store.total(), store.len()), (100_005, 5), "what cannot be kept is counted");
        assert_whole(&store);
    }

    #[test]
    fn nothing_that_somebody_has_to_read_is_in_the_way() {
        let mut store = store(1 << 20);
        assert_eq!(store.room_after(0), 1 << 20);
        fill(&mut store, 1 << 20);
        assert_eq!((store.room_after(0), store.room_after(5)), (0, 5));
        fill(&mut store, RESERVE);
        assert_eq!(store.cut(), 0, "there is a reserve for what cannot wait");
    }

    #[test]
    fn another_program_goes_on_with_it() {
        for len in [100, 200_000, 5_000_000] {
            let mut before = store(1 << 20);
            fill(&mut before, len);
            let (saved, bytes) = before.save().unwrap();
            let mut after = Store::restored(saved, bytes, &Arc::new(Place::of_bound(1 << 20)));
            fill(&mut after, 300_000);
            assert_whole(&after);
            assert_eq!(after.total(), len + 300_000);
        }
    }
}
