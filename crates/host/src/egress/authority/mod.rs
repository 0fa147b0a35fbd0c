//! The host's own authority, whose certificates sandboxes meet where a route leads.
//!
//! It is made once for a data directory. Its key stays there, readable by the owner only, and enters no sandbox; its
//! certificate, and the machine's own beside it, can be read in every one.

mod pem;

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::store::files;

/// The certificate alone, for programs that add it to their own.
pub(crate) const OWN: &str = "authority.pem";
/// The certificate and all that the machine trusts, for programs that want one file.
pub(crate) const ALL: &str = "bundle.pem";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the authority lasts.
const LASTS: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// How long a certificate of it lasts: longer than any connection is open.
const LEAF_LASTS: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How many certificates are kept.
const KEPT: usize = 1024;

/// Makes certificates for the names that sandboxes connect to.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// The key of all certificates that are made.
    key: KeyPair,
    kept: Mutex<HashMap<String, Kept>>,
    shown: PathBuf,
}

struct Kept {
    made: Instant,
    config: Arc<ServerConfig>,
}

impl Authority {
    /// The authority in a directory; it is made where there is none.
    ///
    /// # Errors
    /// When the directory cannot be used, or what is in it is no authority.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        files::make_private_directory(directory)?;
        let (kept, shown) = (directory.join("key.pem"), directory.join("shown"));
        // Whoever the processes of a sandbox are may read what is shown.
        DirBuilder::new().recursive(true).mode(0o755).create(&shown)?;
        let key = match fs::read(&kept) {
            Ok(text) => KeyPair::try_from(&PrivatePkcs8KeyDer::from(pem::read_key(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => KeyPair::generate(),
            Err(error) => return Err(error),
        };
        let key = key.map_err(io::Error::other)?;
        let certificate = shown.join(OWN);
        // The certificate is written last: where it is, everything is.
        if !certificate.exists() {
            files::replace(&kept, pem::write("PRIVATE KEY", &key.serialize_der()).as_bytes())?;
            let made = params().self_signed(&key).map_err(io::Error::other)?;
            show(&certificate, &pem::write("CERTIFICATE", made.der()))?;
        }
        show(&shown.join(ALL), &bundle(&fs::read_to_string(&certificate)?))?;
        Ok(Self {
            issuer: Issuer::new(params(), key),
            key: KeyPair::generate().map_err(io::Error::other)?,
            kept: Mutex::default(),
            shown,
        })
    }

    /// The directory of what every sandbox may read: [`OWN`] and [`ALL`].
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// What a server says that is to be taken for `name`, a host's name or an address. HTTP/1.1 is what it speaks.
    pub(super) fn server(&self, name: &str) -> Result<Arc<ServerConfig>, String> {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = all.get(name).filter(|kept| kept.made.elapsed() < DAY) {
            return Ok(Arc::clone(&kept.config));
        }
        let config = Arc::new(self.make(name)?);
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(name.to_owned(), Kept { made: Instant::now(), config: Arc::clone(&config) });
        Ok(config)
    }

    fn make(&self, name: &str) -> Result<ServerConfig, String> {
        let mut params = CertificateParams::default();
        let subject = match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.try_into().map_err(|_| format!("{name} is no host's name"))?),
        };
        params.subject_alt_names = vec![subject];
        // The name of the subject is the one that counts; this one is for people, and may be too long for its field.
        params.distinguished_name = named("a destination of a sandbox");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        lasts(&mut params, LEAF_LASTS);
        let made = params.signed_by(&self.key, &self.issuer).map_err(|error| error.to_string())?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_single_cert(vec![made.der().clone()], key);
        let mut config = config.map_err(|error| error.to_string())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("shown", &self.shown).finish_non_exhaustive()
    }
}

/// What is said of the authority itself, the same each time: what it signs refers to it by this and by its key.
fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Reveille local host");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    lasts(&mut params, LASTS);
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut all = DistinguishedName::new();
    all.push(DnType::CommonName, name);
    all
}

