//! Recipients (`age1...`) and identities (`AGE-SECRET-KEY-1...`): X25519 keys in Bech32.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::str::FromStr;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Hrp};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

/// Who alone can open what is sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(pub(super) PublicKey);

impl FromStr for Recipient {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = decode(text, "age").ok_or("it is no X25519 recipient of age (age1...)")?;
        let key = PublicKey::from(*bytes);
        // Some points give every sender the same secret; no generator of keys makes them.
        let probe = StaticSecret::from([1; 32]).diffie_hellman(&key);
        if probe.was_contributory() { Ok(Self(key)) } else { Err("it is a key that hides nothing") }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = bech32::encode::<Bech32>(Hrp::parse_unchecked("age"), self.0.as_bytes());
        f.write_str(&text.map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What opens what is sealed to its recipient.
pub struct Identity(pub(super) StaticSecret);

impl Identity {
    /// Reads the first identity of a file as `age-keygen` writes it.
    ///
    /// # Errors
    /// The file cannot be read, or holds no X25519 identity.
    pub fn load(path: &Path) -> io::Result<Self> {
        let mut text = Zeroizing::new(String::new());
        File::open(path)?.take(1 << 16).read_to_string(&mut text)?;
        let line = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1"));
        let key = line.and_then(|line| decode(line.trim_end(), "age-secret-key-"));
        let what = || io::Error::other("it holds no X25519 identity of age (AGE-SECRET-KEY-1...)");
        Ok(Self(StaticSecret::from(*key.ok_or_else(what)?)))
    }

    /// Whom one must name to seal something for it.
    pub fn recipient(&self) -> Recipient {
        Recipient(PublicKey::from(&self.0))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.recipient())
    }
}

/// The 32 bytes of a key in Bech32, whose human-readable part is `kind`.
fn decode(text: &str, kind: &str) -> Option<Zeroizing<[u8; 32]>> {
    let checked = CheckedHrpstring::new::<Bech32>(text).ok()?;
    if checked.hrp() != Hrp::parse(kind).ok()? {
        return None;
    }
    let bytes = Zeroizing::new(checked.byte_iter().collect::<Vec<u8>>());
    bytes.as_slice().try_into().ok().map(Zeroizing::new)
}
