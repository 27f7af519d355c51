//! `docs/tutorial.md`: each command of it is run, and what it prints is what stands there.

mod desk;

use std::fs;
use std::path::Path;
use std::process::Command;

use desk::{Desk, words};

/// A command of the tutorial, and the lines that it prints.
#[derive(Debug, Default)]
struct Step {
    command: String,
    printed: Vec<String>,
}

/// The steps in the fenced blocks of `console`.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_console = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(kind) => is_console = kind == "console",
            None if !is_console => {}
            None => match line.strip_prefix("$ ") {
                Some(command) => {
                    steps.push(Step { command: command.to_owned(), ..Step::default() });
                }
                None => steps.last_mut().expect("a command first").printed.push(line.to_owned()),
            },
        }
    }
    steps
}

/// Whether a line is as it stands there, in which `...` is anything.
fn line_is(expected: &str, line: &str) -> bool {
    let Some((first, rest)) = expected.split_once("...") else { return expected == line };
    let Some(mut line) = line.strip_prefix(first) else { return false };
    let mut parts = rest.split("...").peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return line.ends_with(part);
        }
        let Some(at) = line.find(part) else { return false };
        line = &line[at + part.len()..];
    }
    true
}

/// Whether lines are as they stand there, where a line of `...` is any number of them.
fn lines_are(expected: &[String], lines: &[&str]) -> bool {
    match expected {
        [] => lines.is_empty(),
        [any, rest @ ..] if any == "..." => {
            (0..=lines.len()).any(|skipped| lines_are(rest, &lines[skipped..]))
        }
        [first, rest @ ..] => {
            lines.first().is_some_and(|line| line_is(first, line)) && lines_are(rest, &lines[1..])
        }
    }
}

#[test]
fn the_tutorial_prints_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join("docs/tutorial.md")).unwrap();
    let steps = steps(&text);
    assert!(steps.len() > 12, "{steps:?}");
    let desk = Desk::new();
    let empty = desk.path("empty");
    fs::create_dir(&empty).unwrap();
    fs::copy(root.join("pcaps/calls.pcapng"), empty.join("calls.pcapng")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_calltap")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    for Step { command, printed } in steps {
        let mut shell = Command::new("bash");
        desk.at_desk(&mut shell);
        let shell = shell.current_dir(&empty).env("PATH", &path);
        let output = shell.args(["-c", &format!("{{ {command}; }} 2>&1")]).output().expect("bash");
        let said = words(&output);
        let lines: Vec<_> = said.lines().collect();
        assert!(
            lines_are(&printed, &lines),
            "$ {command}\nstands there as\n{}\nand printed\n{said}",
            printed.join("\n")
        );
    }
}

#[test]
fn a_line_that_differs_is_found_whatever_the_dots_stand_for() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let expected = lines("a ... c\n...\nend");
    assert!(lines_are(&expected, &["a b c", "x", "y", "end"]));
    assert!(lines_are(&expected, &["a b c", "end"]));
    assert!(!lines_are(&expected, &["a b d", "end"]));
    assert!(!lines_are(&expected, &["a b c", "x"]));
    assert!(!lines_are(&lines("one"), &["one", "two"]));
}
