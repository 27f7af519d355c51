//! Keys in session descriptions (RFC 4568 §4, §9.1; RFC 6188 §4, RFC 7714 §14.2).

use std::collections::BTreeSet;

use calltap_proto::sip::Message;
use ct_codecs::{Base64NoPadding, Decoder as _};

use super::session::Session;
use crate::evidence::inert::inert;
use crate::evidence::signalling::Said;

/// How packets are encrypted and authenticated.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Suite {
    pub(super) name: &'static str,
    /// Bytes of the master key, and of the keys that are derived of it.
    pub(super) key: usize,
    /// Bytes of the master salt.
    pub(super) salt: usize,
    /// Bytes by which a packet is authenticated.
    pub(super) tag: usize,
    /// AES-GCM, which authenticates by itself; the others are AES in counter mode with HMAC-SHA1.
    pub(super) is_gcm: bool,
}

const fn suite_of(name: &'static str, key: usize, salt: usize, tag: usize, is_gcm: bool) -> Suite {
    Suite { name, key, salt, tag, is_gcm }
}

static SUITES: [Suite; 8] = [
    suite_of("AES_CM_128_HMAC_SHA1_80", 16, 14, 10, false),
    suite_of("AES_CM_128_HMAC_SHA1_32", 16, 14, 4, false),
    suite_of("AES_192_CM_HMAC_SHA1_80", 24, 14, 10, false),
    suite_of("AES_192_CM_HMAC_SHA1_32", 24, 14, 4, false),
    suite_of("AES_256_CM_HMAC_SHA1_80", 32, 14, 10, false),
    suite_of("AES_256_CM_HMAC_SHA1_32", 32, 14, 4, false),
    suite_of("AEAD_AES_128_GCM", 16, 12, 16, true),
    suite_of("AEAD_AES_256_GCM", 32, 12, 16, true),
];

/// By its name, in either case.
pub(super) fn suite(name: &str) -> Option<&'static Suite> {
    SUITES.iter().find(|suite| suite.name.eq_ignore_ascii_case(name))
}

/// A master key with what belongs to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Master {
    pub(super) suite: &'static Suite,
    pub(super) key: Box<[u8]>,
    pub(super) salt: Box<[u8]>,
    /// Bytes of the key's identifier in each packet.
    pub(super) mki: usize,
    /// Packets are authenticated and not encrypted.
    pub(super) is_plain: bool,
}

/// Keys beyond this number are not tried, and no more reasons told: a call has a few for each of its
/// descriptions.
const LIMIT: usize = 64;

/// All keys of a call.
///
/// Which is a stream's is not concluded from offer and answer, which a relay may have rewritten on
/// one of two hops: a packet is authentic by one of them or by none.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    pub(super) sessions: Vec<Session>,
    /// What is announced and cannot be used, in the words of the descriptions.
    pub(super) unusable: BTreeSet<String>,
}

impl Keys {
    /// Of a call's messages.
    pub(crate) fn of(messages: &[Said]) -> Self {
        let messages: Vec<_> = messages.iter().filter_map(|it| Message::parse(&it.bytes)).collect();
        Self::of_descriptions(messages.iter().filter_map(Message::description))
    }

    /// Of descriptions.
    pub(super) fn of_descriptions<'a>(descriptions: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let (mut keys, mut masters) = (Self::default(), Vec::new());
        let lines = descriptions.into_iter().flat_map(|it| it.split(|byte| *byte == b'\n'));
        for value in lines.filter_map(|line| line.strip_prefix(b"a=crypto:")) {
            match read(&String::from_utf8_lossy(value)) {
                Ok(read) => {
                    for master in read {
                        if masters.len() < LIMIT && !masters.contains(&master) {
                            masters.push(master);
                        }
                    }
                }
                Err(why) if keys.unusable.len() < LIMIT => drop(keys.unusable.insert(why)),
                Err(_) => {}
            }
        }
        keys.sessions = masters.iter().filter_map(Session::new).collect();
        keys
    }

    /// Why none of them opens a stream.
    pub(crate) fn missing(&self) -> String {
        let unusable: Vec<_> = self.unusable.iter().map(|what| inert(what)).collect();
        match (&*self.sessions, &*unusable) {
            ([], []) => "its signalling holds no keys".to_owned(),
            ([], _) => {
                format!("its signalling holds {}, which is not decrypted", unusable.join(", "))
            }
            _ => "no key of its signalling fits".to_owned(),
        }
    }
}

