//! What the console answers. Whatever shows evidence is written into the audit first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use calltap_evidence::read;
use calltap_evidence::trust::Trust;
use crossbeam::channel::bounded;
use serde::Serialize;
use serde_json::json;

use super::roles::Visitor;
use super::{Role, Shared};
use crate::cli;
use crate::evidence::dossier::Dossier;
use crate::evidence::inert::inert;
use crate::evidence::row::{Row, State as CallState, rows};
use crate::evidence::{index, report, unfinished};
use crate::recorder::{Act, rfc3339};

/// So many calls are shown at once, the latest.
const MOST: usize = 500;

/// How long the recorder may take to write a line of the audit.
const PATIENCE: Duration = Duration::from_secs(5);

type Answer = Result<Response, Refusal>;

/// Why there is no answer.
pub(super) struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

fn refuse(status: StatusCode, why: impl std::fmt::Display) -> Refusal {
    Refusal(status, format!("{why}\n"))
}

fn json(value: &impl Serialize) -> Answer {
    let text = serde_json::to_string(value);
    let text = text.map_err(|cause| refuse(StatusCode::INTERNAL_SERVER_ERROR, cause))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// Reads evidence in a thread of its own, for one visitor at a time.
async fn reading(
    shared: Arc<Shared>,
    read: impl FnOnce(&Shared) -> Answer + Send + 'static,
) -> Answer {
    let turn = shared.reading.acquire().await;
    let _turn = turn.map_err(|cause| refuse(StatusCode::SERVICE_UNAVAILABLE, cause))?;
    let reader = Arc::clone(&shared);
    let read = tokio::task::spawn_blocking(move || read(&reader)).await;
    read.unwrap_or_else(|cause| Err(refuse(StatusCode::INTERNAL_SERVER_ERROR, cause)))
}

impl Shared {
    /// Has the audit say who looks at what; nothing is shown of which it does not.
    fn audit(&self, visitor: &Visitor, what: &str, call: Option<String>) -> Result<(), Refusal> {
        let (done, is_done) = bounded(1);
        let mut details = vec![
            ("what", what.to_owned()),
            ("role", visitor.role.as_str().to_owned()),
            ("visitor", visitor.name.clone()),
        ];
        details.extend(call.map(|call| ("call", call)));
        let unwritten = |why: &str| {
            refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                format_args!("not in the audit, so not shown: {why}"),
            )
        };
        let act = Act { event: "console-viewed", details, done };
        self.acts.send(act).map_err(|_| unwritten("the capture has ended"))?;
        match is_done.recv_timeout(PATIENCE) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(unwritten(&why)),
            Err(_) => Err(unwritten("the recorder does not answer")),
        }
    }
}

/// Who the visitor is.
pub(super) async fn me(State(shared): State<Arc<Shared>>, visitor: Visitor) -> Answer {
    reading(shared, move |shared| {
        shared.audit(&visitor, "entry", None)?;
        json(&json!({ "name": visitor.name, "role": visitor.role.as_str() }))
    })
    .await
}

/// How the capture stands.
pub(super) async fn snapshot(State(shared): State<Arc<Shared>>, _: Visitor) -> Answer {
    let snapshot = shared.snapshots.borrow().clone();
    match snapshot {
        Some(snapshot) => json(&*snapshot),
        None => Err(refuse(StatusCode::SERVICE_UNAVAILABLE, "the capture has just begun")),
    }
}

/// A call in a list.
#[derive(Serialize)]
struct Shown {
    liid: String,
    cin: u32,
    started: String,
    duration_s: Option<f64>,
    state: &'static str,
    iri_packets: u64,
    cc_packets: u64,
    streams: u32,
    lost: u64,
    mos: Option<f64>,
    encryption: Vec<&'static str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    parties: Option<Parties>,
}

/// What the role `inspect` sees besides.
#[derive(Serialize)]
struct Parties {
    from: String,
    to: String,
    call_id: String,
    target: String,
}

impl Shown {
    fn of(liid: &str, row: &Row<'_>, role: Role) -> Self {
        let length_ns = row.ended_ns.saturating_sub(row.started_ns);
        let ended = row.state == CallState::Ended;
        let text = |text: &str| inert(text).into_owned();
        Self {
            liid: liid.to_owned(),
            cin: row.cin,
            started: rfc3339(row.started_ns),
            duration_s: ended.then(|| Duration::from_nanos(length_ns).as_secs_f64()),
            state: row.state.as_str(),
            iri_packets: row.iri_packets,
            cc_packets: row.cc_packets,
            streams: row.streams,
            lost: row.lost,
            mos: (row.mos != 0).then(|| f64::from(row.mos) / 100.0),
            encryption: row.encryptions().collect(),
            parties: (role == Role::Inspect).then(|| Parties {
                from: text(row.from),
                to: text(row.to),
                call_id: text(row.call_id),
                target: text(row.target),
            }),
        }
    }
}

