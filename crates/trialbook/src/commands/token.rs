//! `token`: who may read what of a registry over HTTP.

use anyhow::{Context as _, Result, bail, ensure};
use api::{Standing, TokenHash, TokenRole};
use chain::Instant;
use clinical::TrialId;
use keep::Token;

use super::{Table, print};
use crate::cli::{TokenCommand, TokenOptions};
use crate::data::Data;
use crate::status;
use crate::tokens::{self, standing};
use crate::world;

const DAY_MICROSECONDS: i64 = 24 * 60 * 60 * 1_000_000;

pub(super) fn run(command: TokenCommand) -> Result<u8> {
    match command {
        TokenCommand::New { data, options } => {
            let data = Data::new(&data);
            // A process that others may reach has to have a token before it starts for the first time.
            data.create()?;
            new(&data, options)
        }
        TokenCommand::List { data } => list(&existing(&data)?),
        TokenCommand::Revoke { id, data } => revoke(&existing(&data)?, &id),
    }
}

/// A data directory that is there.
pub(super) fn existing(data: &std::path::Path) -> Result<Data> {
    let data = Data::new(data);
    ensure!(data.exists(), "there is no registry at {}", data.root().display());
    Ok(data)
}

fn new(data: &Data, options: TokenOptions) -> Result<u8> {
    let TokenOptions { role, site, trial, name, days, from } = options;
    ensure!(
        (role == TokenRole::Site) == site.is_some(),
        "a token of the role site is for one site, --site, and one of another role for none"
    );
    let trial = trial_of_site(data, role, trial)?;
    let now = world::now().microseconds();
    let expires_at = days.map(|days| now + i64::from(days) * DAY_MICROSECONDS);
    let token = match &from {
        Some(path) => given(path)?,
        None => tokens::new_token(),
    };
    let store = tokens::open(data)?;
    if let Some(known) = store.find(&TokenHash::of(&token).0)? {
        ensure!(
            known.role == role.as_str() && known.revoked_at.is_none(),
            "the token is here already, {}, or it was revoked",
            what_for(&known)
        );
        eprintln!("token {}, {}: here already", known.id, what_for(&known));
        return Ok(0);
    }
    let id = world::random_hex::<4>();
    let kept = Token {
        id: id.clone(),
        role: role.as_str().to_owned(),
        trial: trial.map(|trial| trial.to_string()),
        site: site.map(|site| site.to_string()),
        name,
        made_at: now,
        expires_at,
        revoked_at: None,
    };
    store.add(&kept, &TokenHash::of(&token).0)?;
    if from.is_some() {
        eprintln!("token {id}, {}", what_for(&kept));
        return Ok(0);
    }
    eprintln!(
        "token {id}, {}: shown this once and kept nowhere; give it to its holder by a way that nobody else reads",
        what_for(&kept)
    );
    print(&token)?;
    Ok(0)
}

/// The one trial that somebody with `role` is bound to, if to one: of a site there has to be one.
pub(super) fn trial_of_site(data: &Data, role: TokenRole, trial: Option<TrialId>) -> Result<Option<TrialId>> {
    let trials = data.trials()?;
    // A process that keeps no log itself, such as a console, knows of no trial here.
    if let (Some(trial), false) = (&trial, trials.is_empty()) {
        ensure!(trials.contains(trial), "there is no trial {trial} at {}", data.root().display());
    }
    // A site's name says something within its trial alone.
    Ok(match (trial, role, trials.as_slice()) {
        (Some(trial), ..) => Some(trial),
        (None, TokenRole::Site, [only]) => Some(only.clone()),
        (None, TokenRole::Site, _) => bail!("of which trial is the site? give --trial"),
        (None, ..) => None,
    })
}

/// A token from a file: one of ours, since a short word would be guessed.
fn given(path: &std::path::Path) -> Result<String> {
    let token = crate::reach::read_token(path)?;
    ensure!(tokens::is_one(&token), "{} holds no token that `token new` has made", path.display());
    Ok(token)
}

/// Role, and what it is bound to.
fn what_for(token: &Token) -> String {
    let mut text = format!("for the role {}", token.role);
    if let Some(site) = &token.site {
        text.push_str(&format!(" at {site}"));
    }
    if let Some(trial) = &token.trial {
        text.push_str(&format!(" in trial {trial}"));
    }
    if let Some(until) = token.expires_at {
        text.push_str(&format!(", until {}", day(until)));
    }
    text
}

/// The day of a time in microseconds, UTC.
pub(super) fn day(microseconds: i64) -> String {
    let text = Instant::from_microseconds(microseconds).map(|instant| instant.to_string());
    text.map_or_else(|_| "beyond the year 9999".to_owned(), |text| text.chars().take(10).collect())
}

fn list(data: &Data) -> Result<u8> {
    let now = world::now().microseconds();
    let found = tokens::open(data)?.list()?;
    if found.is_empty() {
        print("no token was ever made: who reaches the registry on this machine reads everything")?;
        return Ok(0);
    }
    let mut table = Table::new(["id", "role", "trial", "site", "name", "made", "until", "stands"]);
    for token in found {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
        let stands = match standing(token.clone(), now) {
            Standing::Held(_) => "good",
            Standing::Expired { .. } => "expired",
            Standing::Revoked { .. } => "revoked",
            Standing::Unknown | Standing::Owner => "not usable",
        };
        table.row([
            token.id.clone(),
            token.role.clone(),
            or_dash(&token.trial),
            or_dash(&token.site),
            or_dash(&token.name),
            day(token.made_at),
            token.expires_at.map_or_else(|| "–".to_owned(), day),
            stands.to_owned(),
        ]);
    }
    print(&table.to_string())?;
    Ok(0)
}

fn revoke(data: &Data, id: &str) -> Result<u8> {
    let revoked = tokens::open(data)?.revoke(id, world::now().microseconds());
    let Some(token) = revoked.context("the token could not be revoked")? else {
        eprintln!("there is no token {id}");
        return Ok(status::REJECTED);
    };
    print(&format!("token {id} {} is not good any more, from now on", what_for(&token)))?;
    Ok(0)
}