/// From yesterday on, as clocks differ.
fn lasts(params: &mut CertificateParams, how_long: Duration) {
    let now = SystemTime::now();
    params.not_before = (now - DAY).into();
    params.not_after = (now + how_long).into();
}

/// The machine's own certificates and this one.
fn bundle(own: &str) -> String {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a certificate of the machine cannot be read");
    }
    let write = |certificate: &CertificateDer<'_>| pem::write("CERTIFICATE", certificate);
    found.certs.iter().map(write).chain([own.to_owned()]).collect()
}

/// Writes a file that everybody may read, where it is not there as it is to be.
fn show(file: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(file).is_ok_and(|there| there == text) {
        return Ok(());
    }
    files::replace(file, text.as_bytes())?;
    fs::set_permissions(file, Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{ServerName, UnixTime};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn leaf(authority: &Authority, name: &str) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.use_authority_key_identifier_extension = true;
        params.signed_by(&authority.key, &authority.issuer).unwrap().der().clone()
    }

    #[test]
    fn it_is_made_once_and_what_it_signs_later_is_trusted_still() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().join("authority");
        let first = Authority::open(&at).unwrap();
        let shown = fs::read(first.shown().join(OWN)).unwrap();
        let again = Authority::open(&at).unwrap();
        assert_eq!(fs::read(again.shown().join(OWN)).unwrap(), shown);
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(again.shown().join(OWN)).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
        assert_eq!(roots.len(), 1);
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        for authority in [&first, &again] {
            let certificate = leaf(authority, "a.example");
            let name = |name: &'static str| ServerName::try_from(name).unwrap();
            let is_good = |name| verifier.verify_server_cert(&certificate, &[], &name, &[], UnixTime::now());
            is_good(name("a.example")).unwrap();
            is_good(name("b.example")).unwrap_err();
        }
    }

    #[test]
    fn what_a_kill_has_left_undone_is_done_by_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let first = Authority::open(directory.path()).unwrap();
        let key = fs::read(directory.path().join("key.pem")).unwrap();
        for lost in [OWN, ALL] {
            fs::remove_file(first.shown().join(lost)).unwrap();
            Authority::open(directory.path()).unwrap();
            assert!(first.shown().join(lost).exists(), "{lost}");
            assert_eq!(fs::read(directory.path().join("key.pem")).unwrap(), key);
        }
    }

    #[test]
    fn its_key_is_for_its_owner_and_is_not_among_what_is_shown() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::open(&directory.path().join("authority")).unwrap();
        let key = directory.path().join("authority/key.pem");
        assert_eq!((mode(&key), mode(key.parent().unwrap())), (0o600, 0o700));
        for file in [OWN, ALL] {
            assert_eq!(mode(&authority.shown().join(file)), 0o644);
            let text = fs::read_to_string(authority.shown().join(file)).unwrap();
            assert!(text.contains("BEGIN CERTIFICATE") && !text.contains("PRIVATE"), "{file}");
        }
        assert!(fs::read_to_string(key).unwrap().contains("PRIVATE KEY"));
        assert!(!format!("{authority:?}").contains("key"));
    }

    #[test]
    fn names_and_addresses_get_certificates_and_what_is_neither_gets_none() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::open(directory.path()).unwrap();
        let long = format!("{}.example", "a".repeat(63));
        for name in ["a.example", "127.0.0.1", "2001:db8::1", "x_y.example", &long] {
            let first = authority.server(name).unwrap();
            assert!(Arc::ptr_eq(&first, &authority.server(name).unwrap()), "{name}");
        }
        assert!(authority.server("\u{e4}.example").is_err());
        for number in 0..=KEPT {
            authority.server(&format!("{number}.example")).unwrap();
        }
        assert!(authority.kept.lock().unwrap().len() <= KEPT);
    }

    #[test]
    fn what_is_no_key_is_told_and_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        for text in ["", "nothing", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            fs::write(directory.path().join("key.pem"), text).unwrap();
            assert!(Authority::open(directory.path()).is_err(), "{text:?}");
            assert_eq!(fs::read_to_string(directory.path().join("key.pem")).unwrap(), text);
        }
    }
}
