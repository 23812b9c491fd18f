//! Signing in with one's organisation, by OpenID Connect: the authorization code flow with PKCE. Who somebody is, the
//! organisation's issuer says; what they may read, rules of the registry's operator say.

mod file;
mod issuer;
mod rules;
mod ways;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use api::{Elsewhere, Holder, Problem, Returned, SetOut, Standing};
use keep::Person;
use openidconnect::core::CoreProviderMetadata;

use file::Settings;
#[cfg(test)]
pub(crate) use file::rows;
use issuer::{Fault, Issuer};
use ways::{LIFE, Lost, Ways};

/// Longest error code of an issuer that is written down.
const ERROR_BYTES_MAX: usize = 64;

/// An organisation whose people sign in here.
pub(crate) struct Organisation {
    settings: Settings,
    issuer: Issuer,
    ways: Ways,
}

/// Somebody whom the organisation vouches for, and where they were going.
pub(crate) struct Vouched {
    pub(crate) person: Person,
    pub(crate) to: String,
}

impl Organisation {
    /// As a file says; the issuer is asked nothing yet.
    ///
    /// # Errors
    /// With file and line: a key that there is not, a value that cannot be meant. A file that it names cannot be read.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let settings = file::read(path)?;
        let issuer = Issuer::new(&settings)?;
        Ok(Self { settings, issuer, ways: Ways::default() })
    }

    /// The issuer's address.
    pub(crate) fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Whether browsers reach the registry over TLS.
    pub(crate) fn secure(&self) -> bool {
        self.settings.origin.scheme() == "https"
    }

    /// The host by which browsers reach the registry.
    pub(crate) fn host(&self) -> &str {
        self.settings.origin.host_str().unwrap_or_default()
    }

    /// How long a session lasts at most.
    pub(crate) fn session(&self) -> Duration {
        self.settings.session
    }

    /// What is offered on the page where people sign in.
    pub(crate) async fn offered(&self) -> Elsewhere {
        let said = self.issuer.said(&self.settings).await;
        let origins = |said: &CoreProviderMetadata| {
            let own = said.authorization_endpoint().url().origin().ascii_serialization();
            std::iter::once(own).chain(self.settings.form_origins.iter().cloned()).collect()
        };
        Elsewhere {
            name: self.settings.name.clone(),
            origins: said.ok().map(|said| origins(&said)),
            session_minutes: self.settings.session.as_secs() / 60,
        }
    }

    /// Begins a way that ends at `to`, a path of this registry's.
    pub(crate) async fn set_out(&self, to: &str) -> Result<SetOut, Problem> {
        let said = self.issuer.said(&self.settings).await.map_err(|fault| problem(&fault))?;
        let begun = self.ways.begin(to, Instant::now());
        let go_to = Issuer::address(&self.settings, &said, &begun);
        Ok(SetOut { go_to, way: begun.browser, seconds: LIFE.as_secs() })
    }

    /// Whom the organisation vouches for, of whoever comes back from there. A refusal names who it was, as far as that
    /// is known.
    pub(crate) async fn come_back(&self, returned: Returned) -> Result<Vouched, (Problem, Option<String>)> {
        let unknown = |problem| (problem, None);
        let (state, browser) = (returned.state.unwrap_or_default(), returned.way.unwrap_or_default());
        // First of all: what else is said counts only on a way that this browser began.
        let way =
            self.ways.finish(&state, &browser, Instant::now()).map_err(|lost| unknown(not_begun(lost)))?;
        if returned.issuer.is_some_and(|issuer| issuer != *self.settings.issuer) {
            return Err(unknown(not_good("another issuer has answered")));
        }
        if let Some(error) = returned.error {
            return Err(unknown(said_no(&error)));
        }
        let Some(code) = returned.code.filter(|code| !code.is_empty()) else {
            return Err(unknown(not_good("the issuer sent nothing that an identity is given for")));
        };
        let said = self.issuer.said(&self.settings).await.map_err(|fault| unknown(problem(&fault)))?;
        let vouched = self.issuer.vouches(&self.settings, said, code, &way).await;
        let claims = vouched.map_err(|fault| {
            tracing::warn!(issuer = self.issuer(), "nobody was signed in: {fault}");
            unknown(problem(&fault))
        })?;
        let subject = rules::name(&claims, "sub");
        let name = rules::name(&claims, &self.settings.name_claim);
        let (Some(subject), Some(name)) = (subject, name) else {
            let detail =
                format!("your organisation does not say your name (claim {})", self.settings.name_claim);
            return Err(unknown(for_nobody(detail)));
        };
        let Some(rule) = self.settings.rules.first_of(&claims) else {
            let detail =
                "your organisation knows you, and nothing here is open to you; ask the registry's operator";
            return Err((for_nobody(detail), Some(self.called(&name))));
        };
        let person = Person {
            issuer: self.issuer().to_owned(),
            client: self.settings.client_id.to_string(),
            subject,
            name,
            claim: rule.claim.clone(),
            value: rule.value.clone(),
        };
        Ok(Vouched { person, to: way.to })
    }

    /// How a person stands now, whom the issuer vouched for when they signed in: by the rule that is about that now.
    pub(crate) fn standing(&self, person: &Person) -> Standing {
        let same = person.issuer == self.issuer() && person.client == *self.settings.client_id;
        match self.settings.rules.about(&person.claim, &person.value).filter(|_| same) {
            Some(rule) => Standing::Held(Holder {
                id: self.called(&person.name),
                role: rule.role,
                site: rule.site.clone(),
                trial: rule.trial.clone(),
            }),
            None => Standing::Unknown,
        }
    }

    /// A person's name with whose it is, so that it is no account's and no token's.
    fn called(&self, name: &str) -> String {
        format!("{name} ({})", self.settings.issuer.url().host_str().unwrap_or_default())
    }
}

