//! `account`: who may sign in to the pages with a name and a password.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use api::{Standing, TokenRole};
use keep::Account;

use super::token::{day, existing, trial_of_site};
use super::{Table, print, read_bytes};
use crate::accounts;
use crate::cli::{AccountCommand, AccountOptions};
use crate::data::Data;
use crate::{password, status, world};

/// Random bytes of a password that is made here: 32 characters.
const PASSWORD_BYTES: usize = 16;

pub(super) fn run(command: AccountCommand) -> Result<u8> {
    match command {
        AccountCommand::Add { name, data, options } => {
            let data = Data::new(&data);
            // As with tokens: a process that others may reach has to have one before it starts for the first time.
            data.create()?;
            add(&data, &name, options)
        }
        AccountCommand::List { data } => list(&existing(&data)?),
        AccountCommand::Remove { name, data } => remove(&existing(&data)?, &name),
        AccountCommand::SignOut { name, data } => sign_out(&existing(&data)?, &name),
        AccountCommand::Passwd { name, password_file, data } => {
            passwd(&existing(&data)?, &name, password_file.as_deref())
        }
    }
}

fn add(data: &Data, name: &str, options: AccountOptions) -> Result<u8> {
    let AccountOptions { role, site, trial, password_file } = options;
    accounts::check_name(name)?;
    ensure!(
        (role == TokenRole::Site) == site.is_some(),
        "an account of the role site is for one site, --site, and one of another role for none"
    );
    let trial = trial_of_site(data, role, trial)?;
    let (chosen, made) = chosen(password_file.as_deref())?;
    let account = Account {
        name: name.to_owned(),
        role: role.as_str().to_owned(),
        trial: trial.map(|trial| trial.to_string()),
        site: site.map(|site| site.to_string()),
        password: password::hash(&chosen)?,
        made_at: world::now().microseconds(),
        removed_at: None,
    };
    if !accounts::open(data)?.add(&account)? {
        eprintln!("there is an account {name} already; `trialbook account passwd` gives it another password");
        return Ok(status::CONFLICT);
    }
    eprintln!("account {name}, {}", what_for(&account));
    tell(made.then_some(chosen.as_str()))
}

fn passwd(data: &Data, name: &str, password_file: Option<&Path>) -> Result<u8> {
    let (chosen, made) = chosen(password_file)?;
    if !accounts::open(data)?.set_password(name, &password::hash(&chosen)?)? {
        return Ok(nobody(name));
    }
    eprintln!("account {name} has another password, and its sessions have ended");
    tell(made.then_some(chosen.as_str()))
}

fn remove(data: &Data, name: &str) -> Result<u8> {
    if !accounts::open(data)?.remove(name, world::now().microseconds())? {
        return Ok(nobody(name));
    }
    print(&format!("account {name} is not good any more, from now on, and its sessions have ended"))?;
    Ok(0)
}

fn sign_out(data: &Data, name: &str) -> Result<u8> {
    let persons = accounts::persons(data, None)?;
    let ended = persons.map(|persons| persons.sign_out(name)).transpose()?.unwrap_or(0);
    if ended == 0 {
        eprintln!("nobody of the name {name} is signed in with an organisation");
        return Ok(status::REJECTED);
    }
    let sessions = if ended == 1 { "session has" } else { "sessions have" };
    print(&format!("{ended} {sessions} ended of {name}, who signed in with an organisation"))?;
    Ok(0)
}

/// Says that there is no such account.
fn nobody(name: &str) -> u8 {
    eprintln!("there is no account {name}");
    status::REJECTED
}

/// The password that is to be: from the file, or made here; and whether it was made.
fn chosen(file: Option<&Path>) -> Result<(String, bool)> {
    let Some(file) = file else { return Ok((world::random_hex::<PASSWORD_BYTES>(), true)) };
    let bytes = read_bytes(file, password::BYTES_MAX + 2)?;
    let text = String::from_utf8(bytes).context("the password is not text")?;
    Ok((text.trim_end_matches(['\r', '\n']).to_owned(), false))
}

/// Tells a password that was made here.
fn tell(made: Option<&str>) -> Result<u8> {
    if let Some(password) = made {
        eprintln!(
            "its password is shown this once and kept nowhere; give it to its holder by a way that nobody else reads"
        );
        print(password)?;
    }
    Ok(0)
}

/// Role, and what it is bound to.
fn what_for(account: &Account) -> String {
    let mut text = format!("for the role {}", account.role);
    if let Some(site) = &account.site {
        text.push_str(&format!(" at {site}"));
    }
    if let Some(trial) = &account.trial {
        text.push_str(&format!(" in trial {trial}"));
    }
    text
}

fn list(data: &Data) -> Result<u8> {
    let found = accounts::open(data)?.list()?;
    if found.is_empty() {
        print("no account was ever made")?;
        return Ok(0);
    }
    let mut table = Table::new(["name", "role", "trial", "site", "made", "stands"]);
    for account in found {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
        let (trial, site) = (or_dash(&account.trial), or_dash(&account.site));
        let row = [account.name.clone(), account.role.clone(), trial, site, day(account.made_at)];
        let stands = match accounts::standing(account) {
            Standing::Held(_) => "good",
            Standing::Revoked { .. } => "removed",
            Standing::Expired { .. } | Standing::Unknown | Standing::Owner => "not usable",
        };
        let [name, role, trial, site, made] = row;
        table.row([name, role, trial, site, made, stands.to_owned()]);
    }
    print(&table.to_string())?;
    Ok(0)
}
