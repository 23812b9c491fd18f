//! `bench visible`: how long after an event is due to be submitted the outcome projector covers it, where registrar,
//! projector and NATS server are processes of their own.
//!
//! Open loop: so many events a second are due, however fast they are answered. The time runs from when an event is due,
//! over HTTP, signature, rules, an append that the server has synced, and the projector's commit, until an answer of the
//! projector's process that it covers the event's record has come. It is asked again every few milliseconds; its
//! answer is that of `/metrics`, which costs it next to nothing. All share one machine.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nats_suite::{Servers, TRIAL_USER, nats_server};

use super::client::{self, Connection, Request};
use super::server::{self, Server};
use super::{Bench, PATIENCE, receipts};
use crate::measure::{Arguments, write};
use crate::study::Study;

/// Events a second.
const RATE: u32 = 1_000;

/// All of them: 30 seconds' worth.
const EVENTS: usize = 30_000;

/// More than are ever needed at once, while an answer takes less than a quarter of a second.
const CONNECTIONS: usize = 256;

/// How long after an answer the projector is asked again.
const ASK_EVERY: Duration = Duration::from_millis(2);

/// What the median is to stay under.
const TARGET_MS: f64 = 250.0;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Some(program) = nats_server("bench visible") else { return Ok(()) };
    let (rate, events) = (arguments.value("rate", RATE)?, arguments.value("events", EVENTS)?);
    let every = Duration::from_secs(1) / rate;
    let server: String = arguments.value("server", String::new())?;
    let binary = if server.is_empty() { server::build()? } else { server.into() };
    let directory = arguments.directory()?;
    let servers = Servers::start(&program, 1);
    let study = Study::new()?;
    let registrar = directory.path().join("registrar");
    for (name, content) in study.service_keys() {
        write(&registrar.join(name), content)?;
    }
    let start = |name: &str, arguments: &[&str]| {
        process(&binary, &directory.path().join(name), servers.port(0), arguments)
    };
    let registrar = start("registrar", &["registrar"])?;
    let projector = start("outcomes", &["projector", "outcomes"])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut bench = Bench::prepare(&registrar, &study, events).await?;
        let mut connection = Connection::open(projector.address).await?;
        let deadline = Instant::now() + PATIENCE;
        while covered(&mut connection).await?.1 < bench.records {
            ensure!(Instant::now() < deadline, "the projector does not find the trial");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let due = bench.records + events as u64;
        let looking = tokio::spawn(async move {
            let mut seen = Vec::new();
            let deadline = Instant::now() + every * u32::try_from(events)? + PATIENCE;
            loop {
                let (at, records) = covered(&mut connection).await?;
                seen.push((at, records));
                if records >= due {
                    return Ok::<_, anyhow::Error>(seen);
                }
                ensure!(Instant::now() < deadline, "the projector does not come to the end");
                tokio::time::sleep(ASK_EVERY).await;
            }
        });
        let load = bench.singles(events)?;
        let answered =
            client::send_paced(registrar.address, &load.requests, CONNECTIONS, Some(every)).await?;
        let seen = looking.await??;
        let mut visible = Vec::with_capacity(events);
        for answered in &answered {
            let seq = receipts(std::slice::from_ref(answered))?.first().context("a receipt")?.seq;
            let first = seen.partition_point(|(_, records)| *records <= seq.0);
            let (at, _) = seen.get(first).context("the projector covers each record")?;
            visible.push(milliseconds(at.saturating_duration_since(answered.begun)));
        }
        let acknowledged = answered.iter().map(|answered| milliseconds(answered.latency)).collect();
        bench.check(&answered, events)?;
        print(rate, visible, acknowledged);
        Ok(())
    })
}

/// Starts a process on the server at a port, with a directory of its own.
fn process(binary: &Path, data: &Path, port: u16, arguments: &[&str]) -> Result<Server> {
    let config = data.join("trialbook.toml");
    let text = format!(
        "data = \"{}\"\nlisten = \"127.0.0.1:0\"\n[nats]\nservers = [\"nats://127.0.0.1:{port}\"]\nreplicas = 1\n\
         user = \"{TRIAL_USER}\"\npassword = \"{TRIAL_USER}\"\n[nats.system]\nuser = \"system\"\npassword = \"system\"\n",
        data.display()
    );
    write(&config, text)?;
    let mut command = Command::new(binary);
    command.args(arguments).arg("--config").arg(config);
    Server::spawn(command)
}

/// How many records the projector says that it covers, and when that was heard; none while it does not know the trial.
async fn covered(connection: &mut Connection) -> Result<(Instant, u64)> {
    let answered = connection.ask(&Request::get("/metrics"), Instant::now()).await?;
    let at = Instant::now();
    let text = std::str::from_utf8(&answered.body)?;
    let value =
        |name: &str| text.lines().find(|line| line.starts_with(name))?.rsplit(' ').next()?.parse().ok();
    // The process looks at the log's end before it looks at the lag: what is answered is never too much.
    let records: Option<u64> = value("trialbook_records{");
    let lag: Option<u64> = value("trialbook_projector_lag_records{");
    Ok((at, records.zip(lag).map_or(0, |(records, lag)| records.saturating_sub(lag))))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn print(rate: u32, visible: Vec<f64>, acknowledged: Vec<f64>) {
    let events = visible.len();
    let of = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        let at = |share: usize| values[(values.len() - 1) * share / 100];
        (at(50), at(95), at(100))
    };
    let ((median, p95, most), (ack_median, ack_p95, ack_most)) = (of(visible), of(acknowledged));
    let reached = if median < TARGET_MS { "reached" } else { "ABOVE" };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "visible: {events} at {rate}/s, one server that syncs always: in the outcome projector median {median:.1} ms, \
         p95 {p95:.1} ms, most {most:.1} ms; acknowledged median {ack_median:.1} ms, p95 {ack_p95:.1} ms, most \
         {ack_most:.1} ms; target median {TARGET_MS} ms: {reached}  load {}",
        load.split_whitespace().next().unwrap_or_default()
    );
}
