//! Who is let in, as a server asks: by token, by session, by an account's password; and what was refused is noted.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use api::{
    Credentials, Elsewhere, Holder, LetIn, Problem, Reader, RefusalView, RefusalsPage, Refused, Returned,
    SessionSecret, SetOut, Standing, TokenHash,
};
use async_trait::async_trait;
use keep::{Accounts, Entrant, Persons, Refusal};
use tokio::sync::Semaphore;

use crate::data::Data;
use crate::limits::Limit;
use crate::noted::Noted;
use crate::organisation::{Organisation, Vouched};
use crate::{accounts, password, tokens, world};

/// Tries to sign in to one account: so many at once, then four a minute.
const TRIES_OF_ACCOUNT: (u32, Duration) = (8, Duration::from_secs(15));

/// Tries to sign in from one address, behind which there may be a whole site: so many at once, then thirty a minute.
const TRIES_FROM_ADDRESS: (u32, Duration) = (30, Duration::from_secs(2));

/// Forms sent in one session, or without one from one address: so many at once, then one a second.
const FORMS: (u32, Duration) = (60, Duration::from_secs(1));

/// Passwords that are hashed at once, of 19 MiB each.
const HASHED_AT_ONCE: usize = 2;

/// Sessions that this process alone knows of.
const PASSING_MAX: usize = 1_000;

/// A reader that a demonstration may be looked at as.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) holder: Holder,
}

/// Tokens, accounts and sessions, as a server asks for them.
pub(crate) struct Doorkeeper {
    stores: Arc<Stores>,
    /// The token for whoever owns the data directory, as long as this process serves it.
    owner: TokenHash,
    /// Whether tokens are needed: always once they were.
    required: AtomicBool,
    /// Sessions that end with this process: of whoever owns the data, and those that look at a demonstration.
    passing: Mutex<BTreeMap<[u8; 32], Passing>>,
    looks: Vec<Look>,
    /// Whose people sign in at their own issuer.
    organisation: Option<Arc<Organisation>>,
    tries_of_account: Limit<String>,
    tries_from_address: Limit<Option<IpAddr>>,
    forms: Limit<Sender>,
    hashing: Semaphore,
    noted: Noted,
}

struct Stores {
    tokens: keep::Tokens,
    accounts: Accounts,
    /// Where an organisation is asked, or ever was.
    persons: Option<Persons>,
}

struct Passing {
    standing: Standing,
    made_at: i64,
    seen_at: i64,
}

/// Who sends a form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Sender {
    Session([u8; 32]),
    Address(Option<IpAddr>),
}

