//! `bench http`: the whole way, from a client's socket to its receipt.
//!
//! The server is `trialbook serve`, a process of its own: canonical form, strict signature, rules, link, durable
//! acknowledgement, signed receipt; both projectors, the index and the notary run beside. The load generator is in this process and shares the
//! machine's cores with it. Events are signed before the clock starts; every answer is checked afterwards. The
//! reference is what all cores do if they only check signatures: no event can be taken in for less.

mod client;
pub(crate) mod pages;
pub(crate) mod reports;
mod server;
pub(crate) mod tail;
pub(crate) mod visible;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use chain::{Position, RecordHash};
use clinical::Receipt;
use clinical::statement::Composed;
use serde::Deserialize;

use crate::measure::{Arguments, Spread, Target, print};
use crate::study::{EVENTS_OF_A_SUBJECT, Study};
use crate::verify::{Signed, signatures};
use client::{Answered, Request};
use server::{Lag, Server};

const SINGLE_CONNECTIONS: usize = 256;
const BATCH_CONNECTIONS: usize = 16;
const BATCH_LINES: usize = 500;

/// Events of one run: some 2 seconds of each kind at the rates that are aimed at.
const SINGLES: usize = 30_000;
const BATCHED: usize = 50_000;

/// How long read models may take to catch up.
const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runs = arguments.runs()?.max(1);
    let (singles, batched) = (arguments.value("singles", SINGLES)?, arguments.value("batched", BATCHED)?);
    let server: String = arguments.value("server", String::new())?;
    let binary = if server.is_empty() { server::build()? } else { PathBuf::from(server) };
    let directory = arguments.directory()?;
    let study = Study::new()?;
    let server = Server::start(&binary, directory.path(), &study.service_keys())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut bench = Bench::prepare(&server, &study, runs * (singles + batched)).await?;
        let mut figures = Figures::default();
        for _ in 0..runs {
            figures.signatures.push(signatures(&bench.signed)?);
            let load = bench.singles(singles)?;
            figures.single.add(&mut bench, load, SINGLE_CONNECTIONS).await?;
            let load = bench.batches(batched)?;
            figures.batch.add(&mut bench, load, BATCH_CONNECTIONS).await?;
        }
        figures.print();
        Ok(())
    })
}

/// A server, a trial opened on it, and events of subjects that are enrolled already.
struct Bench<'s> {
    server: &'s Server,
    path: String,
    events: std::vec::IntoIter<Composed>,
    signed: Vec<Signed>,
    /// How many records the log holds.
    records: u64,
}

/// Requests of one run, and how many events they hold.
struct Load {
    requests: Arc<Vec<Request>>,
    events: usize,
}

impl<'s> Bench<'s> {
    /// Opens a trial and delegates at its sites.
    async fn open(server: &'s Server, study: &Study) -> Result<(Self, RecordHash)> {
        let opening = Request::new("/v1/trials", "application/json", &study.opening()?.submission(), 1);
        let answered = client::send(server.address, &Arc::new(vec![opening]), 1).await?;
        let genesis = receipts(&answered)?.first().context("the trial was opened")?.hash;
        let mut bench = Self {
            server,
            path: format!("/v1/trials/{}/events", study.trial),
            events: Vec::new().into_iter(),
            signed: Vec::new(),
            records: 1,
        };
        // Each delegation rests on those before: one connection.
        let first = study.delegation(genesis)?;
        bench.events = first.into_iter();
        let load = bench.batches(bench.events.len())?;
        let answered = client::send(server.address, &load.requests, 1).await?;
        bench.check(&answered, load.events)?;
        Ok((bench, genesis))
    }

    /// Submits events that need not be recorded in order but within a batch; one every so often, or as fast as they are
    /// answered.
    async fn submit(&mut self, events: Vec<Composed>, every: Option<Duration>) -> Result<()> {
        let count = events.len();
        self.events = events.into_iter();
        let load = self.batches(count)?;
        let answered =
            client::send_paced(self.server.address, &load.requests, BATCH_CONNECTIONS, every).await?;
        self.check(&answered, load.events)
    }

