use std::fs::{DirEntry, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::*;
use crate::error::ErrorKind;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    count: u64,
    text: String,
}

impl Document for Note {
    const KIND: &'static str = "note";
}

/// What no note can be read from.
#[derive(Debug, Serialize, Deserialize)]
struct Text(String);

impl Document for Text {
    const KIND: &'static str = Note::KIND;
}

#[derive(Debug, Serialize, Deserialize)]
struct Aside(String);

impl Document for Aside {
    const KIND: &'static str = "damaged";
}

fn note(count: u64) -> Note {
    Note { count, text: String::new() }
}

fn open(root: &Path) -> (Store, Arc<Shelf<Note>>) {
    let mut store = Store::open(root).unwrap();
    let shelf = store.shelf();
    (store, shelf)
}

fn refused(root: &Path) -> Error {
    Store::open(root).map(drop).unwrap_err()
}

#[tokio::test]
async fn what_was_put_comes_back_and_what_was_removed_does_not() {
    let root = tempfile::tempdir().unwrap();
    let (store, notes) = open(root.path());
    notes.turn("a").await.put(note(1)).await.unwrap();
    notes.turn("b").await.put(note(2)).await.unwrap();
    notes.turn("b").await.remove().await.unwrap();
    store.close().await;
    let (_store, notes) = open(root.path());
    assert_eq!(notes.all(), [Arc::new(note(1))]);
}

#[tokio::test]
async fn those_whose_keys_begin_alike_are_found_and_no_others() {
    let root = tempfile::tempdir().unwrap();
    let (_store, notes) = open(root.path());
    for (count, key) in ["a", "a-b/1", "a/1", "a/2", "a0/1", "b/1"].into_iter().enumerate() {
        notes.turn(key).await.put(note(count as u64)).await.unwrap();
    }
    let found: Vec<u64> = notes.beginning("a/").iter().map(|note| note.count).collect();
    assert_eq!(found, [2, 3]);
    assert!(notes.beginning("c/").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_one_document_have_one_order() {
    let root = tempfile::tempdir().unwrap();
    let (store, notes) = open(root.path());
    notes.turn("a").await.put(note(0)).await.unwrap();
    let add = |notes: Arc<Shelf<Note>>| async move {
        let turn = notes.turn("a").await;
        let before = turn.read().unwrap();
        turn.put(note(before.count + 1)).await.unwrap();
    };
    let all: Vec<_> = (0..240).map(|_| tokio::spawn(add(Arc::clone(&notes)))).collect();
    for one in all {
        one.await.unwrap();
    }
    store.close().await;
    let (_store, notes) = open(root.path());
    assert_eq!(notes.read("a").unwrap().count, 240);
}

#[tokio::test]
async fn a_change_is_carried_out_also_where_whoever_began_it_has_gone_away() {
    let root = tempfile::tempdir().unwrap();
    let (_store, notes) = open(root.path());
    {
        let turn = notes.turn("a").await;
        let mut change = Box::pin(turn.put(note(7)));
        assert!(futures_util::poll!(change.as_mut()).is_pending(), "the disk is not that fast");
    }
    let after = notes.turn("a").await;
    assert_eq!(after.read().unwrap().count, 7, "the next turn begins after it");
}

#[tokio::test]
async fn after_the_end_nothing_is_written_and_the_directory_is_free() {
    let root = tempfile::tempdir().unwrap();
    let (store, notes) = open(root.path());
    store.close().await;
    assert_eq!(notes.turn("a").await.put(note(1)).await, Err(Unwritten::Closed));
    assert!(notes.read("a").is_none());
    drop(Store::open(root.path()).unwrap());
}

#[tokio::test]
async fn places_with_nothing_in_them_do_not_pile_up() {
    let root = tempfile::tempdir().unwrap();
    let (_store, notes) = open(root.path());
    for number in 0..100 {
        let turn = notes.turn(&format!("n{number}")).await;
        turn.put(note(1)).await.unwrap();
        turn.remove().await.unwrap();
    }
    drop(notes.turn("never").await);
    assert_eq!(notes.places(), 0);
}

#[test]
fn a_second_host_is_kept_out() {
    let root = tempfile::tempdir().unwrap();
    let first = Store::open(root.path()).unwrap();
    let second = refused(root.path());
    assert_eq!(second.kind(), ErrorKind::InUse);
    assert!(second.to_string().contains(&std::process::id().to_string()), "{second}");
    drop(first);
    drop(Store::open(root.path()).unwrap());
}

#[tokio::test]
async fn a_document_that_cannot_be_read_is_left_and_its_key_stays_taken() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Other(Vec<u8>);
    impl Document for Other {
        const KIND: &'static str = Note::KIND;
    }
    let root = tempfile::tempdir().unwrap();
    let mut store = Store::open(root.path()).unwrap();
    store.shelf::<Other>().turn("bad").await.put(Other(vec![1])).await.unwrap();
    store.close().await;
    for _ in 0..2 {
        let (store, notes) = open(root.path());
        assert!(notes.is_damaged("bad") && notes.read("bad").is_none());
        assert!(store.damaged()[0].contains("\"bad\""), "{:?}", store.damaged());
        store.close().await;
    }
}

#[tokio::test]
async fn a_document_that_cannot_be_read_is_kept_where_another_takes_its_place() {
    let root = tempfile::tempdir().unwrap();
    let mut store = Store::open(root.path()).unwrap();
    let texts = store.shelf::<Text>();
    texts.turn("a").await.put(Text("torn".to_owned())).await.unwrap();
    store.close().await;
    let (store, notes) = open(root.path());
    notes.turn("a").await.put(note(1)).await.unwrap();
    notes.turn("a").await.put(note(2)).await.unwrap();
    assert!(!notes.is_damaged("a"));
    store.close().await;
    let mut store = Store::open(root.path()).unwrap();
    assert_eq!(store.shelf::<Note>().read("a").unwrap().count, 2);
    let aside = store.shelf::<Aside>().all();
    assert_eq!(aside.iter().map(|it| it.0.as_str()).collect::<Vec<_>>(), ["torn"]);
}

#[test]
fn a_file_that_is_no_store_is_named_and_left_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("store.redb");
    let texts: [&[u8]; 3] = [b"not a store", &[0; 5000], &[0xff; 70_000]];
    for text in texts {
        std::fs::write(&path, text).unwrap();
        let error = refused(root.path());
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        let said = error.to_string();
        assert!(said.contains("store.redb") && said.contains("--data"), "{said}");
        assert_eq!(std::fs::read(&path).unwrap(), text);
    }
}

