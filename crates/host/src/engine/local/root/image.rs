//! A root that is made of an image: the image's files below a layer that is the sandbox's own, and nothing else.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, lchown};
use std::path::{Component, Path};

use super::{Act, FILES, Image, Ingredients, Layers, Make, home, machine, make_directory};

/// What a sandbox needs as directories, whatever its image has there.
const NEEDED: [(&str, u32); 7] = [
    ("proc", 0o555),
    ("sys", 0o555),
    ("dev", 0o755),
    ("run", 0o755),
    ("tmp", 0o1777),
    ("etc", 0o755),
    ("blaxel", 0o755),
];

/// Lays an image, and what a sandbox needs besides.
pub(super) fn lay(place: &Path, of: &Ingredients<'_>, image: &Image<'_>) -> io::Result<Make> {
    if of.layers == Layers::ReadOnly {
        let what = "an image needs overlays, which this machine does not have for this user";
        return Err(io::Error::new(io::ErrorKind::Unsupported, what));
    }
    if !image.root.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "its image is gone: import it again"));
    }
    let layer = of.directory.join("layers").join("image");
    let (upper, work) = (layer.join("upper"), layer.join("work"));
    fs::create_dir_all(&work)?;
    make_directory(&upper, 0o755)?;
    let make = Make::new(place, &upper, Act::overlay(image.root, &upper, &work, place)?);
    for (name, mode) in NEEDED {
        make_again(&upper.join(name), mode)?;
    }
    machine::say_who_it_is(&upper.join("etc"), of.hostname)?;
    make_way(image.root, &upper, Path::new(home()))?;
    if let Some(directory) = image.directory {
        make_way(image.root, &upper, Path::new(directory))?;
    }
    Ok(make)
}

/// Lays a sandbox's files over what its image has at their place: the platform's own images keep theirs there.
pub(super) fn lay_files(
    make: &mut Make,
    files: &Path,
    of: &Ingredients<'_>,
    image: &Image<'_>,
) -> io::Result<()> {
    let lower = image.root.join(&FILES[1..]);
    // Where a link leads inside is not where it leads out here.
    let found = fs::symlink_metadata(&lower).ok().filter(Metadata::is_dir);
    if let (Some(found), true) = (&found, is_empty(files)?) {
        take_after(files, found)?;
    }
    if let Some(below) = image.directory.and_then(|at| Path::new(at).strip_prefix(FILES).ok()) {
        make_way(&lower, files, below)?;
    }
    if found.is_none() || is_empty(&lower)? {
        return make.bind(files, &FILES[1..]);
    }
    let work = of.directory.join("layers").join("files").join("work");
    fs::create_dir_all(&work)?;
    let at = make.directory(&FILES[1..], 0o755)?;
    make.acts.push(Act::overlay(&lower, files, &work, &at)?);
    Ok(())
}

fn is_empty(directory: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(directory)?.next().is_none())
}

/// Gives a directory of a layer the owner and the mode of the one that it lies over.
fn take_after(at: &Path, below: &Metadata) -> io::Result<()> {
    let own = fs::symlink_metadata(at)?;
    if (own.uid(), own.gid()) != (below.uid(), below.gid()) {
        lchown(at, Some(below.uid()), Some(below.gid()))?;
    }
    fs::set_permissions(at, below.permissions())
}

/// Makes a directory in a layer, also where the sandbox has taken away the one of its image.
fn make_again(at: &Path, mode: u32) -> io::Result<()> {
    if let Ok(found) = fs::symlink_metadata(at)
        && found.file_type().is_char_device()
        && found.rdev() == 0
    {
        // This is how an overlay keeps a deletion.
        fs::remove_file(at)?;
    }
    make_directory(at, mode)
}

/// Makes the directories on the way to a place that the image does not have, one step at a time and through no link.
fn make_way(image: &Path, upper: &Path, to: &Path) -> io::Result<()> {
    let (mut below, mut above) = (image.to_owned(), upper.to_owned());
    for step in to.components() {
        let Component::Normal(step) = step else { continue };
        below.push(step);
        above.push(step);
        let found = fs::symlink_metadata(&above).or_else(|_| fs::symlink_metadata(&below));
        match found {
            Ok(found) if found.is_dir() => {}
            // A link or a file of the image's, or of the sandbox's: what lies behind it is theirs.
            Ok(_) => return Ok(()),
            Err(_) => make_directory(&above, 0o755)?,
        }
        // What lies below has to be in the layer as well, to be made in it.
        if fs::symlink_metadata(&above).is_err() {
            make_directory(&above, 0o755)?;
            take_after(&above, &fs::symlink_metadata(&below)?)?;
        }
    }
    Ok(())
}
