//! Session-ID: an end-to-end name of a communication session (RFC 7989), and its forerunner
//! (RFC 7329).

/// The UUIDs of a Session-ID as a key: 32 lower-case hexadecimal digits each, apart by a comma.
///
/// Either party sends its own first, so the order is taken away.
/// One UUID without the other is a session that the other party has not joined yet (RFC 7989
/// §6), or RFC 7329's one value for all.
/// It is no key for a session of two: who keeps his UUID and is transferred to somebody else is in
/// another session then, which need not be the target's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionId {
    text: [u8; 65],
    len: usize,
}

const UUID: usize = 32;

impl SessionId {
    /// None for what is no UUID, and for the nil UUID (RFC 7989 §5), which names nothing.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let mut parts = value.split(|&byte| byte == b';');
        let local = uuid(parts.next()?)?;
        let remote = parts.find_map(|part| {
            let (name, value) = part.trim_ascii().split_at_checked(b"remote=".len())?;
            name.eq_ignore_ascii_case(b"remote=").then_some(value)
        });
        let remote = remote.map_or(Some(NIL), uuid)?;
        let (first, second) = (local.min(remote), local.max(remote));
        if second == NIL {
            return None;
        }
        let mut text = [0; 65];
        let ahead = if first == NIL { &[][..] } else { &first };
        let comma = if first == NIL { &[][..] } else { b"," };
        let mut len = 0;
        for (to, &from) in text.iter_mut().zip(ahead.iter().chain(comma).chain(&second)) {
            *to = from;
            len += 1;
        }
        Some(Self { text, len })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }
}

const NIL: [u8; UUID] = [b'0'; UUID];

fn uuid(text: &[u8]) -> Option<[u8; UUID]> {
    let digits: [u8; UUID] = text.trim_ascii().try_into().ok()?;
    digits.iter().all(u8::is_ascii_hexdigit).then(|| digits.map(|digit| digit.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;

    fn key(text: &str) -> Option<String> {
        let session = SessionId::parse(text.as_bytes())?;
        Some(String::from_utf8_lossy(session.bytes()).into_owned())
    }

    #[test]
    fn a_session_is_the_same_from_either_side_and_the_nil_uuid_names_none() {
        let (a, b, nil) = ("a".repeat(32), "b".repeat(32), "0".repeat(32));
        let both = key(&format!("{a};remote={b}"));
        assert_eq!(both, key(&format!("{};remote={a} ;x=y", b.to_uppercase())));
        assert_eq!(key(&format!("{a};remote={nil}")), key(&a));
        assert_eq!(key(&format!("{nil};remote={a}")), key(&a));
        assert_ne!(both, key(&a));
        for nothing in [nil.clone(), format!("{nil};remote={nil}"), a[1..].into(), "x".repeat(32)] {
            assert_eq!(key(&nothing), None, "{nothing}");
        }
        assert_eq!(key(&format!("{a};remote=short")), None);
    }
}