/// `1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20|1:4 FEC_ORDER=FEC_SRTP`, or what stands against it.
fn read(value: &str) -> Result<Vec<Master>, String> {
    let mut words = value.split_ascii_whitespace().skip(1);
    let name = words.next().unwrap_or_default();
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let name = if is_name { name } else { "a line without a suite" };
    let suite = suite(name).ok_or_else(|| name.to_owned())?;
    let keys = words.next().unwrap_or_default();
    let mut is_plain = false;
    for parameter in words {
        match parameter {
            "UNENCRYPTED_SRTP" => is_plain = true,
            "KDR=0" | "UNENCRYPTED_SRTCP" => {}
            _ if parameter.starts_with("FEC_") || parameter.starts_with("WSH=") => {}
            // Without authentication nothing says whether a key is the right one.
            _ => {
                let name = parameter.split('=').next().unwrap_or_default();
                return Err(format!("{} with {name}", suite.name));
            }
        }
    }
    let masters = keys.split(';').map(|keys| master(suite, keys, is_plain));
    let masters: Option<Vec<_>> = masters.collect();
    masters.ok_or_else(|| format!("{} with a key that cannot be read", suite.name))
}

/// `inline:KEY|2^20|1:4`
fn master(suite: &'static Suite, keys: &str, is_plain: bool) -> Option<Master> {
    let mut parts = keys.split_once(':').filter(|(method, _)| *method == "inline")?.1.split('|');
    let key = parts.next()?.trim_end_matches('=');
    let key = Base64NoPadding::decode_to_vec(key, None).ok()?;
    let (key, salt) = key.split_at_checked(suite.key).filter(|it| it.1.len() == suite.salt)?;
    // A lifetime has no colon.
    let mki = parts.find_map(|part| part.split_once(':')).map(|(_, length)| length.parse());
    let mki = mki.transpose().ok()?.unwrap_or(0);
    (mki <= 128).then(|| Master { suite, key: key.into(), salt: salt.into(), mki, is_plain })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4568 §6.1 and §9.2 have these lines.
    #[test]
    fn the_lines_of_the_rfc_are_read() {
        let read_one = |line: &str| {
            let mut masters = read(line).unwrap();
            assert_eq!(masters.len(), 1, "{line}");
            masters.remove(0)
        };
        let key = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
        let first = read_one(&format!(
            "1 AES_CM_128_HMAC_SHA1_80 inline:{key}|2^20|1:4 FEC_ORDER=FEC_SRTP\r"
        ));
        assert_eq!(
            (&*first.key, &*first.salt),
            (&b"YS___semctl () {"[..], &b"\t220;}\n}\nunles"[..])
        );
        assert_eq!((first.suite.tag, first.mki, first.is_plain), (10, 4, false));
        let without = read_one(&format!("1 AES_CM_128_HMAC_SHA1_32 inline:{key}|2^20"));
        assert_eq!((without.suite.tag, without.mki), (4, 0));
        let plain = read_one(&format!("7 AES_CM_128_HMAC_SHA1_80 inline:{key} UNENCRYPTED_SRTP"));
        assert!(plain.is_plain);
        let two = format!("2 AES_CM_128_HMAC_SHA1_80 inline:{key}|2^20|1:4;inline:{key}|2^20|2:4");
        assert_eq!(read(&two).unwrap().len(), 2);
    }

    #[test]
    fn what_cannot_be_used_is_named_by_suite_and_never_by_key() {
        let key = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
        let cases = [
            (format!("1 F8_128_HMAC_SHA1_80 inline:{key}"), "F8_128_HMAC_SHA1_80"),
            (
                format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key} UNAUTHENTICATED_SRTP"),
                "AES_CM_128_HMAC_SHA1_80 with UNAUTHENTICATED_SRTP",
            ),
            (
                format!("1 AES_256_CM_HMAC_SHA1_80 inline:{key}"),
                "AES_256_CM_HMAC_SHA1_80 with a key that cannot be read",
            ),
            (
                "1 AES_CM_128_HMAC_SHA1_80 inline:XXXXXXXX|1:999".to_owned(),
                "AES_CM_128_HMAC_SHA1_80 with a key that cannot be read",
            ),
            (
                format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key} KDR=16"),
                "AES_CM_128_HMAC_SHA1_80 with KDR",
            ),
            (format!("1 inline:{key}"), "a line without a suite"),
        ];
        for (line, why) in cases {
            assert_eq!(read(&line), Err(why.to_owned()), "{line}");
        }
    }
}
