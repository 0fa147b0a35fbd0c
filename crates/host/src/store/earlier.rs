//! Data directories of hosts that kept each record in a file: their sandboxes are taken over when the store is opened.
//!
//! Nothing is served meanwhile, and each step can be done twice, so that it may be cut off anywhere: records are put
//! into the store first, where what is there wins; then their directory is moved aside, which ends it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use reveille_wire::SandboxName;
use serde::Deserialize;
use serde_json::{Value, json};

use super::database::{Change, Purpose};
use super::directory::{Directory, unusable};
use super::files;
use super::writer::Writer;
use crate::error::Error;

/// The kind of the documents that records are in the store.
pub(super) const KIND: &str = "sandbox";

/// The only form that the files ever had.
const VERSION: u64 = 1;

/// What else was in a record's file.
#[derive(Debug, Deserialize)]
struct Earlier {
    version: u64,
    sandbox: Value,
}

/// Takes over what an earlier host has left, if anything. `found` is what the store holds, and then holds more.
pub(super) fn take_over(
    directory: &Directory,
    writer: &Writer,
    found: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), Error> {
    let records = directory.earlier_records();
    let no = |source: io::Error| unusable(&records, source);
    let Some(read) = read_all(&records).map_err(no)? else { return Ok(()) };
    let mut changes = Vec::new();
    for (name, document) in read {
        if let Some(there) = found.get(&name) {
            // The same one is there where this was cut off before.
            if *there != document {
                tracing::warn!(
                    sandbox = name,
                    "there is one of this name already: an older record is set aside"
                );
            }
            continue;
        }
        found.insert(name.clone(), document.clone());
        changes.push(Change { kind: KIND, key: name, value: Some(document), purpose: Purpose::Keeps });
    }
    let number = changes.len();
    super::notebook::put_all(writer, changes)?;
    let aside = free(&records).map_err(no)?;
    set_files_aside(&directory.sandboxes(), found, &records).map_err(no)?;
    fs::rename(&records, &aside).and_then(|()| files::sync_parent(&aside)).map_err(no)?;
    tracing::info!(number, aside = %aside.display(), "the records of an earlier host are taken over");
    Ok(())
}

/// Every record with its name, as a document of the store; none where there is no directory of records.
fn read_all(records: &Path) -> io::Result<Option<BTreeMap<String, Vec<u8>>>> {
    let entries = match fs::read_dir(records) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut read = BTreeMap::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_stem().and_then(|stem| stem.to_str());
        // What an interrupted write has left begins with a dot, and is no record.
        let name =
            name.filter(|name| !name.starts_with('.') && path.extension().is_some_and(|it| it == "json"));
        if let Some(name) = name {
            read.insert(name.to_owned(), document(name, &fs::read(&path)?));
        }
    }
    Ok(Some(read))
}

/// A record as the store has it. One that cannot be understood becomes a document that cannot be read: it keeps its
/// name, and is told of at each start.
fn document(name: &str, file: &[u8]) -> Vec<u8> {
    let read = serde_json::from_slice(file).ok().filter(|read: &Earlier| {
        let named = read.sandbox["metadata"]["name"].as_str();
        read.version == VERSION && named == Some(name) && SandboxName::new(name).is_ok()
    });
    match read {
        Some(Earlier { sandbox, .. }) => json!({ "sandbox": sandbox }).to_string().into_bytes(),
        None => Value::from(String::from_utf8_lossy(file)).to_string().into_bytes(),
    }
}

/// Files that belong to no record would end in the hands of whoever takes their name next.
fn set_files_aside(sandboxes: &Path, found: &BTreeMap<String, Vec<u8>>, records: &Path) -> io::Result<()> {
    for entry in fs::read_dir(sandboxes)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| found.contains_key(name)) {
            continue;
        }
        let aside = records.join("files");
        files::make_private_directory(&aside)?;
        tracing::warn!(path = %entry.path().display(), "files of no sandbox are set aside");
        fs::rename(entry.path(), aside.join(entry.file_name()))?;
    }
    Ok(())
}

/// A name beside the directory that nothing has.
fn free(records: &Path) -> io::Result<PathBuf> {
    let mut names = (1_u32..).map(|number| records.with_extension(format!("before-store-{number}")));
    names.find(|name| !name.exists()).ok_or_else(|| io::ErrorKind::AlreadyExists.into())
}
