//! The console with a certificate: who verifies it is answered, and nobody in the clear.
//!
//! They need root; without it they say so and pass.

#[allow(dead_code, reason = "a part of it is used")]
mod browser;
mod capture;
mod desk;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use browser::Browser;
use calltap::lab::Lab;
use capture::Capture;
use desk::{Desk, words};

const NAME: &str = "calltap.example.net:8432";

/// A certificate and its key, and settings that name both.
fn certify(desk: &Desk) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args([
            "-days",
            "2",
            "-subj",
            "/CN=calltap",
            "-out",
            "console.pem",
            "-keyout",
            "console.key",
        ])
        .args(["-addext", "subjectAltName=DNS:calltap.example.net,IP:127.0.0.1"])
        .current_dir(desk.path("."))
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{}", words(&made));
    mode(&desk.path("console.key"), 0o600);
    let settings = "[console]\ncertificate = \"console.pem\"\nkey = \"console.key\"\n";
    fs::write(desk.path("calltap.toml"), settings).unwrap();
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A capture whose console others reach, and its lab.
fn started(desk: &Desk) -> Option<(Lab, Capture)> {
    let lab = capture::laid()?;
    let up = lab.command_in_tap("ip").args(["link", "set", "lo", "up"]).status().unwrap();
    assert!(up.success());
    certify(desk);
    let command = lab.command_in_tap(env!("CARGO_BIN_EXE_calltap"));
    let more = ["--config", "calltap.toml", "--console", "0.0.0.0:8432"];
    let capture = Capture::start(desk, command, lab.tap_interface(), &more);
    Some((lab, capture))
}

/// What curl says of a request.
fn ask(desk: &Desk, lab: &Lab, url: &str, more: &[&str]) -> Output {
    let mut curl = lab.command_in_tap("curl");
    curl.current_dir(desk.path(".")).args(["-sSi", "--resolve", &format!("{NAME}:127.0.0.1")]);
    curl.args(more).arg(url).output().expect("curl")
}

fn body(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_browser_that_verifies_the_certificate_gets_the_console_and_plain_http_nothing() {
    let desk = Desk::new();
    let Some((lab, capture)) = started(&desk) else { return };
    let secure = format!("https://{NAME}/");
    let verified = ["--cacert", "console.pem", "--max-time", "20"];

    for versions in [&[][..], &["--tls-max", "1.2"], &["--tlsv1.3"]] {
        let page = ask(&desk, &lab, &secure, &[&verified, versions].concat());
        let text = body(&page);
        assert!(text.starts_with("HTTP/1.1 200"), "{versions:?}: {}", words(&page));
        assert!(text.contains("strict-transport-security: max-age=31536000"), "{text}");
        assert!(text.contains("default-src 'none'") && text.contains("<title>calltap"), "{text}");
    }
    let tokens = fs::read_to_string(desk.path("state/calltap/console.tokens")).unwrap();
    let token = tokens.lines().find_map(|it| it.strip_prefix("watch watcher ")).unwrap();
    let bearer = format!("Authorization: Bearer {token}");
    let me =
        ask(&desk, &lab, &format!("{secure}api/me"), &[&verified[..], &["-H", &bearer]].concat());
    assert!(body(&me).contains("\"role\":\"watch\""), "{}", words(&me));

    let unverified = ask(&desk, &lab, &secure, &["--max-time", "20"]);
    assert_eq!(unverified.status.code(), Some(60), "{}", words(&unverified));
    let plain = ask(&desk, &lab, &format!("http://{NAME}/"), &["--max-time", "20"]);
    assert!(!plain.status.success() && plain.stdout.is_empty(), "{}", words(&plain));

    if Browser::is_there() {
        let shell = lab.command_in_tap("sh");
        let mut browser = Browser::start(shell, &desk.path("browser"), (1280, 900));
        // It has no store of its own into which the certificate could be put; curl has verified it.
        let ignore = serde_json::json!({ "ignore": true });
        browser.call("Security.setIgnoreCertificateErrors", ignore);
        browser.open("https://127.0.0.1:8432/");
        browser.enter(token);
        browser.press("Enter");
        browser.wait_for("document.querySelector('#tiles .tile') !== null");
        assert_eq!(browser.value("isSecureContext && location.protocol"), "https:");
    }
    let (code, _, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("console at https://0.0.0.0:8432/"), "{log}");
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
}

#[test]
fn who_is_silent_loses_his_place_and_holds_nobody_up() {
    let desk = Desk::new();
    let Some((lab, capture)) = started(&desk) else { return };
    let silent = |connections: u32| {
        let line = format!(
            "for i in $(seq {connections}); do exec {{fd}}<>/dev/tcp/127.0.0.1/8432; done; \
             echo; exec sleep 60"
        );
        let mut shell = lab.command_in_tap("bash");
        shell.args(["-c", &line]).stdout(Stdio::piped()).spawn().expect("bash")
    };
    let answered = |patience: &str| {
        let verified = ["--cacert", "console.pem", "--max-time", patience];
        let page = ask(&desk, &lab, &format!("https://{NAME}/"), &verified);
        assert!(body(&page).starts_with("HTTP/1.1 200"), "{}", words(&page));
    };
    let mut others = Vec::new();
    // With places left, nobody waits for a handshake that is not his; with none, for their time alone.
    for (connections, patience) in [(20, "5"), (40, "40")] {
        let mut other = silent(connections);
        let mut told = [0];
        std::io::Read::read_exact(other.stdout.as_mut().unwrap(), &mut told).unwrap();
        answered(patience);
        others.push(other);
    }
    for mut other in others {
        other.kill().unwrap();
        other.wait().unwrap();
    }
    let (code, _, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn settings_name_a_key_that_others_read_and_one_of_another_certificate() {
    let desk = Desk::new();
    certify(&desk);
    let check = |code| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_calltap"));
        desk.at_desk(&mut command);
        let output = command.args(["config", "check", "calltap.toml"]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", words(&output));
        words(&output)
    };
    assert!(check(0).contains("calltap.toml: fine"));
    mode(&desk.path("console.key"), 0o644);
    let said = check(1);
    assert!(said.contains("console.key console.key can be read by others: chmod 600"), "{said}");
    fs::rename(desk.path("console.pem"), desk.path("former.pem")).unwrap();
    certify(&desk);
    fs::rename(desk.path("former.pem"), desk.path("console.pem")).unwrap();
    let said = check(1);
    assert!(said.contains("is not that of console.certificate console.pem"), "{said}");
    fs::write(desk.path("calltap.toml"), "[console]\nkey = \"console.key\"\n").unwrap();
    let said = check(1);
    assert!(said.contains("line 2: console.key: nothing without its certificate"), "{said}");
}
