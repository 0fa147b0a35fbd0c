use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::{Unpacked, unpack};

/// A tar archive in the making.
struct Tar(Builder<Vec<u8>>);

impl Tar {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn entry(mut self, path: &str, kind: EntryType, link: Option<&str>, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        // Written as it is: the library would refuse names that lead out.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_mtime(1_700_000_000);
        header.set_uid(u64::from(rustix::process::geteuid().as_raw()));
        header.set_gid(u64::from(rustix::process::getegid().as_raw()));
        header.set_size(content.len() as u64);
        if let Some(link) = link {
            header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        }
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.entry(path, EntryType::Regular, None, content.as_ref())
    }

    fn directory(self, path: &str) -> Self {
        self.entry(path, EntryType::Directory, None, b"")
    }

    fn link(self, path: &str, to: &str) -> Self {
        self.entry(path, EntryType::Symlink, Some(to), b"")
    }

    fn done(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// A place for an archive and a root.
struct Ground(TempDir);

impl Ground {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn unpack(&self, archive: impl AsRef<[u8]>) -> io::Result<Unpacked> {
        let path = self.0.path().join("archive");
        fs::write(&path, archive).unwrap();
        unpack(&path, &self.root())
    }

    fn root(&self) -> std::path::PathBuf {
        self.0.path().join("root")
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }

    fn has(&self, path: &str) -> bool {
        self.root().join(path).symlink_metadata().is_ok()
    }
}

fn docker(layers: &[Vec<u8>], config: &serde_json::Value) -> Vec<u8> {
    let names: Vec<String> = (0..layers.len()).map(|number| format!("{number}/layer.tar")).collect();
    let manifest = json!([{"Config": "config.json", "RepoTags": ["x:1"], "Layers": names}]).to_string();
    let mut archive = Tar::new().file("config.json", config.to_string());
    for (name, layer) in names.iter().zip(layers) {
        archive = archive.file(name, layer);
    }
    archive.file("manifest.json", manifest).done()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_tarball_of_a_root_is_an_image_packed_or_not() {
    let root =
        Tar::new().directory("./").directory("./bin/").file("./bin/sh", "#!").link("./bin/bash", "sh").done();
    for archive in [root.clone(), gzip(&root)] {
        let ground = Ground::new();
        assert_eq!(ground.unpack(archive).unwrap().size, 2);
        assert_eq!((ground.read("bin/sh"), ground.read("bin/bash")), ("#!".into(), "#!".into()));
        let about = fs::metadata(ground.root().join("bin/sh")).unwrap();
        assert_eq!((about.permissions().mode() & 0o7777, about.mtime()), (0o755, 1_700_000_000));
    }
}

#[test]
fn a_layer_takes_away_what_it_marks_and_nothing_of_its_own() {
    let below =
        Tar::new().file("a/one", "1").file("a/two", "2").file("b/three", "3").file("b/deep/four", "4").done();
    let above = Tar::new()
        .file("a/.wh.one", "")
        .file("b/new", "5")
        .file("b/.wh..wh..opq", "")
        .file("a/.wh.never", "")
        .done();
    let ground = Ground::new();
    let config = json!({"config": {"Env": ["A=b=c", "PATH=/bin", "none"], "WorkingDir": "/a"}});
    let unpacked = ground.unpack(docker(&[below, gzip(&above)], &config)).unwrap();
    let pairs = [("A", "b=c"), ("PATH", "/bin")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(
        (unpacked.config.environment, unpacked.config.directory.as_deref()),
        (pairs.into(), Some("/a"))
    );
    assert!(!ground.has("a/one") && ground.has("a/two") && !ground.has("a/.wh.one"));
    assert!(!ground.has("b/three") && !ground.has("b/deep") && !ground.has("b/.wh..wh..opq"));
    assert_eq!(ground.read("b/new"), "5");
}

#[test]
fn a_later_layer_replaces_what_is_there_whatever_it_is() {
    let below = Tar::new().directory("dir").file("dir/in", "x").file("file", "y").link("link", "file").done();
    let above = Tar::new()
        .file("dir", "now a file")
        .directory("file")
        .file("file/in", "z")
        .file("link", "own")
        .done();
    let ground = Ground::new();
    ground.unpack(docker(&[below, above], &json!({}))).unwrap();
    assert_eq!(
        (ground.read("dir"), ground.read("file/in"), ground.read("link")),
        ("now a file".into(), "z".into(), "own".into())
    );
}

#[test]
fn a_layout_is_read_for_this_machine_and_every_blob_is_checked() {
    let layer = Tar::new().file("here", "yes").done();
    let config = json!({"config": {}}).to_string().into_bytes();
    let descriptor = |bytes: &[u8]| json!({"digest": format!("sha256:{}", digest(bytes))});
    let manifest =
        json!({"config": descriptor(&config), "layers": [descriptor(&layer)]}).to_string().into_bytes();
    let machine = if std::env::consts::ARCH == "x86_64" { "amd64" } else { "arm64" };
    let of = |architecture: &str, bytes: &[u8]| {
        let mut it = descriptor(bytes);
        it["platform"] = json!({"architecture": architecture, "os": "linux"});
        it
    };
    let index = json!({"manifests": [of("riscv64", b"other"), of(machine, &manifest)]}).to_string();
    let archive = |layer: &[u8], name: &str| {
        let mut archive = Tar::new().file("oci-layout", "{}").file("index.json", &index);
        for (blob, name) in [(&*config, &*digest(&config)), (&manifest, &digest(&manifest)), (layer, name)] {
            archive = archive.file(&format!("blobs/sha256/{name}"), blob);
        }
        archive.done()
    };
    let ground = Ground::new();
    ground.unpack(archive(&layer, &digest(&layer))).unwrap();
    assert_eq!(ground.read("here"), "yes");
    let damaged = Tar::new().file("here", "no").done();
    let ground = Ground::new();
    let error = ground.unpack(archive(&damaged, &digest(&layer))).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    assert!(!ground.root().exists(), "nothing of it is left");
}

#[test]
fn nothing_of_an_archive_leads_out_of_its_root() {
    let outside = tempfile::tempdir().unwrap();
    let there = outside.path().to_str().unwrap();
    // A link to the outside is a link inside: what is written behind it stays in the root.
    let through = Tar::new().link("out", there).file("out/escaped", "x").done();
    let ground = Ground::new();
    let done = ground.unpack(through);
    assert!(fs::read_dir(outside.path()).unwrap().next().is_none(), "{done:?}");
    assert!(done.is_err() || ground.has(&format!("{}/escaped", there.trim_start_matches('/'))));
    for (path, link) in [("../escaped", None), ("a/../../escaped", None), ("hard", Some("../../etc/passwd"))]
    {
        let kind = if link.is_some() { EntryType::Link } else { EntryType::Regular };
        let error = Ground::new().unpack(Tar::new().entry(path, kind, link, b"").done()).unwrap_err();
        assert!(error.to_string().contains("climbs"), "{path}: {error}");
    }
    let absolute = Ground::new();
    absolute
        .unpack(
            Tar::new()
                .file("/etc/inside", "x")
                .entry("/hard", EntryType::Link, Some("/etc/inside"), b"")
                .done(),
        )
        .unwrap();
    assert_eq!(absolute.read("hard"), "x");
    // An archive whose own parts lie behind a link.
    let parts = Tar::new()
        .link("config.json", "/etc/passwd")
        .file("manifest.json", r#"[{"Config":"config.json","Layers":[]}]"#);
    let error = Ground::new().unpack(parts.done()).unwrap_err();
    assert!(error.to_string().contains("no file of the archive"), "{error}");
}

#[test]
fn what_is_no_image_is_refused_with_the_reason_and_leaves_nothing() {
    let cut = Tar::new().file("a", vec![1; 5_000]).done();
    let two = json!([{"Config": "c", "Layers": []}, {"Config": "c", "Layers": []}]).to_string();
    for (archive, why) in [
        (Vec::new(), "empty"),
        (b"not an archive, but some text that is long enough to be looked at".repeat(20), "tar"),
        (cut[..3_000].to_vec(), ""),
        (gzip(&cut)[..20].to_vec(), ""),
        (Tar::new().file("manifest.json", "[]").done(), "0 images"),
        (Tar::new().file("manifest.json", two).done(), "2 images"),
        (Tar::new().file("manifest.json", "{").done(), "cannot be understood"),
        (Tar::new().file("oci-layout", "{}").done(), ""),
    ] {
        let ground = Ground::new();
        let error = ground.unpack(archive).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(fs::read_dir(ground.0.path()).unwrap().count(), 1, "only the archive itself is there");
    }
}

#[test]
fn what_an_archive_is_made_of_is_not_quoted_where_it_is_no_image() {
    let junk: Vec<u8> = (0..4_000_u32).map(|at| (at * 151 % 251) as u8 | 1).collect();
    let behind = |before: &[u8]| [before, &junk].concat();
    let whole = Tar::new().file("a", "x").done();
    let manifest = json!([{"Config": "config.json", "Layers": ["layer"]}]).to_string();
    let image = Tar::new().file("config.json", "{}").file("layer", &junk).file("manifest.json", manifest);
    let mut header = Header::new_gnu();
    header.set_path("a").unwrap();
    header.as_old_mut().mode = *b"\x1b[2J\x07\x01\x02z";
    header.set_size(0);
    header.set_cksum();
    let mut no_number = Tar::new();
    no_number.0.append(&header, io::empty()).unwrap();
    for archive in [
        junk.clone(),
        gzip(&junk),
        behind(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"),
        behind(b"hello\x1b[2J\n"),
        behind(&whole[..1024]),
        image.done(),
        no_number.done(),
    ] {
        let error = Ground::new().unpack(archive).unwrap_err().to_string();
        assert!(error.bytes().all(|byte| matches!(byte, b' '..=b'~')) && error.len() < 100, "{error:?}");
    }
}

#[test]
fn a_directory_that_may_not_be_written_to_is_filled_first() {
    let mut header = Header::new_gnu();
    header.set_path("closed").unwrap();
    header.set_entry_type(EntryType::Directory);
    header.set_mode(0o555);
    header.set_uid(u64::from(rustix::process::geteuid().as_raw()));
    header.set_gid(u64::from(rustix::process::getegid().as_raw()));
    header.set_mtime(0);
    header.set_size(0);
    header.set_cksum();
    let mut tar = Tar::new();
    tar.0.append(&header, io::empty()).unwrap();
    let ground = Ground::new();
    ground.unpack(tar.file("closed/in", "x").done()).unwrap();
    assert_eq!(ground.read("closed/in"), "x");
    let mode = fs::metadata(ground.root().join("closed")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o555);
    fs::set_permissions(ground.root().join("closed"), Permissions::from_mode(0o755)).unwrap();
}
