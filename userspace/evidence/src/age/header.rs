//! The header of a sealed file: the file key, wrapped for one X25519 recipient, and their MAC.
//!
//! ```text
//! age-encryption.org/v1
//! -> X25519 EPHEMERAL-SHARE
//! WRAPPED-FILE-KEY
//! --- MAC
//! ```

use std::io::{self, Read};

use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::{Identity, OpenError, Recipient};
use crate::base64;

/// What encrypts one file.
pub(super) type FileKey = Zeroizing<[u8; 16]>;

const VERSION: &str = "age-encryption.org/v1";
const LABEL: &[u8] = b"age-encryption.org/v1/X25519";

/// A header with one recipient is shorter; one with many is not ours, and is not read.
const MAX_LEN: usize = 4096;

/// Bytes from the system's generator.
pub(super) fn random<const N: usize>() -> io::Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(io::Error::other)?;
    Ok(bytes)
}

/// A key derived by HKDF-SHA-256.
pub(super) fn derive(from: &[u8], salt: &[u8], label: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    // It only fails for keys of more than 8,160 bytes.
    let _ = Hkdf::<Sha256>::new(Some(salt), from).expand(label, key.as_mut_slice());
    key
}

/// Wraps a new file key for `recipient` and writes the header.
pub(super) fn write(recipient: &Recipient, out: &mut Vec<u8>) -> io::Result<FileKey> {
    let file_key = random::<16>()?;
    let ephemeral = StaticSecret::from(*random::<32>()?);
    let share = PublicKey::from(&ephemeral);
    let wrap = wrapping_key(&ephemeral.diffie_hellman(&recipient.0), &share, &recipient.0);
    let wrapped = wrap.encrypt(&Nonce::default(), file_key.as_slice()).map_err(io::Error::other)?;
    let (share, wrapped) = (unpadded(share.as_bytes()), unpadded(&wrapped));
    let text = format!("{VERSION}\n-> X25519 {share}\n{wrapped}\n---");
    let mac = unpadded(&mac(&file_key, text.as_bytes())?.finalize().into_bytes());
    out.extend_from_slice(format!("{text} {mac}\n").as_bytes());
    Ok(file_key)
}

/// Reads a header, byte by byte up to its end, and unwraps the file key.
pub(super) fn read(identity: &Identity, sealed: &mut impl Read) -> Result<FileKey, OpenError> {
    let text = take(sealed)?;
    let broken = || OpenError::Broken("it has no header of an age file sealed to one X25519 key");
    let (covered, stated) = text.split_once("\n--- ").ok_or_else(broken)?;
    let mut lines = covered.lines();
    let (version, share, wrapped) = (lines.next(), lines.next(), lines.next());
    let share = share.and_then(|line| line.strip_prefix("-> X25519 ")).and_then(padded);
    let share: [u8; 32] = share.and_then(|bytes| bytes.try_into().ok()).ok_or_else(broken)?;
    let wrapped = wrapped.and_then(padded).ok_or_else(broken)?;
    if version != Some(VERSION) || lines.next().is_some() || wrapped.len() != 32 {
        return Err(broken());
    }
    let (share, own) = (PublicKey::from(share), PublicKey::from(&identity.0));
    let secret = identity.0.diffie_hellman(&share);
    if !secret.was_contributory() {
        return Err(broken());
    }
    let wrap = wrapping_key(&secret, &share, &own);
    let file_key = wrap.decrypt(&Nonce::default(), wrapped.as_slice());
    let file_key = Zeroizing::new(file_key.map_err(|_| OpenError::OtherRecipient)?);
    let file_key: [u8; 16] = file_key.as_slice().try_into().map_err(|_| broken())?;
    let file_key = Zeroizing::new(file_key);
    let stated = stated.strip_suffix('\n').and_then(padded).ok_or_else(broken)?;
    mac(&file_key, format!("{covered}\n---").as_bytes())?
        .verify_slice(&stated)
        .map_err(|_| OpenError::Broken("its header was changed"))?;
    Ok(file_key)
}

/// The text up to the end of the line that begins with `---`.
fn take(sealed: &mut impl Read) -> Result<String, OpenError> {
    let mut text = Vec::new();
    let mut byte = [0];
    while text.len() < MAX_LEN {
        sealed.read_exact(&mut byte)?;
        text.extend_from_slice(&byte);
        let is_last = text.rsplit(|byte| *byte == b'\n').nth(1);
        if byte == *b"\n" && is_last.is_some_and(|line| line.starts_with(b"---")) {
            break;
        }
    }
    String::from_utf8(text).map_err(|_| OpenError::Broken("its header is no text"))
}

fn wrapping_key(
    secret: &x25519_dalek::SharedSecret,
    share: &PublicKey,
    recipient: &PublicKey,
) -> ChaCha20Poly1305 {
    let salt = [*share.as_bytes(), *recipient.as_bytes()].concat();
    cipher(&derive(secret.as_bytes(), &salt, LABEL))
}

pub(super) fn cipher(key: &[u8; 32]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&Key::from(*key))
}

fn mac(file_key: &FileKey, text: &[u8]) -> io::Result<Hmac<Sha256>> {
    let key = derive(file_key.as_slice(), &[], b"header");
    let mac = Hmac::<Sha256>::new_from_slice(key.as_slice()).map_err(io::Error::other)?;
    Ok(mac.chain_update(text))
}

fn unpadded(bytes: &[u8]) -> String {
    base64::encode(bytes).trim_end_matches('=').to_owned()
}

fn padded(text: &str) -> Option<Vec<u8>> {
    let missing = text.len().next_multiple_of(4).checked_sub(text.len())?;
    (!text.contains('='))
        .then(|| format!("{text}{:=<missing$}", ""))
        .and_then(|text| base64::decode(&text))
}
