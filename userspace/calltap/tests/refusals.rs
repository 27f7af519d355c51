//! Hostile warrants, as data: each is refused with its own code, audited, and captures no byte.

mod desk;

use std::fs;
use std::path::Path;

use desk::{Desk, EVER, words};

/// A warrant that holds, and what was done to it.
struct Hostile {
    /// The code it is refused with.
    code: &'static str,
    /// What is found in its text, and put in its place before the authority signs.
    edits: &'static [(&'static str, &'static str)],
    /// Who signs.
    key: &'static str,
    /// What is done after that.
    then: Then,
    /// `trust.toml`.
    trust: &'static str,
    /// The node's settings.
    config: &'static str,
}

/// What is done to a warrant that is signed.
enum Then {
    Nothing,
    /// A text in the warrant is replaced.
    Edit(&'static str, &'static str),
    /// The signature's file is replaced by this.
    Signature(&'static str),
    /// The signature's file is removed.
    Unsign,
    /// The warrant's file is removed.
    Remove,
    /// So many bytes are appended.
    Grow(usize),
    /// A byte is turned.
    Turn(usize),
    /// Another of the same LIID is signed beside it.
    Twin,
    /// `calltap warrant` does this to it.
    Act(&'static [&'static str]),
    /// A line is written beside it.
    Write(&'static str, &'static str),
}

const HONEST: Hostile =
    Hostile { code: "", edits: &[], key: "court", then: Then::Nothing, trust: "", config: "" };

/// Refused for what the signed text says.
const fn says(code: &'static str, edits: &'static [(&'static str, &'static str)]) -> Hostile {
    Hostile { code, edits, ..HONEST }
}

/// Refused for what became of the files.
const fn becomes(code: &'static str, then: Then) -> Hostile {
    Hostile { code, then, ..HONEST }
}

/// Refused for what the trust store says of the authority.
const fn under(
    code: &'static str,
    trust: &'static str,
    edits: &'static [(&'static str, &'static str)],
) -> Hostile {
    Hostile { code, trust, edits, ..HONEST }
}

const TARGET: &str = "\"sip:alice@example.net\"";
const FROM: &str = "\"1980-01-01T00:00:00Z\"";
const UNTIL: &str = "\"2200-01-01T00:00:00Z\"";
const LIID: &str = "\"HOSTILE\"";
const SUPERSEDES: &str =
    "supersedes = \"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"\nliid =";
/// Ends the text: what comes behind it is one more field.
const LAST: &str = "not_after = \"2200-01-01T00:00:00Z\"";

