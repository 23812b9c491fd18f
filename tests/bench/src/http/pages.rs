//! `bench pages`: pages of the console as they are asked for over HTTP, each beside a page of the same size that is there.
//!
//! The reference is a socket that answers with as many bytes, made before: what it costs to ask for that much. The trial is the
//! demonstration's; `bench reports` asks for pages of its large one.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::client::{self, Request};
use super::server::{self, Server};
use crate::measure::{Arguments, Spread};

/// Below a trial's address: one of each kind.
const PAGES: [&str; 18] = [
    "",
    "/outcomes",
    "/outcomes/response",
    "/outcomes/measurements",
    "/outcomes/courses",
    "/safety",
    "/safety/interest",
    "/safety/reporting",
    "/findings",
    "/subjects",
    "/subjects/P001",
    "/records/862",
    "/status",
    "/work",
    "/inspection",
    "/inspection/corrections",
    "/intact",
    "/trail",
];

/// Milliseconds and KB that a page of the demonstration may take.
const TARGET: (f64, usize) = (50.0, 150);

/// Times that each page is asked for.
const TIMES: usize = 21;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let server: String = arguments.value("server", String::new())?;
    let binary = if server.is_empty() { server::build()? } else { PathBuf::from(server) };
    let directory = arguments.directory()?;
    let data = directory.path().join("data");
    let demo =
        Command::new(&binary).args(["demo", "--exit", "--data"]).arg(&data).stdout(Stdio::null()).status();
    ensure!(demo.context("cannot start the demonstration")?.success(), "the demonstration failed");
    let server = Server::start(&binary, directory.path(), &[])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for page in PAGES {
            measured(&server, &format!("/trials/lupus-msct{page}?cutoff=2011-06-30"), TARGET).await?;
        }
        Ok(())
    })
}

/// Asks for a page again and again, in turns with as many bytes from a bare socket, and says how long each took.
pub(super) async fn measured(server: &Server, path: &str, target: (f64, usize)) -> Result<()> {
    let ask = async |address, path: &str| -> Result<(f64, usize)> {
        let answered = client::send(address, &Arc::new(vec![Request::get(path)]), 1).await?;
        let answered = answered.first().context("an answer")?;
        ensure!(answered.status == 200, "{path} answered {}", answered.status);
        Ok((answered.latency.as_secs_f64() * 1e3, answered.body.len()))
    };
    let (first, bytes) = ask(server.address, path).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let plain_at = listener.local_addr()?;
    let plain = tokio::spawn(plain_page(listener, bytes));
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..TIMES {
        times[0].push(ask(plain_at, "/").await?.0);
        times[1].push(ask(server.address, path).await?.0);
    }
    plain.abort();
    let [plain, ours] = times.map(Spread::of);
    let kilobytes = bytes.div_ceil(1_000);
    let is_reached = ours.median < target.0 && kilobytes <= target.1;
    println!(
        "pages: {path:<55} {ours} ms  first {first:.1} ms  {kilobytes} KB  a plain page of that size {plain} ms  ratio {:.1}  \
         target {:.0} ms and {} KB: {}",
        ours.median / plain.median.max(0.001),
        target.0,
        target.1,
        if is_reached { "reached" } else { "ABOVE" }
    );
    Ok(())
}

/// Answers whatever it is asked with so many bytes.
async fn plain_page(listener: TcpListener, bytes: usize) -> Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {bytes}\r\n\r\n");
    let answer = [head.into_bytes(), vec![b' '; bytes]].concat();
    loop {
        let mut stream = BufReader::new(listener.accept().await?.0);
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 0 {
            if line == "\r\n" {
                stream.write_all(&answer).await?;
            }
            line.clear();
        }
    }
}
