//! `doctor`: how the registry fares, and what to do.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use api::{Evidence, Sealed, Witnesses};
use chain::TreeSize;
use serde_json::json;

use super::print;
use super::sealed::{self, Until};
use crate::access::Access;
use crate::cli::Place;
use crate::data::Data;
use crate::status;

/// How long a process that has just opened the data is given to seal what it found.
const SEALING_WAIT: Duration = Duration::from_secs(10);

pub(super) async fn run(json: bool, place: &Place) -> Result<u8> {
    let access = Access::open(place, false, true)?;
    if let Some(deployment) = &access.deployment {
        for trial in deployment.trial_ids() {
            access.settle(&trial);
            deployment.wait_checked(&trial, Duration::from_mins(1));
            let records = TreeSize(access.registry.trial(&trial).await?.trial.covers.records);
            // What was not sealed when the last process ended is sealed now, or the checks below say why not.
            let _ = sealed::wait(&*access.registry, &trial, records, Until::Sealed, SEALING_WAIT).await;
        }
    }
    let readiness = access.registry.readiness().await?;
    let trials = access.registry.trials().await?.trials;
    // What delays checkpoints takes nobody out of service, and is not well all the same.
    let is_well = readiness.checks.iter().all(|check| check.ok);
    let torn = torn(&Data::new(&place.data))?;
    if json {
        let mut evidence = BTreeMap::new();
        for view in &trials {
            if let Ok(signed) = access.registry.evidence(&view.trial).await {
                evidence.insert(view.trial.as_str(), signed);
            }
        }
        let answer = json!({"evidence": evidence, "readiness": readiness, "torn": torn, "trials": trials});
        print(&serde_json::to_string(&answer)?)?;
    } else {
        let by = if access.deployment.is_some() {
            "no server is running; looked at the files"
        } else {
            "a server is running"
        };
        let mut text = format!("{by}\n");
        for view in &trials {
            text.push_str(&format!(
                "{} · {} records · head {}{}\n",
                view.trial,
                view.covers.records,
                view.covers.head,
                if view.synthetic { " · SYNTHETIC" } else { "" },
            ));
            if let Ok(evidence) = access.registry.evidence(&view.trial).await {
                text.push_str(&signed(&evidence));
            }
        }
        for check in &readiness.checks {
            let mark = if check.ok { "ok " } else { "NOT" };
            let detail = check.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
            text.push_str(&format!("{mark} {}{detail}\n", check.name));
        }
        for path in &torn {
            text.push_str(&format!(
                "an unfinished append was cut off after a crash and kept in {path}; nothing in it was ever acknowledged\n"
            ));
        }
        text.push_str(if is_well {
            "all is well; `trialbook verify` looks at every record and signature"
        } else if readiness.ready {
            "submissions are taken, but what is wrong above delays checkpoints or their witnesses: a notary that refuses names \
             two sides that do not agree, and goes on when the server is started again after the wrong one is put right"
        } else {
            "a registrar that refuses recovers when the server is started again; a read model that stopped names the \
             record: run `trialbook verify` next"
        });
        print(&text)?;
    }
    Ok(if is_well { 0 } else { status::ENVIRONMENT })
}

/// How far the log is signed for, and by how many.
fn signed(evidence: &Evidence) -> String {
    let checkpoint = match &evidence.checkpoint {
        None => "nothing is sealed yet".to_owned(),
        Some(Sealed { size, signed_at, .. }) => {
            let at = signed_at.map_or_else(|| "before this process started".to_owned(), |at| at.to_string());
            format!("sealed up to {size} records · {at}")
        }
    };
    let Witnesses { cosigned, asked, demanded, .. } = evidence.witnesses;
    let witnesses = match &evidence.witnessed {
        _ if !demanded => "no witnesses: a restored backup could fork unseen".to_owned(),
        None => format!("witnesses {cosigned} of {asked} · not witnessed"),
        Some(Sealed { size, .. }) => {
            format!("witnesses {cosigned} of {asked} · witnessed up to {size} records")
        }
    };
    format!("  {checkpoint} · {witnesses}\n")
}

/// Torn tails that recoveries have kept.
fn torn(data: &Data) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for trial in data.trials()? {
        let Ok(entries) = std::fs::read_dir(data.trial(&trial).join("journal").join("torn")) else {
            continue;
        };
        for entry in entries {
            found.push(entry?.path().display().to_string());
        }
    }
    found.sort();
    Ok(found)
}
