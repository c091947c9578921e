//! A real browser: a headless Chromium with a page, and axe-core in it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{PATIENCE, node, root};

/// How wide and how high a window is, in CSS pixels.
pub type Size = (u32, u32);

/// A window of Chromium. It ends when this is dropped.
pub struct Browser {
    child: Child,
    told: BufReader<ChildStdout>,
}

impl Browser {
    /// One with an empty page.
    pub fn start() -> Browser {
        let mut child = Command::new("python3")
            .arg(root().join("tests/it/peers/browser.py"))
            .arg(axe())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 must be installed: https://www.python.org/downloads/");
        let told = BufReader::new(child.stdout.take().unwrap());
        let mut browser = Browser { child, told };
        assert!(browser.answer().is_some(), "tests/it/peers/browser.py says above why it ended");
        browser
    }

    /// The next line; `None` if it has ended.
    fn answer(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.told.read_line(&mut line).unwrap();
        serde_json::from_str(&line).ok()
    }

    /// Does a step, and returns what came of it or why it failed.
    fn ask(&mut self, step: &Value) -> Result<Value, String> {
        writeln!(self.child.stdin.as_mut().unwrap(), "{step}").unwrap();
        let mut told = self.answer().expect("browser.py says above why it ended");
        match told["failed"].as_str() {
            Some(why) => Err(why.to_owned()),
            None => Ok(told["came"].take()),
        }
    }

    #[track_caller]
    fn step(&mut self, step: &Value) -> Value {
        self.ask(step).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Opens an address, and returns once the page is loaded.
    #[track_caller]
    pub fn open(&mut self, url: &str) {
        self.step(&json!({"do": "open", "url": url}));
    }

    /// The value of an expression of JavaScript in the page.
    #[track_caller]
    pub fn run(&mut self, script: &str) -> Value {
        self.step(&json!({"do": "run", "script": script}))
    }

    /// Waits until an expression is neither false nor empty, and returns its value. It may fail
    /// meanwhile, as it does while another page is loaded.
    #[track_caller]
    pub fn until(&mut self, what: &str, script: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let came = self.ask(&json!({"do": "run", "script": script}));
            match &came {
                Ok(Value::Null | Value::Bool(false)) | Err(_) => {}
                Ok(it) => return it.clone(),
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}: {came:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// How large its window is, and whether a person wants it dark.
    #[track_caller]
    pub fn look(&mut self, (width, height): Size, dark: bool) {
        let scheme = if dark { "dark" } else { "light" };
        let prefers = json!({"color-scheme": scheme, "reduced-motion": "reduce"});
        self.step(&json!({"do": "look", "width": width, "height": height, "prefers": prefers}));
    }

    /// Whether pages may run scripts, from the next one on.
    #[track_caller]
    pub fn scripts(&mut self, on: bool) {
        self.step(&json!({"do": "scripts", "on": on}));
    }

    /// Clicks in the middle of an element.
    #[track_caller]
    pub fn click(&mut self, selector: &str) {
        self.step(&json!({"do": "click", "what": selector}));
    }

    /// Presses a key, such as `Tab`.
    #[track_caller]
    pub fn press(&mut self, key: &str) {
        self.step(&json!({"do": "press", "key": key}));
    }

    /// Takes a picture of the whole page, into [`screenshots`].
    #[track_caller]
    pub fn shot(&mut self, name: &str) {
        let file = screenshots().join(format!("{name}.png"));
        self.step(&json!({"do": "shot", "file": file}));
    }

    /// What the console said since the last time, and what the content security policy refused.
    #[track_caller]
    pub fn problems(&mut self) -> Vec<String> {
        serde_json::from_value(self.step(&json!({"do": "problems"}))).unwrap()
    }

    /// What axe-core finds that is serious or critical.
    #[track_caller]
    pub fn barriers(&mut self) -> Vec<Value> {
        let Value::Array(found) = self.step(&json!({"do": "axe"})) else { panic!("no list") };
        let grave = |it: &Value| ["serious", "critical"].map(Value::from).contains(&it["impact"]);
        found.into_iter().filter(grave).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends when its stdin closes.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The folder of the pictures, which a person should look at: BOOKING_SCREENSHOTS, or one in
/// `target`.
pub fn screenshots() -> PathBuf {
    let folder = std::env::var_os("BOOKING_SCREENSHOTS");
    let folder = folder.map_or_else(|| root().join("target/screenshots"), PathBuf::from);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The file of axe-core.
fn axe() -> PathBuf {
    node::installed("axe").join("node_modules/axe-core/axe.min.js")
}
