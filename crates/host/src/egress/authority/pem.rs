//! The textual form of keys and certificates (RFC 7468).

use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;

/// How long a line is.
const LINE: usize = 64;

pub(super) fn write(label: &str, der: &[u8]) -> String {
    let encoded = BASE64_STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

pub(super) fn read_key(text: &[u8]) -> io::Result<Vec<u8>> {
    let key = PrivatePkcs8KeyDer::from_pem_slice(text);
    key.map(|key| key.secret_pkcs8_der().to_vec()).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("the authority's key cannot be read: {error}"))
    })
}
