//! Key pairs and signatures in the format of the `minisign` program, which can check all of ours.
//!
//! Keys are stored as by `minisign -G -W`: without a password, protected by file mode 0600.
//! The `minisign` crate makes and checks; the texts are parsed here, because the crate panics on a
//! short global signature and refuses the program's own keys without a password.
//! Signing is done here, too: there is a signature in each line of a ledger, and `ed25519-dalek` makes
//! one in a fifth of the time.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Cursor, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use blake2::{Blake2b512, Digest as _};
use ed25519_dalek::{Signer as _, SigningKey};
use minisign::{SecretKey, SignatureBox};
use zeroize::Zeroizing;

use crate::base64;

/// The unsigned first line of every signature that we make.
pub(crate) const UNTRUSTED_COMMENT: &str = "signature from calltap";

/// Signature algorithm, key derivation and checksum at the head of a key behind a password, in
/// base64: `Ed`, `Sc`, `B2`.
const ENCRYPTED: &str = "RWRTY0Iy";

/// Why a key cannot be read, made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The key's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no key in minisign's format.
    #[error("{}: not a minisign key: {what}", path.display())]
    Malformed {
        /// The key's file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The secret key is behind a password, which a service cannot enter.
    #[error(
        "{0}: the key is protected by a password; take it off with `minisign -C -W -s {0}`",
        path.display()
    )]
    Encrypted {
        /// The key's file.
        path: PathBuf,
    },
    /// The key cannot be made or does not sign.
    #[error("cannot sign: {0}")]
    Sign(#[from] minisign::PError),
}

/// A secret key with its public half: an authority's, which signs warrants, or a node's, which
/// signs evidence.
///
/// The secret lies in two places, both overwritten when it is dropped.
#[derive(Clone)]
pub struct KeyPair {
    secret: Box<SecretKey>,
    signing: Box<SigningKey>,
    public: PublicKey,
}

impl Drop for KeyPair {
    fn drop(&mut self) {
        if let Ok(nothing) = SecretKey::from_bytes(&[0; SECRET_BYTES]) {
            *self.secret = nothing;
            // What is never read again need not be written, unless somebody may look.
            std::hint::black_box(&*self.secret);
        }
    }
}

/// Length of a secret key with what minisign stores beside it, and where in it the 64 bytes of the
/// Ed25519 key begin.
const SECRET_BYTES: usize = 158;
const SECRET_AT: usize = 62;

/// The algorithm of a signature over a BLAKE2b-512 hash.
const PREHASHED: &[u8] = b"ED";

/// Shows the key's id alone: the secret never reaches a log.
impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.public.id())
    }
}

impl KeyPair {
    /// Makes a new key pair from the system's random numbers.
    ///
    /// # Errors
    /// [`KeyError::Sign`] if the system gives no random numbers.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = minisign::KeyPair::generate_unencrypted_keypair()?;
        let secret = Box::new(pair.sk);
        let signing = signing(&secret).ok_or_else(|| no_key("it was made, and is none"))?;
        Ok(Self { public: PublicKey(pair.pk), secret, signing })
    }

    /// Reads a secret key (`NAME.key`) without a password, ours or `minisign -G -W`'s.
    ///
    /// # Errors
    /// [`KeyError`] naming the file; [`KeyError::Encrypted`] says how to take the password off.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let text = read_text(path)?;
        let malformed = |what| KeyError::Malformed { path: path.to_owned(), what };
        let line = text.lines().nth(1).ok_or_else(|| malformed("it has no second line"))?.trim();
        if line.starts_with(ENCRYPTED) {
            return Err(KeyError::Encrypted { path: path.to_owned() });
        }
        let bytes =
            base64::decode(line).ok_or_else(|| malformed("its second line is no base64"))?;
        let bytes = Zeroizing::new(bytes);
        if bytes.len() != SECRET_BYTES || !bytes.starts_with(b"Ed\0\0") {
            return Err(malformed("it is no secret key without a password"));
        }
        let secret = Box::new(SecretKey::from_bytes(&bytes)?);
        let public = minisign::PublicKey::from_secret_key(&secret)?;
        // minisign -W writes no checksum, so the halves are held against each other.
        let signing = signing(&secret)
            .ok_or_else(|| malformed("its secret and public halves do not belong together"))?;
        Ok(Self { secret, signing, public: PublicKey(public) })
    }

    /// Reads `path`, or makes a key and writes it there with its `.pub` beside it.
    ///
    /// # Errors
    /// [`KeyError`] naming the file.
    pub fn load_or_generate(path: &Path) -> Result<Self, KeyError> {
        match Self::load(path) {
            Err(KeyError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let pair = Self::generate()?;
                pair.write(path)?;
                Ok(pair)
            }
            other => other,
        }
    }

    /// Writes `DIR/NAME.key` (mode 0600) and `DIR/NAME.pub`, and gives both paths.
    ///
    /// # Errors
    /// [`KeyError::File`]; a file that exists is never overwritten.
    pub fn store(&self, dir: &Path, name: &str) -> Result<(PathBuf, PathBuf), KeyError> {
        let path = dir.join(format!("{name}.key"));
        fs::create_dir_all(dir).map_err(|source| KeyError::File { path: dir.into(), source })?;
        let public = self.write(&path)?;
        Ok((path, public))
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `data` (prehashed, as `minisign -S`); gives the text of a `.minisig` file.
    /// `trusted_comment` is one line, which the signature covers.
    ///
    /// # Errors
    /// [`KeyError::Sign`] if `data` cannot be read.
    pub fn sign(&self, mut data: impl Read, trusted_comment: &str) -> Result<String, KeyError> {
        let mut hash = Blake2b512::new();
        let mut piece = [0; 4096];
        loop {
            let read = data.read(&mut piece).map_err(minisign::PError::from)?;
            let Some(read) = piece.get(..read).filter(|read| !read.is_empty()) else { break };
            hash.update(read);
        }
        let signature = self.signing.sign(&hash.finalize()).to_bytes();
        let global = [&signature, trusted_comment.as_bytes()].concat();
        let global = base64::encode(&self.signing.sign(&global).to_bytes());
        let signature = [PREHASHED, self.public.0.keynum(), &signature].concat();
        let signature = base64::encode(&signature);
        Ok(format!(
            "untrusted comment: {UNTRUSTED_COMMENT}\n{signature}\n\
             trusted comment: {trusted_comment}\n{global}\n"
        ))
    }

    /// The Ed25519 key.
    pub(crate) fn ed25519(&self) -> &SigningKey {
        &self.signing
    }

    fn write(&self, path: &Path) -> Result<PathBuf, KeyError> {
        let secret = self.secret.to_box(Some("minisign secret key"))?.into_string();
        let secret = Zeroizing::new(secret);
        let public = path.with_extension("pub");
        let files = [(path, &*secret, 0o600), (&public, &self.public.to_text(), 0o644)];
        for (path, text, mode) in files {
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(path)
                .and_then(|mut file| file.write_all(text.as_bytes()))
                .map_err(|source| KeyError::File { path: path.to_owned(), source })?;
        }
        Ok(public)
    }
}

