//! A snapshot as Prometheus reads it (OpenMetrics 1.0 text): LIIDs as labels, and no identity.
//!
//! `docs/operations.md` has a table of the families, which a test holds against what is written here.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::limited::Limited;
use super::serve::Snapshots;
use super::{Latency, Snapshot, alarms};
use crate::evidence::row::nanoseconds;

/// The type of what [`text`] gives.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The states of a warrant that there is a count of.
const STATES: [&str; 5] = ["waiting", "executed", "ended", "stopped", "refused"];

/// Binds the address that metrics are asked at.
///
/// # Errors
/// It cannot be bound.
pub fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("--metrics {address}"))
}

/// Its socket with its answer; to be called within a runtime.
///
/// # Errors
/// The socket cannot be given to the runtime.
pub fn service(listener: TcpListener, snapshots: Snapshots) -> std::io::Result<Limited> {
    let answer = move || {
        let snapshot = snapshots.borrow().clone();
        async move {
            let text = snapshot.and_then(|it| exposition(&it).ok());
            match text {
                Some(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
                None => (StatusCode::SERVICE_UNAVAILABLE, "it has just begun\n").into_response(),
            }
        }
    };
    Limited::of(listener, None, Router::new().route("/metrics", get(answer)))
}

/// The snapshot in text, to be sent as [`CONTENT_TYPE`].
///
/// # Errors
/// None that memory has room for.
pub fn exposition(snapshot: &Arc<Snapshot>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("calltap");
    registry.register_collector(Box::new(Exposition(Arc::clone(snapshot))));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

#[derive(Debug)]
struct Exposition(Arc<Snapshot>);

/// Families on their way out; each with samples by their labels.
struct Families<'a>(DescriptorEncoder<'a>);

/// Labels by name.
type Labels<const N: usize> = [(&'static str, String); N];

impl Families<'_> {
    fn counter<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<N>, u64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in samples {
            match N {
                0 => metric.encode_counter::<NoLabelSet, _, u64>(&value, None)?,
                _ => metric
                    .encode_family(&labels)?
                    .encode_counter::<NoLabelSet, _, u64>(&value, None)?,
            }
        }
        Ok(())
    }

    fn gauge<const N: usize>(
        &mut self,
        (name, unit): (&str, Option<Unit>),
        help: &str,
        samples: impl IntoIterator<Item = (Labels<N>, f64)>,
    ) -> fmt::Result {
        let (unit, kind) = (unit.as_ref(), MetricType::Gauge);
        let mut metric = self.0.encode_descriptor(name, help, unit, kind)?;
        for (labels, value) in samples {
            match N {
                0 => metric.encode_gauge(&value)?,
                _ => metric.encode_family(&labels)?.encode_gauge(&value)?,
            }
        }
        Ok(())
    }
}

impl Collector for Exposition {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Families(encoder);
        self.capture(&mut out)?;
        self.frames(&mut out)?;
        self.interfaces(&mut out)?;
        self.warrants(&mut out)?;
        self.trigger(&mut out)
    }
}

impl Exposition {
    fn capture(&self, out: &mut Families<'_>) -> fmt::Result {
        let Snapshot { tool, began, disk, alarms, buffers, .. } = &*self.0;
        let version = tool.rsplit(' ').next().unwrap_or_default().to_owned();
        let help = "The program that captures, by its version: always 1";
        out.gauge(("build_info", None), help, [([("version", version)], 1.0)])?;
        let help = "When the capture began, in seconds since the Unix epoch";
        out.gauge(("start_time", Some(Unit::Seconds)), help, [([], seconds(began))])?;
        let help = "What is free of the evidence's file system";
        out.gauge(("disk_free", Some(Unit::Bytes)), help, [([], disk.free as f64)])?;
        let help = "The size of the evidence's file system";
        out.gauge(("disk_size", Some(Unit::Bytes)), help, [([], disk.of as f64)])?;
        let help = "Alarms that stand, by code";
        let of = |code: &str| alarms.iter().filter(|it| it.code == code).count() as f64;
        let samples = alarms::CODES.map(|code| ([("code", code.to_owned())], of(code)));
        out.gauge(("alarms", None), help, samples)?;
        let help = "Empty buffers that wait for use, by what they are for";
        let samples = buffers.iter().map(|(name, it)| ([("pool", name.clone())], it.free as f64));
        out.gauge(("buffers_free", None), help, samples)?;
        let help = "Buffers that there are, by what they are for";
        let samples = buffers.iter().map(|(name, it)| ([("pool", name.clone())], it.of as f64));
        out.gauge(("buffers", None), help, samples)
    }

