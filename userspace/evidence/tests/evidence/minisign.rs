//! The real `minisign` program and ours take each other's keys and signatures.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use calltap_evidence::keys::{KeyError, KeyPair, PublicKey};
use calltap_evidence::trust::Trust;
use calltap_evidence::warrant;

use crate::fixture::{Court, any_target, draft, run};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn minisign_accepts_our_signatures() {
    let court = Court::new();
    let path = court.sign("w.toml", &draft("L1").to_toml());
    let public = court.path("trust/court.pub");
    let out = run("minisign", &["-Vm", text(&path), "-p", text(&public)]);
    assert!(out.contains("Signature and comment signature verified"), "{out}");
}

#[test]
fn minisign_signs_with_our_keys() {
    let court = Court::new();
    let (path, key) = (court.path("w.toml"), court.path("trust/court.key"));
    fs::write(&path, draft("L1").to_toml()).unwrap();
    run("minisign", &["-Sm", text(&path), "-s", text(&key)]);
    warrant::load(&path, &court.trust, &any_target).unwrap();
}

#[test]
fn we_accept_minisigns_keys_and_signatures_prehashed_and_legacy() {
    let court = Court::new();
    let (key, public) = (court.path("m.key"), court.path("trust/minister.pub"));
    run("minisign", &["-GW", "-p", text(&public), "-s", text(&key)]);
    let trust = Trust::open(&court.path("trust")).unwrap();
    let mut draft = draft("L1");
    draft.authority = "minister".to_owned();
    for options in ["-Sm", "-Slm"] {
        let path = court.path("w.toml");
        fs::write(&path, draft.to_toml()).unwrap();
        run("minisign", &[options, text(&path), "-s", text(&key)]);
        let warrant = warrant::load(&path, &trust, &any_target).unwrap();
        assert_eq!(warrant.signed_by(), PublicKey::load(&public).unwrap().id());
    }
    let pair = KeyPair::load(&key).unwrap();
    assert_eq!(*pair.public(), PublicKey::load(&public).unwrap());
    let path = court.path("ours.toml");
    fs::write(&path, draft.to_toml()).unwrap();
    warrant::sign(&path, &pair).unwrap();
    run("minisign", &["-Vm", text(&path), "-p", text(&public)]);
}

#[test]
fn a_secret_key_is_for_its_owner_alone_and_never_overwritten() {
    let court = Court::new();
    let path = court.path("trust/court.key");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let again = KeyPair::generate().unwrap().store(&court.path("trust"), "court");
    assert!(matches!(again, Err(KeyError::File { .. })));
    assert_eq!(KeyPair::load(&path).unwrap().public(), court.key.public());
    assert!(!format!("{:?}", court.key).contains("secret"));
}

#[test]
fn a_key_behind_a_password_is_refused_with_the_mend() {
    let court = Court::new();
    let path = court.path("locked.key");
    let mut line = "untrusted comment: minisign encrypted secret key\nRWRTY0Iy".to_owned();
    line.push_str(&"A".repeat(204));
    fs::write(&path, line).unwrap();
    let error = KeyPair::load(&path).unwrap_err();
    assert!(matches!(error, KeyError::Encrypted { .. }));
    assert!(error.to_string().contains("minisign -C -W -s"), "{error}");
}

#[test]
fn a_damaged_secret_key_does_not_sign() {
    let court = Court::new();
    let path = court.path("trust/court.key");
    let text = fs::read_to_string(&path).unwrap();
    for at in (text.find("RWQ").unwrap()..text.len()).step_by(7) {
        let mut damaged = text.clone().into_bytes();
        damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
        fs::write(&path, &damaged).unwrap();
        if let Ok(pair) = KeyPair::load(&path) {
            // A damaged id or checksum still signs; nothing but the pair itself accepts it.
            let signed = pair.sign(&b"text"[..], "comment").unwrap();
            let signature = calltap_evidence::keys::Signature::parse(&signed).unwrap();
            assert!(pair.public().verifies(&signature, std::io::Cursor::new(b"text")));
        }
    }
}

#[test]
fn node_key_is_made_once_and_found_again() {
    let court = Court::new();
    let path = court.path("node.key");
    let made = KeyPair::load_or_generate(&path).unwrap();
    assert_eq!(KeyPair::load_or_generate(&path).unwrap().public(), made.public());
}
