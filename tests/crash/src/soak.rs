//! Kill after kill.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use e2e::{Server, SmallTrial, trialbook};
use serde_json::json;

use crate::check;
use crate::load::{SUBJECTS, Submitted, load_and_kill};
use crate::random::Random;

/// After so many kills a new trial is begun: each check reads the whole log.
const KILLS_PER_TRIAL: u32 = 10;

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How often to kill.
    pub kills: u32,
    /// Seed of the moments and sizes.
    pub seed: u64,
}

/// What was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// How often the server was killed.
    pub kills: u32,
    /// Events handed in before the kills.
    pub submitted: u64,
    /// Of these, acknowledged before the kills.
    pub acknowledged: u64,
    /// Of these, found in the log without having been acknowledged.
    pub unacknowledged_in_log: u64,
    /// From the start of the server to its first answer that it is ready, at the longest.
    pub longest_restart: Duration,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills: {} events submitted, {} acknowledged, {} in the log unacknowledged; 0 lost, 0 doubled; longest restart {:.2} s",
            self.kills,
            self.submitted,
            self.acknowledged,
            self.unacknowledged_in_log,
            self.longest_restart.as_secs_f64(),
        )
    }
}

/// Kills a server as often as asked; says of each kill how it went.
///
/// # Errors
/// The first thing that does not hold; the data directory is kept and named.
pub fn soak(options: Options, say: &dyn Fn(&str)) -> Result<Totals> {
    let mut random = Random::new(options.seed);
    let mut totals = Totals::default();
    while totals.kills < options.kills {
        let trial = SmallTrial::new();
        let kills = KILLS_PER_TRIAL.min(options.kills - totals.kills);
        if let Err(error) = kill_one_trial(&trial, kills, &mut random, &mut totals, say) {
            let kills = totals.kills;
            return Err(error.context(format!(
                "after kill {kills} with seed {}; the data is kept in {}",
                options.seed,
                trial.keep().display()
            )));
        }
    }
    Ok(totals)
}

fn kill_one_trial(
    trial: &SmallTrial,
    kills: u32,
    random: &mut Random,
    totals: &mut Totals,
    say: &dyn Fn(&str),
) -> Result<()> {
    let enrollments: Vec<_> = (1..=SUBJECTS).map(|number| enrollment(&format!("P{number}"))).collect();
    let enrolled = trial.submit("bo.wang", &enrollments.join("\n"));
    ensure!(enrolled.status == 0, "nobody could be enrolled: {enrolled:?}");
    let before = SmallTrial::RECORDS + SUBJECTS as u64;
    let mut known: BTreeMap<String, Submitted> = BTreeMap::new();
    let mut server = start(trial)?;
    for _ in 0..kills {
        let (submitted, killed_after) = load_and_kill(trial, server, random)?;
        totals.kills += 1;
        let begun = Instant::now();
        server = start(trial)?;
        let ready = server.try_get("/readyz").map_err(|error| anyhow!("/readyz: {error}"))?;
        ensure!(ready.status == 200, "not ready after the restart: {}", String::from_utf8_lossy(&ready.body));
        let restart = begun.elapsed();

        let ids: Vec<String> = submitted.iter().map(|event| event.id.clone()).collect();
        let acknowledged = submitted.iter().filter(|event| event.receipt.is_some()).count() as u64;
        known.extend(submitted.into_iter().map(|event| (event.id.clone(), event)));
        let stored = check::stored(trial)?;
        let unacknowledged = check::hold(&stored, &known, before)?;
        let mut settled: Vec<Submitted> = ids.iter().filter_map(|id| known.remove(id)).collect();
        check::resubmit(&server, &stored, &mut settled)?;
        known.extend(settled.into_iter().map(|event| (event.id.clone(), event)));
        // Now everything that was submitted is acknowledged, and so has to be there once.
        check::hold(&check::stored(trial)?, &known, before)?;
        let records = before + known.len() as u64;
        check::verify(trial, records)?;
        check::reports(trial, &server, records)?;

        totals.submitted += ids.len() as u64;
        totals.acknowledged += acknowledged;
        totals.unacknowledged_in_log += unacknowledged;
        totals.longest_restart = totals.longest_restart.max(restart);
        say(&format!(
            "kill {} after {} ms: {} events submitted, {acknowledged} acknowledged, {unacknowledged} in the log unacknowledged; 0 lost, 0 doubled; log of {records} intact; restart {:.2} s",
            totals.kills,
            killed_after.as_millis(),
            ids.len(),
            restart.as_secs_f64(),
        ));
    }
    Ok(())
}

fn start(trial: &SmallTrial) -> Result<Server> {
    Server::try_start(&trialbook(), &trial.data())
        .map_err(|said| anyhow!(said))
        .context("starting the server")
}

fn enrollment(subject: &str) -> String {
    json!({"kind": "enrollment", "site": "S01", "subject": subject, "occurred_on": "2020-01-10", "data": {
        "consent": {"document_version": "1", "language": "en", "signed_on": "2020-01-10"}
    }})
    .to_string()
}
