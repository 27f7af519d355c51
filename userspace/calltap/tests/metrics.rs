//! The metrics' text held against an independent reading of its format, against the table in
//! `docs/operations.md`, and against what the dashboard asks for, which a real Prometheus answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use calltap::live::{Alarm, Free, Interface, Latency, Queue, Snapshot, Waiting, Warrant, metrics};
use calltap::summary::Percentiles;
use tokio::sync::watch;

/// A snapshot in which everything has a value.
fn everything() -> Arc<Snapshot> {
    let queue = |queue| Queue {
        queue,
        frames: 100 + u64::from(queue),
        lost: 3,
        media: Waiting { frames: 7, room: 4096 },
        signalling: Waiting { frames: 1, room: 2048 },
        ..Queue::default()
    };
    let warrant = |liid: &str, state: &str| Warrant {
        liid: liid.to_owned(),
        state: state.to_owned(),
        not_after: "2026-12-31T00:00:00Z".to_owned(),
        live: 2,
        calls: 9,
        packets: 1000,
        bytes: 200_000,
        volumes: 1,
        ..Warrant::default()
    };
    let mut snapshot = Snapshot {
        tool: "calltap 0.1.0".to_owned(),
        began: "2026-11-23T16:00:00Z".to_owned(),
        filter: [("kept_endpoint".to_owned(), 9)].into(),
        signalling: [("messages".to_owned(), 60), ("kept".to_owned(), 12)].into(),
        interfaces: vec![Interface {
            name: "eth\"1\\".to_owned(),
            frames: 5000,
            bytes: 999_999,
            queues: vec![queue(0), queue(1)],
            ..Interface::default()
        }],
        buffers: [("chunks".to_owned(), Free { free: 63, of: 64 })].into(),
        warrants: vec![warrant("CASE-1", "executed"), warrant("CASE-2", "waiting")],
        refused: [("unsigned".to_owned(), 2)].into(),
        trigger: Some(Latency {
            percentiles: Percentiles { count: 10, ..Percentiles::default() },
            sum_us: 1234.5,
            up_to_us: vec![(10, 0), (25, 3), (50, 9), (100, 9)],
        }),
        disk: Free { free: 1 << 40, of: 1 << 41 },
        alarms: vec![Alarm {
            code: "frames-lost".to_owned(),
            what: "words".to_owned(),
            since: "2026-11-23T16:04:00Z".to_owned(),
        }],
        ..Snapshot::default()
    };
    snapshot.frames.seen = u64::from(u32::MAX) * 4096;
    snapshot.frames.lose("rx_ring_full", 17);
    Arc::new(snapshot)
}

/// What a reader who knows the format alone makes of it: type and help of each family, and value of
/// each sample by its name and labels.
#[derive(Debug, Default)]
struct Read {
    families: BTreeMap<String, (String, String)>,
    samples: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

/// Reads OpenMetrics text, and panics where it is none.
fn read(text: &str) -> Read {
    let mut found = Read::default();
    let (mut help, mut family) = (None, None::<String>);
    let body = text.strip_suffix("# EOF\n").expect("an end");
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = Some(rest.split_once(' ').expect("a name and words"));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            let (helped, words) = help.take().expect("help ahead of type");
            assert_eq!(helped, name);
            let facts = (kind.to_owned(), words.to_owned());
            assert!(found.families.insert(name.to_owned(), facts).is_none(), "{name} twice");
            family = Some(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            let (name, unit) = rest.split_once(' ').expect("a name and a unit");
            assert!(name.ends_with(&format!("_{unit}")), "{line}");
        } else {
            let family = family.as_ref().expect("a family");
            let (name, labels, value) = sample(line);
            let suffixes = match found.families[family].0.as_str() {
                "counter" => &["_total"][..],
                "gauge" => &[""],
                "histogram" => &["_bucket", "_sum", "_count"],
                kind => panic!("{kind}"),
            };
            let suffix = name.strip_prefix(family.as_str()).expect("of its family");
            assert!(suffixes.contains(&suffix), "{line}");
            assert!(found.samples.insert((name, labels), value).is_none(), "{line} twice");
        }
    }
    found
}

fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let at = line.find(['{', ' ']).expect("a value");
    let (name, mut rest) = line.split_at(at);
    let is_name = |it: &str| it.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    assert!(is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(mut inner) = rest.strip_prefix('{') {
        while !inner.starts_with('}') {
            let (label, after) = inner.split_once("=\"").expect("a label");
            assert!(is_name(label), "{line}");
            let mut value = String::new();
            let mut characters = after.chars();
            loop {
                match characters.next().expect("an end of the label") {
                    '"' => break,
                    '\\' => match characters.next().expect("an escape") {
                        'n' => value.push('\n'),
                        escaped @ ('"' | '\\') => value.push(escaped),
                        other => panic!("\\{other} in {line}"),
                    },
                    other => value.push(other),
                }
            }
            labels.insert(label.to_owned(), value);
            inner = characters.as_str().trim_start_matches(',');
        }
        rest = &inner[1..];
    }
    let value = rest.strip_prefix(' ').expect("a blank").parse().expect("a number");
    (name.to_owned(), labels, value)
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn every_figure_of_a_snapshot_is_read_back_from_the_text() {
    let text = metrics::exposition(&everything()).unwrap();
    let found = read(&text);
    let value = |name: &str, of: &[(&str, &str)]| {
        *found
            .samples
            .get(&(name.to_owned(), labels(of)))
            .unwrap_or_else(|| panic!("{name} {of:?}: {text}"))
    };
    for (name, of, expected) in [
        ("calltap_build_info", &[("version", "0.1.0")][..], 1.0),
        ("calltap_start_time_seconds", &[], 1_795_449_600.0),
        ("calltap_frames_seen_total", &[], 4096.0 * f64::from(u32::MAX)),
        ("calltap_frames_lost_total", &[("place", "rx_ring_full")], 17.0),
        ("calltap_interface_bytes_total", &[("interface", "eth\"1\\")], 999_999.0),
        ("calltap_queue_frames_total", &[("interface", "eth\"1\\"), ("queue", "1")], 101.0),
        (
            "calltap_ring_waiting",
            &[("interface", "eth\"1\\"), ("queue", "0"), ("ring", "media")],
            7.0,
        ),
        ("calltap_warrants", &[("state", "refused")], 2.0),
        ("calltap_warrants", &[("state", "executed")], 1.0),
        ("calltap_calls_live", &[("liid", "CASE-1")], 2.0),
        ("calltap_evidence_bytes_total", &[("liid", "CASE-2")], 200_000.0),
        ("calltap_warrant_end_time_seconds", &[("liid", "CASE-1")], 1_798_675_200.0),
        ("calltap_alarms", &[("code", "frames-lost")], 1.0),
        ("calltap_alarms", &[("code", "nic-drops")], 0.0),
        ("calltap_trigger_seconds_bucket", &[("le", "0.000025")], 3.0),
        ("calltap_trigger_seconds_bucket", &[("le", "0.0001")], 9.0),
        ("calltap_trigger_seconds_bucket", &[("le", "+Inf")], 10.0),
        ("calltap_trigger_seconds_count", &[], 10.0),
        ("calltap_trigger_seconds_sum", &[], 0.001_234_5),
    ] {
        let of_edges: Vec<_> = of.iter().map(|(name, value)| (*name, *value)).collect();
        let got = value(name, &of_edges);
        assert!((got - expected).abs() <= expected * 1e-9, "{name} {of:?}: {got}, not {expected}");
    }
    // What no trigger has happened of yet has its steps all the same.
    let empty = read(&metrics::exposition(&Arc::default()).unwrap());
    let edge = ("calltap_trigger_seconds_bucket".to_owned(), labels(&[("le", "0.00001")]));
    let scientific = ("calltap_trigger_seconds_bucket".to_owned(), labels(&[("le", "1e-5")]));
    assert!(
        empty.samples.contains_key(&edge) || empty.samples.contains_key(&scientific),
        "{empty:?}"
    );
}

#[test]
fn promtool_has_nothing_to_say_against_it() {
    let check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut check) = check else {
        println!("SKIPPED: there is no promtool (Debian's package prometheus has it)");
        return;
    };
    let text = metrics::exposition(&everything()).unwrap();
    // It reads the older format, in which a counter's family is called as its samples are.
    let families = read(&text).families;
    let mut older = String::new();
    for line in text.lines() {
        let word = line.split(' ').nth(2).unwrap_or_default();
        let is_counter = families.get(word).is_some_and(|(kind, _)| kind == "counter");
        match is_counter && line.starts_with("# ") {
            true => older += &line.replacen(word, &format!("{word}_total"), 1),
            false => older += line,
        }
        older.push('\n');
    }
    check.stdin.take().unwrap().write_all(older.as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

fn docs(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

#[test]
fn the_documentation_has_each_family_with_its_type_and_no_other() {
    let families = read(&metrics::exposition(&everything()).unwrap()).families;
    let text = docs("operations.md");
    let mut documented = BTreeMap::new();
    for row in text.lines().filter(|line| line.starts_with("| `calltap_")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, ..] = cells[..] else { panic!("{row}") };
        documented.insert(name.trim_matches('`').to_owned(), kind.to_owned());
    }
    let printed = families.into_iter().map(|(name, (kind, _))| match kind.as_str() {
        "counter" => (format!("{name}_total"), kind),
        _ => (name, kind),
    });
    assert_eq!(documented, printed.collect());
}

/// What the dashboard asks for, panel by panel.
fn expressions() -> Vec<String> {
    let dashboard: serde_json::Value = serde_json::from_str(&docs("grafana.json")).unwrap();
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(
            panel["title"].is_string() && panel["gridPos"]["w"].as_u64().unwrap() <= 24,
            "{panel}"
        );
        let targets = panel["targets"].as_array().into_iter().flatten();
        expressions.extend(targets.map(|target| target["expr"].as_str().unwrap().to_owned()));
    }
    assert!(expressions.len() >= 12, "{expressions:?}");
    expressions
}

#[test]
fn the_dashboard_asks_for_nothing_that_is_not_printed() {
    let printed: BTreeSet<_> = read(&metrics::exposition(&everything()).unwrap())
        .samples
        .into_keys()
        .map(|(name, _)| name)
        .collect();
    let mut asked = BTreeSet::new();
    for expression in expressions() {
        let is_name = |it: char| it.is_ascii_lowercase() || it == '_';
        let words = expression.split(|it| !is_name(it)).filter(|it| it.starts_with("calltap_"));
        asked.extend(words.map(str::to_owned));
    }
    assert!(asked.is_subset(&printed), "{:?}", asked.difference(&printed));
    assert!(asked.len() >= 12, "{asked:?}");
}

/// A server that ends with the test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves the metrics as a run does, of a snapshot whose counts grow, for as long as anybody waits.
fn serve_growing(listener: TcpListener) {
    let (tell, snapshots) = watch::channel(Some(everything()));
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let served = metrics::service(listener, snapshots).unwrap().serve();
            let grow = async {
                for grown in 1..=MOST_SECONDS * 5 {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    let mut snapshot = Snapshot::clone(&everything());
                    snapshot.frames.seen += grown * 1000;
                    if let Some(trigger) = &mut snapshot.trigger {
                        trigger.percentiles.count += grown;
                        trigger.up_to_us.iter_mut().for_each(|(_, count)| *count += grown);
                    }
                    tell.send_replace(Some(Arc::new(snapshot)));
                }
            };
            tokio::select! { () = served => {}, () = grow => {} }
        });
    });
}