impl Doorkeeper {
    /// The keeper of a server that needs tokens whoever asks, or, if not `always`, once there is one or an account or
    /// an organisation. With `looks`, whoever needs none may look as one of them.
    ///
    /// # Errors
    /// A store cannot be opened.
    pub(crate) fn open(
        data: &Data,
        owner: TokenHash,
        always: bool,
        looks: Vec<Look>,
        organisation: Option<Organisation>,
    ) -> Result<Self> {
        let persons = accounts::persons(data, organisation.as_ref())?;
        let stores = Stores { tokens: tokens::open(data)?, accounts: accounts::open(data)?, persons };
        let path = data.refusals();
        let refusals =
            keep::Refusals::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self {
            stores: Arc::new(stores),
            owner,
            required: AtomicBool::new(always),
            passing: Mutex::default(),
            looks,
            organisation: organisation.map(Arc::new),
            tries_of_account: Limit::new(TRIES_OF_ACCOUNT),
            tries_from_address: Limit::new(TRIES_FROM_ADDRESS),
            forms: Limit::new(FORMS),
            hashing: Semaphore::new(HASHED_AT_ONCE),
            noted: Noted::start(refusals)?,
        })
    }

    /// Asks the stores off the threads that serve requests.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Stores) -> Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let stores = Arc::clone(&self.stores);
        let answered = tokio::task::spawn_blocking(move || question(&stores)).await;
        match answered {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                tracing::error!("nobody can be looked up: {error:#}");
                Err(Problem::unavailable("nobody can be looked up"))
            }
            Err(_) => Err(Problem::internal("nobody can be looked up")),
        }
    }

    /// How a session stands that this process alone knows of.
    fn passing(&self, session: &TokenHash, now: i64) -> Option<Standing> {
        let mut passing = self.passing.lock().unwrap_or_else(PoisonError::into_inner);
        let found = passing.get_mut(&session.0)?;
        if !accounts::goes_on(found.made_at, found.seen_at, now) {
            passing.remove(&session.0);
            return None;
        }
        found.seen_at = now;
        Some(found.standing.clone())
    }

    /// Begins a session that this process alone knows of.
    fn let_pass(&self, standing: Standing) -> String {
        let (secret, now) = (accounts::new_session(), world::now().microseconds());
        let mut passing = self.passing.lock().unwrap_or_else(PoisonError::into_inner);
        passing.retain(|_, known| accounts::goes_on(known.made_at, known.seen_at, now));
        let oldest = passing.iter().min_by_key(|(_, known)| known.seen_at).map(|(hash, _)| *hash);
        if let Some(oldest) = oldest.filter(|_| passing.len() >= PASSING_MAX) {
            passing.remove(&oldest);
        }
        passing.insert(TokenHash::of(&secret).0, Passing { standing, made_at: now, seen_at: now });
        secret
    }

    async fn enter_by_token(&self, token: &str) -> Result<String, (Problem, Option<String>)> {
        let unknown = |problem| (problem, None);
        match api::Tokens::standing(self, &TokenHash::of(token)).await.map_err(unknown)? {
            Standing::Owner => Ok(self.let_pass(Standing::Owner)),
            // A session is no token: a new one is not had by showing it.
            Standing::Held(Holder { id, .. }) if tokens::is_one(token) => {
                let entrant = Entrant::Token(id);
                let entering = move |stores: &Stores| accounts::enter(&stores.accounts, entrant, now());
                self.ask(entering).await.map_err(unknown)
            }
            standing => {
                let who = match &standing {
                    Standing::Revoked { id } | Standing::Expired { id } => Some(id.clone()),
                    Standing::Held(_) | Standing::Unknown | Standing::Owner => None,
                };
                Err((api::not_good(&standing), who))
            }
        }
    }

    async fn enter_by_password(
        &self,
        name: String,
        password: String,
    ) -> Result<String, (Problem, Option<String>)> {
        let unknown = |problem| (problem, None);
        // What is no account's name may be a password in the wrong field: it is neither looked up nor written down.
        let named = accounts::check_name(&name).is_ok();
        if named {
            self.tries_of_account.take(&name, Instant::now()).map_err(|seconds| {
                (Problem::too_often(seconds, "too many tries to sign in by this name"), None)
            })?;
        }
        let Ok(_turn) = self.hashing.acquire().await else {
            return Err(unknown(Problem::unavailable("the registry is stopping")));
        };
        let asked = name.clone();
        let checking = move |stores: &Stores| {
            let found = if named { stores.accounts.find(&asked)? } else { None };
            let found = found.filter(|account| account.removed_at.is_none());
            // As much work is done for nobody as for somebody.
            let right = password::is_right(&password, found.as_ref().map(|account| &account.password))?;
            let entered = match &found {
                Some(account) if right => {
                    let entrant = Entrant::Account(account.name.clone());
                    Some(accounts::enter(&stores.accounts, entrant, now())?)
                }
                _ => None,
            };
            Ok((found.is_some(), entered))
        };
        let (known, entered) = self.ask(checking).await.map_err(unknown)?;
        let Some(secret) = entered else {
            let detail =
                "look at both again; an operator can make a new password with `trialbook account passwd`";
            let problem =
                Problem::new(401, "sign-in-refused", "That name and password do not go together.", detail);
            return Err((problem, known.then_some(name)));
        };
        self.tries_of_account.forget(&name);
        Ok(secret)
    }

    async fn enter_to_look(&self, id: &str) -> Result<String, (Problem, Option<String>)> {
        let open = !api::Tokens::required(self).await.map_err(|problem| (problem, None))?;
        let look = self.looks.iter().find(|look| look.id == id).filter(|_| open);
        let look =
            look.ok_or_else(|| (Problem::not_found("there is nobody of that name to look as"), None))?;
        Ok(self.let_pass(Standing::Held(look.holder.clone())))
    }
}

fn now() -> i64 {
    world::now().microseconds()
}

#[async_trait]
impl api::Tokens for Doorkeeper {
    async fn required(&self) -> Result<bool, Problem> {
        let any = |stores: &Stores| {
            let persons = stores.persons.as_ref().map(Persons::any).transpose()?;
            Ok(stores.tokens.any()? || stores.accounts.any()? || persons == Some(true))
        };
        if !self.required.load(Ordering::Relaxed) && self.ask(any).await? {
            self.required.store(true, Ordering::Relaxed);
        }
        Ok(self.required.load(Ordering::Relaxed))
    }

    async fn standing(&self, token: &TokenHash) -> Result<Standing, Problem> {
        if *token == self.owner {
            return Ok(Standing::Owner);
        }
        if let Some(standing) = self.passing(token, now()) {
            return Ok(standing);
        }
        let (hash, organisation) = (token.0, self.organisation.clone());
        self.ask(move |stores| {
            if let Some(token) = stores.tokens.find(&hash)? {
                return Ok(tokens::standing(token, now()));
            }
            let standing = accounts::session(&stores.accounts, &stores.tokens, &hash, now())?;
            match (standing, &stores.persons, organisation) {
                (Standing::Unknown, Some(persons), Some(organisation)) => {
                    accounts::session_of_person(persons, &organisation, &hash, now())
                }
                (standing, ..) => Ok(standing),
            }
        })
        .await
    }