/// The page that a fault of the issuer is.
fn problem(fault: &Fault) -> Problem {
    match fault {
        Fault::Away(_) => Problem::new(
            503,
            "sign-in-away",
            "Your organisation cannot be reached just now.",
            "try again in a while; whoever has an account or a token here signs in by that",
        ),
        Fault::Unclear(_) => Problem::new(
            502,
            "sign-in-unclear",
            "Your organisation's answer cannot be used.",
            "the registry's operator finds in its log what is the matter",
        ),
        Fault::NotGood(why) => not_good(why),
    }
}

fn not_begun(lost: Lost) -> Problem {
    let detail = match lost {
        Lost::Unknown => "it was finished before, or was not begun here; begin again",
        Lost::Late => "it was begun too long ago; begin again",
        Lost::OtherBrowser => "it was begun in another browser; begin again in this one",
    };
    Problem::new(400, "sign-in-not-begun", "This is the end of no sign-in that was begun here.", detail)
}

fn not_good(why: &str) -> Problem {
    let detail = format!("what came from your organisation does not count: {why}; begin again");
    Problem::new(400, "sign-in-not-good", "Nobody could be signed in.", detail)
}

/// The issuer sent somebody back with an error. What else it says of that is not shown: anybody can write it into an
/// address.
fn said_no(error: &str) -> Problem {
    let known =
        error.len() <= ERROR_BYTES_MAX && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let error = if known { error } else { "unknown" };
    match error {
        "temporarily_unavailable" | "server_error" => problem(&Fault::Away(error.to_owned())),
        _ => {
            let detail = format!("your organisation did not sign you in ({error})");
            Problem::new(403, "sign-in-refused", "Your organisation has refused.", detail)
        }
    }
}

fn for_nobody(detail: impl Into<String>) -> Problem {
    Problem::new(403, "sign-in-for-nobody", "You may not read this registry.", detail)
}
