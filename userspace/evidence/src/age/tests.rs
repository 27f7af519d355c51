use std::fs;
use std::process::Command;

use tempfile::TempDir;

use super::*;

/// An identity's file, as `age-keygen` makes it.
fn identity(dir: &TempDir) -> Identity {
    let path = dir.path().join("identity");
    assert!(Command::new("age-keygen").arg("-o").arg(&path).output().unwrap().status.success());
    let identity = Identity::load(&path).unwrap();
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(&identity.recipient().to_string()), "{text}");
    identity
}

fn lengths() -> [usize; 7] {
    [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000]
}

fn plain(length: usize) -> Vec<u8> {
    (0..=250_u8).cycle().take(length).collect()
}

#[test]
fn what_is_sealed_opens_and_age_opens_it_too() {
    let dir = TempDir::new().unwrap();
    let identity = identity(&dir);
    for length in lengths() {
        let sealed = seal(&identity.recipient(), &plain(length)).unwrap();
        let mut opened = Vec::new();
        assert_eq!(open(&identity, sealed.as_slice(), &mut opened).unwrap(), End::Whole);
        assert!(opened == plain(length), "{length}");
        fs::write(dir.path().join("sealed"), sealed).unwrap();
        let age = Command::new("age")
            .current_dir(dir.path())
            .args(["-d", "-i", "identity", "sealed"])
            .output()
            .unwrap();
        assert!(age.status.success() && age.stdout == plain(length), "{length} {age:?}");
    }
}

#[test]
fn what_age_seals_opens() {
    let dir = TempDir::new().unwrap();
    let identity = identity(&dir);
    for length in lengths() {
        fs::write(dir.path().join("plain"), plain(length)).unwrap();
        let age = Command::new("age")
            .current_dir(dir.path())
            .args(["-r", &identity.recipient().to_string(), "plain"])
            .output()
            .unwrap();
        let mut opened = Vec::new();
        assert_eq!(open(&identity, age.stdout.as_slice(), &mut opened).unwrap(), End::Whole);
        assert!(opened == plain(length), "{length}");
    }
}

#[test]
fn a_file_cut_after_a_chunk_gives_what_it_has_and_one_changed_anywhere_does_not_open() {
    let dir = TempDir::new().unwrap();
    let (identity, other) = (identity(&dir), identity(&TempDir::new().unwrap()));
    let sealed = seal(&identity.recipient(), &plain(200_000)).unwrap();
    let last = 200_000 % 65_536 + 16;
    let mut opened = Vec::new();
    let cut = &sealed[..sealed.len() - last];
    assert_eq!(open(&identity, cut, &mut opened).unwrap(), End::Cut);
    assert!(opened == plain(3 * 65_536));
    for at in (0..sealed.len()).step_by(997).chain(0..250) {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        let mut opened = Vec::new();
        assert!(open(&identity, changed.as_slice(), &mut opened).is_err(), "byte {at}");
        assert!(plain(200_000).starts_with(&opened), "what came out is genuine");
    }
    let found = open(&other, sealed.as_slice(), &mut Vec::new());
    assert!(matches!(found, Err(OpenError::OtherRecipient)), "{found:?}");
    let longer = [sealed.as_slice(), b"x"].concat();
    assert!(open(&identity, longer.as_slice(), &mut Vec::new()).is_err());
}

#[test]
fn a_recipient_has_one_spelling_and_hides_what_is_sealed_to_it() {
    // The neutral element: whoever multiplies it gets itself.
    let nothing =
        bech32::encode::<bech32::Bech32>(bech32::Hrp::parse("age").unwrap(), &[0; 32]).unwrap();
    for text in [nothing.as_str(), "", "age1", "age1qqqq", "court"] {
        assert!(text.parse::<Recipient>().is_err(), "{text}");
    }
}
