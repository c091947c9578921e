//! A real terminal that a test types into and looks at: tmux. It runs a command by itself, so that
//! the test also sees what the command leaves of the terminal.

use std::{
    process::{Command, Output},
    time::{Duration, Instant},
};

use super::{PATIENCE, binary, unique};

/// A terminal in which one `booking` command runs. Ended with everything in it when dropped.
pub struct Terminal {
    socket: String,
}

impl Terminal {
    /// Runs `booking` with these arguments on a terminal of this size. When it has ended, the
    /// terminal says how it is set, and then `ended CODE`: who sees that sees both.
    pub fn start(
        (columns, lines): (u16, u16),
        args: &[&str],
        environment: &[(&'static str, String)],
    ) -> Terminal {
        let terminal = Terminal { socket: format!("booking-{}", unique("tmux")) };
        // Its environment is that of the server, which the first call starts.
        let mut first = Command::new("tmux");
        for (name, value) in binary().get_envs() {
            match value {
                Some(value) => first.env(name, value),
                None => first.env_remove(name),
            };
        }
        first.env("LC_ALL", "C.UTF-8").env_remove("TMUX").env_remove("BOOKING_TEST_SKIP");
        first.envs(environment.iter().map(|(name, value)| (*name, value)));
        let size = [columns, lines].map(|it| it.to_string());
        first.args(["-u", "-L", &terminal.socket, "-f", "/dev/null", "new-session", "-d"]);
        first.args(["-x", &size[0], "-y", &size[1], "--", "sh", "-c"]);
        // `cat` keeps the terminal.
        first.arg(r#""$0" "$@"; code=$?; stty -a; echo "ended $code"; exec cat"#);
        first.arg(binary().get_program()).args(args);
        let said = first.output().unwrap_or_else(|it| {
            panic!("{it}: these tests need tmux (apt-get install tmux), or BOOKING_TEST_SKIP=tmux")
        });
        assert!(said.status.success(), "{said:?}");
        terminal
    }

    /// What is on the screen.
    pub fn text(&self) -> String {
        let said = self.tmux(&["capture-pane", "-p"]);
        String::from_utf8(said.stdout).unwrap()
    }

    /// Waits until the screen shows this, and returns the screen.
    pub async fn shows(&self, what: &str) -> String {
        self.is(what, |it| it.contains(what)).await
    }

    /// Waits until the screen is as it is wanted, and returns it.
    pub async fn is(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.text();
            if wanted(&text) {
                return text;
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}:\n{text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Presses a key, by its name in tmux: `q`, `C-c`.
    pub fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Gives the terminal another size.
    pub fn resize(&self, columns: u16, lines: u16) {
        let size = [columns, lines].map(|it| it.to_string());
        self.tmux(&["resize-window", "-x", &size[0], "-y", &size[1]]);
    }

    /// Sends a signal to the command.
    pub fn signal(&self, name: &str) {
        let said = self.tmux(&["display-message", "-p", "#{pane_pid}"]);
        let shell = String::from_utf8(said.stdout).unwrap();
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", shell.trim()]).output();
        let children = String::from_utf8(children.unwrap().stdout).unwrap();
        let own: Vec<&str> = children.split_whitespace().collect();
        assert_eq!(own.len(), 1, "the shell runs the command and nothing else");
        let sent = Command::new("kill").args([&format!("-{name}"), own[0]]).status();
        assert!(sent.unwrap().success());
    }

    fn tmux(&self, args: &[&str]) -> Output {
        let said = Command::new("tmux").args(["-u", "-L", &self.socket]).args(args).output();
        let said = said.unwrap();
        assert!(said.status.success(), "tmux {args:?}: {said:?}");
        said
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Fails harmlessly when it has ended already.
        let _ = Command::new("tmux").args(["-L", &self.socket, "kill-server"]).output();
    }
}
