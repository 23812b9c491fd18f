//! Running a command to its end.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::binary::trialbook;

/// What a command did.
#[derive(Debug)]
pub struct Run {
    /// Its exit status; -1 if a signal ended it.
    pub status: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// Runs `trialbook` with these arguments and nothing on standard input.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Run {
    run_with_input(arguments, b"")
}

/// Runs `trialbook` with these arguments and this on standard input.
///
/// # Panics
/// It cannot be started.
pub fn run_with_input<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>, input: &[u8]) -> Run {
    let mut child = Command::new(trialbook())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("trialbook can be started");
    let mut stdin = child.stdin.take().expect("standard input is piped");
    // A command that fails early leaves its input unread.
    let _ = stdin.write_all(input);
    drop(stdin);
    let output = child.wait_with_output().expect("a started command can be waited for");
    Run {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Run {
    /// The same, if it ended with `status`.
    ///
    /// # Panics
    /// It ended with another.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "often the status is all that is asked for")]
    pub fn ends_with(self, status: i32) -> Self {
        assert_eq!(self.status, status, "\n{}\n{}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    /// Standard output as one JSON document.
    ///
    /// # Panics
    /// It is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic_with(&error.to_string(), &self.out))
    }

    /// Standard output as JSON documents, one a line.
    ///
    /// # Panics
    /// A line is none.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic_with(&error.to_string(), line))
        };
        self.out.lines().map(parse).collect()
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "helpers of tests fail as tests do")]
fn panic_with(error: &str, text: &str) -> ! {
    panic!("{error}\n{text}")
}
