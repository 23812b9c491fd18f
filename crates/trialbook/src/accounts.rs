//! The accounts of a deployment, and the sessions of browsers, of an organisation's persons too: opened, and how one
//! stands.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use api::{Reader, SESSION_PREFIX, Standing};
use chain::Instant;
use keep::{Account, Accounts, Entrant, Person, PersonSession, Persons, Session};

use crate::data::Data;
use crate::organisation::Organisation;
use crate::tokens;
use crate::world;

/// A session ends when it was not used for so long.
pub(crate) const IDLE: Duration = Duration::from_mins(30);

/// A session ends after so long, used or not: a working day.
pub(crate) const ABSOLUTE: Duration = Duration::from_hours(12);

/// A session's use is kept so much late, so that not every page waits for a disk.
const SEEN_EVERY: Duration = Duration::from_mins(1);

/// Most characters of an account's name.
const NAME_CHARACTERS_MAX: usize = 64;

/// The secret of a new session.
pub(crate) fn new_session() -> String {
    format!("{SESSION_PREFIX}{}", world::random_hex::<32>())
}

/// A name that an account can have: lower-case letters, digits, dots, hyphens and underscores.
///
/// # Errors
/// It is none.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    ensure!(
        (1..=NAME_CHARACTERS_MAX).contains(&name.len()) && name.bytes().all(fits),
        "an account's name is of lower-case letters, digits, dots, hyphens and underscores, {NAME_CHARACTERS_MAX} at most"
    );
    Ok(())
}

/// Opens the store of accounts, or makes it.
pub(crate) fn open(data: &Data) -> Result<Accounts> {
    let path = data.accounts();
    Accounts::open(&path).with_context(|| format!("cannot open {}", path.display()))
}

/// Opens the store of an organisation's persons, or makes it, if there is an organisation or ever was; that there is
/// one is kept.
///
/// # Errors
/// It cannot be opened.
pub(crate) fn persons(data: &Data, organisation: Option<&Organisation>) -> Result<Option<Persons>> {
    let path = data.persons();
    if organisation.is_none() && !path.exists() {
        return Ok(None);
    }
    let persons = Persons::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    if let Some(organisation) = organisation {
        persons.ask(organisation.issuer(), world::now().microseconds())?;
    }
    Ok(Some(persons))
}

/// How an account stands.
pub(crate) fn standing(account: Account) -> Standing {
    let Account { name, role, trial, site, removed_at, .. } = account;
    match removed_at {
        Some(_) => Standing::Revoked { id: name },
        None => tokens::held(name, &role, site.as_deref(), trial.as_deref()),
    }
}

/// Whether a session that began and was used last at these times, in microseconds, goes on at `now`.
pub(crate) fn goes_on(made_at: i64, seen_at: i64, now: i64) -> bool {
    // A clock that was set back ends nothing.
    now.saturating_sub(made_at) < microseconds(ABSOLUTE) && now.saturating_sub(seen_at) < microseconds(IDLE)
}

/// How the session stands whose secret has this hash: as its account or its token does now.
///
/// # Errors
/// A store failed.
pub(crate) fn session(
    accounts: &Accounts,
    tokens: &keep::Tokens,
    hash: &[u8; 32],
    now: i64,
) -> Result<Standing> {
    let Some(Session { entrant, made_at, seen_at }) = accounts.session(hash)? else {
        return Ok(Standing::Unknown);
    };
    if !goes_on(made_at, seen_at, now) {
        accounts.leave(hash)?;
        let (Entrant::Account(id) | Entrant::Token(id)) = entrant;
        return Ok(Standing::Expired { id });
    }
    if now.saturating_sub(seen_at) >= microseconds(SEEN_EVERY) {
        accounts.seen(hash, now)?;
    }
    Ok(match entrant {
        Entrant::Account(name) => accounts.find(&name)?.map_or(Standing::Unknown, standing),
        Entrant::Token(id) => {
            tokens.named(&id)?.map_or(Standing::Unknown, |token| tokens::standing(token, now))
        }
    })
}

/// Keeps a new session; its secret.
///
/// # Errors
/// The store failed.
pub(crate) fn enter(accounts: &Accounts, entrant: Entrant, now: i64) -> Result<String> {
    let secret = new_session();
    let session = Session { entrant, made_at: now, seen_at: now };
    let hash = api::TokenHash::of(&secret).0;
    accounts.enter(&hash, &session, now.saturating_sub(microseconds(ABSOLUTE)))?;
    Ok(secret)
}

