//! The registry as processes of their own on real NATS servers: the same records, answers and reports as in one process
//! on files.

mod copies;
mod killed;
mod moving;
mod play;
mod processes;
mod submitting;
mod texts;

use std::collections::BTreeSet;
use std::thread;

use e2e::{Reply, Server, SmallTrial, run};
use nats_suite::Servers;
use serde_json::Value;

use crate::evidence::text;
use crate::http::EVENTS;
use crate::statements::{contact, with_subject};
use processes::{Registry, head_and_root};

/// Submissions of a contact each, signed.
fn contacts(trial: &SmallTrial, count: usize) -> Vec<Vec<u8>> {
    let on = |day: usize| format!("2022-{:02}-{:02}", day / 28 % 12 + 1, day % 28 + 1);
    (0..count).map(|day| trial.submission("bo.wang", &contact("P1", &on(day)))).collect()
}

/// The id of the event in a submission, or in a record.
fn event_id(bytes: &[u8]) -> String {
    let value: Value = serde_json::from_slice(bytes).unwrap();
    value["event"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_trial_that_moves_to_processes_of_their_own_and_back_is_the_same_trial() {
    let Some(program) = nats_suite::nats_server(
        "distributed::a_trial_that_moves_to_processes_of_their_own_and_back_is_the_same_trial",
    ) else {
        return;
    };
    let trial = with_subject();
    let mut registry = Registry::new(Servers::start(&program, 1));
    let moved = registry.migrate(text(&trial.data()), &registry.url()).ends_with(0).out;
    assert!(moved.contains("12 records") && moved.contains("equal in both"), "{moved}");
    // Once more changes nothing.
    let again = registry.migrate(text(&trial.data()), &registry.url()).ends_with(0).out;
    assert_eq!(head_and_root(&again), head_and_root(&moved));

    registry.carry_keys(&trial);
    registry.start_all();
    let submissions = contacts(&trial, 40);
    let (first, second) = (registry.http("registrar-1"), registry.http("registrar-2"));
    let post = |server: &Server, submission: &[u8]| server.post(EVENTS, "application/json", submission);
    for (index, submission) in submissions.iter().enumerate() {
        let answers: Vec<Reply> = match index % 4 {
            0 => vec![post(first, submission)],
            1 => vec![post(second, submission)],
            // The registrar that the other's record has come to says that it is there already.
            2 => vec![post(first, submission), post(second, submission)],
            _ => thread::scope(|scope| {
                let (here, there) = (registry.address("registrar-1"), registry.address("registrar-2"));
                let both = [here, there].map(|address| {
                    scope.spawn(move || {
                        e2e::Http::new(&address).post(EVENTS, "application/json", submission.as_slice())
                    })
                });
                both.map(|one| one.join().unwrap()).into()
            }),
        };
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        let due: &[u16] = if answers.len() == 1 { &[201] } else { &[200, 201] };
        assert_eq!(statuses, due, "{index}: {}", answers[0].text());
        let positions: BTreeSet<u64> =
            answers.iter().map(|answer| answer.json()["receipt"]["seq"].as_u64().unwrap()).collect();
        assert_eq!(positions.len(), 1, "{index}: the same event is one record");
    }

    registry.covering(52);
    let reports = ["outcomes", "safety"].map(|kind| processes::report_of(registry.http("console"), kind, 52));
    // What a console hands out is as good as what one process does.
    let bundle = registry.path("bundle.zip");
    let console = registry.address("console");
    run(["export", "bundle", "--server", &console, "--out", text(&bundle)]).ends_with(0);
    let key = crate::evidence::log_key(&trial);
    let said = run(["verify", text(&bundle), "--genesis", &trial.genesis, "--key", &key]).ends_with(0).out;
    assert!(said.starts_with("Intact: all 52 records hold"), "{said}");
    registry.stop_all();

    // Back in files: the same log, each event once, the same reports.
    let back = registry.path("back");
    let returned = registry.migrate(&registry.url(), text(&back)).ends_with(0).out;
    assert!(returned.contains("52 records"), "{returned}");
    processes::copy_keys(&trial.data(), &back);
    let server = Server::start(&back);
    assert_eq!(processes::lost_and_doubled(&server, 52, &submissions), (0, 0));
    crate::evidence::sealed(&server, 52);
    let checkpoint = server.get("/v1/trials/small/log").json();
    assert_eq!(checkpoint["checkpoint"]["root"].as_str().unwrap(), head_and_root(&returned).1);
    let of_files = ["outcomes", "safety"].map(|kind| processes::report_of(&server, kind, 52));
    assert_eq!(reports, of_files);
    assert_eq!(server.stop(), 0);
}
