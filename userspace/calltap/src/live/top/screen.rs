//! The screen of `calltap top`, drawn from a snapshot: for 80 columns and 24 lines, and better on more.

use std::collections::VecDeque;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Paragraph};

use crate::evidence::inert::{fit, inert};
use crate::live::status::{bits, bytes, count, span};
use crate::live::{Latency, Queue, Snapshot, Waiting};

/// Seconds that the line of rates goes back.
const HISTORY: usize = 240;

/// What is shown, and from where.
#[derive(Debug)]
pub(super) struct View {
    snapshot: Snapshot,
    /// Frames a second, the latest last.
    seen: VecDeque<f64>,
    /// The first warrant shown.
    offset: usize,
    /// Whether the capture has ended.
    pub(super) ended: bool,
}

impl View {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        let seen = VecDeque::from([snapshot.rates.seen]);
        Self { snapshot, seen, offset: 0, ended: false }
    }

    pub(super) fn take(&mut self, snapshot: Snapshot) {
        self.seen.push_back(snapshot.rates.seen);
        if self.seen.len() > HISTORY {
            self.seen.pop_front();
        }
        self.snapshot = snapshot;
        self.scroll(0);
    }

    pub(super) fn scroll(&mut self, by: isize) {
        let last = self.snapshot.warrants.len().saturating_sub(1);
        self.offset = self.offset.saturating_add_signed(by).min(last);
    }
}

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View) {
    let queues: usize = view.snapshot.interfaces.iter().map(|it| 1 + it.queues.len()).sum();
    let queues = u16::try_from(queues.clamp(3, 20)).unwrap_or(3);
    let [head, alarms, upper, middle, lower, losses, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(7),
        Constraint::Max(queues + 2),
        Constraint::Min(4),
        Constraint::Length(2),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let [left, right] =
        Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(upper);
    header(frame, head, view);
    alarm(frame, alarms, view);
    rates(frame, left, view);
    latency(frame, right, view.snapshot.trigger.as_ref());
    interfaces(frame, middle, &view.snapshot);
    warrants(frame, lower, view);
    lost(frame, losses, &view.snapshot);
    let keys = Line::from(" q quit   up, down: warrants").style(Style::new().dim());
    frame.render_widget(keys, foot);
}

fn block(title: &str) -> Block<'_> {
    let style = Style::new().add_modifier(Modifier::DIM);
    let title = Span::styled(format!(" {title} "), Style::new().bold());
    Block::bordered().border_type(BorderType::Rounded).border_style(style).title(title)
}

fn header(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let snapshot = &view.snapshot;
    let time = snapshot.at.get(11..19).unwrap_or_default();
    let left = format!(" calltap   up {}   ", span(snapshot.up_s));
    let right = format!("{time} UTC ");
    let room = usize::from(area.width).saturating_sub(left.len() + right.len());
    let mut evidence = String::new();
    fit(&mut evidence, &inert(&snapshot.evidence), room);
    let style = Style::new().add_modifier(Modifier::REVERSED);
    frame.render_widget(Line::from(format!("{left}{evidence}{right}")).style(style), area);
}

fn alarm(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let alarms = &view.snapshot.alarms;
    let loud = Style::new().fg(Color::Red).bold();
    let line = match alarms.last() {
        _ if view.ended => Line::styled(" the capture has ended", loud),
        None => Line::styled(" no alarms", Style::new().fg(Color::Green)),
        Some(alarm) => {
            let more = match alarms.len() {
                1 => String::new(),
                all => format!("   (and {} more: calltap status)", all - 1),
            };
            Line::styled(format!(" ALARM {}: {}{more}", alarm.code, alarm.what), loud)
        }
    };
    frame.render_widget(line, area);
}

fn rates(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let Snapshot { frames, rates, .. } = &view.snapshot;
    let lost: u64 = frames.lost.values().sum();
    let bad = |lost: u64| if lost > 0 { Style::new().fg(Color::Red) } else { Style::new() };
    let row = |name: &str, rate: f64, sum: u64, style: Style| {
        let text = format!(" {name:<10}{:>8}/s{sum:>16}", count(rate));
        Line::styled(text, style)
    };
    let width = usize::from(area.width.saturating_sub(4));
    let history: Vec<f64> = view.seen.iter().rev().take(width).rev().copied().collect();
    let mut lines = vec![
        row("seen", rates.seen, frames.seen, Style::new()),
        row("filtered", rates.filtered, frames.filtered, Style::new()),
        row("delivered", rates.delivered, frames.delivered, Style::new()),
        row("lost", rates.lost, lost, bad(lost)),
    ];
    let history = bars(&history, 1).remove(0);
    lines.push(Line::styled(format!(" {history}"), Style::new().fg(Color::Cyan)));
    frame.render_widget(Paragraph::new(lines).block(block("frames")), area);
}