    fn refused(&self, refused: &Refused<'_>) {
        let Refused { code, route, token, peer } = refused;
        metrics::counter!("trialbook_refusals_total", "code" => (*code).to_owned()).increment(1);
        let peer = peer.map(|peer| peer.to_string());
        let (from, who) = (peer.as_deref().unwrap_or("unknown"), token.unwrap_or("none"));
        tracing::warn!(code, route, token = who, from, "a request was refused");
        self.noted.note(Refusal {
            at: now(),
            code: (*code).to_owned(),
            route: (*route).to_owned(),
            who: token.map(str::to_owned),
            peer,
            times: 1,
        });
    }

    async fn enter(
        &self,
        credentials: Credentials,
        peer: Option<IpAddr>,
    ) -> Result<SessionSecret, (Problem, Option<String>)> {
        self.tries_from_address.take(&peer, Instant::now()).map_err(|seconds| {
            (Problem::too_often(seconds, "too many tries to sign in from this address"), None)
        })?;
        let entered = match credentials {
            Credentials::Token(token) => self.enter_by_token(&token).await,
            Credentials::Password { name, password } => self.enter_by_password(name, password).await,
            Credentials::Look(id) => self.enter_to_look(&id).await,
        };
        entered.map(SessionSecret)
    }

    async fn elsewhere(&self) -> Option<Elsewhere> {
        match &self.organisation {
            Some(organisation) => Some(organisation.offered().await),
            None => None,
        }
    }

    async fn set_out(&self, to: &str, peer: Option<IpAddr>) -> Result<SetOut, Problem> {
        let organisation = self.organisation.as_ref().ok_or_else(api::nowhere_else)?;
        self.tries_from_address
            .take(&peer, Instant::now())
            .map_err(|seconds| Problem::too_often(seconds, "too many tries to sign in from this address"))?;
        organisation.set_out(to).await
    }

    async fn come_back(&self, returned: Returned) -> Result<LetIn, (Problem, Option<String>)> {
        let organisation = self.organisation.as_ref().ok_or_else(|| (api::nowhere_else(), None))?;
        let Vouched { person, to } = organisation.come_back(returned).await?;
        let entering = move |stores: &Stores| match &stores.persons {
            Some(persons) => accounts::enter_person(persons, person, now()),
            None => anyhow::bail!("there is no store of persons"),
        };
        let session = self.ask(entering).await.map_err(|problem| (problem, None))?;
        Ok(LetIn { session: SessionSecret(session), to })
    }

    async fn leave(&self, session: &TokenHash) -> Result<(), Problem> {
        let hash = session.0;
        self.passing.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash);
        self.ask(move |stores| {
            if let Some(persons) = &stores.persons {
                persons.leave(&hash)?;
            }
            Ok(stores.accounts.leave(&hash)?)
        })
        .await
    }

    fn posting(&self, session: Option<&TokenHash>, peer: Option<IpAddr>) -> Result<(), Problem> {
        let sender = session.map_or(Sender::Address(peer), |session| Sender::Session(session.0));
        let counted = self.forms.take(&sender, Instant::now());
        counted.map_err(|seconds| Problem::too_often(seconds, "too many forms were sent"))
    }

    async fn refusals(&self, before: Option<u64>, limit: usize) -> Result<RefusalsPage, Problem> {
        let store = self.noted.store();
        let mut found = self.ask(move |_| Ok(store.before(before, limit + 1)?)).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().map(|(id, _)| *id).filter(|_| more);
        let view = |(id, refusal): (u64, Refusal)| {
            let Refusal { at, code, route, who, peer, times } = refusal;
            let at = chain::Instant::from_microseconds(at)
                .map_err(|_| Problem::internal("a refusal is kept with a time that is none"))?;
            Ok(RefusalView { at, code, id, peer, route, times: times.unsigned_abs(), who })
        };
        let refusals: Result<_, Problem> = found.into_iter().map(view).collect();
        Ok(RefusalsPage { next, refusals: refusals? })
    }

    async fn readers(&self) -> Result<Vec<Reader>, Problem> {
        let now = now();
        let organisation = self.organisation.clone();
        self.ask(move |stores| {
            let mut readers = accounts::readers(&stores.tokens, &stores.accounts, now)?;
            if let Some((persons, organisation)) = stores.persons.as_ref().zip(organisation) {
                readers.extend(accounts::persons_reading(persons, &organisation, now)?);
            }
            Ok(readers)
        })
        .await
    }
}