#[tokio::test]
async fn a_damaged_store_is_refused_or_read_and_never_ends_the_host() {
    let root = tempfile::tempdir().unwrap();
    let (store, notes) = open(root.path());
    for number in 0..20 {
        notes.turn(&format!("n{number}")).await.put(note(number)).await.unwrap();
    }
    store.close().await;
    let path = root.path().join("store.redb");
    let whole = std::fs::read(&path).unwrap();
    for part in 0..24 {
        let mut damaged = whole.clone();
        let at = part * 997 % damaged.len();
        let end = (at + 64).min(damaged.len());
        damaged[at..end].fill(0x5a);
        std::fs::write(&path, &damaged).unwrap();
        match Store::open(root.path()) {
            Ok(store) => drop(store),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Data, "{error}"),
        }
        std::fs::write(&path, &whole[..at]).unwrap();
        match Store::open(root.path()) {
            Ok(store) => drop(store),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Data, "{error}"),
        }
    }
}

#[test]
fn a_store_of_a_later_version_is_refused() {
    let root = tempfile::tempdir().unwrap();
    drop(Store::open(root.path()).unwrap());
    let path = root.path().join("store.redb");
    let file = redb::Database::open(&path).unwrap();
    let change = file.begin_write().unwrap();
    let about = redb::TableDefinition::<'_, &str, u64>::new("about");
    change.open_table(about).unwrap().insert("version", 2).unwrap();
    change.commit().unwrap();
    drop(file);
    let error = refused(root.path());
    assert!(error.to_string().contains("form 2"), "{error}");
}

