//! The terminal of `booking top`: taken over for a screen, and given back whatever happens, also
//! after a panic. Nothing else may write to the terminal meanwhile.

use std::time::Duration;

use ratatui::{
    DefaultTerminal, Frame,
    crossterm::event::{self, Event, KeyModifiers},
};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::fault::Fault;

/// How often the thread that reads keys looks whether it should end.
const LOOK_UP: Duration = Duration::from_millis(100);
/// The most keys that are kept while the screen is drawn. Further ones wait in the terminal.
const KEYS_MAX: usize = 16;

/// The terminal, while it is taken over.
pub(super) struct Tty(DefaultTerminal);

impl Tty {
    /// Takes the terminal over: no echo, no line editing, and a screen of its own. A panic gives it
    /// back before its message is printed.
    pub(super) fn take() -> Result<Tty, Fault> {
        ratatui::try_init().map(Tty).map_err(|it| {
            give_back();
            Fault::Config(format!("cannot draw on this terminal: {it}"))
        })
    }

    /// Draws the screen anew, in the size that the terminal has now.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> Result<(), Fault> {
        let drawn = self.0.draw(draw).map(drop);
        drawn.map_err(|it| Fault::Config(format!("the terminal is gone: {it}")))
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        let _ = self.0.show_cursor();
        give_back();
    }
}

/// If this fails, the terminal is gone, and there is nothing to give back.
fn give_back() {
    let _ = ratatui::try_restore();
}

/// What a person wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// To end: `q`, Ctrl-C, or the terminal is gone.
    Quit,
    /// To look at the dead letters again: `r`.
    Look,
    /// Another size.
    Resized,
}

/// The keys that are pressed. Reading them blocks, so a thread does it.
pub(super) struct Keys {
    pressed: mpsc::Receiver<Key>,
    stop: CancellationToken,
    reading: JoinHandle<()>,
}

impl Keys {
    pub(super) fn listen() -> Keys {
        let (press, pressed) = mpsc::channel(KEYS_MAX);
        let stop = CancellationToken::new();
        let reading = tokio::task::spawn_blocking({
            let stop = stop.clone();
            move || read(&press, &stop)
        });
        Keys { pressed, stop, reading }
    }

    /// The next key. A terminal that is gone counts as [`Key::Quit`].
    pub(super) async fn next(&mut self) -> Key {
        self.pressed.recv().await.unwrap_or(Key::Quit)
    }

    /// Stops reading.
    pub(super) async fn end(self) {
        let Keys { pressed, stop, reading } = self;
        stop.cancel();
        drop(pressed);
        // A panic of it has been told by the hook of panics.
        let _ = reading.await;
    }
}

fn read(press: &mpsc::Sender<Key>, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        let key = match event::poll(LOOK_UP) {
            Ok(false) => continue,
            Ok(true) => event::read().map(|it| key(&it)),
            Err(gone) => Err(gone),
        };
        match key {
            Ok(None) => {}
            Ok(Some(key)) if press.blocking_send(key).is_ok() => {}
            Ok(Some(_)) | Err(_) => return,
        }
    }
}

fn key(event: &Event) -> Option<Key> {
    if event.as_resize_event().is_some() {
        return Some(Key::Resized);
    }
    let pressed = event.as_key_press_event()?;
    let letter = pressed.code.as_char()?;
    match (letter, pressed.modifiers.contains(KeyModifiers::CONTROL)) {
        ('q' | 'Q', false) | ('c', true) => Some(Key::Quit),
        ('r' | 'R', false) => Some(Key::Look),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::{KeyCode, KeyEvent};

    use super::*;

    #[test]
    fn q_and_ctrl_c_end_r_looks_and_nothing_else_does_anything() {
        let press = |code, modifiers| key(&Event::Key(KeyEvent::new(code, modifiers)));
        let letter = |it| press(KeyCode::Char(it), KeyModifiers::NONE);
        assert_eq!((letter('q'), letter('r')), (Some(Key::Quit), Some(Key::Look)));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Key::Quit));
        assert_eq!((letter('c'), press(KeyCode::Esc, KeyModifiers::NONE)), (None, None));
        assert_eq!(press(KeyCode::Char('r'), KeyModifiers::CONTROL), None);
        assert_eq!(key(&Event::Resize(80, 24)), Some(Key::Resized));
    }

    /// The variable by which the test below knows that it runs on a terminal of its own.
    #[cfg(target_os = "linux")]
    const ON_A_TERMINAL: &str = "BOOKING_TEST_ON_A_TERMINAL";

    /// Runs itself once more, on a terminal that `script` makes, and there it panics.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_panic_gives_the_terminal_back_before_it_is_told() {
        if std::env::var_os(ON_A_TERMINAL).is_some() {
            let mut tty = Tty::take().expect("there is a terminal");
            tty.draw(|_| ()).expect("it can be drawn on");
            panic!("out of the blue");
        }
        let own = std::env::current_exe().expect("this is a file");
        let name = "cli::top::tty::tests::a_panic_gives_the_terminal_back_before_it_is_told";
        let run = format!(
            "stty cols 80 rows 24; {ON_A_TERMINAL}=1 '{}' --exact {name} --nocapture; stty -a",
            own.display()
        );
        let script = std::process::Command::new("script")
            .args(["-qec", &run, "/dev/null"])
            .stdin(std::process::Stdio::null())
            .output()
            .expect("`script` of util-linux");
        let text = String::from_utf8_lossy(&script.stdout);
        let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what:?}: {text:?}"));
        assert!(place("\u{1b}[?1049h") < place("\u{1b}[?1049l"), "{text:?}");
        assert!(place("\u{1b}[?1049l") < place("out of the blue"), "{text:?}");
        let settings = &text[place("out of the blue")..];
        assert!(settings.contains(" icanon") && !settings.contains("-echo "), "{settings:?}");
    }
}