fn latency(frame: &mut Frame<'_>, area: Rect, latency: Option<&Latency>) {
    let none = Latency::none();
    let latency = latency.unwrap_or(&none);
    let mut below = 0;
    let mut steps = Vec::new();
    for (_, up_to) in &latency.up_to_us {
        steps.push((*up_to - below) as f64);
        below = *up_to;
    }
    steps.push(latency.percentiles.count.saturating_sub(below) as f64);
    // Two columns a step.
    let wide: Vec<f64> = steps.iter().flat_map(|step| [*step, *step]).collect();
    let it = &latency.percentiles;
    let mut lines: Vec<_> = bars(&wide, 3)
        .into_iter()
        .map(|row| Line::styled(format!("  {row}"), Style::new().fg(Color::Cyan)))
        .collect();
    lines.push(Line::styled("  10us  .1ms  1ms   10ms  .1s", Style::new().dim()));
    lines.push(Line::from(format!(
        "  p50 {}  p99 {}  max {}",
        time(it.p50),
        time(it.p99),
        time(it.max)
    )));
    frame.render_widget(Paragraph::new(lines).block(block("until media is open")), area);
}

/// Microseconds in six characters.
fn time(us: f64) -> String {
    match us {
        ..999.5 => format!("{us:.0}us"),
        ..99_950.0 => format!("{:.1}ms", us / 1e3),
        _ => format!("{:.1}s", us / 1e6),
    }
}

fn interfaces(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
    let mut lines = Vec::new();
    for it in &snapshot.interfaces {
        let (rate, bits) = (count(it.frames_per_s), bits(it.bits_per_s));
        let text = format!(" {}: {rate} frames/s, {bits}, {}", inert(&it.name), it.mode);
        lines.push(Line::from(text));
        lines.extend(it.queues.iter().map(queue));
    }
    frame.render_widget(Paragraph::new(lines).block(block("interfaces")), area);
}

fn queue(it: &Queue) -> Line<'static> {
    let style = if it.lost > 0 { Style::new().fg(Color::Red) } else { Style::new() };
    let text = format!(
        "   queue {:<3}{:>8}/s kept   {} media   {} signalling   {} lost",
        it.queue,
        count(it.frames_per_s),
        ring(it.media),
        ring(it.signalling),
        it.lost
    );
    Line::styled(text, style)
}

/// How full a ring is, as a small gauge.
fn ring(waiting: Waiting) -> String {
    let share = f64::from(waiting.frames) / f64::from(waiting.room.max(1));
    bars(&[share, 1.0], 1).remove(0).chars().take(1).collect::<String>()
        + &format!("{:>4.0} %", share * 100.0)
}

fn warrants(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let all = &view.snapshot.warrants;
    let mut lines = vec![Line::styled(
        format!(
            " {:<22}{:<10}{:>6}{:>8}{:>12}{:>8}{:>10}",
            "LIID", "state", "live", "calls", "packets", "/s", "kept"
        ),
        Style::new().dim(),
    )];
    for it in all.iter().skip(view.offset) {
        let mut liid = String::new();
        fit(&mut liid, &inert(&it.liid), 21);
        let style = match it.state.as_str() {
            "executed" if it.live > 0 => Style::new().bold(),
            "executed" => Style::new(),
            "stopped" | "refused" => Style::new().fg(Color::Red),
            _ => Style::new().dim(),
        };
        let text = format!(
            " {liid} {:<10}{:>6}{:>8}{:>12}{:>8}{:>10}",
            it.state,
            it.live,
            it.calls,
            it.packets,
            count(it.packets_per_s),
            bytes(it.bytes)
        );
        lines.push(Line::styled(text, style));
    }
    let live: u64 = all.iter().map(|it| it.live).sum();
    let title = format!("{} warrants, {live} calls live", all.len());
    frame.render_widget(Paragraph::new(lines).block(block(&title)), area);
}

fn lost(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
    let Snapshot { frames, buffers, disk, .. } = snapshot;
    let mut places: Vec<_> =
        frames.lost.iter().map(|(place, lost)| format!("{place} {lost}")).collect();
    if frames.nic > 0 {
        places.push(format!("nic {}", frames.nic));
    }
    let losses = match places.is_empty() {
        true => Line::styled(" lost: nothing", Style::new().fg(Color::Green)),
        false => Line::styled(format!(" lost: {}", places.join("  ")), Style::new().fg(Color::Red)),
    };
    let free = |name: &str| buffers.get(name).map_or(1.0, |it| it.share()) * 100.0;
    let rest = format!(
        " free: {:.0} % of buffers to the recorder, {:.0} % to signalling, {} of disk",
        free("chunks"),
        free("batches"),
        bytes(disk.free)
    );
    frame.render_widget(Paragraph::new(vec![losses, Line::from(rest)]), area);
}

