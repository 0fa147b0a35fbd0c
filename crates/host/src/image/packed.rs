//! Bytes as they were before they were packed.

use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;

use super::damaged;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Opens a file and undoes its packing, which its first bytes tell.
///
/// # Errors
/// When it cannot be read, or its packing is broken at the beginning.
pub(super) fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    unpacked(BufReader::with_capacity(256 << 10, File::open(path)?))
}

fn unpacked<R: Read + 'static>(mut from: R) -> io::Result<Box<dyn Read>> {
    let mut head = Vec::with_capacity(ZSTD.len());
    from.by_ref().take(ZSTD.len() as u64).read_to_end(&mut head)?;
    let (gzip, zstd) = (head.starts_with(&GZIP), head.starts_with(&ZSTD));
    let whole: Chain<Cursor<Vec<u8>>, R> = Cursor::new(head).chain(from);
    if gzip {
        return Ok(Box::new(MultiGzDecoder::new(whole)));
    }
    if zstd {
        let decoder = StreamingDecoder::new(whole).map_err(|error| damaged(error.to_string()))?;
        return Ok(Box::new(decoder));
    }
    Ok(Box::new(whole))
}