    fn frames(&self, out: &mut Families<'_>) -> fmt::Result {
        let Snapshot { frames, filter, signalling, .. } = &*self.0;
        for (name, help, value) in [
            ("frames_seen", "Frames that reached the filter", frames.seen),
            ("frames_passed", "Frames left to the host's own stack", frames.passed),
            (
                "frames_filtered",
                "Frames that nobody asked for, dropped by the filter",
                frames.filtered,
            ),
            (
                "frames_delivered",
                "Frames that reached user space and were not lost",
                frames.delivered,
            ),
            ("frames_nic_dropped", "Frames that the cards had no room for", frames.nic),
        ] {
            out.counter(name, help, [([], value)])?;
        }
        let by = |name: &'static str| {
            move |(what, frames): (&String, &u64)| ([(name, what.clone())], *frames)
        };
        let help = "Frames that should have been delivered, by where they were lost";
        out.counter("frames_lost", help, frames.lost.iter().map(by("place")))?;
        let help = "What the filter did with frames, by reason";
        out.counter("filter_frames", help, filter.iter().map(by("reason")))?;
        let help = "What the thread that follows calls saw and gave up, by what it is";
        out.counter("signalling", help, signalling.iter().map(by("what")))
    }

    fn interfaces(&self, out: &mut Families<'_>) -> fmt::Result {
        let all = &self.0.interfaces;
        let by = |name: &str| [("interface", name.to_owned())];
        let help = "Frames that the card received, whatever became of them";
        out.counter("interface_frames", help, all.iter().map(|it| (by(&it.name), it.frames)))?;
        let help = "Bytes of frames that the card received";
        out.counter("interface_bytes", help, all.iter().map(|it| (by(&it.name), it.bytes)))?;
        let queues = || {
            all.iter().flat_map(|it| {
                it.queues.iter().map(|queue| {
                    let labels =
                        [("interface", it.name.clone()), ("queue", queue.queue.to_string())];
                    (labels, queue)
                })
            })
        };
        let help = "Frames of media that a queue's worker took";
        out.counter("queue_frames", help, queues().map(|(labels, it)| (labels, it.frames)))?;
        let help = "Frames of a queue that were lost behind the filter";
        out.counter("queue_lost", help, queues().map(|(labels, it)| (labels, it.lost)))?;
        let rings = || {
            queues().flat_map(|([interface, queue], it)| {
                [("media", it.media), ("signalling", it.signalling)].map(|(ring, waiting)| {
                    let labels = [interface.clone(), queue.clone(), ("ring", ring.to_owned())];
                    (labels, waiting)
                })
            })
        };
        let help = "Frames that wait in a queue's ring";
        let waiting = rings().map(|(labels, it)| (labels, f64::from(it.frames)));
        out.gauge(("ring_waiting", None), help, waiting)?;
        let help = "Frames that a queue's ring has room for";
        let room = rings().map(|(labels, it)| (labels, f64::from(it.room)));
        out.gauge(("ring_room", None), help, room)
    }

    fn warrants(&self, out: &mut Families<'_>) -> fmt::Result {
        let Snapshot { warrants, refused, .. } = &*self.0;
        let by = |liid: &str| [("liid", liid.to_owned())];
        let help = "Warrants by how they stand";
        let of = |state: &str| {
            let nameless = if state == "refused" { refused.values().sum() } else { 0 };
            (warrants.iter().filter(|it| it.state == state).count() as u64 + nameless) as f64
        };
        let samples = STATES.map(|state| ([("state", state.to_owned())], of(state)));
        out.gauge(("warrants", None), help, samples)?;
        let known = || warrants.iter().filter(|it| it.state != "refused");
        let help = "The end of a warrant's window, in seconds since the Unix epoch";
        let samples = known().map(|it| (by(&it.liid), seconds(&it.not_after)));
        out.gauge(("warrant_end_time", Some(Unit::Seconds)), help, samples)?;
        let help = "Calls that go on";
        let samples = known().map(|it| (by(&it.liid), it.live as f64));
        out.gauge(("calls_live", None), help, samples)?;
        let help = "Calls that have ended, since the evidence of the LIID was begun";
        out.counter("calls", help, known().map(|it| (by(&it.liid), it.calls)))?;
        let help = "Packets in the evidence of a LIID, since it was begun";
        out.counter("evidence_packets", help, known().map(|it| (by(&it.liid), it.packets)))?;
        let help = "Bytes of the evidence of a LIID, since it was begun";
        out.counter("evidence_bytes", help, known().map(|it| (by(&it.liid), it.bytes)))?;
        let help = "Sealed volumes of a LIID, since its evidence was begun";
        out.counter("volumes", help, known().map(|it| (by(&it.liid), it.volumes)))
    }

    fn trigger(&self, out: &mut Families<'_>) -> fmt::Result {
        let latency = self.0.trigger.clone().unwrap_or_else(Latency::none);
        let help = "Time from a message's arrival until the endpoints that it names were open";
        let kind = MetricType::Histogram;
        let mut metric = out.0.encode_descriptor("trigger", help, Some(&Unit::Seconds), kind)?;
        let edge = |(us, count): &(u64, u64)| (*us as f64 / 1e6, *count);
        // The encoder adds up the steps itself.
        let mut below = 0;
        let mut steps: Vec<_> = latency.up_to_us.iter().map(edge).collect();
        for (_, count) in &mut steps {
            (*count, below) = (*count - below, *count);
        }
        let count = latency.percentiles.count;
        steps.push((f64::INFINITY, count - below));
        metric.encode_histogram::<NoLabelSet>(latency.sum_us / 1e6, count, &steps, None)
    }
}

/// RFC 3339 in seconds since the Unix epoch.
fn seconds(time: &str) -> f64 {
    nanoseconds(time) as f64 / 1e9
}