const HOSTILE: &[Hostile] = &[
    // The file and its signature.
    becomes("unreadable", Then::Remove),
    becomes("too-large", Then::Grow(10_000_000)),
    becomes("unsigned", Then::Unsign),
    becomes("bad-signature", Then::Edit("alice", "bob")),
    becomes("bad-signature", Then::Edit("iri-and-content", "iri-only")),
    becomes("bad-signature", Then::Grow(1)),
    becomes("bad-signature", Then::Turn(0)),
    becomes("bad-signature", Then::Turn(300)),
    becomes("bad-signature", Then::Signature("")),
    becomes("bad-signature", Then::Signature("untrusted comment: none\nAAAA\n")),
    becomes("duplicate-liid", Then::Twin),
    Hostile { key: "pretender", ..says("unknown-authority", &[]) },
    Hostile { key: "ghent.node", ..says("unknown-authority", &[]) },
    Hostile { key: "alice.operator", ..says("unknown-authority", &[]) },
    says("unknown-authority", &[("\"court\"", "\"parquet\"")]),
    // Its text.
    says("malformed", &[("liid =", "liid")]),
    says("malformed", &[("liid =", "liid = \"A\"\nliid =")]),
    says("unknown-field", &[("liid =", "expires = \"never\"\nliid =")]),
    says("unknown-field", &[(LAST, "not_after = \"2200-01-01T00:00:00Z\"\n[more]\nx = 1")]),
    says("missing-field", &[("jurisdiction = \"BE\"", "")]),
    says("missing-field", &[("not_after = \"2200-01-01T00:00:00Z\"", "")]),
    says("bad-field", &[("\"BE\"", "\"Belgium\"")]),
    says("bad-field", &[("\"test\"", "\"\"")]),
    says("bad-field", &[("\"test\"", "7")]),
    says("bad-field", &[("\"iri-and-content\"\n", "\"everything\"\n")]),
    says("bad-field", &[(TARGET, "17")]),
    says("bad-field", &[(FROM, "\"yesterday\"")]),
    says("bad-field", &[(UNTIL, "\"9999-01-01T00:00:00Z\"")]),
    says("bad-field", &[("liid =", "urgent = \"yes\"\nliid =")]),
    says("bad-field", &[("liid =", "legal_basis = \" \"\nliid =")]),
    says("bad-field", &[("liid =", "offence_class = \"a\\nb\"\nliid =")]),
    says("bad-field", &[("liid =", "version = -1\nliid =")]),
    says("bad-liid", &[(LIID, "\"../HOSTILE\"")]),
    says("bad-liid", &[(LIID, "\"audit.jsonl\"")]),
    says("bad-liid", &[(LIID, "\"\"")]),
    // Its version.
    says("bad-version", &[("liid =", "version = 0\nliid =")]),
    says("bad-version", &[("liid =", "version = 2\nliid =")]),
    says("bad-version", &[("liid =", "supersedes = \"0011\"\nversion = 2\nliid =")]),
    says("bad-version", &[("liid =", SUPERSEDES)]),
    says("bad-field", &[("liid =", "direction = \"both\"\nliid =")]),
    says("bad-field", &[("liid =", "direction = true\nliid =")]),
    says("bad-field", &[("liid =", "dtmf = \"drop\"\nliid =")]),
    // The parties that it excludes.
    says("bad-field", &[("liid =", "excluded = \"sip:counsel@example.net\"\nliid =")]),
    says("bad-field", &[("liid =", "excluded = [\"sip:counsel@example.net\"]\nliid =")]),
    says(
        "bad-field",
        &[("liid =", "excluded = [{ identifier = 'tel:+1', keep = 'all' }]\nliid =")],
    ),
    says("missing-field", &[("liid =", "excluded = [{ identifier = 'tel:+1' }]\nliid =")]),
    says(
        "unknown-field",
        &[("liid =", "excluded = [{ identifier = 'tel:+1', keep = 'iri', x = 1 }]\nliid =")],
    ),
    says(
        "bad-exclusion",
        &[("liid =", "excluded = [{ identifier = 'everyone', keep = 'iri' }]\nliid =")],
    ),
    says(
        "bad-exclusion",
        &[("liid =", "excluded = [{ identifier = 'ip:192.0.2.1', keep = 'iri' }]\nliid =")],
    ),
    says(
        "bad-exclusion",
        &[(
            "liid =",
            "excluded = [{ identifier = 'sip:alice@example.net', keep = 'nothing' }]\nliid =",
        )],
    ),
    says(
        "bad-exclusion",
        &[
            (TARGET, "\"ip:192.0.2.1/32\""),
            ("liid =", "excluded = [{ identifier = 'tel:+3225550199', keep = 'iri' }]\nliid ="),
        ],
    ),
    // Its targets.
    says("no-target", &[("    \"sip:alice@example.net\",\n", "")]),
    says("bad-target", &[(TARGET, "\"everyone\"")]),
    says("bad-target", &[(TARGET, "\"sip:*@*\"")]),
    says("bad-target", &[(TARGET, "\"ip:0.0.0.0/0\"")]),
    says("bad-target", &[(TARGET, "\"tel:+1234567890123456\"")]),
    says("wide-target", &[(TARGET, "\"sip:alice@*\"")]),
    says("wide-target", &[(TARGET, "\"sip:example.net\"")]),
    says("wide-target", &[(TARGET, "\"ip:192.0.2.0/24\"")]),
    says("wide-target", &[(TARGET, "\"ip:2001:db8::/48\"")]),
    says(
        "network-too-wide",
        &[(TARGET, "\"ip:0.0.0.0/1\""), ("liid =", "wide_targets = true\nliid =")],
    ),
    says(
        "network-too-wide",
        &[
            (TARGET, "\"ip:10.0.0.0/16\", \"ip:10.1.0.0/16\""),
            ("liid =", "wide_targets = true\nliid ="),
        ],
    ),
    says(
        "network-too-wide",
        &[(TARGET, "\"ip:2001::/16\""), ("liid =", "wide_targets = true\nliid =")],
    ),
    // Its window.
    says("window-inverted", &[(UNTIL, FROM)]),
    says("not-yet-in-force", &[(FROM, "\"2199-01-01T00:00:00Z\"")]),
    says("expired", &[(UNTIL, "\"2000-01-01T00:00:00Z\"")]),
    // What was done to it.
    becomes("revoked", Then::Act(&["revoke", "--key", "keys/court.key", "--reason", "over"])),
    becomes("bad-act", Then::Act(&["revoke", "--key", "keys/pretender.key", "--reason", "over"])),
    becomes("bad-act", Then::Act(&["revoke", "--key", "keys/alice.operator.key", "--reason", "x"])),
    becomes("bad-act", Then::Write(".acts", "nobody signed this\n")),
    becomes("bad-act", Then::Write(".revocation", "{}\n")),
    becomes(
        "suspended",
        Then::Act(&[
            "suspend",
            "--key",
            "keys/alice.operator.key",
            "--reason",
            "fault",
            "--trust",
            "trust",
        ]),
    ),
    under("not-activated", "[authority.court]\ntwo_person = true", &[]),
    Hostile {
        then: Then::Act(&[
            "activate",
            "--key",
            "keys/alice.operator.key",
            "--trust",
            "trust",
            "--target",
            "sip:alice@example.net",
        ]),
        ..under("not-activated", "[authority.court]\ntwo_person = true", &[])
    },
    // What the authority may order.
    under("too-long", "[authority.court]\nmax_days = 90", &[]),
    under("identifier-not-allowed", "[authority.court]\nidentifiers = [\"tel\"]", &[]),
    under("deliver-not-allowed", "[authority.court]\ndeliver = [\"iri-only\"]", &[]),
    under(
        "urgent-not-allowed",
        "[authority.court]\nurgent = false",
        &[("liid =", "urgent = true\nliid =")],
    ),
    under(
        "too-many-targets",
        "[authority.court]\nmax_targets = 1",
        &[(TARGET, "\"sip:alice@example.net\", \"sip:bob@example.net\"")],
    ),
    under(
        "network-too-wide",
        "[authority.court]\nwidest_ipv4 = 30",
        &[(TARGET, "\"ip:192.0.2.0/29\"")],
    ),
    under("not-its-jurisdiction", "[authority.court]\ncountry = \"NL\"", &[]),
    Hostile { config: "country = \"NL\"", ..says("foreign-jurisdiction", &[]) },
    Hostile {
        config: "country = \"NL\"",
        ..under("foreign-jurisdiction", "[authority.court]\nexecuted_in = [\"FR\"]", &[])
    },
    // Its key.
    under(
        "key-revoked",
        "[authority.court]\n[[authority.court.keys]]\nfile = \"court.pub\"\nrevoked = 2020-01-01T00:00:00Z",
        &[],
    ),
    under(
        "key-expired",
        "[[authority.court.keys]]\nfile = \"court.pub\"\nvalid_until = \"1979-12-31T00:00:00Z\"",
        &[],
    ),
    under(
        "key-not-yet-valid",
        "[[authority.court.keys]]\nfile = \"court.pub\"\nvalid_from = 1980-01-01T00:00:01Z",
        &[],
    ),
];