/// Everybody who is let in, or was: tokens in the order in which they were made, then accounts by name.
///
/// # Errors
/// A store failed, or keeps a time that is none.
pub(crate) fn readers(tokens: &keep::Tokens, accounts: &Accounts, now: i64) -> Result<Vec<Reader>> {
    let sessions = accounts.sessions()?;
    let used = |entrant: &Entrant| {
        let going = sessions.iter().filter(|one| one.entrant == *entrant);
        let going = going.filter(|one| goes_on(one.made_at, one.seen_at, now));
        let count = going.clone().count() as u64;
        Ok::<_, anyhow::Error>((count, instant(going.map(|one| one.seen_at).max())?))
    };
    let mut readers = Vec::new();
    for token in tokens.list()? {
        let (sessions, seen_at) = used(&Entrant::Token(token.id.clone()))?;
        readers.push(Reader {
            id: token.id,
            by: "token",
            given_to: token.name,
            role: token.role,
            trial: token.trial,
            site: token.site,
            made_at: Instant::from_microseconds(token.made_at)?,
            until: instant(token.expires_at)?,
            ended_at: instant(token.revoked_at)?,
            sessions,
            seen_at,
        });
    }
    for account in accounts.list()? {
        let (sessions, seen_at) = used(&Entrant::Account(account.name.clone()))?;
        readers.push(Reader {
            id: account.name,
            by: "account",
            given_to: None,
            role: account.role,
            trial: account.trial,
            site: account.site,
            made_at: Instant::from_microseconds(account.made_at)?,
            until: None,
            ended_at: instant(account.removed_at)?,
            sessions,
            seen_at,
        });
    }
    Ok(readers)
}

/// An organisation's persons who are signed in, in the order in which they came. Who else would be let in is the
/// organisation's to say.
///
/// # Errors
/// The store failed, or keeps a time that is none.
pub(crate) fn persons_reading(
    persons: &Persons,
    organisation: &Organisation,
    now: i64,
) -> Result<Vec<Reader>> {
    let mut readers: Vec<Reader> = Vec::new();
    for PersonSession { person, made_at, seen_at } in persons.sessions()? {
        let over = now.saturating_sub(made_at) >= microseconds(organisation.session());
        let Standing::Held(holder) = organisation.standing(&person) else { continue };
        if over || !goes_on(made_at, seen_at, now) {
            continue;
        }
        let (made_at, seen_at) = (Instant::from_microseconds(made_at)?, Instant::from_microseconds(seen_at)?);
        match readers.iter_mut().find(|known| known.id == holder.id && known.role == holder.role.as_str()) {
            Some(known) => {
                known.sessions += 1;
                known.seen_at = known.seen_at.max(Some(seen_at));
            }
            None => readers.push(Reader {
                id: holder.id,
                by: "organisation",
                given_to: None,
                role: holder.role.as_str().to_owned(),
                trial: holder.trial.map(|trial| trial.to_string()),
                site: holder.site.map(|site| site.to_string()),
                made_at,
                until: None,
                ended_at: None,
                sessions: 1,
                seen_at: Some(seen_at),
            }),
        }
    }
    Ok(readers)
}

fn instant(microseconds: Option<i64>) -> Result<Option<Instant>> {
    Ok(microseconds.map(Instant::from_microseconds).transpose()?)
}

/// How the session of an organisation's person stands whose secret has this hash: by the organisation's rules as they
/// are now.
///
/// # Errors
/// The store failed.
pub(crate) fn session_of_person(
    persons: &Persons,
    organisation: &Organisation,
    hash: &[u8; 32],
    now: i64,
) -> Result<Standing> {
    let Some(PersonSession { person, made_at, seen_at }) = persons.session(hash)? else {
        return Ok(Standing::Unknown);
    };
    let standing = organisation.standing(&person);
    let over = now.saturating_sub(made_at) >= microseconds(organisation.session());
    if over || !goes_on(made_at, seen_at, now) {
        persons.leave(hash)?;
        return Ok(match standing {
            Standing::Held(holder) => Standing::Expired { id: holder.id },
            standing => standing,
        });
    }
    if now.saturating_sub(seen_at) >= microseconds(SEEN_EVERY) {
        persons.seen(hash, now)?;
    }
    Ok(standing)
}

/// Keeps a new session of a person; its secret.
///
/// # Errors
/// The store failed.
pub(crate) fn enter_person(persons: &Persons, person: Person, now: i64) -> Result<String> {
    let secret = new_session();
    let session = PersonSession { person, made_at: now, seen_at: now };
    let hash = api::TokenHash::of(&secret).0;
    persons.enter(&hash, &session, now.saturating_sub(microseconds(ABSOLUTE)))?;
    Ok(secret)
}

