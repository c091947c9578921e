//! `booking demo --serve`, and a cable to it that can be cut.

use std::{
    io::{self, BufRead, BufReader},
    net::{Shutdown, TcpListener, TcpStream},
    process::{Child, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{Folder, PATIENCE, binary, emulator::signal};

/// A demo that runs. Killed when dropped.
pub struct Demo {
    child: Child,
    /// The address of its page, such as `http://127.0.0.1:40000/`.
    pub url: String,
    said: Arc<Mutex<String>>,
    /// Where its temporary folders are.
    pub folder: Folder,
}

impl Demo {
    /// Starts one on a free port, and returns once it listens.
    pub fn start(more: &[&str]) -> Demo {
        let folder = Folder::new();
        let mut command = binary();
        command.args(["demo", "--serve", "--http", "127.0.0.1:0"]).args(more);
        command.env("TMPDIR", folder.path());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        let url = loop {
            let before = text.len();
            assert!(lines.read_line(&mut text).unwrap() > 0, "it says above why it ended: {text}");
            if let Some((_, url)) = text[before..].split_once("See them at ") {
                break url.split(' ').next().unwrap().to_owned();
            }
        };
        let said = Arc::new(Mutex::new(text));
        let all = Arc::clone(&said);
        thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut all = all.lock().unwrap();
                all.push_str(&line);
                all.push('\n');
            }
        });
        Demo { child, url, said, folder }
    }

    /// Everything that it has printed.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has printed this.
    #[track_caller]
    pub fn says(&self, what: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.said().contains(what) {
            assert!(Instant::now() < deadline, "waited in vain for {what:?}: {}", self.said());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its address without `http://`.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches('/')
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits until it has ended, and returns its exit code.
    pub fn ended(mut self) -> (Option<i32>, Folder) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let folder = std::mem::replace(&mut self.folder, Folder::new());
                return (status.code(), folder);
            }
            assert!(Instant::now() < deadline, "the demo does not end");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it answers at a path: code and JSON.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        let answer = reqwest::get(format!("http://{}{path}", self.address())).await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Both fail harmlessly when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A way to a server that can be cut: then every connection over it breaks, and no new one begins.
pub struct Cable {
    /// The address of this end.
    pub url: String,
    cut: Arc<AtomicBool>,
    through: Arc<Mutex<Vec<TcpStream>>>,
}

impl Cable {
    /// A cable to an address.
    pub fn to(address: &str) -> Cable {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (cut, through) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<_>>>::default());
        let (address, is_cut, all) = (address.to_owned(), Arc::clone(&cut), Arc::clone(&through));
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(&address) else { continue };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    all.lock().unwrap().push(from.try_clone().unwrap());
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Cable { url, cut, through }
    }

    /// Breaks every connection, until it is mended.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        for it in self.through.lock().unwrap().drain(..) {
            let _ = it.shutdown(Shutdown::Both);
        }
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}
