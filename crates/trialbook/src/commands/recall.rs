//! `recall`: from a donor or a lot to the subjects who were given of it, and what befell them since.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use api::{Problem, ReportAsked, ReportKind};
use chain::{Position, Record};
use clinical::stated::value;
use clinical::{Data, Event, TrialId};
use safety::{RecallInfusion, RecallLot, Report};
use serde_json::{Value, json};

use super::{Table, print};
use crate::access::Access;
use crate::cli::RecallOptions;

pub(super) async fn run(options: RecallOptions) -> Result<u8> {
    let RecallOptions { asked, json, which, place } = options;
    let access = Access::open(&place, false, false)?;
    let trial = access.trial(&which).await?;
    access.settle(&trial);
    let view = access.registry.report(&trial, ReportKind::Safety, ReportAsked::default()).await?;
    let report: Report = serde_json::from_str(view.report.get()).context("the safety report")?;
    let recall = &report.recall;
    if let Some(why) = &recall.withheld {
        anyhow::bail!(
            "the registry's reports are open and name no lot and no donor: {why}; the closed report does (report safety \
             --arms FILE --log PATH --json, under recall), as do the records of infusions"
        );
    }
    let (what, lots, donor) = match (&asked.donor, &asked.lot) {
        (Some(name), _) => (
            format!("donor {name}"),
            recall.of_donor(name).collect::<Vec<_>>(),
            recall.donors.iter().find(|donor| donor.donor == *name),
        ),
        (None, Some(name)) => {
            (format!("lot {name}"), recall.lots.iter().filter(|lot| lot.lot == *name).collect(), None)
        }
        (None, None) => anyhow::bail!("give a donor or a lot"),
    };
    let without_lot = donor.map(|donor| donor.infusions_without_lot.as_slice()).unwrap_or_default();
    if lots.is_empty() && without_lot.is_empty() {
        return Err(Problem::not_found(format!("no record names a {what}")).into());
    }
    let infusions = lots.iter().flat_map(|lot| &lot.infusions).chain(without_lot);
    let mut events = Vec::new();
    let mut since: BTreeMap<u64, &str> = BTreeMap::new();
    for infusion in infusions {
        since.extend(infusion.event_seqs.iter().map(|seq| (*seq, infusion.subject.as_str())));
    }
    for (seq, subject) in since {
        let serious = report.serious_events.iter().any(|event| event.latest_seq == seq);
        events.push(event(&access, &trial, seq, subject, serious).await?);
    }
    if json {
        let answer = json!({
            "asked": what, "covers": view.covers, "cutoff": report.cutoff.date, "events": events,
            "infusions_without_lot": without_lot, "lots": lots
        });
        print(&serde_json::to_string(&answer)?)?;
        return Ok(0);
    }
    let synthetic = if report.synthetic { " · SYNTHETIC DATA" } else { "" };
    let mut text = format!("RECALL · {what} · {trial}{synthetic} · up to {}\n", report.cutoff.date);
    for lot in lots {
        text.push_str(&of_lot(lot));
    }
    if !without_lot.is_empty() {
        text.push_str("\nwithout a lot\n");
        text.push_str(&given(without_lot));
    }
    text.push_str(&told(&events));
    print(&format!("{text}\n{}", super::report::covers(&view.covers)))?;
    Ok(0)
}

fn of_lot(lot: &RecallLot) -> String {
    let stated = match (lot.release, lot.latest_seq) {
        (Some(release), Some(seq)) => {
            format!("{}, by record {seq}", super::report_text::words(&format!("{release:?}")))
        }
        _ => "not stated".to_owned(),
    };
    let mut text = format!("\nlot {} · donors {} · release {stated}\n", lot.lot, lot.donors.join(", "));
    if !lot.donors_not_stated.is_empty() {
        let donors = lot.donors_not_stated.join(", ");
        text.push_str(&format!("  named by infusions and not by the lot's own statement: {donors}\n"));
    }
    if lot.infusions.is_empty() {
        text.push_str("  not given to anybody\n");
    } else {
        text.push_str(&given(&lot.infusions));
    }
    text
}

fn given(infusions: &[RecallInfusion]) -> String {
    let mut table = Table::new(["subject", "site", "infused", "record", "events since", "serious"]);
    for one in infusions {
        table.row([
            one.subject.clone(),
            one.site.clone(),
            one.on.clone(),
            one.latest_seq.to_string(),
            one.events.to_string(),
            one.serious_events.to_string(),
        ]);
    }
    table.to_string()
}

/// What the event's last record states; serious by the criteria of either assessor.
async fn event(access: &Access, trial: &TrialId, seq: u64, subject: &str, serious: bool) -> Result<Value> {
    let view = access.registry.record(trial, Position(seq)).await?;
    let record = Record::parse(view.record.get().as_bytes()).context("the registry's answer is no record")?;
    let event = Event::decode(record.event).context("the record holds no event of this version")?;
    let Data::AdverseEvent(data) = &event.data else { anyhow::bail!("record {seq} is no adverse event") };
    let mut told = json!({"latest_seq": seq, "serious": serious, "subject": subject});
    if let Some(on) = event.occurred_on {
        told["onset"] = on.to_string().into();
    }
    if let Some(coding) = value(data.coding.as_ref()) {
        told["pt"] = coding.pt.as_str().into();
    }
    if let Some(ctcae) = value(data.ctcae.as_ref()) {
        told["grade"] = ctcae.grade.into();
    }
    if let Some(outcome) = value(data.outcome.as_ref()) {
        told["outcome"] = serde_json::to_value(outcome)?;
    }
    Ok(told)
}

fn told(events: &[Value]) -> String {
    if events.is_empty() {
        return "\nno adverse event since\n".to_owned();
    }
    let mut table = Table::new(["subject", "onset", "term", "grade", "serious", "outcome", "record"]);
    for event in events {
        let text = |name: &str, absent: &str| match &event[name] {
            Value::Null => absent.to_owned(),
            Value::String(text) => super::report_text::words(text),
            other => other.to_string(),
        };
        table.row([
            event["subject"].as_str().unwrap_or_default().to_owned(),
            text("onset", "unknown"),
            event["pt"].as_str().unwrap_or("not coded").to_owned(),
            text("grade", ""),
            if event["serious"] == true { "serious" } else { "" }.to_owned(),
            text("outcome", ""),
            text("latest_seq", ""),
        ]);
    }
    format!("\nadverse events since\n{table}")
}