#[test]
fn files_of_sandboxes_without_their_store_are_not_given_to_others() {
    let root = tempfile::tempdir().unwrap();
    drop(Store::open(root.path()).unwrap());
    std::fs::create_dir(root.path().join("sandboxes/box")).unwrap();
    std::fs::remove_file(root.path().join("store.redb")).unwrap();
    let error = refused(root.path());
    assert!(error.to_string().contains("bring it back"), "{error}");
    assert!(!root.path().join("store.redb").exists());
}

#[test]
fn what_is_kept_is_for_its_owner_only() {
    let root = tempfile::tempdir().unwrap();
    drop(Store::open(&root.path().join("data")).unwrap());
    let mode = |path: &str| std::fs::metadata(root.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("data"), mode("data/reserve")), (0o700, 0o600));
}

#[test]
fn what_is_kept_in_a_directory_that_others_may_enter_is_for_its_owner_only() {
    let root = tempfile::tempdir().unwrap();
    let set = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    set(root.path(), 0o755);
    let open_to_others = || -> Vec<_> {
        let entries = std::fs::read_dir(root.path()).unwrap().map(Result::unwrap);
        let is_open = |entry: &DirEntry| entry.metadata().unwrap().permissions().mode() & 0o077 != 0;
        entries.filter(is_open).map(|entry| entry.file_name()).collect()
    };
    drop(Store::open(root.path()).unwrap());
    assert!(open_to_others().is_empty(), "{:?}", open_to_others());
    // An earlier host was not so careful.
    set(&root.path().join("store.redb"), 0o644);
    drop(Store::open(root.path()).unwrap());
    assert!(open_to_others().is_empty(), "{:?}", open_to_others());
}

#[test]
fn a_data_directory_that_cannot_be_says_so() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [file, root.path().join("unmounted/data")] {
        let error = refused(&path);
        assert_eq!(error.kind(), ErrorKind::Data);
        let said = error.to_string();
        assert!(said.contains(path.to_str().unwrap()) && said.contains("--data"), "{said}");
        assert!(!root.path().join("unmounted").exists());
    }
}

/// A small disk of its own, or why there is none.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(bytes: u64) -> Result<Self, nix::Error> {
        let place = tempfile::tempdir().map_err(|_| nix::Error::EIO)?;
        let size = format!("size={bytes}");
        let none: Option<&str> = None;
        nix::mount::mount(none, place.path(), Some("tmpfs"), nix::mount::MsFlags::empty(), Some(&*size))?;
        Ok(Self(place))
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.path().join("filling")).unwrap();
        while std::io::Write::write(&mut file, &[1; 4096]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        nix::mount::umount2(self.0.path(), nix::mount::MntFlags::MNT_DETACH).unwrap();
    }
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_put_and_everything_can_be_removed() {
    let disk = match SmallDisk::mount(16 * 1024 * 1024) {
        Ok(disk) => disk,
        Err(error) => return eprintln!("skipped: a small disk cannot be mounted here ({error})"),
    };
    let root = disk.0.path().join("data");
    let (store, notes) = open(&root);
    for number in 0..50 {
        notes.turn(&format!("n{number}")).await.put(note(number)).await.unwrap();
    }
    disk.fill();
    let large = || Note { count: 0, text: "x".repeat(2 * 1024 * 1024) };
    for _ in 0..3 {
        assert_eq!(notes.turn("large").await.put(large()).await, Err(Unwritten::Full));
        assert!(notes.read("large").is_none());
    }
    for number in 0..50 {
        let turn = notes.turn(&format!("n{number}")).await;
        turn.mark(note(99)).await.unwrap();
        turn.remove().await.unwrap();
    }
    store.close().await;
    let (store, notes) = open(&root);
    assert!(notes.all().is_empty(), "a restart works, and what was removed stays so");
    std::fs::remove_file(disk.0.path().join("filling")).unwrap();
    notes.turn("large").await.put(large()).await.unwrap();
    store.close().await;
}
