//! Data cuts: what was known then, what has changed since, and reports that are published and made anew.

use e2e::{Server, SmallTrial, run, write};
use serde_json::Value;

use crate::statements::{adverse_event, hash_of, replacing, visit, with_subject};

const OUTCOMES: [&str; 3] = ["report", "outcomes", "--json"];
const STATISTICIAN: &str = "eva.stat";

/// A trial with a subject and a statistician, cut as `interim-1` up to 2022-06-30, and corrected since. With it the
/// outcome report's bytes as they were made before the cut, and how many records there were then.
fn cut_and_corrected() -> (SmallTrial, String, u64) {
    let trial = with_subject();
    let key = trial.key(STATISTICIAN);
    let key = key.to_str().unwrap();
    let new =
        ["keys", "new", "--holder", STATISTICIAN, "--organisation", "Sponsor", "--role", "statistician"];
    run(new.into_iter().chain(["--out", key])).ends_with(0);
    let grant = run(["keys", "request", "--genesis", &trial.genesis, "--key", key]).ends_with(0).out;
    trial.submit("sponsor.one", &grant).ends_with(0);
    let (records, before) = (trial.records(), report(&trial, &["--cutoff", "2022-06-30"]));
    let created =
        trial.run(["cut", "create", "interim-1", "--cutoff", "2022-06-30", "--key", key]).ends_with(0);
    assert!(
        created.out.contains(&format!("cut interim-1 of the first {records} records")),
        "{}",
        created.out
    );
    let corrected = visit("P1", "2021-02-03", "none");
    let corrected = replacing(&corrected, 10, &hash_of(&trial, 10), "source_corrected");
    trial.submit("an.li", &corrected.to_string()).ends_with(0);
    (trial, before, records)
}

fn report(trial: &SmallTrial, more: &[&str]) -> String {
    trial.run(OUTCOMES.into_iter().chain(more.iter().copied())).ends_with(0).out
}

#[test]
fn a_report_of_a_cut_is_what_it_was_and_says_what_has_changed_since() {
    let (trial, before, records) = cut_and_corrected();
    assert_eq!(report(&trial, &["--as-of", "interim-1"]), before);
    assert_eq!(report(&trial, &["--as-of", &records.to_string(), "--cutoff", "2022-06-30"]), before);
    let now = report(&trial, &["--cutoff", "2022-06-30"]);
    assert_ne!(now, before);

    let cuts = trial.run(["cut", "list", "--json"]).ends_with(0).json();
    assert_eq!((&cuts[0]["name"], &cuts[0]["records"]), (&"interim-1".into(), &records.into()));
    let listed = trial.run(["cut", "list"]).ends_with(0).out;
    assert!(listed.contains("counting up to 2022-06-30"), "{listed}");

    let since = ["--since", "interim-1", "--cutoff", "2022-06-30"];
    let since: Value = serde_json::from_str(&report(&trial, &since)).unwrap();
    let figure = "/remission/figures/remission.year_1/figure/numerator";
    let changes = since["changes"].as_array().unwrap();
    let found = changes.iter().find(|change| change["path"] == figure);
    let found = found.unwrap_or_else(|| panic!("no {figure} in {since}"));
    assert_eq!((&found["before"], &found["after"]), (&1.into(), &0.into()));
    let told = trial.run(["report", "outcomes", "--since", "interim-1"]).ends_with(0).out;
    assert!(told.contains("SINCE CUT interim-1") && told.contains(figure), "{told}");

    let unknown = trial.run(["report", "outcomes", "--as-of", "interim-9"]);
    assert!(unknown.status != 0 && unknown.err.contains("there is no data cut interim-9"), "{}", unknown.err);
    let key = trial.key(STATISTICIAN);
    let again = ["cut", "create", "interim-1", "--cutoff", "2022-07-31", "--key", key.to_str().unwrap()];
    let again = trial.run(again).ends_with(6);
    assert!(again.err.contains("A data cut of this name is recorded"), "{}", again.err);

    let server = Server::start(&trial.data());
    let answer = server.get("/v1/trials/small/reports/outcomes?as_of=interim-1").json();
    assert_eq!(answer["report"], serde_json::from_str::<Value>(&before).unwrap());
    assert_eq!(
        (&answer["covers"]["records"], &answer["covers"]["lag_records"]),
        (&records.into(), &2.into())
    );
    for wrong in ["0", "99", "-1", "Interim"] {
        let path = format!("/v1/trials/small/reports/outcomes?as_of={wrong}");
        assert_eq!(server.get(&path).problem().0, 400, "{wrong}");
    }
    let page = server.get("/trials/small/outcomes?as_of=interim-1").text().to_owned();
    assert!(page.contains("interim-1"), "{page}");
}

