//! Time stamps by an authority outside (RFC 3161): of the audit's last line, borne by the next.
//!
//! A node's clock is the node's word. A token says of a hash that it was there at a time, in the word
//! of somebody whom the operator does not control. What is stamped is the `prev` of the line that
//! bears the token: the head of the audit, and with it each ledger's that a stopped session states.
//!
//! Of a token three fields are read here: what it is, of which hash, and when. Its signature is for
//! `openssl ts -verify`, which knows certificates; and what fetches it is no part of the program,
//! which opens no socket.

use std::io;
use std::path::Path;

use serde_json::Value;

use crate::audit::AuditLine;
use crate::keys::KeyPair;
use crate::keys::PublicKey;
use crate::store::{Error, read_checkpoint};
use crate::{act, base64, digest, layout};

/// A line with a token.
const STAMPED: &str = "time-stamped";

/// A line that says that there is none.
const FAILED: &str = "time-stamp-failed";

/// No reply is longer; a token holds a few certificates.
const MAX_REPLY: usize = 64 << 10;

/// The request for a token over the audit as it is (§2.4.1), to be sent to an authority as
/// `application/timestamp-query`.
///
/// # Errors
/// [`Error`] if the evidence cannot be read.
pub fn query(root: &Path) -> Result<Vec<u8>, Error> {
    let file = root.join(layout::NODE);
    let node = PublicKey::load(&file)
        .map_err(|error| Error::File { path: file, source: io::Error::other(error) })?;
    let head = read_checkpoint(root, "audit", &node)?.head("audit");
    // Version 1, SHA-256, the certificate of the authority is asked for.
    let mut request = vec![0x30, 0x39, 2, 1, 1, 0x30, 0x31, 0x30, 13, 6, 9];
    request.extend(SHA256);
    request.extend([5, 0, 4, 32]);
    request.extend(bytes(&head.sha256));
    request.extend([1, 1, 0xff]);
    Ok(request)
}

/// What became of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The audit bears the token, by which it was there at this time.
    Stamped(String),
    /// The audit says that there is none, and why.
    Failed(String),
}

/// Takes in the authority's reply (§2.4.2), and has the audit bear its token, or say why not.
///
/// # Errors
/// As [`act::record`].
pub fn reply(root: &Path, node: &KeyPair, reply: &[u8]) -> Result<Outcome, Error> {
    let (stamp, token) = match token(reply).and_then(|token| Ok((Stamp::read(token)?, token))) {
        Ok(found) => found,
        Err(what) => return failed(root, node, what),
    };
    let mut is_over_head = false;
    act::append_behind(root, node, |head| {
        is_over_head = head == stamp.sha256;
        let details = [("gen_time", stamp.gen_time.as_str()), ("token", &base64::encode(token))];
        is_over_head.then(|| AuditLine::event(STAMPED, &details))
    })?;
    if is_over_head {
        return Ok(Outcome::Stamped(stamp.gen_time));
    }
    failed(root, node, "it is over another hash than that of the audit's last line: ask again")
}

/// Has the audit say that no token was to be had.
///
/// # Errors
/// As [`act::record`].
pub fn failed(root: &Path, node: &KeyPair, cause: &str) -> Result<Outcome, Error> {
    act::record(root, node, FAILED, &[("cause", cause)])?;
    Ok(Outcome::Failed(cause.to_owned()))
}

/// What a line of the audit bears, if it bears a token: when that was made, or what is wrong with it.
pub(crate) fn of_line(line: &Value) -> Option<Result<String, &'static str>> {
    if line.get("event").and_then(Value::as_str) != Some(STAMPED) {
        return None;
    }
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let token = text(line.get("details").and_then(|details| details.get("token")));
    let token = token.and_then(|token| base64::decode(&token));
    let stamp = token.as_deref().map_or(Err("its token is no base64"), Stamp::read);
    Some(stamp.and_then(|stamp| {
        let is_over_it = text(line.get("prev")).as_ref() == Some(&stamp.sha256);
        is_over_it.then_some(stamp.gen_time).ok_or("its token is not over the line before it")
    }))
}

/// What is read of a token.
#[derive(Debug)]
struct Stamp {
    /// Of what, in lowercase hexadecimal digits.
    sha256: String,
    /// When, as the authority wrote it: `20261123160400Z`.
    gen_time: String,
}

