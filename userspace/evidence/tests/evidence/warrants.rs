//! Every way in which a warrant can be wrong has its code, and the codes have an order.

use std::fs;

use calltap_evidence::keys::KeyPair;
use calltap_evidence::warrant::{self, Code, Deliver, Draft};

use crate::fixture::{Court, START_NS, any_target, draft};

fn code_of(court: &Court, text: &str) -> Result<(), Code> {
    let path = court.sign("w.toml", text);
    let parse = |target: &str| match target.split_once(':') {
        Some(("sip" | "tel", _)) => Ok(warrant::Identifier::Sip),
        _ => Err("no scheme that is known".to_owned()),
    };
    warrant::load(&path, &court.trust, &parse).map(|_| ()).map_err(|refusal| refusal.code())
}

/// A draft's text with one edit.
fn edited(from: &str, to: &str) -> String {
    let text = draft("L1").to_toml();
    assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

#[test]
fn a_draft_survives_the_way_through_its_text() {
    let mut odd = draft("L1");
    odd.reference = "\"quoted\" \\ 'and' = [odd] # é".to_owned();
    odd.deliver = Deliver::IriOnly;
    for draft in [draft("L1"), odd] {
        assert_eq!(Draft::from_toml(&draft.to_toml()).unwrap(), draft);
    }
}

#[test]
fn a_signed_warrant_loads_with_what_it_says() {
    let court = Court::new();
    let warrant = court.warrant("L1");
    assert_eq!(warrant.draft(), &draft("L1"));
    assert_eq!(warrant.signed_by(), court.key.public().id());
    assert!(warrant.in_force(START_NS).is_ok());
    let authority = warrant.authority(3);
    assert_eq!((authority.warrant(), authority.content()), (3, true));
}

#[test]
fn times_may_be_tomls_own() {
    let court = Court::new();
    let text = edited("\"2026-11-01T00:00:00Z\"", "2026-11-01T01:00:00+01:00");
    assert_eq!(code_of(&court, &text), Ok(()));
}

#[test]
fn the_window_holds_at_both_ends_and_not_beyond() {
    let court = Court::new();
    let warrant = court.warrant("L1");
    let (from, until) = (warrant.not_before_ns(), warrant.not_after_ns());
    assert!(warrant.in_force(from).is_ok() && warrant.in_force(until).is_ok());
    assert_eq!(warrant.in_force(from - 1).unwrap_err().code(), Code::NotYetInForce);
    assert_eq!(warrant.in_force(until + 1).unwrap_err().code(), Code::Expired);
}

#[test]
fn each_wrong_field_has_its_code() {
    let court = Court::new();
    let cases = [
        ("liid = \"L1\"", "liid = \"L1\"\nliid = \"L2\"", Code::Malformed),
        ("liid = \"L1\"", "liid = ", Code::Malformed),
        ("liid = \"L1\"", "liid = \"L1\"\nforever = true", Code::UnknownField),
        ("liid = \"L1\"", "liid = \"L1\"\n[more]\nx = 1", Code::UnknownField),
        ("liid = \"L1\"", "", Code::MissingField),
        ("targets = [", "target = [", Code::UnknownField),
        ("liid = \"L1\"", "liid = 1", Code::BadField),
        ("\"iri-and-content\"\n", "\"everything\"\n", Code::BadField),
        ("\"BE\"", "\"Belgium\"", Code::BadField),
        ("\"BE\"", "\"\"", Code::BadField),
        ("\"2026/555\"", "\"  \"", Code::BadField),
        ("\"2026/555\"", "\"a\\nb\"", Code::BadField),
        ("\"2026-11-01T00:00:00Z\"", "\"yesterday\"", Code::BadField),
        ("\"2026-11-01T00:00:00Z\"", "2026-11-01", Code::BadField),
        ("\"2026-11-01T00:00:00Z\"", "\"1960-11-01T00:00:00Z\"", Code::BadField),
        ("\"2026-12-01T00:00:00+01:00\"", "\"9999-12-31T00:00:00Z\"", Code::BadField),
        ("\"sip:alice@example.net\"", "17", Code::BadField),
        ("\"L1\"", "\"../L1\"", Code::BadLiid),
        ("\"L1\"", "\"..\"", Code::BadLiid),
        ("\"L1\"", "\"\"", Code::BadLiid),
        ("\"L1\"", "\"a b\"", Code::BadLiid),
        ("\"L1\"", "\"/etc\"", Code::BadLiid),
        ("\"L1\"", "\"node.pub\"", Code::BadLiid),
        ("\"L1\"", &format!("\"{}\"", "x".repeat(65)), Code::BadLiid),
        ("\"sip:alice@example.net\"", "\"everyone\"", Code::BadTarget),
        ("\"2026-11-01T00:00:00Z\"", "\"2026-12-02T00:00:00Z\"", Code::WindowInverted),
        ("\"2026-11-01T00:00:00Z\"", "\"2026-12-01T00:00:00+01:00\"", Code::WindowInverted),
        ("\"court\"", "\"other\"", Code::UnknownAuthority),
    ];
    KeyPair::generate().unwrap().store(&court.path("trust"), "other").unwrap();
    let trust = calltap_evidence::trust::Trust::open(&court.path("trust")).unwrap();
    let court = Court { trust, ..court };
    for (from, to, code) in cases {
        assert_eq!(code_of(&court, &edited(from, to)), Err(code), "{from} -> {to}");
    }
    let mut nobody = draft("L1");
    nobody.targets.clear();
    assert_eq!(code_of(&court, &nobody.to_toml()), Err(Code::NoTarget));
}

#[test]
fn signature_and_size_are_judged_before_any_field() {
    let court = Court::new();
    let load = |name: &str| {
        warrant::load(&court.path(name), &court.trust, &any_target).unwrap_err().code()
    };
    assert_eq!(load("absent.toml"), Code::Unreadable);
    assert_eq!(load("trust"), Code::Unreadable);

    fs::write(court.path("bare.toml"), "nonsense").unwrap();
    assert_eq!(load("bare.toml"), Code::Unsigned);

    let path = court.sign("changed.toml", "nonsense");
    fs::write(path, "Nonsense").unwrap();
    assert_eq!(load("changed.toml"), Code::BadSignature);

    court.sign("huge.toml", &"#".repeat(10 << 20));
    assert_eq!(load("huge.toml"), Code::TooLarge);

    let path = court.path("stranger.toml");
    fs::write(&path, draft("L1").to_toml()).unwrap();
    warrant::sign(&path, &KeyPair::generate().unwrap()).unwrap();
    assert_eq!(load("stranger.toml"), Code::UnknownAuthority);
}

#[test]
fn no_cut_or_flipped_signature_passes_or_panics() {
    let court = Court::new();
    let path = court.sign("w.toml", &draft("L1").to_toml());
    let file = warrant::signature_path(&path);
    let text = fs::read(&file).unwrap();
    let load = || warrant::load(&path, &court.trust, &any_target);
    let signed = text.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    for at in signed..text.len() - 1 {
        fs::write(&file, &text[..at]).unwrap();
        assert!(load().is_err(), "cut at {at}");
        let mut flipped = text.clone();
        flipped[at] ^= 1;
        fs::write(&file, &flipped).unwrap();
        assert!(load().is_err(), "flipped at {at}");
    }
}

#[test]
fn no_changed_byte_of_a_signed_warrant_passes() {
    let court = Court::new();
    let path = court.sign("w.toml", &draft("L1").to_toml());
    let text = fs::read(&path).unwrap();
    for at in (0..text.len()).step_by(11) {
        let mut flipped = text.clone();
        flipped[at] ^= 0x20;
        fs::write(&path, &flipped).unwrap();
        let refusal = warrant::load(&path, &court.trust, &any_target).unwrap_err();
        assert_eq!(refusal.code(), Code::BadSignature);
    }
}

#[test]
fn of_two_warrants_with_one_liid_neither_counts() {
    let court = Court::new();
    let paths = [
        court.sign("a.toml", &draft("L1").to_toml()),
        court.sign("b.toml", &draft("L2").to_toml()),
        court.sign("c.toml", &draft("L1").to_toml()),
    ];
    let codes: Vec<_> = warrant::load_all(&paths, &court.trust, &any_target)
        .into_iter()
        .map(|result| result.map(|_| ()).map_err(|refusal| refusal.code()))
        .collect();
    assert_eq!(codes, [Err(Code::DuplicateLiid), Ok(()), Err(Code::DuplicateLiid)]);
}

#[test]
fn an_unsigned_twin_does_not_stop_a_warrant() {
    let court = Court::new();
    let good = court.sign("a.toml", &draft("L1").to_toml());
    let twin = court.path("b.toml");
    fs::write(&twin, draft("L1").to_toml()).unwrap();
    let results = warrant::load_all(&[good, twin], &court.trust, &any_target);
    assert!(results[0].is_ok());
    assert_eq!(results[1].as_ref().unwrap_err().code(), Code::Unsigned);
}

#[test]
fn a_refusal_names_code_file_fault_and_mend() {
    let court = Court::new();
    let path = court.path("bare.toml");
    fs::write(&path, "").unwrap();
    let text = warrant::load(&path, &court.trust, &any_target).unwrap_err().to_string();
    assert!(text.starts_with("unsigned: "), "{text}");
    for part in ["bare.toml: ", "there is no ", "warrant sign"] {
        assert!(text.contains(part), "{text}");
    }
}