#[test]
fn a_published_report_is_made_anew_from_the_log_alone_and_another_is_not() {
    let (trial, before, _) = cut_and_corrected();
    let key = trial.key(STATISTICIAN);
    let file = trial.beside().join("outcomes.json");
    let file = file.to_str().unwrap();
    let publish = ["report", "publish", "outcomes", "--cut", "interim-1", "--out", file, "--key"];
    let published = trial.run(publish.into_iter().chain([key.to_str().unwrap()])).ends_with(0).out;
    assert_eq!(std::fs::read_to_string(file).unwrap(), before.trim_end());
    let (_, hash) = published.trim_end().rsplit_once("SHA-256 ").unwrap();
    let last = (trial.records() - 1).to_string();
    let record = trial.run(["show", &last, "--json"]).ends_with(0).json();
    assert_eq!(record["record"]["event"]["data"]["sha256"], hash);

    let page = trial.beside().join("outcomes.html");
    let shown = std::fs::read_to_string(&page).unwrap();
    for part in [hash, "SYNTHETIC", "2022-06-30", "<svg", "P1"] {
        assert!(shown.contains(part), "{part}");
    }
    for part in ["href=", "src=", "<script", "url(", "https:"] {
        assert!(!shown.contains(part), "{part}");
    }
    let printed = trial.run(["report", "outcomes", "--html", "--as-of", "interim-1"]).ends_with(0).out;
    assert_eq!(printed.trim_end(), shown);

    let bundle = trial.beside().join("log.zip");
    trial.run(["export", "bundle", "--out", bundle.to_str().unwrap()]).ends_with(0);
    let vkey = std::fs::read_to_string(trial.trial_dir().join("log.vkey")).unwrap();
    let anchors = ["--key", vkey.trim(), "--genesis", &trial.genesis];
    let reproduce =
        |file: &str, log: &str| run(["report", "reproduce", file, "--log", log].into_iter().chain(anchors));
    let data = trial.data();
    for log in [bundle.to_str().unwrap(), data.to_str().unwrap()] {
        let made = reproduce(file, log).ends_with(0).out;
        assert!(made.contains("REPRODUCED") && made.contains(hash), "{made}");
    }

    let page = page.to_str().unwrap();
    let with_page = |page: &str| {
        let reproduce = ["report", "reproduce", file, "--log", bundle.to_str().unwrap(), "--html", page];
        run(reproduce.into_iter().chain(anchors))
    };
    with_page(page).ends_with(0);
    let altered = trial.beside().join("altered.html");
    write(&altered, shown.replacen("P1", "P2", 1));
    let differs = with_page(altered.to_str().unwrap()).ends_with(1).out;
    assert!(differs.contains("NOT REPRODUCED") && differs.contains("altered.html"), "{differs}");

    let other = trial.beside().join("other.json");
    let other = other.to_str().unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    write(other.as_ref(), text.replacen("\"days\":699", "\"days\":698", 1));
    let differs = reproduce(other, bundle.to_str().unwrap()).ends_with(1).out;
    assert!(differs.contains("NOT REPRODUCED") && differs.contains("/follow_up/days"), "{differs}");
    let version = format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&version));
    write(other.as_ref(), text.replacen(&version, "\"version\":\"9.9.9\"", 1));
    let undecided = reproduce(other, bundle.to_str().unwrap()).ends_with(3).out;
    assert!(undecided.contains("NOT DECIDED") && undecided.contains("9.9.9"), "{undecided}");
}

