//! TLS of the console (RFC 8446; RFC 5246 for older browsers), by a certificate and its key in PEM
//! (RFC 7468).
//!
//! Both are read ahead of the confinement and never again: a renewed certificate takes another start.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{Error, ServerConfig};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::time::Validity;

/// A certificate with its key, ready to serve.
#[derive(Debug, Clone)]
pub struct Tls {
    pub(super) server: Arc<ServerConfig>,
    validity: Validity,
}

impl Tls {
    /// Reads the certificate, with those that lead from it to its authority behind it, and the key.
    ///
    /// # Errors
    /// A file that cannot be read or holds no such thing, a key that others can read, or one of another
    /// certificate.
    pub fn load(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let certificate_is = || format!("console.certificate {}", certificate.display());
        let key_is = || format!("console.key {}", key.display());
        let pem = fs::read(certificate).with_context(certificate_is)?;
        let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|cause| no_pem(&cause)).with_context(certificate_is)?;
        let Some(own) = chain.first() else {
            bail!("{}: no certificate in it (PEM: BEGIN CERTIFICATE)", certificate_is());
        };
        let own = Certificate::from_der(own).with_context(certificate_is)?;
        let validity = *own.tbs_certificate().validity();

        let mode = fs::metadata(key).with_context(key_is)?.mode();
        if mode & 0o077 != 0 {
            bail!("{} can be read by others: chmod 600 it", key_is());
        }
        let pem = fs::read(key).with_context(key_is)?;
        let secret = match PrivateKeyDer::from_pem_slice(&pem) {
            Err(PemError::NoItemsFound) => bail!(
                "{}: no key in it that is not under a passphrase (PEM: BEGIN PRIVATE KEY)",
                key_is()
            ),
            read => read.map_err(|cause| no_pem(&cause)).with_context(key_is)?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, secret)
            .map_err(|cause| match cause {
                Error::InconsistentKeys(_) => {
                    anyhow::anyhow!("{} is not that of {}", key_is(), certificate_is())
                }
                other => anyhow::Error::new(other).context(key_is()),
            });
        let mut server = server?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { server: Arc::new(server), validity })
    }

    /// What browsers will not accept of the certificate at such a time, and until when.
    pub fn objection(&self, now: SystemTime) -> Option<String> {
        let Validity { not_before, not_after, .. } = &self.validity;
        if now > not_after.to_system_time() {
            return Some(format!("the certificate has expired, {not_after}: browsers refuse it"));
        }
        (now < not_before.to_system_time())
            .then(|| format!("the certificate begins to hold {not_before}: browsers refuse it"))
    }
}

fn no_pem(cause: &PemError) -> anyhow::Error {
    anyhow::anyhow!("no PEM: {cause}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    /// A directory with a certificate of ten days, `NAME.pem`, and its key, `NAME.key`, for each name.
    fn made(names: &[&str]) -> TempDir {
        let dir = TempDir::new().unwrap();
        for name in names {
            let made = Command::new("openssl")
                .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
                .args(["-nodes", "-days", "10", "-subj", "/CN=calltap.example.net"])
                .args(["-out", &format!("{name}.pem"), "-keyout", &format!("{name}.key")])
                .current_dir(&dir)
                .output()
                .expect("openssl");
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            fs::set_permissions(dir.path().join(format!("{name}.key")), mode(0o600)).unwrap();
        }
        dir
    }

    fn mode(mode: u32) -> fs::Permissions {
        fs::Permissions::from_mode(mode)
    }

    #[test]
    fn a_certificate_holds_from_its_first_day_to_its_last() {
        let dir = made(&["a"]);
        let tls = Tls::load(&dir.path().join("a.pem"), &dir.path().join("a.key")).unwrap();
        let day = Duration::from_secs(86_400);
        let now = SystemTime::now();
        assert_eq!(tls.objection(now), None);
        assert!(tls.objection(now + 11 * day).unwrap().contains("has expired"));
        assert!(tls.objection(now - 2 * day).unwrap().contains("begins to hold"));
    }

    #[test]
    fn what_cannot_be_shown_is_refused_by_its_file_and_with_the_mend() {
        let dir = made(&["a", "b"]);
        let refused = |certificate: &str, key: &str| {
            let (certificate, key) = (dir.path().join(certificate), dir.path().join(key));
            format!("{:#}", Tls::load(&certificate, &key).unwrap_err())
        };
        fs::write(dir.path().join("none"), "").unwrap();
        fs::set_permissions(dir.path().join("none"), mode(0o600)).unwrap();
        let torn = "-----BEGIN CERTIFICATE-----\nMIIB\n";
        fs::write(dir.path().join("torn.pem"), torn).unwrap();
        let no_der = format!("{torn}-----END CERTIFICATE-----\n");
        fs::write(dir.path().join("no-der.pem"), no_der).unwrap();
        for (certificate, key, named, why) in [
            ("a.pem", "b.key", "b.key", "is not that of console.certificate"),
            ("missing.pem", "a.key", "missing.pem", "No such file"),
            ("a.pem", "missing.key", "missing.key", "No such file"),
            ("none", "a.key", "none", "no certificate in it"),
            ("a.key", "a.key", "a.key", "no certificate in it"),
            ("a.pem", "none", "none", "no key in it"),
            ("torn.pem", "a.key", "torn.pem", "no PEM"),
            ("no-der.pem", "a.key", "no-der.pem", "no-der.pem"),
        ] {
            let said = refused(certificate, key);
            assert!(said.contains(named) && said.contains(why), "{said}");
        }
        fs::set_permissions(dir.path().join("a.key"), mode(0o640)).unwrap();
        assert!(refused("a.pem", "a.key").contains("can be read by others: chmod 600 it"));
    }
}
