//! Which kind of archive an image is, and what stands in it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tar::Archive;

use super::layer::Root;
use super::{Config, Unpacked, damaged, packed, unreadable};

/// The longest text of JSON that an image may have.
const JSON: u64 = 8 << 20;
/// How deep indexes of an OCI layout may lead to further ones.
const DEPTH: usize = 4;

/// Unpacks an archive of any kind into `root`; `parts` is a directory for what comes in pieces.
pub(super) fn unpack(archive: &Path, parts: &Path, root: &Path) -> io::Result<Unpacked> {
    let kind = Kind::of(archive)?;
    let root = Root::open(root)?;
    if kind == Kind::Root {
        let size = root.lay(|| packed::open(archive))?;
        return Ok(Unpacked { size, config: Config::default() });
    }
    fs::create_dir(parts)?;
    take_apart(archive, parts)?;
    let image = match kind {
        Kind::Layout => Parts::of_layout(parts)?,
        _ => Parts::of_docker(parts)?,
    };
    let mut size = 0;
    for layer in &image.layers {
        size += root.lay(|| packed::open(layer))?;
    }
    Ok(Unpacked { size, config: image.config })
}

/// What an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The files of a root.
    Root,
    /// As `docker save` writes it.
    Docker,
    /// An OCI image layout.
    Layout,
}

impl Kind {
    fn of(archive: &Path) -> io::Result<Self> {
        let mut kind = None;
        let mut entries = 0_u64;
        for entry in Archive::new(packed::open(archive)?).entries()? {
            let entry = entry.map_err(|error| match entries {
                0 => unreadable("it is no tar archive, plain or packed by gzip or zstd", error),
                _ => unreadable(format!("the archive is damaged behind its entry {entries}"), error),
            })?;
            entries += 1;
            let path = entry.path()?;
            let name = path.strip_prefix("./").unwrap_or(&path);
            if name == Path::new("oci-layout") {
                return Ok(Self::Layout);
            }
            if name == Path::new("manifest.json") {
                kind = Some(Self::Docker);
            }
        }
        if entries == 0 {
            return Err(damaged("the archive is empty"));
        }
        Ok(kind.unwrap_or(Self::Root))
    }
}

/// Writes the files of an archive into `parts`, and nothing else of it.
fn take_apart(archive: &Path, parts: &Path) -> io::Result<()> {
    for entry in Archive::new(packed::open(archive)?).entries()? {
        let mut entry = entry.map_err(|error| unreadable("the archive is damaged", error))?;
        let kind = entry.header().entry_type();
        if kind.is_file() || kind.is_dir() || kind.is_hard_link() || kind.is_symlink() {
            // It refuses what would lead out of the directory.
            entry.unpack_in(parts)?;
        }
    }
    Ok(())
}

/// The layers of an image, the lowest first, and what it says of itself.
struct Parts {
    layers: Vec<PathBuf>,
    config: Config,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    layers: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Debug, Clone, Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    config: Option<SaidConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SaidConfig {
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    user: Option<String>,
}

impl Parts {
    fn of_docker(parts: &Path) -> io::Result<Self> {
        let images: Vec<DockerImage> = json(&parts.join("manifest.json"))?;
        let [image] = images.as_slice() else {
            return Err(damaged(format!("the archive holds {} images: save one alone", images.len())));
        };
        let layers = image.layers.iter().map(|layer| inside(parts, layer)).collect::<io::Result<_>>()?;
        Ok(Self { layers, config: config(&inside(parts, &image.config)?)? })
    }

    fn of_layout(parts: &Path) -> io::Result<Self> {
        let mut index: Index = json(&parts.join("index.json"))?;
        for _ in 0..DEPTH {
            let chosen = chosen(&index.manifests)?;
            let blob = blob(parts, &chosen.digest)?;
            if chosen.media_type.contains("index") || chosen.media_type.contains("manifest.list") {
                index = json(&blob)?;
                continue;
            }
            let manifest: Manifest = json(&blob)?;
            let layers = manifest.layers.iter().map(|layer| self::blob(parts, &layer.digest));
            let layers = layers.collect::<io::Result<_>>()?;
            return Ok(Self { layers, config: config(&self::blob(parts, &manifest.config.digest)?)? });
        }
        Err(damaged("its indexes lead to indexes without an end"))
    }
}

/// The image for this machine among several.
fn chosen(among: &[Descriptor]) -> io::Result<Descriptor> {
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let fits = |it: &&Descriptor| {
        it.platform.as_ref().is_none_or(|platform| platform.os == "linux" && platform.architecture == machine)
    };
    among
        .iter()
        .find(fits)
        .cloned()
        .ok_or_else(|| damaged(format!("it holds no image for linux on {machine}")))
}

/// The file of a blob, whose content is what its name says.
fn blob(parts: &Path, digest: &str) -> io::Result<PathBuf> {
    let (algorithm, hash) = digest.split_once(':').ok_or_else(|| damaged("a digest has no algorithm"))?;
    if algorithm != "sha256" || hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(damaged(format!("{digest:?} is no digest that is known here")));
    }
    let path = inside(parts, &format!("blobs/sha256/{hash}"))?;
    let mut hasher = Sha256::new();
    let mut file = File::open(&path)?;
    let mut piece = vec![0; 256 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => hasher.update(&piece[..read]),
        }
    }
    let seen: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if seen == hash {
        Ok(path)
    } else {
        Err(damaged(format!("{digest} is damaged: its content has another digest")))
    }
}

/// A file among the parts, which may be a link to another one.
fn inside(parts: &Path, name: &str) -> io::Result<PathBuf> {
    let missing =
        |error: io::Error| io::Error::new(error.kind(), format!("{name} is missing in the archive"));
    let path = parts.join(name).canonicalize().map_err(missing)?;
    if !path.starts_with(parts.canonicalize()?) || !path.is_file() {
        return Err(damaged(format!("{name} is no file of the archive")));
    }
    Ok(path)
}

fn config(path: &Path) -> io::Result<Config> {
    let said: Said = json(path)?;
    let said = said.config.unwrap_or_default();
    let pairs = said.env.unwrap_or_default();
    let pairs = pairs.iter().filter_map(|pair| pair.split_once('=')).filter(|(name, _)| !name.is_empty());
    let environment: BTreeMap<_, _> =
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let directory = said.working_dir.filter(|directory| directory.starts_with('/') && directory != "/");
    let user = said.user.filter(|user| !user.is_empty() && !user.contains('\0'));
    Ok(Config { environment: environment.into_iter().collect(), directory, user })
}

fn json<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    let mut text = Vec::new();
    File::open(path)?.take(JSON).read_to_end(&mut text)?;
    let name = path.file_name().unwrap_or_default().display();
    serde_json::from_slice(&text).map_err(|error| damaged(format!("{name} cannot be understood: {error}")))
}
