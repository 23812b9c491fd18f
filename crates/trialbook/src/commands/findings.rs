//! `findings`: the work list.

use anyhow::Result;
use api::Page;
use clinical::confirmed;

use super::{Table, print};
use crate::access::Access;
use crate::cli::{Place, WhichTrial};

pub(super) async fn run(json: bool, which: &WhichTrial, place: &Place) -> Result<u8> {
    let access = Access::open(place, false, false)?;
    let trial = access.trial(which).await?;
    access.settle(&trial);
    let mut table =
        Table::new(["record", "severity", "site", "subject", "kind", "finding", "at", "beside", "confirmed"]);
    let mut page = Page { after: None, limit: Some(1_000) };
    loop {
        let found = access.registry.findings(&trial, page.clone()).await?;
        for record in &found.records {
            if json {
                print(&serde_json::to_string(record)?)?;
                continue;
            }
            for finding in &record.findings {
                table.row([
                    record.seq.to_string(),
                    format!("{:?}", finding.severity).to_lowercase(),
                    record.site.as_ref().map(ToString::to_string).unwrap_or_default(),
                    record.subject.as_ref().map(ToString::to_string).unwrap_or_default(),
                    record.kind.to_string(),
                    finding.code.as_str().to_owned(),
                    finding.pointer.clone(),
                    finding.records.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                    confirmed::reason(&record.confirmed, finding)
                        .map_or_else(String::new, |reason| reason.as_str().to_owned()),
                ]);
            }
        }
        if let Some(next) = found.next {
            page.after = Some(next.to_string());
            continue;
        }
        if !json {
            let list =
                if table.is_empty() { "nothing is to be looked at".to_owned() } else { table.to_string() };
            print(&format!("{list}\n{}", super::report::covers(&found.covers)))?;
        }
        return Ok(0);
    }
}
