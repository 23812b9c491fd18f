//! A headless Chromium, driven over W3C `WebDriver` as a person would use it: pages, fields, buttons, files.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::server::Http;

/// How long a page may compute; a machine may be busy with everything else.
const COMPUTING: Duration = Duration::from_mins(5);

/// How many more browsers may run: each takes many processes and much memory, and tests run side by side.
static ROOM: (Mutex<usize>, Condvar) = (Mutex::new(2), Condvar::new());

/// Room for one browser; given back when dropped.
#[derive(Debug)]
struct Room;

impl Room {
    /// Waits until there is some.
    fn take() -> Self {
        // A test that failed has ended its browser too.
        let free = ROOM.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = ROOM.1.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Self
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        *ROOM.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        ROOM.1.notify_one();
    }
}

/// A browser with one window; ended when dropped.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    http: Http,
    session: String,
    // Given back once the browser has ended: fields are dropped after `drop`.
    _room: Room,
}

impl Browser {
    /// Starts one. `None` where the machine has no Chromium or no driver of it: then the test named `test` says in the
    /// log of what was skipped that it did not run.
    ///
    /// # Panics
    /// It is there and does not start.
    pub fn start(test: &str) -> Option<Self> {
        let (Some(driver), Some(chromium)) = (found("chromedriver"), found("chromium")) else {
            skipped(test, "no chromium or no chromedriver");
            return None;
        };
        let room = Room::take();
        let mut driver = Command::new(driver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        // Reads on to the end, so that the driver never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let http = Http::new(&format!("http://127.0.0.1:{}", port.unwrap()));
        let mut browser = Self { driver, http, session: String::new(), _room: room };
        // CI runs as root, where Chromium has no sandbox, and may have next to no shared memory.
        let arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"];
        let options = json!({ "args": arguments, "binary": chromium });
        let wanted = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let body = json!({ "capabilities": { "alwaysMatch": wanted } });
        let answer = browser.call(Method::POST, "/session", &body);
        browser.session = format!("/session/{}", answer["sessionId"].as_str().unwrap());
        Some(browser)
    }

    /// Goes to an address.
    pub fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// Shows pages so wide, in CSS pixels, in dark or light colours, on a screen or as on paper.
    pub fn show_as(&self, width: u32, dark: bool, on_paper: bool) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
        let scheme =
            json!([{ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } }]);
        let media = json!({ "media": if on_paper { "print" } else { "screen" }, "features": scheme });
        self.devtools("Emulation.setEmulatedMedia", &media);
    }

    /// Asks for pages with a bearer token.
    pub fn ask_with(&self, token: &str) {
        self.devtools("Network.enable", &json!({}));
        let headers = json!({ "headers": { "authorization": format!("Bearer {token}") } });
        self.devtools("Network.setExtraHTTPHeaders", &headers);
    }

    /// Runs the scripts of pages opened from now on, or none: what a test evaluates runs all the same.
    pub fn run_scripts(&self, run: bool) {
        self.devtools("Emulation.setScriptExecutionDisabled", &json!({ "value": !run }));
    }

    /// Keeps what is downloaded in a directory.
    ///
    /// # Panics
    /// Its path is no text.
    pub fn download_to(&self, directory: &Path) {
        let to = directory.to_str().unwrap();
        self.devtools("Browser.setDownloadBehavior", &json!({ "behavior": "allow", "downloadPath": to }));
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }

    /// Types into a field, or chooses a file by its path.
    ///
    /// # Panics
    /// There is no such field.
    pub fn type_into(&self, selector: &str, text: &str) {
        self.post(&format!("{}/value", self.element(selector)), &json!({ "text": text }));
    }

    /// Empties a field.
    ///
    /// # Panics
    /// There is no such field.
    pub fn clear(&self, selector: &str) {
        self.post(&format!("{}/clear", self.element(selector)), &json!({}));
    }

    /// Chooses what a list offers, by its value.
    ///
    /// # Panics
    /// There is no such list, or it offers no such value.
    pub fn choose(&self, selector: &str, value: &str) {
        self.click(&format!("{selector} option[value=\"{value}\"]"));
    }

    /// Presses something.
    ///
    /// # Panics
    /// There is no such thing, or nobody could press it.
    pub fn click(&self, selector: &str) {
        self.post(&format!("{}/click", self.element(selector)), &json!({}));
    }

    /// What a script returns, at once.
    pub fn evaluate(&self, script: &str, arguments: &[Value]) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": arguments }))
    }

    /// What a script gives to the function that is its last argument.
    ///
    /// # Panics
    /// It gives nothing in five minutes.
    pub fn compute(&self, script: &str, arguments: &[Value]) -> Value {
        let begin = format!(
            "const done = (value) => {{ globalThis.computed = {{ value }}; }}; delete globalThis.computed;\n\
             (function () {{ {script} }})(...arguments, done);"
        );
        self.evaluate(&begin, arguments);
        self.wait_for("return globalThis.computed ?? null", Value::is_object)["value"].clone()
    }

    /// What a script returns once it returns what is waited for.
    ///
    /// # Panics
    /// It does not in five minutes.
    pub fn wait_for(&self, script: &str, done: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.evaluate(script, &[]);
            if done(&answer) {
                return answer;
            }
            assert!(begun.elapsed() < COMPUTING, "{script} is {answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the page complained of since it was asked last: errors, and what a policy kept it from.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({ "type": "browser" }));
        let severe = log.as_array().into_iter().flatten().filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].to_string()).collect()
    }

    fn element(&self, selector: &str) -> String {
        let found = self.post("/element", &json!({ "using": "css selector", "value": selector }));
        let id = found.as_object().unwrap().values().next().unwrap();
        format!("/element/{}", id.as_str().unwrap())
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.call(Method::POST, &format!("{}{path}", self.session), body)
    }

    fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let json = [("content-type", "application/json")];
        let reply = self.http.send(method, path, &json, body.to_string().into_bytes());
        let answer: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(reply.status, 200, "{path}: {answer}");
        answer["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser too, which would outlive a driver that is killed.
        let _ = self.http.try_get("/shutdown");
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// A program on the path.
fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// Says in the log of what was skipped that a test did not run.
///
/// # Panics
/// The log cannot be written.
pub fn skipped(test: &str, why: &str) {
    eprintln!("skipped: {why}");
    if let Some(log) = std::env::var_os("TRIALBOOK_SKIPPED_LOG") {
        let mut log = std::fs::OpenOptions::new().append(true).open(log).unwrap();
        log.write_all(format!("{test}: {why}\n").as_bytes()).unwrap();
    }
}
