//! From a file to a warrant: every check, in a fixed order, so that each cause has its own code.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{Code, Draft, Refusal, Warrant};
use crate::clock;
use crate::keys::{self, KeyError, KeyPair, Signature};
use crate::trust::Trust;

/// The longest file that is read as a warrant: 1 MiB.
pub const MAX_BYTES: usize = 1 << 20;

/// Names at the root of an evidence directory, which a LIID would collide with.
const RESERVED: [&str; 3] = ["node.pub", "audit.jsonl", "checkpoint.json"];

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
/// every field and no other, a LIID, targets that `parse_target` accepts, a window.
///
/// # Errors
/// A [`Refusal`] for the first check that fails. Whether the window holds now is not checked here:
/// [`Warrant::in_force`].
pub fn load(
    path: &Path,
    trust: &Trust,
    parse_target: &dyn Fn(&str) -> Result<(), String>,
) -> Result<Warrant, Refusal> {
    let refuse = |code, what: String| Refusal::new(code, path, what);
    let text = read(path, MAX_BYTES)
        .map_err(|error| refuse(Code::Unreadable, error.to_string()))?
        .ok_or_else(|| refuse(Code::TooLarge, format!("it is longer than {MAX_BYTES} bytes")))?;
    let (signature, signed_by) = check_signature(path, &text, trust)?;
    let draft = std::str::from_utf8(&text)
        .map_err(|error| refuse(Code::Malformed, format!("not UTF-8: {error}")))
        .and_then(|text| Draft::from_toml(text).map_err(|(code, what)| refuse(code, what)))?;
    let liid = draft.liid.clone();
    check(path, &draft, &signed_by, trust, parse_target)
        .map(|(from_ns, until_ns)| Warrant {
            path: path.to_owned(),
            draft,
            from_ns,
            until_ns,
            signed_by,
            text,
            signature,
        })
        .map_err(|refusal| refusal.of(&liid))
}

/// Loads several warrants. Where two that hold otherwise have one LIID, neither counts: nothing
/// says which of them is meant.
pub fn load_all<P: AsRef<Path>>(
    paths: &[P],
    trust: &Trust,
    parse_target: &dyn Fn(&str) -> Result<(), String>,
) -> Vec<Result<Warrant, Refusal>> {
    let mut loaded: Vec<_> =
        paths.iter().map(|path| load(path.as_ref(), trust, parse_target)).collect();
    let liids: Vec<String> =
        loaded.iter().flatten().map(|warrant| warrant.liid().to_owned()).collect();
    for result in &mut loaded {
        if let Ok(warrant) = result
            && liids.iter().filter(|liid| *liid == warrant.liid()).count() > 1
        {
            let what = format!("another warrant has the LIID {}, too", warrant.liid());
            *result =
                Err(Refusal::new(Code::DuplicateLiid, &warrant.path, what).of(&warrant.draft.liid));
        }
    }
    loaded
}

/// Whether what a draft says would be accepted, if an authority signed it as it stands.
///
/// # Errors
/// The first [`Refusal`] that [`load`] would give for its fields, with `path` as its file.
pub fn check_draft(
    path: &Path,
    draft: &Draft,
    parse_target: &dyn Fn(&str) -> Result<(), String>,
) -> Result<(), Refusal> {
    check(path, draft, "", &Trust::default(), parse_target).map(|_| ())
}

/// Finds the key by the signature's key id and checks the signature; gives its text and the id.
fn check_signature(path: &Path, text: &[u8], trust: &Trust) -> Result<(String, String), Refusal> {
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
    if !claimed.any(|trusted| keys::verifies(&trusted.key, &signature, text)) {
        let what = format!("the signature claims key {id} and is not over these bytes");
        return Err(refuse(Code::BadSignature, what));
    }
    Ok((signature_text, id))
}

/// Checks what the fields say; gives the window.
fn check(
    path: &Path,
    draft: &Draft,
    signed_by: &str,
    trust: &Trust,
    parse_target: &dyn Fn(&str) -> Result<(), String>,
) -> Result<(u64, u64), Refusal> {
    let refuse = |code, what: String| Err(Refusal::new(code, path, what));
    if trust.named(&draft.authority).is_some_and(|trusted| trusted.key.id() != signed_by) {
        let what = format!("key {signed_by} is not that of the authority `{}`", draft.authority);
        return refuse(Code::UnknownAuthority, what);
    }
    for (name, value) in [("authority", &draft.authority), ("reference", &draft.reference)] {
        if value.trim().is_empty() || value.len() > 256 || value.chars().any(char::is_control) {
            return refuse(Code::BadField, format!("`{name}` is no line of 1 to 256 bytes"));
        }
    }
    if !is_country(&draft.jurisdiction) {
        return refuse(Code::BadField, "`jurisdiction` is no ISO 3166 code, such as BE".to_owned());
    }
    let time = |name: &str, text: &str| {
        clock::parse_rfc3339(text).ok_or_else(|| {
            let what = format!("`{name}` is no RFC 3339 time with an offset, from 1970 to 2554");
            Refusal::new(Code::BadField, path, what)
        })
    };
    let from_ns = time("not_before", &draft.not_before)?;
    let until_ns = time("not_after", &draft.not_after)?;
    if !is_liid(&draft.liid) {
        let what = "`liid` must be 1 to 64 letters, digits, `.`, `_` or `-`, \
                    begin with a letter or digit, and be no name that evidence uses itself";
        return refuse(Code::BadLiid, what.to_owned());
    }
    if draft.targets.is_empty() {
        return refuse(Code::NoTarget, "`targets` is empty".to_owned());
    }
    for target in &draft.targets {
        if let Err(what) = parse_target(target) {
            return refuse(Code::BadTarget, format!("target `{target}`: {what}"));
        }
    }
    if until_ns <= from_ns {
        return refuse(Code::WindowInverted, "`not_after` is not after `not_before`".to_owned());
    }
    Ok((from_ns, until_ns))
}

/// Whether `text` can name a directory, and no other directory than its own.
pub(crate) fn is_liid(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && !RESERVED.contains(&text)
}

/// `BE`, or with a part of the country `BE-BRU`.
fn is_country(text: &str) -> bool {
    let (country, part) = text.split_once('-').unwrap_or((text, "X"));
    country.len() == 2
        && country.bytes().all(|byte| byte.is_ascii_uppercase())
        && (1..=3).contains(&part.len())
        && part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// The file's bytes; `None` if there are more than `limit`.
fn read(path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
    // Opening a pipe would wait for a writer that may never come.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}