fn calls() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../pcaps/calls.pcapng"))
}

fn replace(desk: &Desk, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(desk.path(file)).unwrap();
    assert!(text.contains(from), "{from}: {text}");
    fs::write(desk.path(file), text.replacen(from, to, 1)).unwrap();
}

/// Lays a hostile warrant on the desk.
fn lay(desk: &Desk, hostile: &Hostile) -> String {
    fs::write(desk.path("trust/trust.toml"), hostile.trust).unwrap();
    fs::write(desk.path("config.toml"), hostile.config).unwrap();
    let file = desk.draft("HOSTILE", &["sip:alice@example.net"], EVER);
    for (from, to) in hostile.edits {
        replace(desk, &file, from, to);
    }
    let key = format!("keys/{}.key", hostile.key);
    desk.fine(&["warrant", "sign", &file, "--key", &key]);
    let (path, signature) = (desk.path(&file), desk.path(&format!("{file}.minisig")));
    match hostile.then {
        Then::Nothing => {}
        Then::Edit(from, to) => replace(desk, &file, from, to),
        Then::Signature(text) => fs::write(signature, text).unwrap(),
        Then::Unsign => fs::remove_file(signature).unwrap(),
        Then::Remove => fs::remove_file(path).unwrap(),
        Then::Grow(bytes) => {
            let text = fs::read_to_string(&path).unwrap() + &"#".repeat(bytes);
            fs::write(path, text).unwrap();
        }
        Then::Turn(place) => {
            let mut text = fs::read(&path).unwrap();
            text[place] ^= 1;
            fs::write(path, text).unwrap();
        }
        Then::Act(act) => {
            let mut arguments = vec!["warrant", act[0], &file];
            arguments.extend(&act[1..]);
            desk.fine(&arguments);
        }
        Then::Write(end, text) => fs::write(desk.path(&(file.clone() + end)), text).unwrap(),
        Then::Twin => {
            fs::copy(&path, desk.path("warrants/twin.toml")).unwrap();
            fs::copy(signature, desk.path("warrants/twin.toml.minisig")).unwrap();
        }
    }
    file
}

