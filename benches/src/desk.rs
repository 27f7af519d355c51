//! A desk to work at: a temporary directory with an authority, and a warrant for the target.

use std::fs;
use std::path::PathBuf;

use calltap_evidence::age::Recipient;
use calltap_evidence::keys::KeyPair;
use calltap_evidence::record::Authority;
use calltap_evidence::trust::Trust;
use calltap_evidence::warrant::{self, Deliver, Draft, Identifier};
use tempfile::TempDir;

use crate::call::TARGET;

/// The directory, removed when dropped.
#[derive(Debug)]
pub struct Desk {
    dir: TempDir,
}

impl Desk {
    /// Lays out `trust/`, `warrant.toml` with its signature, and `config.toml`, which keeps the
    /// node's key on the desk.
    pub fn lay() -> Self {
        Self::lay_for(None)
    }

    /// The same, with evidence sealed to a recipient.
    pub fn lay_for(recipient: Option<Recipient>) -> Self {
        let desk = Self { dir: TempDir::new().expect("a temporary directory") };
        let court = KeyPair::generate().expect("a key");
        fs::create_dir(desk.path("trust")).expect("a directory");
        fs::write(desk.path("trust/court.pub"), court.public().to_text()).expect("a public key");
        let draft = Draft {
            liid: "L-1".to_owned(),
            authority: "court".to_owned(),
            reference: "bench".to_owned(),
            jurisdiction: "BE".to_owned(),
            deliver: Deliver::IriAndContent,
            recipient,
            targets: vec![format!("sip:{TARGET}@example.net")],
            not_before: "1980-01-01T00:00:00Z".to_owned(),
            not_after: "2200-01-01T00:00:00Z".to_owned(),
            ..Draft::default()
        };
        fs::write(desk.path("warrant.toml"), draft.to_toml()).expect("a warrant");
        warrant::sign(&desk.path("warrant.toml"), &court).expect("a signature");
        let config = format!("node_key = {:?}\n", desk.path("node.key"));
        fs::write(desk.path("config.toml"), config).expect("settings");
        desk
    }

    /// Puts the warrant into `warrants/`, where `calltap run` reads all that there are.
    pub fn post(&self) {
        fs::create_dir(self.path("warrants")).expect("a directory");
        for file in ["warrant.toml", "warrant.toml.minisig"] {
            fs::copy(self.path(file), self.path("warrants").join(file)).expect("a copy");
        }
    }

    /// A path on the desk.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What makes records lawful: the warrant's authority, the warrant being number 0.
    pub fn authority(&self) -> Authority {
        let trust = Trust::open(&self.path("trust")).expect("a trust directory");
        let warrant = warrant::load(&self.path("warrant.toml"), &trust, &|_| Ok(Identifier::Sip));
        warrant.expect("a valid warrant").authority(0)
    }
}
