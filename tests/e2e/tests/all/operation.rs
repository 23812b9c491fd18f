//! What an operator sees: records from outside, as they come and by their positions; read models made anew.

use std::time::{Duration, Instant};

use e2e::{Browser, Server};
use reqwest::Method;
use serde_json::{Value, json};

use crate::statements::{contact, with_subject};

/// How long what an operator asked for may take: it takes well below a second.
const PATIENCE: Duration = Duration::from_mins(2);

#[test]
fn records_are_told_from_outside_and_nothing_of_what_is_in_them() {
    let trial = with_subject();
    let server = Server::start(&trial.data());
    let whole = server.get("/v1/trials/small/envelopes").json();
    assert_eq!((&whole["next"], &whole["covers"]["records"]), (&json!(12), &json!(12)));
    for (seq, envelope) in whole["envelopes"].as_array().unwrap().iter().enumerate() {
        let record = server.get(&format!("/v1/trials/small/records/{seq}")).json()["record"].clone();
        let event = &record["event"];
        let mut due = json!({
            "bytes": envelope["bytes"], "key": event["key"], "kind": event["kind"],
            "recorded_at": record["recorded_at"], "seq": seq, "signed_at": event["signed_at"]
        });
        if let Some(site) = event.get("site") {
            due["site"] = site.clone();
        }
        assert_eq!(*envelope, due);
        assert!(envelope["bytes"].as_u64().unwrap() > 300, "{envelope}");
    }
    let part = server.get("/v1/trials/small/envelopes?from=3&limit=2").json();
    assert_eq!((&part["envelopes"][0]["seq"], &part["next"]), (&json!(3), &json!(5)));
    let end = server.get("/v1/trials/small/envelopes?from=12").json();
    assert_eq!((&end["envelopes"], &end["next"]), (&json!([]), &json!(12)));
    let page = server.get("/operator/stream/small?from=3").text().to_owned();
    assert!(page.contains(">11</th>") && !page.contains("P1"), "{page}");

    // As they come: from a position, and after what a reader has seen last.
    let told = |headers: &[(&str, &str)], from: &str, count| -> Vec<(u64, Value)> {
        let events = server.events(&format!("/v1/trials/small/tail{from}"), headers, count);
        events.into_iter().map(|(id, data)| (id, serde_json::from_str(&data).unwrap())).collect()
    };
    let ids = |told: Vec<(u64, Value)>| -> Vec<u64> {
        assert!(told.iter().all(|(id, envelope)| envelope["seq"] == json!(id)), "{told:?}");
        told.into_iter().map(|(id, _)| id).collect()
    };
    assert_eq!(ids(told(&[], "?from=9", 3)), [9, 10, 11]);
    assert_eq!(ids(told(&[("last-event-id", "10")], "", 1)), [11]);
    assert_eq!(server.get("/v1/trials/nowhere/tail").status, 404);
}

#[test]
fn a_read_model_is_made_anew_for_whoever_asks_on_its_page() {
    let trial = with_subject();
    let server = Server::start(&trial.data());
    let state = || {
        let found = server.get("/v1/projectors").json();
        let of =
            |name| found["projectors"].as_array().unwrap().iter().find(|one| one["name"] == name).cloned();
        of("safety").unwrap()
    };
    let report = || server.get("/v1/trials/small/reports/safety").json()["report"].clone();
    let before = report();
    assert_eq!(state()["rebuilds"], 0);
    let asked = server.get("/operator/rebuild?trial=small&projector=safety");
    assert!(asked.text().contains("Make it anew"), "{}", asked.text());
    assert_eq!(server.get("/operator/rebuild?trial=small&projector=nothing").status, 404);
    assert_eq!(state()["rebuilds"], 0, "asking changes nothing");
    let form = "application/x-www-form-urlencoded";
    assert_eq!(server.post("/operator/rebuild", form, "trial=small&projector=safety").status, 303);
    let begun = Instant::now();
    while state()["rebuilds"] == 0 || state()["lag_records"] != 0 {
        assert!(begun.elapsed() < PATIENCE, "{}", state());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!((&state()["state"], &state()["lag_seconds"]), (&json!("running"), &json!(0)));
    assert_eq!(report(), before);
    let page = server.get("/operator").text().to_owned();
    assert!(page.contains("small: safety") && page.contains("✓ follows"), "{page}");
}

#[test]
fn a_browser_shows_records_as_they_come_and_holds_still_when_told_to() {
    let Some(browser) = Browser::start("a_browser_shows_records_as_they_come_and_holds_still_when_told_to")
    else {
        return;
    };
    let trial = with_subject();
    let server = Server::start(&trial.data());
    let submit = |day: &str| {
        let submission = trial.submission("bo.wang", &contact("P1", day));
        let path = "/v1/trials/small/events";
        let headers = [("content-type", "application/json")];
        assert_eq!(server.send(Method::POST, path, &headers, submission).status, 201);
    };
    browser.open(&format!("{}/operator/stream/small", server.address));
    let state = "return document.querySelector('#tail-state').innerText";
    browser.wait_for(state, |state| state.as_str().unwrap_or_default().starts_with("Live"));
    submit("2022-01-31");
    let rows = "return [...document.querySelectorAll('#tail tbody tr')].map((row) => row.cells[0].innerText + ' ' + row.cells[1].innerText)";
    browser.wait_for(rows, |rows| *rows == json!(["12 contact"]));
    browser.click("#tail-pause");
    submit("2022-02-28");
    browser.wait_for(state, |state| *state == json!("Paused; 1 more came meanwhile"));
    assert_eq!(browser.evaluate(rows, &[]), json!(["12 contact"]));
    browser.click("#tail-pause");
    browser.wait_for(rows, |rows| *rows == json!(["13 contact", "12 contact"]));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
