//! From a file to a warrant: every check, in a fixed order, so that each cause has its own code.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::acts;
use super::check::{self, Checked, ParseTarget};
use super::{Code, Draft, Refusal, Warrant};
use crate::clock;
use crate::keys::{self, KeyError, KeyPair, Signature};
use crate::trust::{Policy, Trust, TrustedKey};

/// The longest file that is read as a warrant: 1 MiB.
pub const MAX_BYTES: usize = 1 << 20;

/// The path of a warrant's signature: the warrant's with `.minisig` after it.
pub fn signature_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".minisig");
    PathBuf::from(name)
}

/// Signs a file as it is, right or wrong, and writes `PATH.minisig`; gives that path.
///
/// # Errors
/// [`KeyError`] naming the file that cannot be read or written.
pub fn sign(path: &Path, key: &KeyPair) -> Result<PathBuf, KeyError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| KeyError::File { path, source }
    };
    let comment = format!("calltap warrant, signed {}", clock::rfc3339(clock::now_ns()));
    let signature = key.sign(File::open(path).map_err(file(path))?, &comment)?;
    let out = signature_path(path);
    std::fs::write(&out, signature).map_err(file(&out))?;
    Ok(out)
}

/// Loads a warrant: readable, not too large, signed, by a trusted key, over these bytes, TOML with
/// every field and no other, a LIID, targets that `parse_target` accepts, a window, and nothing
/// that the authority may not order.
///
/// # Errors
/// A [`Refusal`] for the first check that fails. Whether the window holds now is not checked here:
/// [`Warrant::in_force`].
pub fn load(path: &Path, trust: &Trust, parse_target: ParseTarget<'_>) -> Result<Warrant, Refusal> {
    let refuse = |code, what: String| Refusal::new(code, path, what);
    let text = read(path, MAX_BYTES)
        .map_err(|error| refuse(Code::Unreadable, error.to_string()))?
        .ok_or_else(|| refuse(Code::TooLarge, format!("it is longer than {MAX_BYTES} bytes")))?;
    let (signature, signers) = check_signature(path, &text, trust)?;
    let draft = std::str::from_utf8(&text)
        .map_err(|error| refuse(Code::Malformed, format!("not UTF-8: {error}")))
        .and_then(|text| Draft::from_toml(text).map_err(|(code, what)| refuse(code, what)))?;
    let checked = check(path, &draft, &signers, trust, parse_target)
        .map_err(|refusal| refusal.of(&draft.liid))?;
    let acts = acts::of(path, &text, &signers, trust).map_err(|refusal| refusal.of(&draft.liid))?;
    let warrant = Warrant {
        path: path.to_owned(),
        draft,
        from_ns: checked.from_ns,
        until_ns: checked.until_ns,
        signed_by: signers.first().map(|trusted| trusted.key.id()).unwrap_or_default(),
        text,
        signature,
        acts,
        identifiers: checked.identifiers,
    };
    let two_person = signers.iter().any(|trusted| trust.policy(&trusted.name).two_person);
    match acts::standing(path, &warrant.acts, two_person) {
        Ok(()) => Ok(warrant),
        Err(refusal) => Err(refusal.of_warrant(warrant)),
    }
}

/// Checks the fields, the keys' owners and what they may order; a key's revocation ends the window.
fn check(
    path: &Path,
    draft: &Draft,
    signers: &[&TrustedKey],
    trust: &Trust,
    parse_target: ParseTarget<'_>,
) -> Result<Checked, Refusal> {
    let is_signer = |trusted: &TrustedKey| signers.iter().any(|it| it.key == trusted.key);
    let mut named = trust.named(&draft.authority).peekable();
    if named.peek().is_some() && !named.any(is_signer) {
        let what = format!("no key of the authority `{}` signed it", draft.authority);
        return Err(Refusal::new(Code::UnknownAuthority, path, what));
    }
    let mut checked = check::fields(path, draft, parse_target)?;
    let mut until_ns = checked.until_ns;
    // One key may stand there under several names; then each of these must permit it.
    for trusted in signers {
        check::key(path, &checked, trusted)?;
        check::policy(path, draft, &checked, trust.policy(&trusted.name), trust)?;
        let revoked = trusted.validity.revoked_ns;
        until_ns = until_ns.min(revoked.map_or(u64::MAX, |at| at.saturating_sub(1)));
    }
    checked.until_ns = until_ns;
    Ok(checked)
}

/// Whether what a draft says would be accepted, if an authority signed it as it stands.
///
/// # Errors
/// The first [`Refusal`] that [`load`] would give for its fields, with `path` as its file.
pub fn check_draft(
    path: &Path,
    draft: &Draft,
    parse_target: ParseTarget<'_>,
) -> Result<(), Refusal> {
    let checked = check::fields(path, draft, parse_target)?;
    check::policy(path, draft, &checked, &Policy::default(), &Trust::default())
}

/// Finds the key by the signature's key id and checks the signature; gives its text, and the key
/// under each of its names.
fn check_signature<'a>(
    path: &Path,
    text: &[u8],
    trust: &'a Trust,
) -> Result<(String, Vec<&'a TrustedKey>), Refusal> {
    let refuse = |code, what: String| Refusal::new(code, path, what);
    let file = signature_path(path);
    let signature_text = match read(&file, 4096) {
        Ok(bytes) => bytes.and_then(|bytes| String::from_utf8(bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(refuse(Code::Unsigned, format!("there is no {}", file.display())));
        }
        Err(error) => return Err(refuse(Code::Unreadable, format!("{}: {error}", file.display()))),
    };
    let (signature_text, signature) = signature_text
        .and_then(|text| Signature::parse(&text).map(|signature| (text, signature)))
        .ok_or_else(|| refuse(Code::BadSignature, format!("{} is no signature", file.display())))?;
    let mut claimed = trust.claimed_by(&signature).peekable();
    let id = signature.key_id();
    if claimed.peek().is_none() {
        return Err(refuse(Code::UnknownAuthority, format!("no trusted key has the id {id}")));
    }
    let signers: Vec<_> =
        claimed.filter(|trusted| keys::verifies(&trusted.key, &signature, text)).collect();
    if signers.is_empty() {
        let what = format!("the signature claims key {id} and is not over these bytes");
        return Err(refuse(Code::BadSignature, what));
    }
    Ok((signature_text, signers))
}

/// The file's bytes; `None` if there are more than `limit`.
pub(super) fn read(path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
    // Opening a pipe would wait for a writer that may never come.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}
