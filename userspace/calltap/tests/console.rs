//! The console of a real capture, asked by curl and used in a real Chromium.
//!
//! They need root; without it they say so and pass.

mod browser;
mod capture;
mod desk;
mod hostile;

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use browser::Browser;
use calltap::lab::{CallPlan, Lab};
use capture::Capture;
use desk::{Desk, EVER, words};
use serde_json::Value;

const ALICE: &str = "sip:alice@example.net";
const ADDRESS: &str = "127.0.0.1:8432";

/// Whatever of a call's parties could stand in what is shown.
const IDENTITIES: [&str; 4] = ["alice", "friend", "example.net", "192.0.2."];

/// A lab with a loopback interface, or plain words that there is none.
fn laid() -> Option<Lab> {
    let lab = capture::laid()?;
    let up = lab.command_in_tap("ip").args(["link", "set", "lo", "up"]).status().unwrap();
    assert!(up.success());
    Some(lab)
}

fn start(desk: &Desk, lab: &Lab) -> Capture {
    let command = lab.command_in_tap(env!("CARGO_BIN_EXE_calltap"));
    Capture::start(desk, command, lab.tap_interface(), &["--console", ADDRESS])
}

/// The token of a role.
fn token(desk: &Desk, role: &str) -> String {
    let text = fs::read_to_string(desk.path("state/calltap/console.tokens")).unwrap();
    let line = text.lines().find(|line| line.starts_with(role)).unwrap();
    line.rsplit(' ').next().unwrap().to_owned()
}

/// The answer to a request: its status, its head and its body.
fn ask(lab: &Lab, token: &str, path: &str, more: &[&str]) -> (u16, String, String) {
    let mut curl = lab.command_in_tap("curl");
    curl.args(["-sSi", "--max-time", "60"]).args(more);
    if !token.is_empty() {
        curl.args(["-H", &format!("Authorization: Bearer {token}")]);
    }
    let output = curl.arg(format!("http://{ADDRESS}/{path}")).output().expect("curl");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{}", words(&output)));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

fn json(answer: (u16, String, String)) -> Value {
    assert_eq!(answer.0, 200, "{answer:?}");
    serde_json::from_str(&answer.2).unwrap_or_else(|_| panic!("{answer:?}"))
}

/// What the console has written into the audit: what was looked at, by which role, and which call.
fn views(desk: &Desk) -> Vec<(String, String, String)> {
    let of = |details: &Value, name: &str| details[name].as_str().unwrap_or_default().to_owned();
    let viewed = desk.audit().into_iter().filter(|(event, _)| event == "console-viewed");
    viewed.map(|(_, it)| (of(&it, "what"), of(&it, "role"), of(&it, "call"))).collect()
}

#[test]
fn each_role_sees_what_it_may_and_each_view_is_audited_before_it_is_shown() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.warrant("CASE-1", &[ALICE], EVER);
    fs::write(desk.path("calltap.toml"), "grace = 1\n").unwrap();
    let capture = start(&desk, &lab);
    let plan = CallPlan { target_calls: 2, stranger_calls: 1, seconds: 1, ..CallPlan::default() };
    lab.place_calls(&plan).unwrap();
    sleep(Duration::from_millis(1500));

    for path in ["api/me", "api/snapshot", "api/calls", "api/call/CASE-1/1", "api/volumes"] {
        for wrong in ["", "x", &"0".repeat(64)] {
            let (status, head, body) = ask(&lab, wrong, path, &[]);
            assert_eq!(status, 401, "{path}");
            assert!(head.contains("www-authenticate: Bearer") && body.len() < 40, "{head} {body}");
        }
    }
    assert!(views(&desk).is_empty(), "who is refused sees nothing");
    let (status, head, _) = ask(&lab, "", "", &[]);
    assert_eq!(status, 200);
    for policy in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
    ] {
        assert!(head.contains(policy), "{policy} in {head}");
    }

    let watch = token(&desk, "watch");
    assert_eq!(json(ask(&lab, &watch, "api/me", &[]))["role"], "watch");
    let mut seen = String::new();
    for path in ["api/snapshot", "api/calls", "api/calls?find=alice", "api/volumes"] {
        let (status, _, body) = ask(&lab, &watch, path, &[]);
        assert_eq!(status, 200, "{body}");
        seen += &body;
    }
    for name in IDENTITIES {
        assert!(!seen.contains(name), "{name} is in {seen}");
    }
    assert_eq!(json(ask(&lab, &watch, "api/calls", &[]))["count"], 2);
    assert_eq!(json(ask(&lab, &watch, "api/calls?find=alice", &[]))["count"], 0);
    let (status, _, body) = ask(&lab, &watch, "api/call/CASE-1/1", &[]);
    assert_eq!(status, 403, "{body}");

    let inspect = token(&desk, "inspect");
    let calls = json(ask(&lab, &inspect, "api/calls?find=ALICE", &[]));
    assert_eq!(calls["count"], 2, "{calls}");
    assert!(calls["calls"][0].to_string().contains("sip:alice@example.net"), "{calls}");
    let (status, _, page) = ask(&lab, &inspect, "api/call/CASE-1/1", &[]);
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("<svg") && page.contains("INVITE") && page.contains("alice"), "{page}");
    for (path, status) in [
        ("api/call/CASE-1/99", 404),
        ("api/call/..%2Fkeys/1", 404),
        ("api/call/CASE-1/x", 400),
        ("api/verify", 405),
        ("keys/court.key", 404),
    ] {
        assert_eq!(ask(&lab, &inspect, path, &[]).0, status, "{path}");
    }
    let verified = json(ask(&lab, &inspect, "api/verify", &["-X", "POST"]));
    assert_eq!(
        (&verified["whole"], &verified["state"]),
        (&true.into(), &"open".into()),
        "{verified}"
    );

    let (code, _, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains(&inspect) && !log.contains(&watch), "{log}");
    assert!(log.contains("1 requests without a known token"), "{log}");
    let views = views(&desk);
    let view =
        |what: &str, role: &str, call: &str| (what.to_owned(), role.to_owned(), call.to_owned());
    for expected in [
        view("entry", "watch", ""),
        view("calls", "watch", ""),
        view("volumes", "watch", ""),
        view("calls", "inspect", ""),
        view("call", "inspect", "CASE-1/1"),
        view("verification", "inspect", ""),
    ] {
        assert!(views.contains(&expected), "{expected:?} in {views:?}");
    }
    assert!(!views.contains(&view("call", "watch", "CASE-1/1")));
    let audit = fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap();
    assert!(IDENTITIES.iter().all(|name| !audit.contains(name)), "{audit}");
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
}

