//! Free texts where services are processes of their own: the keys that open them are one registrar's, come along with a
//! move and are in a backup.

use e2e::{Run, SmallTrial, copy_dir, files_under, holds, run, run_with_input};
use nats_suite::Servers;

use super::processes::{Registry, copy_keys};
use crate::evidence::text;
use crate::statements::{adverse_event, with_subject};

/// Signed for on files, and on servers.
const TERMS: [&str; 2] = ["painful vesicles on the trunk", "swelling of both ankles"];

/// A record, with its texts for who has a key, of a registry at `place`: an option and its value.
fn shown(trial: &SmallTrial, seq: usize, holder: &str, place: [&str; 2]) -> Run {
    let (seq, key) = (seq.to_string(), trial.key(holder));
    run([&["show", &seq, "--key", text(&key)], &place[..]].concat())
}

/// Both texts are opened for who is entitled to them, and for nobody else.
fn opens(trial: &SmallTrial, place: [&str; 2]) {
    for (index, term) in TERMS.into_iter().enumerate() {
        let said = shown(trial, 12 + index, "bo.wang", place).ends_with(0).out;
        assert!(said.contains(&format!("\"term\": \"{term}\"")), "{place:?}: {said}");
        let refused = shown(trial, 12 + index, "dan.sun", place).ends_with(5);
        assert!(!refused.out.contains(term) && refused.err.contains("text-key-refused"), "{}", refused.err);
    }
}

#[test]
fn texts_stay_readable_through_a_move_a_backup_and_a_restoration_and_by_each_registrar() {
    let Some(program) = nats_suite::nats_server(
        "distributed::texts_stay_readable_through_a_move_a_backup_and_a_restoration_and_by_each_registrar",
    ) else {
        return;
    };
    let trial = with_subject();
    trial.submit("bo.wang", &adverse_event("P1", TERMS[0]).to_string()).ends_with(0);
    let mut registry = Registry::new(Servers::start(&program, 1));
    registry.take_over(&trial);
    // As the guide says: to the registrar that keeps them.
    let keeper = registry.path("registrar-1");
    copy_dir(&trial.data().join("state"), &keeper.join("state"));
    registry.start_all();

    // Signed for by way of the registrar that does not keep the keys, which is handed them by the one that does.
    let second = registry.address("registrar-2");
    let key = trial.key("bo.wang");
    let submit = ["submit", "-", "--key", text(&key), "--server", &second];
    run_with_input(submit, adverse_event("P1", TERMS[1]).to_string().as_bytes()).ends_with(0);
    for name in ["registrar-1", "registrar-2", "console"] {
        registry.covering(14);
        opens(&trial, ["--server", &registry.address(name)]);
    }

    // Beside the registrar, whose directory it is.
    let backup = registry.path("backup");
    let (config, keeper_dir) = (registry.path("nats.toml"), text(&keeper).to_owned());
    let with_keys = ["--config", text(&config), "--data", &keeper_dir];
    run([&["backup", "--out", text(&backup)], &with_keys[..]].concat()).ends_with(0);

    // Without the keeper a text stays closed; nobody makes another key in its place, and what needs none is recorded.
    registry.stop("registrar-1");
    let closed = shown(&trial, 12, "bo.wang", ["--server", &second]).ends_with(7);
    assert!(!closed.out.contains(TERMS[0]), "{}", closed.out);
    run_with_input(submit, adverse_event("P1", TERMS[1]).to_string().as_bytes()).ends_with(7);
    let contact = super::contacts(&trial, 1).remove(0);
    assert_eq!(registry.http("registrar-2").post(super::EVENTS, "application/json", contact).status, 201);
    registry.start("registrar-1");
    opens(&trial, ["--server", &second]);
    registry.stop_all();

    // In no file in clear, of the backup neither.
    for file in files_under(&backup).into_iter().chain(files_under(&keeper)) {
        for term in TERMS {
            assert!(!holds(&file, term.as_bytes()), "{} holds a text in clear", file.display());
        }
    }

    // Restored into files, with the key that wraps the texts' keys, which is kept apart.
    let files = registry.path("files");
    let stand_alone = registry.path("files.toml");
    e2e::write(&stand_alone, "");
    run(["restore", text(&backup), "--config", text(&stand_alone), "--data", text(&files)]).ends_with(0);
    copy_keys(&keeper, &files);
    opens(&trial, ["--data", text(&files)]);

    // And into empty servers.
    std::fs::remove_dir_all(&keeper).unwrap();
    registry.go_to(Servers::start(&program, 1));
    run([&["restore", text(&backup)], &with_keys[..]].concat()).ends_with(0);
    copy_keys(&trial.data(), &keeper);
    registry.start("registrar-1");
    opens(&trial, ["--server", &registry.address("registrar-1")]);
    registry.stop("registrar-1");
}