/// How long the metrics are served, and an answer is waited for.
const MOST_SECONDS: u64 = 60;

#[test]
fn prometheus_has_a_value_for_each_panel_of_the_dashboard() {
    let free = || TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = free();
    let (metrics, own) = (listener.local_addr().unwrap(), free().local_addr().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let settings = dir.path().join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 1s}}\n\
         scrape_configs: [{{job_name: calltap, static_configs: [{{targets: ['{metrics}']}}]}}]\n"
    );
    fs::write(&settings, text).unwrap();
    let server = Command::new("prometheus")
        .arg(format!("--config.file={}", settings.display()))
        .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
        .arg(format!("--web.listen-address={own}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(server) = server else {
        println!("SKIPPED: there is no prometheus (Debian's package prometheus has it)");
        return;
    };
    let _server = Served(server);
    serve_growing(listener);

    let until = Instant::now() + Duration::from_secs(MOST_SECONDS);
    for expression in expressions() {
        // As Grafana fills it in, for whoever looks at all nodes and a scrape a second.
        let asked = expression.replace("$instance", ".*").replace("$__rate_interval", "4s");
        loop {
            let answer = Command::new("promtool")
                .args(["query", "instant", &format!("http://{own}"), &asked])
                .output()
                .expect("promtool comes with prometheus");
            let values = String::from_utf8_lossy(&answer.stdout).into_owned();
            let is_answered = answer.status.success() && values.contains("=>");
            if is_answered && !values.contains("NaN") {
                break;
            }
            let cause = String::from_utf8_lossy(&answer.stderr);
            assert!(Instant::now() < until, "{asked}: {values}{cause}");
            thread::sleep(Duration::from_millis(500));
        }
    }
}
