//! Signed notes (C2SP signed-note) with Ed25519, and checkpoints as their text (C2SP
//! tlog-checkpoint).

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use super::tree::Hash;
use crate::base64;
use crate::digest;

/// The type of an Ed25519 signature in a note.
const ED25519: u8 = 1;

/// More text is no checkpoint of ours with the cosignatures of its witnesses.
const MAX_NOTE: usize = 1 << 16;

/// The tree at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log it is of; also the name of the key that signs.
    pub origin: String,
    /// Number of leaves.
    pub size: usize,
    /// The tree's root.
    pub root: Hash,
}

impl Checkpoint {
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, base64::encode(&self.root))
    }

    /// The note signed by `key`.
    pub(super) fn sign(&self, key: &SigningKey) -> String {
        let text = self.text();
        let id = key_id(&self.origin, key.verifying_key().as_bytes());
        let signature = key.sign(text.as_bytes()).to_bytes();
        let signature = base64::encode(&[id.as_slice(), &signature].concat());
        format!("{text}\n\u{2014} {} {signature}\n", self.origin)
    }

    /// Reads a note that `public`, 32 bytes, has signed under the name of the log; none if it has
    /// not. The signatures of others, such as witnesses, are passed over.
    pub(super) fn verified(note: &str, public: &[u8]) -> Option<Self> {
        if note.len() > MAX_NOTE {
            return None;
        }
        let (body, signatures) = note.rsplit_once("\n\n")?;
        let mut lines = body.lines();
        let origin = lines.next()?.to_owned();
        let (size, root) = (lines.next()?, lines.next()?);
        let checkpoint =
            Self { origin, size: size.parse().ok()?, root: base64::decode(root)?.try_into().ok()? };
        let id = key_id(&checkpoint.origin, public);
        let key = VerifyingKey::from_bytes(public.try_into().ok()?).ok()?;
        let is_ours = |line: &str| {
            let (name, signature) = line.strip_prefix("\u{2014} ")?.rsplit_once(' ')?;
            let signature = base64::decode(signature)?;
            let (its, signature) = signature.split_at_checked(4)?;
            let signature = Signature::from_slice(signature).ok()?;
            let known = name == checkpoint.origin && its == id;
            (known && key.verify_strict(checkpoint.text().as_bytes(), &signature).is_ok())
                .then_some(())
        };
        // A checkpoint of ours has three lines: what is spelled in another way was not signed by us.
        let signed = signatures.lines().any(|line| is_ours(line).is_some());
        (signed && checkpoint.text().trim_end() == body).then_some(checkpoint)
    }
}

/// The key as witnesses are told of it: `NAME+ID+KEY`.
pub(super) fn verifier_key(name: &str, public: &[u8]) -> String {
    let id = digest::lower(&key_id(name, public));
    format!("{name}+{id}+{}", base64::encode(&[&[ED25519], public].concat()))
}

/// `SHA-256(name || 0x0A || type || public key)[:4]`.
fn key_id(name: &str, public: &[u8]) -> [u8; 4] {
    let hash: Hash = Sha256::new_with_prefix(name)
        .chain_update([b'\n', ED25519])
        .chain_update(public)
        .finalize()
        .into();
    let [a, b, c, d, ..] = hash;
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verifier key that the specification has for its example.
    const EXAMPLE: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    #[test]
    fn the_key_of_the_specifications_example_has_its_id() {
        let bytes = base64::decode(EXAMPLE.rsplit_once('+').unwrap().1).unwrap();
        assert_eq!(verifier_key("example.com/foo", &bytes[1..]), EXAMPLE);
    }

    #[test]
    fn a_note_holds_with_its_signature_alone() {
        let key = SigningKey::from_bytes(&[5; 32]);
        let public = key.verifying_key().to_bytes();
        let checkpoint = Checkpoint {
            origin: "calltap/555".into(),
            size: 12,
            root: super::super::tree::leaf(b""),
        };
        let note = checkpoint.sign(&key);
        assert_eq!(Checkpoint::verified(&note, &public), Some(checkpoint));
        let cosigned = format!("{note}\u{2014} witness.example AAAA\n");
        assert!(Checkpoint::verified(&cosigned, &public).is_some());
        for (from, to) in [("12", "13"), ("12", "012"), ("/555", "/556"), ("\n\n", "\nmore\n\n")] {
            assert_eq!(Checkpoint::verified(&note.replacen(from, to, 1), &public), None, "{to}");
        }
        let other = SigningKey::from_bytes(&[6; 32]).verifying_key();
        assert_eq!(Checkpoint::verified(&note, other.as_bytes()), None);
    }
}
