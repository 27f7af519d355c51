//! A real Chromium, driven by the Chrome DevTools Protocol over two pipes.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one page.
pub(crate) struct Browser {
    process: Child,
    to: File,
    from: BufReader<File>,
    number: u64,
    session: Option<String>,
    /// Frames that have a process of their own.
    frames: Vec<String>,
    /// What the page has complained about.
    pub(crate) complaints: Vec<String>,
    directory: PathBuf,
}

impl Browser {
    /// Whether there is one here.
    pub(crate) fn is_there() -> bool {
        let there = Command::new("chromium").arg("--version").output().is_ok();
        if !there {
            println!("SKIPPED: chromium is not installed");
        }
        there
    }

    /// Starts one by `shell`, a command that runs `sh` where the page can be reached; it keeps what it
    /// writes in `directory`.
    pub(crate) fn start(mut shell: Command, directory: &Path, (width, height): (u32, u32)) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        let pipe = |name: &str| {
            let path = directory.join(name);
            assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
            path
        };
        let (to, from) = (pipe("to"), pipe("from"));
        let line = format!(
            "exec timeout 120 chromium --headless=new --no-sandbox --disable-gpu --disable-quic \
             --no-first-run --disable-background-networking --disable-component-update \
             --disable-sync --hide-scrollbars --remote-debugging-pipe --user-data-dir={0}/profile \
             --window-size={width},{height} about:blank 3<{0}/to 4>{0}/from",
            directory.display()
        );
        let process = shell
            .env("HOME", directory)
            .args(["-c", &line])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh");
        let to = File::options().write(true).open(to).unwrap();
        let from = BufReader::new(File::open(from).unwrap());
        let (frames, complaints) = (Vec::new(), Vec::new());
        let directory = directory.to_owned();
        let mut browser =
            Self { process, to, from, number: 0, session: None, frames, complaints, directory };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable", "DOM.enable"] {
            browser.call(domain, json!({}));
        }
        let frames =
            json!({ "autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true });
        browser.call("Target.setAutoAttach", frames);
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        browser.call("Emulation.setDeviceMetricsOverride", size);
        browser
    }

    /// Has the browser do something; gives its answer.
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Value {
        let session = self.session.clone();
        self.call_in(session, method, parameters)
    }

    fn call_in(&mut self, session: Option<String>, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut asked = json!({ "id": self.number, "method": method, "params": parameters });
        if let Some(session) = session {
            asked["sessionId"] = session.into();
        }
        let mut bytes = serde_json::to_vec(&asked).unwrap();
        bytes.push(0);
        self.to.write_all(&bytes).unwrap();
        loop {
            let mut said = Vec::new();
            assert!(self.from.read_until(0, &mut said).unwrap() > 0, "the browser has ended");
            said.pop();
            let said: Value = serde_json::from_slice(&said).unwrap();
            if said["id"] == self.number {
                assert!(said["error"].is_null(), "{method}: {said}");
                return said["result"].clone();
            }
            self.note(&said);
        }
    }

    fn note(&mut self, said: &Value) {
        match said["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" | "Log.entryAdded" => {
                self.complaints.push(said["params"].to_string());
            }
            "Target.attachedToTarget" if said["params"]["targetInfo"]["type"] == "iframe" => {
                self.frames.extend(said["params"]["sessionId"].as_str().map(str::to_owned));
            }
            _ => {}
        }
    }

    /// The value of an expression in the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let wanted = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
            "userGesture": true,
        });
        let found = self.call("Runtime.evaluate", wanted);
        assert!(found["exceptionDetails"].is_null(), "{expression}: {found}");
        found["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub(crate) fn wait_for(&mut self, expression: &str) {
        let begun = Instant::now();
        while self.value(expression) != true {
            if begun.elapsed() > PATIENCE {
                let page = self.value("document.body.innerText");
                panic!("never: {expression}: {page} {:?}", self.complaints);
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// Opens an address, and waits until it is loaded.
    pub(crate) fn open(&mut self, address: &str) {
        self.call("Page.navigate", json!({ "url": address }));
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// Presses a key, by its name in DOM.
    pub(crate) fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "ArrowLeft" => (37, ""),
            "ArrowRight" => (39, ""),
            " " => (32, " "),
            other => panic!("{other}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({
                "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code,
            });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Types a text where the focus is.
    pub(crate) fn enter(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Everything that stands in the page and in its frames: elements, and texts.
    pub(crate) fn nodes(&mut self) -> (Vec<String>, Vec<String>) {
        // What the browser has to say of new frames comes ahead of its next answer.
        self.value("1");
        let mut sessions: Vec<_> = self.frames.iter().cloned().map(Some).collect();
        sessions.push(self.session.clone());
        let (mut elements, mut texts) = (Vec::new(), Vec::new());
        for session in sessions {
            let all = json!({ "depth": -1, "pierce": true });
            let found = self.call_in(session, "DOM.getDocument", all);
            collect(&found["root"], &mut elements, &mut texts);
        }
        (elements, texts)
    }

    /// Draws what is shown into a file.
    pub(crate) fn screenshot(&mut self, name: &str) {
        let Some(place) = std::env::var_os("CALLTAP_SCREENSHOTS") else { return };
        let drawn = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let text = self.directory.join("screenshot.b64");
        std::fs::write(&text, drawn["data"].as_str().unwrap()).unwrap();
        let line = format!("base64 -d {} > {}/{name}.png", text.display(), place.display());
        assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
    }
}

fn collect(node: &Value, elements: &mut Vec<String>, texts: &mut Vec<String>) {
    let name = node["nodeName"].as_str().unwrap_or_default();
    match node["nodeType"].as_u64() {
        Some(3) => texts.push(node["nodeValue"].as_str().unwrap_or_default().to_owned()),
        _ => elements.push(name.to_lowercase()),
    }
    for child in node["children"].as_array().into_iter().flatten() {
        collect(child, elements, texts);
    }
    collect_inner(node, "contentDocument", elements, texts);
}

fn collect_inner(node: &Value, inner: &str, elements: &mut Vec<String>, texts: &mut Vec<String>) {
    if node[inner].is_object() {
        collect(&node[inner], elements, texts);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends when its pipe does, too; and by itself at the latest when its time is over.
        let _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let _ = self.process.wait();
    }
}