/// The Ed25519 key of a secret key; none if its halves do not belong together.
fn signing(secret: &SecretKey) -> Option<Box<SigningKey>> {
    let bytes = Zeroizing::new(secret.to_bytes());
    let halves = bytes.get(SECRET_AT..)?.first_chunk()?;
    SigningKey::from_keypair_bytes(halves).ok().map(Box::new)
}

fn no_key(what: &'static str) -> minisign::PError {
    minisign::PError::new(minisign::ErrorKind::Generate, what)
}

/// A public key, with which anyone can check what its owner signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(minisign::PublicKey);

impl PublicKey {
    /// Reads a `.pub` file.
    ///
    /// # Errors
    /// [`KeyError`] naming the file.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        Self::parse(&read_text(path)?).ok_or_else(|| KeyError::Malformed {
            path: path.to_owned(),
            what: "its second line is no public key",
        })
    }

    /// Reads the text of a `.pub` file: an untrusted comment, then 42 bytes in base64.
    pub fn parse(text: &str) -> Option<Self> {
        let line = text.lines().nth(1)?.trim();
        let bytes = base64::decode(line)?;
        if bytes.len() != 42 || !bytes.starts_with(b"Ed") {
            return None;
        }
        minisign::PublicKey::from_bytes(&bytes).ok().map(Self)
    }

    /// The text of a `.pub` file, in the one spelling that `node.pub` must have.
    pub fn to_text(&self) -> String {
        let line = self.0.to_base64();
        format!("untrusted comment: minisign public key {}\n{line}\n", self.id())
    }

    /// The key's id in minisign's spelling: 16 hexadecimal digits.
    pub fn id(&self) -> String {
        key_id(self.0.keynum())
    }

    /// The 32 bytes of the Ed25519 public key.
    pub(crate) fn ed25519(&self) -> Vec<u8> {
        // The algorithm and the id stand ahead of it.
        self.0.to_bytes().split_off(10)
    }

    /// Whether `signature` is this key's over `data`, its trusted comment included.
    pub fn verifies(&self, signature: &Signature, data: impl Read + Seek) -> bool {
        minisign::verify(&self.0, &signature.0, data, true, false, true).is_ok()
    }
}

/// A parsed `.minisig` text, prehashed or legacy.
#[derive(Clone)]
pub struct Signature(SignatureBox);

impl Signature {
    /// Reads the four lines of a `.minisig` file; `None` if they are not what they should be.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let _untrusted = lines.next()?;
        let signature = base64::decode(lines.next()?.trim())?;
        let _trusted = lines.next()?;
        let global = base64::decode(lines.next()?.trim())?;
        if signature.len() != 74 || global.len() != 64 {
            return None;
        }
        SignatureBox::from_string(text).ok().map(Self)
    }

    /// The id of the key that it claims to be from.
    pub fn key_id(&self) -> String {
        key_id(self.0.keynum())
    }

    /// Whether `text` is exactly what [`KeyPair::sign`] writes for this signature: the first line
    /// of a `.minisig` is covered by no signature, so evidence allows one spelling of it.
    pub(crate) fn is_spelled(&self, text: &str) -> bool {
        self.0.untrusted_comment().is_ok_and(|comment| comment == UNTRUSTED_COMMENT)
            && self.0.to_string() == text
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", self.key_id())
    }
}

/// Whether `signature` is `key`'s over `data`.
pub(crate) fn verifies(key: &PublicKey, signature: &Signature, data: &[u8]) -> bool {
    key.verifies(signature, Cursor::new(data))
}

fn key_id(keynum: &[u8]) -> String {
    keynum.iter().rev().map(|byte| format!("{byte:02X}")).collect()
}

/// Keys are a few hundred bytes: what is longer is none, and is not read.
const MAX_TEXT: usize = 4096;

fn read_text(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    // As it grows, a string leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(MAX_TEXT));
    fs::File::open(path)
        .and_then(|file| file.take(MAX_TEXT as u64).read_to_string(&mut text))
        .map_err(|source| KeyError::File { path: path.to_owned(), source })?;
    Ok(text)
}
