//! A desk to work at: a temporary directory with an authority, a trust store and a node key, and
//! the real program run from it.

#![allow(dead_code, reason = "each test file uses a part of the desk")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use calltap_evidence::record::Authority;
use calltap_evidence::trust::Trust;
use calltap_evidence::warrant::{self, Identifier, Warrant};
use serde_json::Value;
use tempfile::TempDir;

/// A window that holds every capture that was ever made.
pub(crate) const EVER: (&str, &str) = ("1980-01-01T00:00:00Z", "2200-01-01T00:00:00Z");

/// The directory, removed when dropped.
pub(crate) struct Desk {
    dir: TempDir,
}

impl Desk {
    /// Makes an authority `court` that the trust store knows, and one, `pretender`, that it does
    /// not.
    pub(crate) fn new() -> Self {
        let desk = Self { dir: TempDir::new().expect("a temporary directory") };
        for name in ["court", "pretender"] {
            desk.fine(&["authority", "new", name, "--out", "keys"]);
        }
        fs::create_dir(desk.path("trust")).expect("trust");
        fs::create_dir(desk.path("warrants")).expect("warrants");
        fs::copy(desk.path("keys/court.pub"), desk.path("trust/court.pub")).expect("a key");
        desk
    }

    /// A path on the desk.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The program, ready to be given arguments; its relative paths are the desk's.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_calltap"));
        self.at_desk(&mut command);
        command
    }

    /// Sets a command's directory and node key to the desk's.
    pub(crate) fn at_desk(&self, command: &mut Command) {
        command.current_dir(self.dir.path()).env("XDG_STATE_HOME", self.path("state"));
        command.env("XDG_CACHE_HOME", self.path("cache"));
        command.env("XDG_RUNTIME_DIR", self.path("runtime")).env_remove("RUNTIME_DIRECTORY");
        command.env("HOME", self.dir.path());
        command.env_remove("RUST_LOG").stdin(Stdio::null());
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().expect("calltap runs")
    }

    /// Runs the program, which must end with exit code 0; gives its standard output.
    pub(crate) fn fine(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", words(&output));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Drafts a warrant for `targets`.
    pub(crate) fn draft(
        &self,
        liid: &str,
        targets: &[&str],
        (from, until): (&str, &str),
    ) -> String {
        let file = format!("warrants/{liid}.toml");
        let mut arguments = vec!["warrant", "new", "--liid", liid, "--authority-name", "court"];
        arguments.extend(["--reference", "test", "--jurisdiction", "BE"]);
        arguments.extend(["--deliver", "iri-and-content"]);
        arguments.extend(["--not-before", from, "--not-after", until, "--out", &file]);
        for target in targets {
            arguments.extend(["--target", target]);
        }
        self.fine(&arguments);
        file
    }

    /// Drafts and signs a warrant.
    pub(crate) fn warrant(&self, liid: &str, targets: &[&str], window: (&str, &str)) -> String {
        let file = self.draft(liid, targets, window);
        self.fine(&["warrant", "sign", &file, "--key", "keys/court.key"]);
        file
    }

    /// A signed warrant whose evidence is sealed to the recipient who has the file `identity`; gives
    /// the path of its file.
    pub(crate) fn sealed_warrant(&self, liid: &str, targets: &[&str]) -> String {
        let mut keygen = Command::new("age-keygen");
        self.at_desk(&mut keygen);
        let output = keygen.args(["-o", "identity"]).output().expect("scripts/setup installs age");
        let said = words(&output);
        let recipient = said.split_whitespace().last().expect("a recipient");
        let file = self.draft(liid, targets, EVER);
        let text = fs::read_to_string(self.path(&file)).expect("a warrant");
        fs::write(self.path(&file), format!("{text}recipient = \"{recipient}\"\n"))
            .expect("a warrant");
        self.fine(&["warrant", "sign", &file, "--key", "keys/court.key"]);
        file
    }

    /// Drafts and signs a warrant for signalling alone.
    pub(crate) fn iri_only_warrant(&self, liid: &str, targets: &[&str]) -> String {
        let file = self.draft(liid, targets, EVER);
        let text = fs::read_to_string(self.path(&file)).expect("a draft");
        let text = text.replace("deliver = \"iri-and-content\"", "deliver = \"iri-only\"");
        fs::write(self.path(&file), text).expect("a draft");
        self.fine(&["warrant", "sign", &file, "--key", "keys/court.key"]);
        file
    }

    /// Makes an operator whom the trust store knows; gives the secret key's path.
    pub(crate) fn operator(&self, name: &str) -> String {
        let name = format!("{name}.operator");
        self.fine(&["authority", "new", &name, "--out", "keys"]);
        let public = format!("{name}.pub");
        fs::copy(self.path("keys").join(&public), self.path("trust").join(&public)).expect("a key");
        format!("keys/{name}.key")
    }

    /// The events of the evidence's audit, in order, each with its details.
    pub(crate) fn audit(&self) -> Vec<(String, Value)> {
        let text = fs::read_to_string(self.path("evidence/audit.jsonl")).expect("an audit");
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines
            .map(|line| (line["event"].as_str().unwrap().to_owned(), line["details"].clone()))
            .collect()
    }

    /// What a warrant gives that was loaded as the program loads it, under `id`.
    pub(crate) fn authority(&self, liid: &str, id: u32) -> Authority {
        self.load(&self.warrant(liid, &["sip:alice@example.net"], EVER)).authority(id)
    }

    /// A signed warrant, loaded as the program loads it.
    pub(crate) fn load(&self, file: &str) -> Warrant {
        let trust = Trust::open(&self.path("trust")).expect("a trust store");
        warrant::load(&self.path(file), &trust, &|_| Ok(Identifier::Sip)).expect("a warrant")
    }

    /// Replays a capture into the directory `evidence`; gives the JSON object.
    pub(crate) fn replay(&self, capture: &Path, warrant: &str, more: &[&str]) -> Value {
        let output = self
            .command()
            .arg("replay")
            .arg(capture)
            .args(["--warrant", warrant, "--trust", "trust", "--evidence", "evidence", "--json"])
            .args(more)
            .output()
            .expect("calltap runs");
        assert_eq!(output.status.code(), Some(0), "{}: {}", capture.display(), words(&output));
        serde_json::from_slice(&output.stdout).expect("a JSON object")
    }

    /// Every file under a directory of the desk.
    pub(crate) fn files(&self, name: &str) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut directories = vec![self.path(name)];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() { directories.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        files
    }

    /// The sealed volumes of a directory.
    pub(crate) fn volumes(&self, name: &str) -> Vec<PathBuf> {
        let mut files = self.files(name);
        files.retain(|path| path.extension().is_some_and(|extension| extension == "pcapng"));
        files
    }
}

/// Both outputs as text, for a failing test's message.
pub(crate) fn words(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// The fields that tshark, with its defaults, prints for each packet that passes the filter.
pub(crate) fn tshark(capture: &Path, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("tshark");
    command.arg("-n").arg("-r").arg(capture).args(["-Y", filter, "-T", "fields"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark runs: scripts/setup installs it");
    assert!(output.status.success(), "tshark on {}: {}", capture.display(), words(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// The sum of a JSON array's unsigned field.
pub(crate) fn sum(list: &Value, field: &str) -> u64 {
    list.as_array().into_iter().flatten().filter_map(|it| it[field].as_u64()).sum()
}