fn microseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    #[test]
    fn a_session_goes_on_while_it_is_used_and_no_longer_than_a_working_day() {
        assert!(goes_on(0, 0, 30 * MINUTE - 1) && !goes_on(0, 0, 30 * MINUTE));
        assert!(goes_on(0, 700 * MINUTE, 720 * MINUTE - 1) && !goes_on(0, 719 * MINUTE, 720 * MINUTE));
        assert!(goes_on(100, 100, 0));
    }

    #[test]
    fn a_session_stands_as_what_it_was_entered_with() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::open(&dir.path().join("accounts.sqlite")).unwrap();
        let tokens = keep::Tokens::open(&dir.path().join("tokens.sqlite")).unwrap();
        let token = keep::Token {
            id: "1f".to_owned(),
            role: "operator".to_owned(),
            trial: None,
            site: None,
            name: None,
            made_at: 0,
            expires_at: Some(20 * MINUTE),
            revoked_at: None,
        };
        tokens.add(&token, &[1; 32]).unwrap();
        let secret = enter(&accounts, Entrant::Token("1f".to_owned()), 0).unwrap();
        let hash = api::TokenHash::of(&secret).0;
        let at = |now| session(&accounts, &tokens, &hash, now).unwrap();
        assert_eq!(
            at(1),
            Standing::Held(api::Holder {
                id: "1f".to_owned(),
                role: api::TokenRole::Operator,
                site: None,
                trial: None
            })
        );
        // Its use is kept: it goes on past half an hour, and its token's end is its own.
        assert!(matches!(at(19 * MINUTE), Standing::Held(_)));
        assert_eq!(accounts.session(&hash).unwrap().unwrap().seen_at, 19 * MINUTE);
        assert_eq!(at(21 * MINUTE), Standing::Expired { id: "1f".to_owned() });
        assert_eq!(at(52 * MINUTE), Standing::Expired { id: "1f".to_owned() });
        assert_eq!(at(1), Standing::Unknown, "a session that has ended does not come back");
        assert_eq!(session(&accounts, &tokens, &[9; 32], 0).unwrap(), Standing::Unknown);
    }

    #[test]
    fn names_are_short_and_plain() {
        for name in ["li.wei", "a", "desk-2_nj", &"x".repeat(64)] {
            check_name(name).unwrap();
        }
        for name in ["", "Li", "li wei", "李", "a/b", &"x".repeat(65)] {
            check_name(name).unwrap_err();
        }
    }

    #[test]
    fn a_persons_session_ends_as_configured_and_stands_by_the_rules_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let organisation = |rules: &str| {
            let (file, secret) = (dir.path().join("oidc.toml"), dir.path().join("secret"));
            crate::data::replace(&secret, b"secret").unwrap();
            let text = format!(
                "issuer = \"http://127.0.0.1:9\"\nclient_id = \"trialbook\"\nclient_secret_file = {secret:?}\n\
                 origin = \"http://localhost\"\nsession_minutes = 60\n{rules}"
            );
            crate::data::replace(&file, text.as_bytes()).unwrap();
            Organisation::open(&file).unwrap()
        };
        let rule = |value: &str, role: &str| {
            format!("[[rules]]\nclaim = \"groups\"\nvalue = \"{value}\"\nrole = \"{role}\"\n")
        };
        let text = str::to_owned;
        let person = Person {
            issuer: text("http://127.0.0.1:9"),
            client: text("trialbook"),
            subject: text("7d1f"),
            name: text("li.wei"),
            claim: text("groups"),
            value: text("desk"),
        };
        let persons = Persons::open(&dir.path().join("organisation.sqlite")).unwrap();
        let hash = |secret: &str| api::TokenHash::of(secret).0;
        let own = hash(&enter_person(&persons, person.clone(), 0).unwrap());
        let desk = organisation(&rule("desk", "operator"));
        let held = |role| {
            let id = text("li.wei (127.0.0.1)");
            Standing::Held(api::Holder { id, role, site: None, trial: None })
        };
        let stands = |organisation: &Organisation, hash: &[u8; 32], now| {
            session_of_person(&persons, organisation, hash, now).unwrap()
        };
        assert_eq!(stands(&desk, &own, 29 * MINUTE), held(api::TokenRole::Operator));
        assert_eq!(stands(&desk, &own, 58 * MINUTE), held(api::TokenRole::Operator));
        // A rule that was changed says what they may now; one that is gone says nothing.
        let promoted = organisation(&rule("desk", "inspector"));
        assert_eq!(stands(&promoted, &own, 58 * MINUTE), held(api::TokenRole::Inspector));
        let gone = organisation(&rule("other", "operator"));
        assert_eq!(stands(&gone, &own, 58 * MINUTE), Standing::Unknown);
        // Used to the last, it ends when it was said; unused, after half an hour.
        let over = Standing::Expired { id: text("li.wei (127.0.0.1)") };
        assert_eq!(stands(&desk, &own, 60 * MINUTE), over);
        assert_eq!(stands(&desk, &own, 1), Standing::Unknown, "a session that has ended does not come back");
        let idle = hash(&enter_person(&persons, person.clone(), 0).unwrap());
        assert_eq!(stands(&desk, &idle, 30 * MINUTE), over);
        // What another issuer or another client had vouched for counts for nothing.
        for other in [
            Person { issuer: text("http://127.0.0.1:10"), ..person.clone() },
            Person { client: text("another"), ..person },
        ] {
            let other = hash(&enter_person(&persons, other, 0).unwrap());
            assert_eq!(stands(&desk, &other, 1), Standing::Unknown);
        }
    }
}