#[test]
fn an_address_that_others_reach_is_refused_and_so_are_tokens_that_others_read() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    let refused = |more: &[&str]| {
        let mut command = lab.command_in_tap(env!("CARGO_BIN_EXE_calltap"));
        desk.at_desk(&mut command);
        command.args(["run", "--interface", lab.tap_interface(), "--for", "2"]);
        command.args(["--warrants", "warrants", "--trust", "trust", "--evidence", "evidence"]);
        let output = command.args(more).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", words(&output));
        words(&output)
    };
    let said = refused(&["--console", "0.0.0.0:8432"]);
    assert!(said.contains("ssh -L"), "{said}");
    fs::write(desk.path("tokens"), format!("inspect me {}\n", "x".repeat(40))).unwrap();
    let said = refused(&["--console", ADDRESS, "--console-tokens", "tokens"]);
    assert!(said.contains("chmod 600"), "{said}");
}

/// A browser that reaches the console.
fn browse(desk: &Desk, lab: &Lab, size: (u32, u32)) -> Browser {
    let mut browser = Browser::start(lab.command_in_tap("sh"), &desk.path("browser"), size);
    browser.open(&format!("http://{ADDRESS}/"));
    browser
}

const FOCUS: &str = "document.activeElement.id";

#[test]
fn a_call_is_found_in_a_browser_by_the_keyboard_alone_and_its_ladder_is_drawn() {
    let Some(lab) = laid() else { return };
    if !Browser::is_there() {
        return;
    }
    let desk = Desk::new();
    desk.warrant("CASE-2026-0001", &[ALICE], EVER);
    desk.warrant("CASE-2026-0002", &["tel:+3225550100"], EVER);
    desk.warrant("LATER", &[ALICE], ("2190-01-01T00:00:00Z", "2191-01-01T00:00:00Z"));
    let capture = start(&desk, &lab);
    let calls = lab.begin_calls(&CallPlan { seconds: 12, ..CallPlan::default() }).unwrap();
    let mut browser = browse(&desk, &lab, (1280, 900));
    browser.screenshot("entry");

    // A wrong token is refused, and nothing of the console is there.
    assert_eq!(browser.value(FOCUS), "token");
    browser.enter("0123456789abcdef0123456789abcdef");
    browser.press("Enter");
    browser.wait_for("document.getElementById('refused').textContent !== ''");
    assert_eq!(browser.value("document.getElementById('console').hidden"), true);

    browser.enter(&token(&desk, "inspect"));
    browser.press("Enter");
    browser.wait_for("!document.getElementById('console').hidden");
    browser.wait_for("document.querySelector('#tiles .tile') !== null");
    let seen = "document.querySelector('#tiles dd + dd').textContent";
    browser.wait_for(&format!("(globalThis.first ??= {seen}) !== ''"));
    browser.wait_for(&format!("{seen} !== globalThis.first"));
    browser.wait_for("document.querySelectorAll('#trigger rect').length > 10");
    sleep(Duration::from_secs(6));
    browser.screenshot("overview");

    // From the head of the page to a call, by keys.
    for _ in 0..8 {
        if browser.value(FOCUS) == "tab-overview" {
            break;
        }
        browser.press("Tab");
    }
    browser.press("ArrowRight");
    assert_eq!(browser.value(FOCUS), "tab-calls");
    browser.wait_for("document.querySelectorAll('#calls-table tbody tr').length === 5");
    browser.screenshot("calls");
    let is_row = "document.activeElement.classList.contains('row')";
    for _ in 0..8 {
        if browser.value(is_row) == true {
            break;
        }
        browser.press("Tab");
    }
    assert_eq!(browser.value(is_row), true);
    browser.press("Enter");
    browser.wait_for("!document.getElementById('page').hidden");
    sleep(Duration::from_millis(700));
    let (elements, texts) = browser.nodes();
    assert!(elements.iter().filter(|it| *it == "svg").count() > 2, "{elements:?}");
    assert!(texts.iter().any(|it| it.contains("INVITE")), "{texts:?}");
    browser.screenshot("call");
    assert_eq!(browser.value(FOCUS), "back");
    browser.press("Enter");
    for (view, element) in
        [("warrants", "#warrants-table tbody tr"), ("evidence", "#volumes tbody tr")]
    {
        browser.press("ArrowRight");
        assert_eq!(browser.value(FOCUS), format!("tab-{view}"));
        browser.wait_for(&format!("document.querySelector('{element}') !== null"));
        if view == "evidence" {
            browser.value("document.getElementById('verify').click()");
            browser.wait_for("document.querySelector('#verified .pill.open') !== null");
        }
        browser.screenshot(view);
    }
    browser.press("ArrowRight");
    assert_eq!(browser.value(FOCUS), "tab-alarms");
    browser.screenshot("alarms");
    assert_eq!(
        browser.complaints.iter().filter(|it| !it.contains("401")).count(),
        0,
        "{:?}",
        browser.complaints
    );
    drop(browser);
    calls.finish().unwrap();
    let (code, _, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{log}");
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
}

#[test]
fn a_hostile_call_is_inert_in_the_console_and_a_narrow_screen_shows_everything() {
    let Some(lab) = laid() else { return };
    if !Browser::is_there() {
        return;
    }
    let desk = Desk::new();
    let warrant = desk.warrant("CASE-1", &["ip:192.0.2.1"], EVER);
    hostile::capture(&desk.path("hostile.pcap"));
    desk.replay(&desk.path("hostile.pcap"), &warrant, &[]);
    let capture = start(&desk, &lab);
    sleep(Duration::from_millis(1500));
    let inspect = token(&desk, "inspect");
    let calls = json(ask(&lab, &inspect, "api/calls?find=hostile@", &[]));
    let cin = calls["calls"][0]["cin"].as_u64().unwrap();
    let mut browser = browse(&desk, &lab, (390, 844));
    browser.enter(&inspect);
    browser.press("Enter");
    browser.wait_for("document.querySelector('#tiles .tile') !== null");
    browser.screenshot("narrow");
    for view in ["overview", "calls", "warrants", "evidence", "alarms"] {
        browser.value(&format!("document.getElementById('tab-{view}').click()"));
        sleep(Duration::from_millis(600));
        let fits = browser.value("document.documentElement.scrollWidth <= innerWidth");
        assert_eq!(fits, true, "{view} is wider than the screen");
    }
    browser.value("document.getElementById('tab-calls').click()");
    browser.wait_for("document.querySelector('#calls-table .row') !== null");
    browser.screenshot("narrow-calls");
    browser.value(&format!(
        "[...document.querySelectorAll('#calls-table .row')].find((it) => it.textContent === 'CASE-1/{cin}').click()"
    ));
    browser.wait_for("!document.getElementById('page').hidden");
    sleep(Duration::from_secs(1));
    browser.screenshot("narrow-call");
    assert_eq!(browser.value("document.title"), "calltap");
    let (elements, texts) = browser.nodes();
    let count = |name: &str| elements.iter().filter(|it| *it == name).count();
    assert_eq!((count("script"), count("iframe"), count("form")), (1, 1, 2), "the console's own");
    for element in ["img", "object", "embed", "base", "marquee", "video", "math", "plaintext"] {
        assert_eq!(count(element), 0, "{element}");
    }
    let all = texts.join("\n");
    for text in hostile::STRINGS {
        let shown = calltap::evidence::inert::inert(text).into_owned();
        assert!(all.contains(&shown), "{shown} cannot be read");
    }
    assert!(!all.contains(|it| it != '\n' && calltap::evidence::inert::is_hostile(it)));
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
    drop(browser);
    let (code, _, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{log}");
}