/// 2.16.840.1.101.3.4.2.1
const SHA256: [u8; 9] = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
/// 1.2.840.113549.1.7.2: SignedData (RFC 5652 §5.1).
const SIGNED_DATA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
/// 1.2.840.113549.1.9.16.1.4: TSTInfo (RFC 3161 §2.4.2).
const TST_INFO: [u8; 11] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 4];

const INTEGER: u8 = 2;
const OCTETS: u8 = 4;
const OID: u8 = 6;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `[0] EXPLICIT`.
const CONTEXT_0: u8 = 0xa0;

/// The token in a reply, if the authority has granted one.
fn token(reply: &[u8]) -> Result<&[u8], &'static str> {
    let broken = "it is no reply of a time stamping authority";
    let reply = reply.get(..MAX_REPLY).map_or(Ok(reply), |_| Err("it is too long"))?;
    let mut reply = Der(reply);
    let mut response = reply.inside(SEQUENCE).ok_or(broken)?;
    let status = response.inside(SEQUENCE).and_then(|mut info| info.take(INTEGER)).ok_or(broken)?;
    // Granted, perhaps with changes (§2.4.2).
    if !matches!(status, [0 | 1]) {
        return Err("the authority has refused");
    }
    Some(response.0).filter(|token| !token.is_empty()).ok_or("it has no token")
}

impl Stamp {
    fn read(token: &[u8]) -> Result<Self, &'static str> {
        let info = tst_info(token).ok_or("it is no time stamp token")?;
        Self::of(info).ok_or("it is not over a SHA-256")
    }

    fn of(mut info: Der<'_>) -> Option<Self> {
        info.take(INTEGER)?;
        info.take(OID)?;
        let mut imprint = info.inside(SEQUENCE)?;
        let algorithm = imprint.inside(SEQUENCE)?.take(OID)?;
        let hashed = imprint.take(OCTETS)?;
        info.take(INTEGER)?;
        let gen_time = String::from_utf8(info.take(GENERALIZED_TIME)?.to_vec()).ok()?;
        let is_time = gen_time.bytes().all(|it| it.is_ascii_digit() || b".Z".contains(&it));
        let is_sha256 = algorithm == SHA256 && hashed.len() == 32;
        (is_sha256 && is_time).then(|| Self { sha256: digest::lower(hashed), gen_time })
    }
}

/// The content of a token (RFC 5652 §5.2).
fn tst_info(token: &[u8]) -> Option<Der<'_>> {
    let mut content = Der(token).inside(SEQUENCE)?;
    if content.take(OID)? != SIGNED_DATA {
        return None;
    }
    let mut signed = content.inside(CONTEXT_0)?.inside(SEQUENCE)?;
    signed.take(INTEGER)?;
    signed.take(SET)?;
    let mut encapsulated = signed.inside(SEQUENCE)?;
    if encapsulated.take(OID)? != TST_INFO {
        return None;
    }
    Der(encapsulated.inside(CONTEXT_0)?.take(OCTETS)?).inside(SEQUENCE)
}

/// Elements of DER, one behind the other (ITU-T X.690 §8.1).
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next element, which must have this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (&short, rest) = rest.split_first()?;
        let (length, rest) = match usize::from(short) {
            short @ 0..=0x7f => (short, rest),
            // As many bytes of length follow; none says that the end is marked, which DER does not.
            long @ 0x81..=0x84 => {
                let (length, rest) = rest.split_at_checked(long & 0x7f)?;
                (length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (found == tag).then_some(content)
    }

    fn inside(&mut self, tag: u8) -> Option<Self> {
        self.take(tag).map(Self)
    }
}

/// Bytes of hexadecimal digits.
fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap_or_default(), 16);
    pairs.map(|pair| byte(pair).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn elements_are_read_as_far_as_they_are_there() {
        let mut der = Der(&[2, 1, 7, 4, 0x81, 2, 8, 9, 5, 0]);
        assert_eq!(der.take(INTEGER), Some(&[7][..]));
        assert_eq!(der.take(OCTETS), Some(&[8, 9][..]));
        assert_eq!((der.take(OID), der.take(OID)), (None, None));
        for broken in [&[4, 5, 1][..], &[4, 0x80, 0, 0], &[4, 0x85, 0, 0, 0, 0, 1, 1], &[4]] {
            assert_eq!(Der(broken).take(OCTETS), None, "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_reply_by_chance_nor_make_it_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200)
        ) {
            prop_assert!(token(&bytes).and_then(Stamp::read).is_err());
        }
    }
}