/// The latest calls, and how many there are; `find` chooses by LIID, and for who may see them by
/// party and Call-ID.
pub(super) async fn calls(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Answer {
    reading(shared, move |shared| {
        shared.audit(&visitor, "calls", None)?;
        let find = asked.get("find").map(|it| it.trim().to_lowercase()).unwrap_or_default();
        let unreadable =
            |cause| refuse(StatusCode::INTERNAL_SERVER_ERROR, format_args!("{cause:#}"));
        let (count, calls) = shared.calls(&find, visitor.role).map_err(unreadable)?;
        json(&json!({ "count": count, "calls": calls }))
    })
    .await
}

impl Shared {
    fn calls(&self, find: &str, role: Role) -> anyhow::Result<(usize, Vec<Shown>)> {
        let mut all = self.known.lock().unwrap_or_else(|broken| broken.into_inner());
        let mut chosen = Vec::new();
        let mut open = BTreeMap::new();
        let liids = read::liids(&self.evidence)?;
        for liid in &liids {
            let known = all.entry(liid.clone()).or_default();
            let ledger = read::calls(&self.evidence, liid);
            *known = index::extend(&ledger, std::mem::take(known))?;
            open.insert(liid, unfinished::unfinished(&self.evidence, liid, &|_| false)?);
        }
        for (liid, known) in all.iter() {
            let ended: std::collections::HashSet<u32> =
                rows(&known.rows).map(|(_, row)| row.cin).collect();
            let open = open.get(liid).map_or(&[][..], Vec::as_slice);
            let open = rows(open).map(|(_, row)| row).filter(|row| !ended.contains(&row.cin));
            let ended = rows(&known.rows).map(|(_, row)| row);
            let takes = |row: &Row<'_>| {
                let holds = |text: &str| text.to_lowercase().contains(find);
                row.state != CallState::Continued
                    && (find.is_empty()
                        || holds(liid)
                        || role == Role::Inspect
                            && [row.from, row.to, row.call_id, row.target].into_iter().any(holds))
            };
            chosen.extend(ended.chain(open).filter(takes).map(|row| (liid, row)));
        }
        chosen.sort_unstable_by_key(|(liid, row)| {
            (std::cmp::Reverse(row.started_ns), *liid, row.cin)
        });
        let latest = chosen.iter().take(MOST).map(|(liid, row)| Shown::of(liid, row, role));
        Ok((chosen.len(), latest.collect()))
    }
}

/// A call's page: parties, ladder, quality, messages, custody.
pub(super) async fn call(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    Path((liid, cin)): Path<(String, u32)>,
) -> Answer {
    if visitor.role != Role::Inspect {
        return Err(refuse(StatusCode::FORBIDDEN, "a call is shown to the role inspect alone"));
    }
    reading(shared, move |shared| {
        let known = read::liids(&shared.evidence).is_ok_and(|all| all.contains(&liid));
        if !known {
            return Err(refuse(StatusCode::NOT_FOUND, "no such LIID"));
        }
        let name = format!("{liid}/{cin}");
        shared.audit(&visitor, "call", Some(name.clone()))?;
        let call = cli::Call { call: name, evidence: Some(shared.evidence.clone()) };
        let page = Dossier::open(&call).and_then(|dossier| report::seen(&dossier));
        let page = page.map_err(|why| refuse(StatusCode::NOT_FOUND, format_args!("{why:#}")))?;
        Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response())
    })
    .await
}

/// The volumes of every LIID, the latest first.
pub(super) async fn volumes(State(shared): State<Arc<Shared>>, visitor: Visitor) -> Answer {
    reading(shared, move |shared| {
        shared.audit(&visitor, "volumes", None)?;
        let volumes =
            shared.volumes().map_err(|cause| refuse(StatusCode::INTERNAL_SERVER_ERROR, cause))?;
        json(&json!({ "volumes": volumes }))
    })
    .await
}

impl Shared {
    fn volumes(&self) -> std::io::Result<Vec<serde_json::Value>> {
        let mut volumes = Vec::new();
        for liid in read::liids(&self.evidence)? {
            for line in read::sealed(&self.evidence, &liid)? {
                volumes.push(json!({
                    "file": line.file, "packets": line.packets, "bytes": line.bytes,
                    "last_packet": line.last_packet, "sha256": line.sha256,
                }));
            }
            for file in read::unsealed(&self.evidence, &liid)? {
                let bytes =
                    self.evidence.join(&liid).join(&file).metadata().map_or(0, |it| it.len());
                volumes.push(json!({
                    "file": file, "packets": 0, "bytes": bytes, "last_packet": null, "sha256": null,
                }));
            }
        }
        volumes.reverse();
        volumes.truncate(MOST);
        Ok(volumes)
    }
}

/// Reads every sealed byte back.
pub(super) async fn verify(State(shared): State<Arc<Shared>>, visitor: Visitor) -> Answer {
    reading(shared, move |shared| {
        shared.audit(&visitor, "verification", None)?;
        let failed =
            |cause: &dyn std::fmt::Display| refuse(StatusCode::INTERNAL_SERVER_ERROR, cause);
        let trust = Trust::open(&shared.trust).map_err(|cause| failed(&cause))?;
        let report = calltap_evidence::verify::verify(&shared.evidence, Some(&trust));
        json(&crate::verify::json(&report.map_err(|cause| failed(&cause))?))
    })
    .await
}
