//! Help, usage errors, and input that is none.

use e2e::{SmallTrial, run, run_with_input, write};

#[test]
fn every_command_explains_itself() {
    let top = run(["--help"]).ends_with(0).out;
    assert!(top.contains("Exit status"), "{top}");
    let commands: [&[&str]; 59] = [
        &["demo"],
        &["serve"],
        &["registrar"],
        &["notary"],
        &["projector"],
        &["console"],
        &["health"],
        &["config"],
        &["config", "show"],
        &["migrate"],
        &["backup"],
        &["restore"],
        &["keys"],
        &["keys", "new"],
        &["keys", "request"],
        &["keys", "list"],
        &["keys", "revoke"],
        &["service-key"],
        &["service-key", "first"],
        &["service-key", "new"],
        &["service-key", "list"],
        &["token"],
        &["token", "new"],
        &["token", "list"],
        &["token", "revoke"],
        &["account"],
        &["account", "add"],
        &["account", "list"],
        &["account", "remove"],
        &["account", "sign-out"],
        &["account", "passwd"],
        &["open"],
        &["submit"],
        &["sign"],
        &["import"],
        &["import", "sdtm"],
        &["report"],
        &["report", "outcomes"],
        &["report", "safety"],
        &["report", "publish"],
        &["report", "reproduce"],
        &["recall"],
        &["cut"],
        &["cut", "create"],
        &["cut", "list"],
        &["show"],
        &["trail"],
        &["findings"],
        &["export"],
        &["export", "bundle"],
        &["certified-copy"],
        &["prove"],
        &["receipts"],
        &["receipts", "check"],
        &["mirror"],
        &["witness"],
        &["witness", "new-key"],
        &["verify"],
        &["doctor"],
    ];
    for command in commands {
        let help = run(command.iter().copied().chain(["--help"])).ends_with(0).out;
        assert!(help.contains("Usage: trialbook "), "{command:?}: {help}");
        assert!(!help.starts_with("Usage:"), "{command:?} does not say what it is for: {help}");
    }
    // Each command of the list above is one of the program, and none is forgotten.
    let listed = top.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| line.starts_with("  "));
    // A description that goes on in a second line is indented further.
    let listed: Vec<_> = listed
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let mut known: Vec<_> = commands.iter().map(|command| command[0]).collect();
    known.dedup();
    known.push("help");
    let (mut listed, mut due) = (listed, known);
    listed.sort_unstable();
    due.sort_unstable();
    assert_eq!(listed, due, "{top}");
    assert!(run(["--version"]).ends_with(0).out.starts_with("trialbook "));
    run(["frobnicate"]).ends_with(2);
    run([""; 0]).ends_with(2);
}

#[test]
fn garbage_is_an_error_that_says_where_and_never_a_panic() {
    let trial = SmallTrial::new();
    let garbage: [&[u8]; 7] = [
        b"",
        b"\0\0\0\0",
        b"{",
        b"[]",
        b"{\"kind\":\"visit\"",
        b"{\"kind\":\"no such kind\",\"data\":{}}",
        b"\xff\xfe\xfd",
    ];
    let place = trial.beside().join("garbage");
    let (file, key, data) = (place.to_str().unwrap(), trial.key("bo.wang"), trial.data());
    let (key, data) = (key.to_str().unwrap(), data.to_str().unwrap());
    let tables = trial.beside().join("tables");
    std::fs::create_dir(&tables).unwrap();
    for bytes in garbage {
        write(&place, bytes);
        let fails = |arguments: &[&str]| {
            let run = run_with_input(arguments.iter().copied(), bytes);
            assert!(run.status > 0 && !run.err.is_empty(), "{arguments:?} {bytes:?}: {run:?}");
            assert!(!run.err.contains("panicked"), "{}", run.err);
            run
        };
        fails(&["submit", file, "--key", key, "--data", data]);
        fails(&["submit", "-", "--key", key, "--data", data]);
        fails(&["submit", file, "--key", file, "--data", data]);
        fails(&["open", file, "--key", key, "--trial", "other", "--data", data]);
        fails(&["keys", "request", "--key", file, "--genesis", &trial.genesis]);
        fails(&["show", "0", "--key", file, "--data", data]);
        for table in ["dm.xpt", "ae.xpt"] {
            write(&tables.join(table), bytes);
        }
        fails(&["import", "sdtm", tables.to_str().unwrap(), "--trial", "other", "--data", data]);
    }
    let missing = ["submit", "nowhere.json", "--key", key, "--data", data];
    assert!(run(missing).ends_with(7).err.contains("nowhere.json"));
    let overwritten =
        ["keys", "new", "--holder", "x", "--organisation", "y", "--role", "sponsor", "--out", key];
    let before = std::fs::read(key).unwrap();
    run(overwritten).ends_with(7);
    assert_eq!(std::fs::read(key).unwrap(), before);
    assert_eq!(trial.records(), SmallTrial::RECORDS);
}

#[test]
fn a_mistake_in_a_statement_is_named_with_its_line() {
    let trial = crate::statements::with_subject();
    let good = crate::statements::contact("P1", "2022-01-01").to_string();
    let bad = good.replace("\"phone\"", "\"pigeon\"");
    let run = trial.submit("bo.wang", &format!("{good}\n{bad}\n"));
    assert!(run.status > 0);
    assert!(run.err.contains("line 2") && run.err.contains("/data/means"), "{}", run.err);
    assert_eq!(trial.records(), 12, "of a file with a mistake nothing is submitted");
}
