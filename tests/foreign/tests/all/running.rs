//! Programs that serve until they are dropped.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};

use e2e::DEADLINE;

/// A program that serves at an address.
pub(crate) struct Running {
    child: Child,
    /// Such as `http://127.0.0.1:41234`.
    pub(crate) address: String,
}

impl Running {
    /// Starts `command` and waits until it says an address, on either of its outputs.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        pass_on(child.stdout.take().unwrap(), sender.clone());
        pass_on(child.stderr.take().unwrap(), sender);
        let mut running = Self { child, address: String::new() };
        let mut said = Vec::new();
        while running.address.is_empty() {
            let line = lines.recv_timeout(DEADLINE);
            assert!(line.is_ok(), "no address; it said {said:?}");
            said.extend(line);
            let mut words = said.last().into_iter().flat_map(|line| line.split_whitespace());
            let address = words.find(|word| word.starts_with("http://"));
            address.unwrap_or_default().clone_into(&mut running.address);
        }
        running
    }
}

/// Reads on to the end, so that the program never waits for a reader.
fn pass_on(output: impl Read + Send + 'static, to: Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = to.send(line);
        }
    });
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