/// Values as bars so many lines high, the top line first.
fn bars(values: &[f64], height: usize) -> Vec<String> {
    const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.iter().copied().fold(0.0, f64::max);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few eighths")]
    let eighths = |value: f64| match most > 0.0 && value > 0.0 {
        true => ((value / most * height as f64 * 8.0).round() as usize).max(1),
        false => 0,
    };
    let line = |below: usize| -> String {
        values.iter().map(|it| EIGHTHS[eighths(*it).saturating_sub(below * 8).min(8)]).collect()
    };
    (0..height).rev().map(line).collect()
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::live::{Alarm, Free, Interface, Rates, Warrant};
    use crate::summary::Percentiles;

    fn drawn(view: &View, columns: u16, lines: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
        terminal.draw(|frame| draw(frame, view)).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y| (0..columns).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..lines).map(|y| row(y).trim_end().to_owned() + "\n").collect()
    }

    fn busy() -> View {
        let queue = |queue, lost| Queue {
            queue,
            frames_per_s: 4210.0,
            lost,
            media: Waiting { frames: 512, room: 4096 },
            signalling: Waiting { frames: 0, room: 2048 },
            ..Queue::default()
        };
        let warrant = |liid: &str, state: &str, live| Warrant {
            liid: liid.to_owned(),
            state: state.to_owned(),
            live,
            calls: 1204,
            packets: 9_120_344,
            packets_per_s: 2104.0,
            bytes: 2_204_000_000,
            ..Warrant::default()
        };
        let mut snapshot = Snapshot {
            evidence: "/var/lib/calltap/evidence".to_owned(),
            at: "2026-11-23T16:04:05.123456789Z".to_owned(),
            up_s: 90_061.0,
            rates: Rates { seen: 412_345.0, filtered: 408_120.0, delivered: 4225.0, lost: 0.0 },
            interfaces: vec![Interface {
                name: "eth1".to_owned(),
                mode: "xdp native, zero-copy".to_owned(),
                frames_per_s: 412_345.0,
                bits_per_s: 7.2e8,
                queues: vec![queue(0, 0), queue(1, 17)],
                ..Interface::default()
            }],
            buffers: [("chunks".to_owned(), Free { free: 60, of: 64 })].into(),
            warrants: vec![
                warrant("CASE-2026-0001", "executed", 12),
                warrant("CASE-2026-0002-LONG-LIID-OF-25", "executed", 0),
                warrant("CASE-3", "waiting", 0),
                warrant("CASE-4", "stopped", 0),
            ],
            trigger: Some(Latency {
                percentiles: Percentiles {
                    count: 90,
                    p50: 61.0,
                    p99: 1840.0,
                    max: 22_000.0,
                    ..<_>::default()
                },
                up_to_us: [0, 10, 40, 70, 80, 85, 86, 88, 89, 89, 90, 90, 90]
                    .into_iter()
                    .zip(crate::live::latency::EDGES_US)
                    .map(|(count, edge)| (edge, count))
                    .collect(),
                ..Latency::default()
            }),
            disk: Free { free: 912_000_000_000, of: 2_000_000_000_000 },
            alarms: vec![Alarm {
                code: "frames-lost".to_owned(),
                what: "17 frames lost in the last minute: rx_ring_full".to_owned(),
                since: "2026-11-23T16:03:59Z".to_owned(),
            }],
            ..Snapshot::default()
        };
        snapshot.frames.seen = 35_000_000_123;
        snapshot.frames.filtered = 34_900_000_000;
        snapshot.frames.delivered = 100_000_106;
        snapshot.frames.lose("rx_ring_full", 17);
        let mut view = View::new(snapshot.clone());
        for rate in [2e5, 3e5, 4.5e5, 4.1e5] {
            snapshot.rates.seen = rate;
            view.take(snapshot.clone());
        }
        view
    }

    #[test]
    fn everything_stands_on_eighty_columns_and_twenty_four_lines() {
        let shown = drawn(&busy(), 80, 24);
        assert_eq!(shown, include_str!("busy.txt"), "\n{shown}");
    }

    #[test]
    fn a_quiet_capture_is_drawn_on_any_size_and_says_when_it_has_ended() {
        let mut view = View::new(Snapshot::default());
        assert!(drawn(&view, 80, 24).contains("no alarms"));
        for (columns, lines) in [(1, 1), (20, 5), (40, 12), (300, 100)] {
            drawn(&view, columns, lines);
            drawn(&busy(), columns, lines);
        }
        view.ended = true;
        assert!(drawn(&view, 80, 24).contains("the capture has ended"));
    }

    #[test]
    fn warrants_beyond_the_screen_are_scrolled_to_and_not_beyond() {
        let mut view = busy();
        view.scroll(2);
        let shown = drawn(&view, 80, 24);
        assert!(shown.contains("CASE-4") && !shown.contains("CASE-2026-0001"), "{shown}");
        view.scroll(100);
        view.scroll(-1);
        assert!(drawn(&view, 80, 24).contains("CASE-3"));
        view.scroll(-100);
        assert!(drawn(&view, 80, 24).contains("CASE-2026-0001"));
    }
}