#[test]
fn published_reports_in_a_directory_are_held_against_their_records() {
    let (trial, ..) = cut_and_corrected();
    let key = trial.key(STATISTICIAN);
    let dir = trial.beside().join("reports");
    std::fs::create_dir(&dir).unwrap();
    for kind in ["outcomes", "safety"] {
        let file = dir.join(format!("{kind}.json"));
        let publish =
            ["report", "publish", kind, "--cut", "interim-1", "--out", file.to_str().unwrap(), "--key"];
        trial.run(publish.into_iter().chain([key.to_str().unwrap()])).ends_with(0);
    }
    let bundle = trial.beside().join("log.zip");
    trial.run(["export", "bundle", "--out", bundle.to_str().unwrap()]).ends_with(0);
    let vkey = std::fs::read_to_string(trial.trial_dir().join("log.vkey")).unwrap();
    let (data, bundle) = (trial.data(), bundle.to_str().unwrap().to_owned());
    let verified = |log: &str, status: i32| {
        let verify = ["verify", log, "--genesis", &trial.genesis, "--key", vkey.trim()];
        run(verify.into_iter().chain(["--reports", dir.to_str().unwrap()])).ends_with(status).out
    };
    for log in [data.to_str().unwrap(), &bundle] {
        let told = verified(log, 0);
        assert!(!told.contains("report-unchecked"), "{told}");
    }
    // Two copies of one report are both that report.
    std::fs::copy(dir.join("safety.json"), dir.join("safety-too.json")).unwrap();
    verified(&bundle, 0);

    // A report that the records make, and nobody has published.
    let unpublished = trial.run(["report", "outcomes", "--json", "--cutoff", "2022-06-29"]).ends_with(0).out;
    write(&dir.join("later.json"), unpublished.trim_end());
    let told = verified(&bundle, 3);
    assert!(
        told.contains("later.json") && told.contains("no record of this log publishes these bytes"),
        "{told}"
    );
    std::fs::remove_file(dir.join("later.json")).unwrap();

    // A published report that is not there.
    let published = std::fs::read_to_string(dir.join("outcomes.json")).unwrap();
    std::fs::remove_file(dir.join("outcomes.json")).unwrap();
    let told = verified(&bundle, 3);
    assert!(told.contains("no file at hand is the outcomes report of cut interim-1"), "{told}");

    // And one that is not as it was published.
    let altered = published.replacen("\"days\":699", "\"days\":698", 1);
    assert_ne!(altered, published);
    write(&dir.join("outcomes.json"), altered);
    let told = verified(data.to_str().unwrap(), 1);
    assert!(told.contains("report-not-following") && told.contains("outcomes.json"), "{told}");
}