/// Has `warrant check` and `replay` refuse what lies on the desk, and looks for bytes captured.
fn refused(desk: &Desk, file: &str, hostile: &Hostile, honest: &str) {
    let code = hostile.code;
    let mut check = vec!["warrant", "check", file];
    let mut replay = vec!["--warrant", file];
    if matches!(hostile.then, Then::Twin) {
        check.push("warrants/twin.toml");
        replay.extend(["--warrant", "warrants/twin.toml"]);
    }
    check.extend(["--trust", "trust", "--config", "config.toml"]);
    let output = desk.run(&check);
    let says = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{code}: {}", words(&output));
    assert!(says.contains(&format!("refused: {code}: ")), "{code}: {says}");

    let _ = fs::remove_dir_all(desk.path("evidence"));
    let mut command = desk.command();
    command.arg("replay").arg(calls()).args(replay).args(["--warrant", honest]);
    command.args(["--trust", "trust", "--config", "config.toml", "--evidence", "evidence"]);
    let output = command.output().unwrap();
    // A window is held against the packets' time: outside it there is nothing to refuse or keep.
    if !matches!(code, "not-yet-in-force" | "expired") {
        assert_eq!(output.status.code(), Some(1), "{code}: {}", words(&output));
        let audit = fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap();
        let audited = audit.lines().any(|line| {
            line.contains("\"warrant-refused\"") && line.contains(&format!("\"{code}\""))
        });
        assert!(audited, "{code}: {audit}");
        assert!(!desk.path("evidence/HOSTILE").exists(), "{code}");
    }
    for path in desk.files("evidence") {
        let bytes = fs::read(&path).unwrap();
        let found = bytes.windows(8).any(|part| part == b"INVITE s");
        assert!(!found && path.extension().is_none_or(|it| it != "pcapng"), "{code}: {path:?}");
    }
}

#[test]
fn each_hostile_warrant_is_refused_with_its_code_audited_and_captures_no_byte() {
    assert!(HOSTILE.len() >= 40);
    let desk = Desk::new();
    for name in ["ghent.node", "alice.operator"] {
        // A node's key is made as any other: by its name in the trust directory it is one.
        desk.fine(&["authority", "new", "other", "--out", "keys"]);
        for kind in ["key", "pub"] {
            let made = desk.path(&format!("keys/other.{kind}"));
            fs::rename(made, desk.path(&format!("keys/{name}.{kind}"))).unwrap();
        }
        let public = desk.path(&format!("keys/{name}.pub"));
        fs::copy(public, desk.path(&format!("trust/{name}.pub"))).unwrap();
    }
    desk.fine(&["authority", "new", "parquet", "--out", "keys"]);
    fs::copy(desk.path("keys/parquet.pub"), desk.path("trust/parquet.pub")).unwrap();
    // A warrant that holds keeps the node at work; nobody in the capture is its target. It must not
    // fall with the hostile one, so it is another authority's.
    let honest = desk.draft("HONEST", &["sip:nobody@example.org"], EVER);
    replace(&desk, &honest, "\"court\"", "\"parquet\"");
    replace(&desk, &honest, "\"BE\"", "\"NL\"");
    desk.fine(&["warrant", "sign", &honest, "--key", "keys/parquet.key"]);
    for hostile in HOSTILE {
        let file = lay(&desk, hostile);
        refused(&desk, &file, hostile, &honest);
        for left in desk.files("warrants") {
            if !left.to_string_lossy().contains("HONEST") {
                fs::remove_file(left).unwrap();
            }
        }
    }
}

#[test]
fn the_same_warrant_unharmed_is_accepted_and_captures() {
    let desk = Desk::new();
    let file = lay(&desk, &HONEST);
    let found = desk.replay(calls(), &file, &[]);
    assert!(!found["volumes"].as_array().unwrap().is_empty(), "{found}");
}
