//! `bench tail`: whether what is recorded a thousand times a second reaches whoever looks at the log's tail, all of it.
//!
//! Open loop: so many events a second are due, however fast they are answered. One reader reads as fast as it is told; the
//! other reads nothing until all is recorded, by when it is told of a gap and reads what is in it by its positions. Each has
//! to come to have every record once, in order: delivered of appended. The delay of the first runs from when an event was
//! due to when its envelope was read.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::client::{self, Connection, Request};
use super::server::{self, Server};
use super::{Bench, PATIENCE, receipts};
use crate::measure::Arguments;
use crate::study::Study;

/// Events a second.
const RATE: u32 = 1_000;

/// All of them: more than 10,000 beyond what the system holds for a reader that does not read.
const EVENTS: usize = 60_000;

/// More than are ever needed at once, while an answer takes less than a quarter of a second.
const CONNECTIONS: usize = 256;

/// What a reader came to have, and how.
#[derive(Default)]
struct Read {
    /// Each position with when it was read, in the order of reading.
    seen: Vec<(u64, Instant)>,
    gaps: usize,
    by_position: usize,
}

#[derive(Deserialize)]
struct Told {
    seq: u64,
}

#[derive(Deserialize)]
struct Gap {
    from: u64,
    to: u64,
}

#[derive(Deserialize)]
struct Part {
    envelopes: Vec<Told>,
    next: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (rate, events) = (arguments.value("rate", RATE)?, arguments.value("events", EVENTS)?);
    let every = Duration::from_secs(1) / rate;
    let server: String = arguments.value("server", String::new())?;
    let binary = if server.is_empty() { server::build()? } else { PathBuf::from(server) };
    let directory = arguments.directory()?;
    let study = Study::new()?;
    let server = Server::start(&binary, directory.path(), &study.service_keys())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut bench = Bench::prepare(&server, &study, events).await?;
        let (from, to) = (bench.records, bench.records + events as u64);
        let address = server.address;
        let recorded = Arc::new(Notify::new());
        let quick = tokio::spawn(read(address, from, to, None));
        let slow = tokio::spawn(read(address, from, to, Some(Arc::clone(&recorded))));
        let load = bench.singles(events)?;
        let begun = Instant::now();
        let answered = client::send_paced(address, &load.requests, CONNECTIONS, Some(every)).await?;
        let took = begun.elapsed();
        recorded.notify_one();
        let limit = |reader| tokio::time::timeout(PATIENCE, reader);
        let quick = limit(quick).await.context("the quick reader does not come to the end")???;
        let slow = limit(slow).await.context("the slow reader does not come to the end")???;
        let mut due = vec![begun; events];
        for answered in &answered {
            let seq = receipts(std::slice::from_ref(answered))?.first().context("a receipt")?.seq.0;
            let place = seq.checked_sub(from).and_then(|place| due.get_mut(usize::try_from(place).ok()?));
            *place.context("a position of this load")? = answered.begun;
        }
        bench.check(&answered, events)?;
        print("quick reader", &quick, &due, from, rate, took);
        print("slow reader", &slow, &due, from, rate, took);
        for read in [&quick, &slow] {
            ensure!(read.seen.iter().map(|(seq, _)| *seq).eq(from..to), "a record is missing or came twice");
        }
        Ok(())
    })
}

/// Reads the tail from `from` until `to`; what it is told that it is not told, by its positions.
async fn read(address: SocketAddr, from: u64, to: u64, waits: Option<Arc<Notify>>) -> Result<Read> {
    let mut stream = TcpStream::connect(address).await?;
    // Of 1.0, so that the answer is what stands between its head and the connection's end.
    let request = format!("GET /v1/trials/bench/tail?from={from} HTTP/1.0\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    if let Some(recorded) = waits {
        recorded.notified().await;
    }
    let mut lines = BufReader::new(stream).lines();
    let status = lines.next_line().await?.context("an answer")?;
    ensure!(status.contains(" 200 "), "the tail is not told: {status}");
    let (mut read, mut kind) = (Read::default(), String::new());
    let mut have = from;
    while have < to {
        let line = lines.next_line().await?.context("the tail ended")?;
        if let Some(name) = line.strip_prefix("event: ") {
            name.clone_into(&mut kind);
            continue;
        }
        let Some(data) = line.strip_prefix("data: ") else { continue };
        match &*kind {
            "envelope" => {
                let Told { seq } = serde_json::from_str(data)?;
                read.seen.push((seq, Instant::now()));
                have = seq + 1;
            }
            "gap" => {
                let Gap { from, to } = serde_json::from_str(data)?;
                read.gaps += 1;
                catch_up(address, from, to, &mut read).await?;
                have = to;
            }
            other => bail!("the tail tells of {other:?}"),
        }
    }
    Ok(read)
}

async fn catch_up(address: SocketAddr, from: u64, to: u64, read: &mut Read) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    let mut next = from;
    while next < to {
        let limit = (to - next).min(1_000);
        let request = Request::get(&format!("/v1/trials/bench/envelopes?from={next}&limit={limit}"));
        let answered = connection.ask(&request, Instant::now()).await?;
        let part: Part = serde_json::from_slice(&answered.body)?;
        ensure!(!part.envelopes.is_empty(), "no record at {next}");
        let at = Instant::now();
        read.by_position += part.envelopes.len();
        read.seen.extend(part.envelopes.into_iter().map(|told| (told.seq, at)));
        next = part.next;
    }
    Ok(())
}

fn print(who: &str, read: &Read, due: &[Instant], from: u64, rate: u32, took: Duration) {
    let appended = due.len();
    let mut positions: Vec<u64> = read.seen.iter().map(|(seq, _)| *seq).collect();
    positions.sort_unstable();
    positions.dedup();
    let delivered = positions.len();
    let mut delays: Vec<f64> = read
        .seen
        .iter()
        .filter_map(|(seq, at)| {
            let due = due.get(usize::try_from(seq.checked_sub(from)?).ok()?)?;
            Some(at.saturating_duration_since(*due).as_secs_f64() * 1e3)
        })
        .collect();
    delays.sort_by(f64::total_cmp);
    let at =
        |share: usize| delays.get(delays.len().saturating_sub(1) * share / 100).copied().unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "tail: {who}: delivered {delivered} of {appended} appended at {:.0}/s ({rate}/s due), ratio {:.4}; {} by position \
         after {} gaps; delay median {:.1} ms, p99 {:.1} ms  load {}",
        appended as f64 / took.as_secs_f64(),
        delivered as f64 / appended as f64,
        read.by_position,
        read.gaps,
        at(50),
        at(99),
        load.split_whitespace().next().unwrap_or_default()
    );
}