    /// Opens a trial, enrolls subjects, and composes `events` events about them.
    async fn prepare(server: &'s Server, study: &Study, events: usize) -> Result<Self> {
        let (mut bench, genesis) = Self::open(server, study).await?;
        let subjects = events.div_ceil(EVENTS_OF_A_SUBJECT - 1);
        let mut first = Vec::new();
        let mut later = Vec::with_capacity(events + EVENTS_OF_A_SUBJECT);
        for subject in study.subjects(0, subjects, genesis)? {
            let mut subject = subject.into_iter();
            first.extend(subject.next());
            later.extend(subject);
        }
        bench.submit(first, None).await?;
        bench.signed = signed(study, genesis, &later[..later.len().min(20_000)])?;
        bench.events = later.into_iter();
        Ok(bench)
    }

    fn take(&mut self, count: usize) -> Result<Vec<Composed>> {
        let events: Vec<_> = self.events.by_ref().take(count).collect();
        ensure!(events.len() == count, "not enough events were composed");
        Ok(events)
    }

    fn singles(&mut self, count: usize) -> Result<Load> {
        let events = self.take(count)?;
        let request = |event: &Composed| Request::new(&self.path, "application/json", &event.submission(), 1);
        let requests = events.iter().map(request).collect();
        Ok(Load { requests: Arc::new(requests), events: count })
    }

    fn batches(&mut self, count: usize) -> Result<Load> {
        let events = self.take(count)?;
        let request = |events: &[Composed]| {
            let lines: Vec<_> = events.iter().map(Composed::submission).collect();
            Request::new(&self.path, "application/x-ndjson", &lines.join(&b'\n'), lines.len())
        };
        let requests = events.chunks(BATCH_LINES).map(request).collect();
        Ok(Load { requests: Arc::new(requests), events: count })
    }

    /// Every event is recorded, each at a position of its own, and nothing else is; each receipt is a signed one.
    fn check(&mut self, answered: &[Answered], events: usize) -> Result<()> {
        let receipts = receipts(answered)?;
        let unsigned = receipts.iter().find(|receipt| receipt.note.is_none());
        ensure!(unsigned.is_none(), "a receipt is not signed: {unsigned:?}");
        let mut positions: Vec<Position> = receipts.iter().map(|receipt| receipt.seq).collect();
        positions.sort_unstable();
        let due = self.records..self.records + events as u64;
        ensure!(
            positions.iter().map(|position| position.0).eq(due),
            "positions were given twice or left out"
        );
        self.records += events as u64;
        Ok(())
    }
}

/// The signatures of events whose signers are the study's investigators.
fn signed(study: &Study, genesis: RecordHash, events: &[Composed]) -> Result<Vec<Signed>> {
    let keys = study.public_keys();
    let sign = |composed: &Composed| -> Result<Signed> {
        let event = clinical::Event::decode(&composed.event)?;
        ensure!(event.log == genesis, "an event is of another log");
        let key = *keys.iter().find(|key| key.id() == event.key).context("the signer is of the study")?;
        let message = chain::key::event_message(&composed.event);
        Ok(Signed { key, message, signature: composed.signature })
    };
    events.iter().map(sign).collect()
}

/// One answer, as the client reads it.
#[derive(Deserialize)]
struct Answer {
    outcome: String,
    receipt: Option<Receipt>,
}

/// The receipts in these answers; all of them must be.
fn receipts(answered: &[Answered]) -> Result<Vec<Receipt>> {
    let mut receipts = Vec::new();
    for answered in answered {
        let expected = if answered.lines == 1 { 201 } else { 200 };
        let text = || String::from_utf8_lossy(&answered.body).chars().take(300).collect::<String>();
        ensure!(answered.status == expected, "answered {}: {}", answered.status, text());
        let before = receipts.len();
        for line in answered.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let answer: Answer = serde_json::from_slice(line)?;
            match answer.receipt {
                Some(receipt) if answer.outcome == "recorded" => receipts.push(receipt),
                _ => bail!("not recorded: {}", String::from_utf8_lossy(line)),
            }
        }
        ensure!(receipts.len() - before == answered.lines, "an answer is missing: {}", text());
    }
    Ok(receipts)
}