#[test]
fn every_cell_leads_to_the_records_behind_it_as_they_were_at_the_cut_and_as_they_are() {
    let (trial, ..) = cut_and_corrected();
    let server = Server::start(&trial.data());
    let reports = "/v1/trials/small/reports/outcomes";
    let figure = "/remission/figures/remission.year_1/figure";
    let page = server.get(&format!("{reports}/cells?under={figure}&as_of=interim-1&limit=3")).json();
    assert_eq!(page["cells"].as_array().unwrap().len(), 3, "{page}");
    let next = page["next"].as_str().unwrap();
    let rest = server.get(&format!("{reports}/cells?under={figure}&as_of=interim-1&after={next}")).json();
    let numerator =
        rest["cells"].as_array().unwrap().iter().find(|cell| cell["cell"] == format!("{figure}/numerator"));
    let numerator = numerator.unwrap_or_else(|| panic!("{rest}"));
    assert_eq!(
        (&numerator["value"], &numerator["label"]),
        (&1.into(), &"Complete remission at 12 months".into())
    );

    // The link that the cell carries, as it stands.
    let then = server.get(numerator["sources"].as_str().unwrap()).json();
    assert_eq!((&then["value"], &then["adds_up"]), (&1.into(), &true.into()), "{then}");
    let subjects = then["subjects"].as_array().unwrap();
    assert_eq!((subjects.len(), &subjects[0]["subject"]), (1, &"P1".into()));
    for record in subjects[0]["records"].as_array().unwrap() {
        let view = server.get(&format!("/v1/trials/small/records/{}", record["latest"])).json();
        assert_eq!(view["record"]["event"]["subject"], "P1");
    }
    let now = server.get(&format!("{reports}/sources?cell={figure}/numerator")).json();
    assert_eq!((&now["value"], &now["subjects"]), (&0.into(), &serde_json::json!([])), "{now}");

    let whole = server.get(&format!("{reports}/sources?cell=/conventions/month_days"));
    let (status, code, _) = whole.problem();
    assert_eq!((status, &*code), (404, "no-sources"));
    assert_eq!(server.get(&format!("{reports}/sources?cell=/flow/nobody")).problem().0, 404);
    assert_eq!(server.get(&format!("{reports}/sources")).problem().0, 400);

    let page = format!("/trials/small/sources?report=outcomes&cell={figure}/numerator&as_of=interim-1");
    let page = server.get(&page).text().to_owned();
    assert!(
        page.contains("Complete remission at 12 months") && page.contains("/subjects/P1?as_of=interim-1"),
        "{page}"
    );
    assert_eq!(server.get("/trials/small/sources?report=outcomes").status, 400);
}

#[test]
fn a_report_counts_what_is_new_since_an_earlier_cut_and_is_made_anew_with_it() {
    let (trial, ..) = cut_and_corrected();
    trial.submit("bo.wang", &adverse_event("P1", "cough").to_string()).ends_with(0);
    let key = trial.key(STATISTICIAN);
    let key = key.to_str().unwrap();
    trial.run(["cut", "create", "interim-2", "--cutoff", "2022-12-31", "--key", key]).ends_with(0);
    let file = trial.beside().join("safety.json");
    let file = file.to_str().unwrap();
    let publish =
        ["report", "publish", "safety", "--cut", "interim-2", "--since", "interim-1", "--out", file];
    trial.run(publish.into_iter().chain(["--key", key])).ends_with(0);
    let report: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(report["since"]["cut"], "interim-1");
    let any = &report["overviews"][0]["categories"][0];
    assert_eq!((&any["events_since"], &any["subjects_since"]), (&1.into(), &1.into()));
    let told = trial.run(["report", "safety", "--since", "interim-1"]).ends_with(0).out;
    assert!(
        told.contains("new: not counted in the report of cut interim-1") && told.contains("1 / 1"),
        "{told}"
    );

    let vkey = std::fs::read_to_string(trial.trial_dir().join("log.vkey")).unwrap();
    let data = trial.data();
    let log = data.to_str().unwrap();
    let anchors = ["--key", vkey.trim(), "--genesis", &trial.genesis];
    let reproduce = |file: &str| run(["report", "reproduce", file, "--log", log].into_iter().chain(anchors));
    assert!(reproduce(file).ends_with(0).out.contains("REPRODUCED"));
    let other = trial.beside().join("other.json");
    let text = std::fs::read_to_string(file).unwrap();
    write(&other, text.replacen("\"events_since\":1", "\"events_since\":0", 1));
    let differs = reproduce(other.to_str().unwrap()).ends_with(1).out;
    assert!(differs.contains("NOT REPRODUCED") && differs.contains("events_since"), "{differs}");

    let server = Server::start(&trial.data());
    let answer = server.get("/v1/trials/small/reports/safety?as_of=interim-2&since=interim-1").json();
    assert_eq!(answer["report"], report);
    let changes = answer["since"]["changes"].as_array().unwrap();
    assert!(changes.iter().all(|change| !change["path"].as_str().unwrap().ends_with("_since")), "{answer}");
    let page = server.get("/trials/small/safety?since=interim-1").text().to_owned();
    assert!(page.contains("data cut <strong>interim-1</strong>"), "{page}");
}
