//! `calltap top`: the running capture on a terminal screen, once a second.

mod screen;

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::bail;
use crossbeam::channel::{Receiver, TryRecvError, bounded};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::place::{self, Watched};
use super::{Snapshot, status};
use crate::{Outcome, cli};
use screen::View;

/// How long a key waits at most until it is heard.
const PACE: Duration = Duration::from_millis(100);

/// Shows the capture until `q` is pressed.
///
/// # Errors
/// Standard output is no terminal, several captures run and none is named, or one does not answer.
pub fn top(arguments: &cli::Top) -> anyhow::Result<Outcome> {
    if !std::io::stdout().is_terminal() {
        bail!("calltap top needs a terminal; calltap status --json is for programs");
    }
    let Some(watched) = place::watch(arguments.evidence.as_deref())? else {
        return Ok(status::none_runs(arguments.evidence.as_deref()));
    };
    let first = watched.snapshot.clone();
    let (tell, told) = bounded(1);
    std::thread::Builder::new().name("watched".to_owned()).spawn(move || follow(watched, &tell))?;
    let mut terminal = ratatui::try_init()?;
    let shown = show(&mut terminal, first, &told);
    ratatui::restore();
    shown.map(|()| Outcome::Fine)
}

/// Hands on each snapshot until the capture ends, or nobody looks any more.
fn follow(mut watched: Watched, tell: &crossbeam::channel::Sender<Snapshot>) {
    while let Ok(Some(snapshot)) = watched.hear() {
        if tell.send(snapshot.clone()).is_err() {
            return;
        }
    }
}

fn show(
    terminal: &mut DefaultTerminal,
    first: Snapshot,
    told: &Receiver<Snapshot>,
) -> anyhow::Result<()> {
    let mut view = View::new(first);
    let mut changed = true;
    loop {
        match told.try_recv() {
            Ok(snapshot) => {
                view.take(snapshot);
                changed = true;
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                changed |= !view.ended;
                view.ended = true;
            }
        }
        if changed {
            terminal.draw(|frame| screen::draw(frame, &view))?;
        }
        changed = event::poll(PACE)?;
        if !changed {
            continue;
        }
        match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => match key {
                KeyEvent { code: KeyCode::Char('q') | KeyCode::Esc, .. } => return Ok(()),
                KeyEvent { code: KeyCode::Char('c'), modifiers: KeyModifiers::CONTROL, .. } => {
                    return Ok(());
                }
                KeyEvent { code: KeyCode::Down | KeyCode::Char('j'), .. } => view.scroll(1),
                KeyEvent { code: KeyCode::Up | KeyCode::Char('k'), .. } => view.scroll(-1),
                KeyEvent { code: KeyCode::PageDown, .. } => view.scroll(10),
                KeyEvent { code: KeyCode::PageUp, .. } => view.scroll(-10),
                _ => {}
            },
            _ => {}
        }
    }
}