#[derive(Default)]
struct Figures {
    signatures: Vec<f64>,
    single: Kind,
    batch: Kind,
}

/// What was measured of one kind of request, one value a run.
#[derive(Default)]
struct Kind {
    rates: Vec<f64>,
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
    lag_records: Vec<f64>,
    lag_ms: Vec<f64>,
    unsealed_records: Vec<f64>,
    sealed_ms: Vec<f64>,
    server_cpu_us: Vec<f64>,
    client_cpu_us: Vec<f64>,
}

impl Kind {
    async fn add(&mut self, bench: &mut Bench<'_>, load: Load, connections: usize) -> Result<()> {
        let (server, own) = (bench.server.cpu()?, server::cpu_of("self")?);
        let start = Instant::now();
        let answered = client::send(bench.server.address, &load.requests, connections).await?;
        let elapsed = start.elapsed();
        let own = server::cpu_of("self")?.saturating_sub(own);
        let behind = bench.server.lag().await?;
        let deadline = Instant::now() + PATIENCE;
        let mut lag = behind;
        let mut read_models_whole = None;
        while lag != Lag::NONE {
            ensure!(Instant::now() < deadline, "what follows the log does not catch up: {lag:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
            lag = bench.server.lag().await?;
            if lag.read_models == 0 {
                read_models_whole.get_or_insert(start.elapsed());
            }
        }
        let sealed = start.elapsed();
        let events = load.events as f64;
        let later = |at: Duration| at.saturating_sub(elapsed).as_secs_f64() * 1e3;
        self.lag_records.push(behind.read_models as f64);
        self.lag_ms.push(later(read_models_whole.unwrap_or(elapsed)));
        self.unsealed_records.push(behind.checkpoint as f64);
        self.sealed_ms.push(later(sealed));
        self.server_cpu_us.push(bench.server.cpu()?.saturating_sub(server).as_secs_f64() * 1e6 / events);
        self.client_cpu_us.push(own.as_secs_f64() * 1e6 / events);
        self.rates.push(events / elapsed.as_secs_f64());
        let mut latencies: Vec<f64> =
            answered.iter().map(|answered| answered.latency.as_secs_f64() * 1e3).collect();
        latencies.sort_by(f64::total_cmp);
        self.p50_ms.push(latencies[latencies.len() / 2]);
        self.p99_ms.push(latencies[latencies.len() * 99 / 100]);
        bench.check(&answered, load.events)
    }

    fn print(self, what: &str, signatures: &Spread, target: f64) {
        let rates = Spread::of(self.rates);
        print(what, "events", &rates, "bare strict signatures", signatures, Target::Rate(target));
        let median = |values| Spread::of(values).median;
        println!(
            "{:<24} latency p50 {:.1} ms, p99 {:.1} ms; read models {:.0} records behind at the end, whole {:.0} ms \
             later; checkpoint {:.0} behind, whole {:.0} ms later; CPU an event: server {:.0} µs (all to the end), load \
             generator {:.0} µs",
            "",
            median(self.p50_ms),
            median(self.p99_ms),
            median(self.lag_records),
            median(self.lag_ms),
            median(self.unsealed_records),
            median(self.sealed_ms),
            median(self.server_cpu_us),
            median(self.client_cpu_us),
        );
    }
}

impl Figures {
    fn print(self) {
        let signatures = Spread::of(self.signatures);
        self.single.print("http: 256 × single", &signatures, 15_000.0);
        self.batch.print("http: NDJSON of 500", &signatures, 25_000.0);
    }
}
