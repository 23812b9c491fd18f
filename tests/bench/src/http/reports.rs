//! `bench reports`: reports of a large trial, as they are asked for over HTTP.
//!
//! One server takes in all records; then each report is asked for again and again: of what no one has asked for yet (a
//! cutoff of its own), and once more; and of half the records, which folds the log anew. Each beside a plain read of the
//! files whose bytes it is made of. While records are taken in at a steady rate, what the read models lag behind is
//! asked every tenth of a second. Memory is the server's, at a tenth of the records and at all.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::client::{self, Request};
use super::pages;
use super::server::{self, Lag, Server};
use super::{BATCH_LINES, Bench};
use crate::measure::{Arguments, Spread};
use crate::study::{EVENTS_OF_A_SUBJECT, Study};

/// Subjects, with 20 records each.
const SUBJECTS: usize = 100_000;

/// Subjects whose events are composed and signed at a time. A batch holds whole subjects: none is there before its enrollment.
const AT_A_TIME: usize = 500;
const _: () = assert!(BATCH_LINES.is_multiple_of(EVENTS_OF_A_SUBJECT));

/// Records a second while the lag is looked at, and for how long.
const RATE: u32 = 10_000;
const PACED: usize = 200_000;

/// Lists that go on by a cursor, and figures.
const PAGES: [&str; 9] = [
    "",
    "/outcomes",
    "/outcomes/response",
    "/safety",
    "/safety/interest",
    "/subjects",
    "/status",
    "/work",
    "/trail",
];

/// Milliseconds that such a page may take, and KB.
const PAGE_TARGET: (f64, usize) = (300.0, 1_000);

/// How long read models may take to catch up.
const PATIENCE: Duration = Duration::from_mins(10);

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runs = arguments.runs()?.max(1);
    let subjects: usize = arguments.value("subjects", SUBJECTS)?;
    let server: String = arguments.value("server", String::new())?;
    let binary = if server.is_empty() { server::build()? } else { PathBuf::from(server) };
    let directory = arguments.directory()?;
    let study = Study::new()?;
    let server = Server::start(&binary, directory.path(), &study.service_keys())?;
    let trial = directory.path().join("data").join("trials").join(study.trial.as_str());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut bench, genesis) = Bench::open(&server, &study).await?;
        let paced = (PACED / EVENTS_OF_A_SUBJECT).min(subjects / 2);
        let mut done = 0;
        let mut small = None;
        while done < subjects - paced {
            let next = (done + AT_A_TIME).min(subjects - paced);
            let events = study.subjects(done, next, genesis)?.into_iter().flatten();
            bench.submit(events.collect(), None).await?;
            done = next;
            if small.is_none() && done >= subjects / 10 {
                caught_up(&server).await?;
                small = Some((bench.records, server.memory()?));
            }
        }
        caught_up(&server).await?;
        let events = study.subjects(done, subjects, genesis)?.into_iter().flatten().collect();
        lag(&mut bench, events).await?;
        caught_up(&server).await?;
        if let Some((records, memory)) = small {
            println!(
                "reports: memory          {memory:.0} MiB at {records} records, {:.0} MiB at {}",
                server.memory()?,
                bench.records
            );
        }
        let path = format!("/v1/trials/{}/reports", study.trial);
        for kind in ["outcomes", "safety"] {
            let files = trial.join(kind);
            let mut times = [Vec::new(), Vec::new(), Vec::new()];
            for run in 0..runs {
                times[0].push(read(&files)?);
                // A day that nobody has asked for: nothing that is kept answers it.
                let asked = format!("{path}/{kind}?cutoff=2025-{:02}-{:02}", 1 + run / 28 % 12, 1 + run % 28);
                times[1].push(answer(&server, &asked).await?);
                times[2].push(answer(&server, &asked).await?);
            }
            let [plain, first, again] = times.map(Spread::of);
            line(&format!("{kind}, first"), &first, "its read model's files", &plain, Some(100.0));
            line(&format!("{kind}, again"), &again, "its read model's files", &plain, Some(100.0));
        }
        let half = bench.records / 2;
        let plain = Spread::of((0..runs).map(|_| read(&trial.join("journal"))).collect::<Result<_>>()?);
        let asked = format!("{path}/outcomes?as_of={half}");
        let then = Spread::of(vec![answer(&server, &asked).await?]);
        line(&format!("as of {half}"), &then, "the whole journal's files", &plain, Some(10_000.0));
        println!("reports: memory          {:.0} MiB at most, all reports made", server.memory_most()?);
        for page in PAGES {
            pages::measured(&server, &format!("/trials/{}{page}", study.trial), PAGE_TARGET).await?;
        }
        Ok(())
    })
}

/// Submits at a steady rate and looks how far the read models are behind.
async fn lag(bench: &mut Bench<'_>, events: Vec<clinical::statement::Composed>) -> Result<()> {
    let server = bench.server;
    let address = server.address;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let looking = tokio::spawn(async move {
        let mut behind = Vec::new();
        while stopped.try_recv().is_err() {
            behind.push(server::lag_at(address).await?.read_models as f64);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok::<_, anyhow::Error>(behind)
    });
    let (count, start) = (events.len(), Instant::now());
    let every = Duration::from_secs(1) / RATE * u32::try_from(BATCH_LINES)?;
    bench.submit(events, Some(every)).await?;
    let rate = count as f64 / start.elapsed().as_secs_f64();
    // Whoever looked is gone only if it failed, which it says below.
    let _ = stop.send(());
    let mut behind = looking.await??;
    ensure!(!behind.is_empty(), "nobody looked");
    behind.sort_by(f64::total_cmp);
    let at = |share: usize| behind[(behind.len() - 1) * share / 100];
    let seconds = at(50) / rate;
    println!(
        "reports: read models     {rate:.0} records/s taken in ({RATE}/s due): {:.0} records behind (median), {:.0} at \
         most, which is {seconds:.2} s; target 1 s: {}",
        at(50),
        at(100),
        if seconds < 1.0 { "reached" } else { "ABOVE" }
    );
    Ok(())
}

async fn caught_up(server: &Server) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while server.lag().await? != Lag::NONE {
        ensure!(Instant::now() < deadline, "what follows the log does not catch up");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Milliseconds until the whole answer is here.
async fn answer(server: &Server, path: &str) -> Result<f64> {
    let start = Instant::now();
    let answered = client::send(server.address, &Arc::new(vec![Request::get(path)]), 1).await?;
    let time = start.elapsed();
    let answered = answered.first().context("an answer")?;
    ensure!(answered.status == 200, "{path} answered {}", answered.status);
    Ok(milliseconds(time))
}

/// Milliseconds to read every file below a directory once.
fn read(directory: &Path) -> Result<f64> {
    let (start, mut left, mut buffer) = (Instant::now(), vec![directory.to_owned()], vec![0; 1 << 20]);
    while let Some(path) = left.pop() {
        if path.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        } else {
            let mut file = std::fs::File::open(&path)?;
            while file.read(&mut buffer)? > 0 {}
        }
    }
    Ok(milliseconds(start.elapsed()))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn line(what: &str, ours: &Spread, reference: &str, plain: &Spread, target_ms: Option<f64>) {
    let target = target_ms.map_or_else(String::new, |target| {
        let reached = if ours.median < target { "reached" } else { "ABOVE" };
        format!("  target {target:.0} ms: {reached}")
    });
    println!(
        "reports: {what:<15} {ours} ms  a plain read of {reference} {plain} ms  ratio {:.2}{target}",
        ours.median / plain.median.max(0.001)
    );
}
