//! `bench nats`: `journal-nats` against bare async-nats on the same servers, which sync always.
//!
//! Both store 512-byte records. The bare client publishes what the engine publishes, but has no position in its headers,
//! asks for no proof, settles nothing and follows nothing; reading, it takes messages from an ordered consumer and looks
//! at none. Servers, clients and bench share one machine.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use async_nats::jetstream::{self, consumer::push};
use async_nats::{Client, ConnectOptions, HeaderMap};
use bytes::Bytes;
use chain::{LinkedRecord, Position};
use futures_util::StreamExt as _;
use journal::sequencer::{Decide, Limits, Sequencer};
use journal::{Head, Journal, ReadError};
use journal_nats::{APPEND_RECORDS_MAX, NatsJournal, log_subject, stream_name};
use nats_suite::{Servers, TRIAL_USER, nats_server};
use tokio::runtime::Runtime;

use crate::measure::{Arguments, Target, compare};

const RECORD_BYTES: usize = 512;

/// How many batches one run appends.
const BATCHES: usize = 30;

/// How many records one run reads.
const READ_RECORDS: u64 = 100_000;

/// How many submit at once, each on its own.
const CONNECTIONS: usize = 16;

/// Makes trials, each of which is a stream of its own.
struct World {
    servers: Servers,
    replicas: usize,
    trials: u32,
    runtime: Runtime,
}

impl World {
    fn new(program: &std::path::Path, replicas: usize) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(Self { servers: Servers::start(program, replicas), replicas, trials: 0, runtime })
    }

    /// An empty log, ready to be written.
    fn journal(&mut self) -> Result<(String, NatsJournal)> {
        self.trials += 1;
        let trial = format!("bench-{}", self.trials);
        let journal = NatsJournal::create(&self.servers.connect(), &trial, self.replicas)?;
        journal.prove()?;
        Ok((trial, journal))
    }

    fn client(&self) -> Result<Client> {
        let addresses: Vec<async_nats::ServerAddr> = (0..self.servers.count())
            .map(|index| format!("nats://127.0.0.1:{}", self.servers.port(index)).parse())
            .collect::<Result<_, _>>()?;
        let options = ConnectOptions::with_user_and_password(TRIAL_USER.into(), TRIAL_USER.into());
        Ok(self.runtime.block_on(options.connect(addresses))?)
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Some(program) = nats_server("bench nats") else { return Ok(()) };
    let runs = arguments.runs()?;
    let duration = arguments.duration()?;
    for replicas in [1, 3] {
        let world = std::cell::RefCell::new(World::new(&program, replicas)?);
        let name = format!("batches of 1,000, R{replicas}");
        compare(
            &name,
            "records",
            runs,
            ("bare", Target::Ratio(0.8)),
            || append(&mut world.borrow_mut()),
            || append_bare(&mut world.borrow_mut()),
        )?;
        let name = format!("1/ack, 16 at once, R{replicas}");
        compare(
            &name,
            "acks",
            runs,
            ("bare", Target::Ratio(0.5)),
            || submit(&mut world.borrow_mut(), duration),
            || submit_bare(&mut world.borrow_mut(), duration),
        )?;
        let (trial, journal) = world.borrow_mut().journal()?;
        fill(&journal)?;
        let world = world.into_inner();
        let name = format!("reading, R{replicas}");
        compare(
            &name,
            "records",
            runs,
            ("ordered consumer", Target::Ratio(0.7)),
            || read(&journal),
            || read_bare(&world, &trial),
        )?;
    }
    Ok(())
}

/// Batches that continue each other, made before the clock starts.
fn batches(count: usize) -> Vec<Vec<LinkedRecord>> {
    let record = |seq: usize| LinkedRecord::new(Position(seq as u64), vec![b'7'; RECORD_BYTES]);
    let first = |batch: usize| batch * APPEND_RECORDS_MAX;
    (0..count).map(|batch| (first(batch)..first(batch + 1)).map(record).collect()).collect()
}

fn append(world: &mut World) -> Result<f64> {
    let (_, journal) = world.journal()?;
    let batches = batches(BATCHES);
    let start = Instant::now();
    let mut head = Head::EMPTY;
    for records in &batches {
        head = journal.append(head, records)?;
    }
    Ok(head.size.0 as f64 / start.elapsed().as_secs_f64())
}

