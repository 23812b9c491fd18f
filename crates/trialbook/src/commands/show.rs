//! `show`: one record, with its texts for whoever may read them.

use std::path::Path;

use anyhow::{Context as _, Result};
use chain::{Position, Record};
use clinical::Event;
use clinical::text::{TextPlace, open};
use serde_json::Value;

use super::print;
use crate::access::Access;
use crate::cli::{Place, WhichTrial};
use crate::keyfile::KeyFile;
use crate::signing::Signer;

pub(super) async fn run(
    seq: u64,
    key: Option<&Path>,
    json: bool,
    which: &WhichTrial,
    place: &Place,
) -> Result<u8> {
    let access = Access::open(place, false, false)?;
    let trial = access.trial(which).await?;
    access.settle(&trial);
    let view = access.registry.record(&trial, Position(seq)).await?;
    if json {
        print(&serde_json::to_string(&view)?)?;
        return Ok(0);
    }
    let bytes = view.record.get().as_bytes();
    let record = Record::parse(bytes).context("the registry's answer is not a record")?;
    let event = Event::decode(record.event).context("the record holds no event of this version")?;
    let mut value: Value = serde_json::from_slice(record.event)?;
    if let Some(key) = key {
        let key = KeyFile::read(key)?;
        let mut signer = Signer::new(&key, &trial, view.hash);
        if let (Some(site), Some(subject)) = (&event.site, &event.subject) {
            let text_key = signer.text_key(&*access.registry, site, subject).await?;
            for (pointer, sealed) in event.texts() {
                let at = TextPlace { trial: &trial, subject, event: event.id, pointer };
                let clear = open(sealed, at, &text_key).with_context(|| format!("the text at {pointer}"))?;
                if let Some(value) = value.pointer_mut(pointer) {
                    *value = Value::from(clear);
                }
            }
        }
    }
    let mut text = format!(
        "record {seq} · {} · recorded {}\nhash {}\nprev {}\nsigned by {} ({}, {}) at {} with key {}\n\n{}\n",
        event.kind,
        record.recorded_at,
        view.hash,
        record.prev,
        event.actor.id,
        event.actor.role.as_str(),
        event.actor.organisation,
        event.signed_at,
        event.key,
        serde_json::to_string_pretty(&value)?,
    );
    if let Some(amended) = view.amended_by {
        text.push_str(&format!("\namended by record {amended}\n"));
    }
    for finding in &view.findings {
        text.push_str(&format!(
            "\nlook at {}: {} ({})",
            finding.pointer,
            finding.code.meaning(),
            finding.code.as_str()
        ));
    }
    text.push('\n');
    text.push_str(&super::report::covers(&view.covers));
    print(&text)?;
    Ok(0)
}
