//! `calltap evidence report`: one page that opens alone, whatever the network has sent.

use std::fs;
use std::process::Command;

use super::desk::{Desk, EVER, words};
use super::hostile::{self, STRINGS};
use super::replayed;

/// A desk with the report of the hostile call, and its text.
fn hostile_report() -> (Desk, String) {
    let desk = Desk::new();
    let warrant = desk.warrant("CASE-1", &["ip:192.0.2.1"], EVER);
    hostile::capture(&desk.path("hostile.pcap"));
    desk.replay(&desk.path("hostile.pcap"), &warrant, &[]);
    desk.fine(&["evidence", "report", "hostile@192.0.2.1", "--html", "call.html"]);
    let page = fs::read_to_string(desk.path("call.html")).unwrap();
    (desk, page)
}

/// A string as it is shown, before a page escapes it.
fn shown(text: &str) -> String {
    calltap::evidence::inert::inert(text).into_owned()
}

fn escaped(text: &str) -> String {
    let text = shown(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

#[test]
fn nothing_from_the_network_is_markup_in_a_page_and_all_of_it_can_be_read() {
    let (_desk, page) = hostile_report();
    assert!(STRINGS.len() >= 50);
    for text in STRINGS {
        let line = format!("Subject: {}\n", escaped(text));
        assert!(page.contains(&line), "{text:?}");
        assert!(
            page.contains(&format!("603 {} (INVITE)", escaped(text.trim()))),
            "{text:?} on the ladder"
        );
    }
    let hostile = |c: char| c != '\n' && calltap::evidence::inert::is_hostile(c);
    assert!(!page.contains(hostile), "{:?}", page.find(hostile));
    for tag in page.split('<').skip(1) {
        let name: String = tag
            .trim_start_matches(['/', '!'])
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        let known = "doctype html head meta title style body main header h1 h2 h3 p code dl div dt dd \
            section span svg text line g path rect details summary pre table tr th td figure \
            figcaption audio footer ul li b bdi";
        assert!(known.split(' ').any(|it| it == name), "<{tag}");
    }
}

#[test]
fn a_page_may_load_nothing_but_what_is_in_it_and_run_nothing() {
    let desk = replayed("calls.pcapng", &[]);
    desk.fine(&["evidence", "report", "1", "--html", "call.html"]);
    let page = fs::read_to_string(desk.path("call.html")).unwrap();
    assert!(page.contains("content=\"default-src 'none'; style-src 'sha256-"));
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
    for part in [
        "<title>Call CASE-1/1</title>",
        "1. INVITE +SDP",
        "aria-label=\"Waveform",
        "src=\"data:audio/wav;base64,UklGR",
        "Jitter: up to 1.4 ms",
        "Packets missing: up to 0",
        "sha256sum EVIDENCE/CASE-1/CASE-1_00001_20261123T201614Z.pcapng",
        "calltap verify EVIDENCE --trust TRUST",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let audit = fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap();
    assert!(audit.contains("\"event\":\"evidence-reported\""));
    desk.fine(&["verify", "evidence"]);
    let output = desk.run(&["evidence", "report", "1", "--html", "call.html"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(words(&output).contains("call.html is there already"));
}

#[test]
fn a_browser_executes_nothing_of_a_hostile_call() {
    if Command::new("chromium").arg("--version").output().is_err() {
        println!("SKIPPED: chromium is not installed");
        return;
    }
    let (desk, _) = hostile_report();
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", desk.path("browser").display()))
        .args(["--virtual-time-budget=3000", "--dump-dom"])
        .arg(format!("file://{}", desk.path("call.html").display()))
        .output()
        .expect("chromium runs");
    let dom = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(dom.contains("<title>Call CASE-1/2</title>"), "{}", &dom[..dom.len().min(2000)]);
    for element in
        ["script", "img", "iframe", "object", "embed", "form", "base", "link", "a", "marquee"]
    {
        assert!(
            !dom.contains(&format!("<{element}>")) && !dom.contains(&format!("<{element} ")),
            "{element}"
        );
    }
    assert!(dom.contains("</footer>"), "the page is whole to its end");
}