fn append_bare(world: &mut World) -> Result<f64> {
    let (trial, _) = world.journal()?;
    let (client, subject) = (world.client()?, log_subject(&trial));
    let batches = batches(BATCHES);
    world.runtime.block_on(async {
        let start = Instant::now();
        for (number, records) in batches.iter().enumerate() {
            let batch = format!("bare-{number}");
            for (index, record) in records.iter().enumerate() {
                let mut headers = HeaderMap::new();
                headers.insert("Nats-Batch-Id", &*batch);
                headers.insert("Nats-Batch-Sequence", (index + 1).to_string());
                if index == 0 {
                    headers.insert("Nats-Expected-Last-Sequence", record.seq.0.to_string());
                }
                let payload = Bytes::from_owner(Arc::clone(&record.bytes));
                if index + 1 < records.len() {
                    client.publish_with_headers(subject.clone(), headers, payload).await?;
                    continue;
                }
                headers.insert("Nats-Batch-Commit", "1");
                let ack = client.request_with_headers(subject.clone(), headers, payload).await?;
                let end = format!("\"seq\":{}", record.seq.0 + 1);
                ensure!(String::from_utf8_lossy(&ack.payload).contains(&end), "not acknowledged: {ack:?}");
            }
        }
        Ok((BATCHES * APPEND_RECORDS_MAX) as f64 / start.elapsed().as_secs_f64())
    })
}

/// Puts each item in a record of its own.
struct Place(Head);

impl Decide for Place {
    type Item = ();
    type Outcome = Position;

    fn decide(&mut self, (): &(), records: &mut Vec<LinkedRecord>) -> Position {
        let record = LinkedRecord::new(self.0.size.next_position(), vec![b'7'; RECORD_BYTES]);
        self.0 = self.0.after(std::slice::from_ref(&record));
        records.push(record);
        Position(self.0.size.0 - 1)
    }

    fn accept(&mut self, _: Head) {}

    fn rewind(&mut self, journal: &dyn Journal) -> Result<Head, ReadError> {
        self.0 = journal.head();
        Ok(self.0)
    }
}

/// One over the median time from handing over to acknowledgement.
fn submit(world: &mut World, duration: Duration) -> Result<f64> {
    let (_, journal) = world.journal()?;
    let sequencer = Sequencer::start(Arc::new(journal), Place(Head::EMPTY), Limits::default())?;
    let start = Instant::now();
    let write = || -> Result<Vec<f64>> {
        let mut times = Vec::new();
        while start.elapsed() < duration {
            let begun = Instant::now();
            sequencer.submit_and_wait(())?;
            times.push(begun.elapsed().as_secs_f64());
        }
        Ok(times)
    };
    let mut times = Vec::new();
    thread::scope(|scope| -> Result<()> {
        let writers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(write)).collect();
        for writer in writers {
            times.extend(writer.join().expect("a writer does not panic")?);
        }
        Ok(())
    })?;
    one_over_median(times)
}

fn submit_bare(world: &mut World, duration: Duration) -> Result<f64> {
    let (trial, _) = world.journal()?;
    let clients: Vec<Client> = (0..CONNECTIONS).map(|_| world.client()).collect::<Result<_>>()?;
    let subject = log_subject(&trial);
    let start = Instant::now();
    let writers = clients.into_iter().map(|client| {
        let subject = subject.clone();
        world.runtime.spawn(async move {
            let mut times = Vec::new();
            while start.elapsed() < duration {
                let begun = Instant::now();
                let ack = client.request(subject.clone(), vec![b'7'; RECORD_BYTES].into()).await?;
                ensure!(!ack.payload.windows(7).any(|window| window == b"\"error\""), "refused: {ack:?}");
                times.push(begun.elapsed().as_secs_f64());
            }
            Ok(times)
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut times = Vec::new();
    for writer in writers {
        times.extend(world.runtime.block_on(writer)??);
    }
    one_over_median(times)
}

fn one_over_median(mut times: Vec<f64>) -> Result<f64> {
    times.sort_by(f64::total_cmp);
    Ok(1.0 / times.get(times.len() / 2).context("nothing was acknowledged")?)
}

fn fill(journal: &NatsJournal) -> Result<()> {
    let mut head = Head::EMPTY;
    for records in batches(usize::try_from(READ_RECORDS)? / APPEND_RECORDS_MAX) {
        head = journal.append(head, &records)?;
    }
    Ok(())
}

fn read(journal: &NatsJournal) -> Result<f64> {
    let start = Instant::now();
    let mut count = 0;
    while count < READ_RECORDS {
        count += journal.read(Position(count), usize::MAX)?.len() as u64;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

fn read_bare(world: &World, trial: &str) -> Result<f64> {
    let client = world.client()?;
    world.runtime.block_on(async {
        let start = Instant::now();
        let stream = jetstream::new(client.clone()).get_stream(stream_name(trial)).await?;
        let deliver_subject = client.new_inbox();
        let config = push::OrderedConfig { deliver_subject, ..push::OrderedConfig::default() };
        let mut messages = stream.create_consumer(config).await?.messages().await?;
        let mut count = 0;
        while count < READ_RECORDS {
            messages.next().await.context("the consumer ended")??;
            count += 1;
        }
        Ok(count as f64 / start.elapsed().as_secs_f64())
    })
}
