//! The file that says how people of an organisation sign in: TOML, of which every key is one of `KEYS`.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use api::TokenRole;
use clinical::{SiteId, TrialId};
use openidconnect::url::Url;
use openidconnect::{ClientId, ClientSecret, IssuerUrl, RedirectUrl, Scope};
use serde::Deserialize;
use toml::Spanned;

use super::rules::{Rule, Rules};
use crate::accounts;
use crate::commands::read_bytes;
use crate::reach::on_this_machine;

/// Longest file read.
const FILE_BYTES_MAX: usize = 1 << 20;

/// Longest client secret read.
const SECRET_BYTES_MAX: usize = 4_096;

/// Where the issuer sends people back to, under the registry's origin.
pub(crate) const RETURN_PATH: &str = "/login/organisation/return";

/// How long a session lasts at most, if it is not said.
const SESSION_MINUTES: u32 = 480;

/// How people of an organisation sign in.
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) issuer: IssuerUrl,
    pub(crate) client_id: ClientId,
    pub(crate) client_secret: ClientSecret,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) origin: Url,
    pub(crate) redirect: RedirectUrl,
    pub(crate) form_origins: Vec<String>,
    pub(crate) name_claim: String,
    pub(crate) session: Duration,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) rules: Rules,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Option<Spanned<String>>,
    issuer: Spanned<String>,
    client_id: Spanned<String>,
    client_secret_file: Spanned<PathBuf>,
    origin: Spanned<String>,
    scopes: Option<Vec<String>>,
    form_origins: Option<Vec<Spanned<String>>>,
    name_claim: Option<Spanned<String>>,
    session_minutes: Option<Spanned<u32>>,
    ca: Option<PathBuf>,
    rules: Spanned<Vec<Spanned<WrittenRule>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    claim: Spanned<String>,
    value: Spanned<String>,
    role: Spanned<String>,
    site: Option<Spanned<String>>,
    trial: Option<Spanned<String>>,
}

/// Reads the file at `path`, and the secret that it names.
///
/// # Errors
/// With the line: a key that there is not or that is missing, a value that cannot be meant. The secret cannot be read.
pub(super) fn read(path: &Path) -> Result<Settings> {
    let bytes = read_bytes(path, FILE_BYTES_MAX)?;
    let text = String::from_utf8(bytes).ok();
    let text = text.with_context(|| format!("{} is not in UTF-8", path.display()))?;
    File { path, text: &text }.settings()
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn settings(&self) -> Result<Settings> {
        let written: Written = toml::from_str(self.text)
            .map_err(|error| self.at(error.span().unwrap_or_default(), error.message()))?;
        let issuer = self.address("issuer", &written.issuer)?;
        let origin = self.address("origin", &written.origin)?;
        ensure!(
            origin.path() == "/",
            self.at(written.origin.span(), "origin has no path: it is such as https://registry.example")
        );
        let name = match &written.name {
            Some(name) => self.filled("name", name)?,
            None => issuer.host_str().unwrap_or_default().to_owned(),
        };
        let minutes = written.session_minutes.as_ref().map_or(SESSION_MINUTES, |minutes| *minutes.get_ref());
        let session = Duration::from_secs(60 * u64::from(minutes));
        if let Some(written) = &written.session_minutes {
            ensure!(
                minutes > 0 && session <= accounts::ABSOLUTE,
                self.at(written.span(), "session_minutes is from 1 to 720, as long as any session lasts")
            );
        }
        let form_origins =
            written.form_origins.iter().flatten().map(|origin| {
                self.address("form_origins", origin).map(|url| url.origin().ascii_serialization())
            });
        let redirect = format!("{}{RETURN_PATH}", origin.origin().ascii_serialization());
        let rules = written.rules.get_ref();
        ensure!(!rules.is_empty(), self.at(written.rules.span(), "without rules nobody is let in"));
        Ok(Settings {
            name,
            // As it is written: an issuer is compared letter by letter.
            issuer: IssuerUrl::new(written.issuer.get_ref().clone())?,
            client_id: ClientId::new(self.filled("client_id", &written.client_id)?),
            client_secret: ClientSecret::new(self.secret(&written.client_secret_file)?),
            scopes: written.scopes.unwrap_or_default().into_iter().map(Scope::new).collect(),
            redirect: RedirectUrl::new(redirect)?,
            form_origins: form_origins.collect::<Result<_>>()?,
            name_claim: match &written.name_claim {
                Some(claim) => self.filled("name_claim", claim)?,
                None => "sub".to_owned(),
            },
            session,
            ca: written.ca,
            rules: Rules(rules.iter().map(|rule| self.rule(rule)).collect::<Result<_>>()?),
            origin,
        })
    }

    fn rule(&self, written: &Spanned<WrittenRule>) -> Result<Rule> {
        let WrittenRule { claim, value, role, site, trial } = written.get_ref();
        let parsed: TokenRole = role
            .get_ref()
            .parse()
            .map_err(|error: api::NoSuchRole| self.at(role.span(), &format!("a role is {error}")))?;
        let site = site.as_ref().map(|site| {
            let parsed = site.get_ref().parse::<SiteId>();
            parsed.map_err(|error| self.at(site.span(), &format!("site: {error}")))
        });
        let trial = trial.as_ref().map(|trial| {
            let parsed = trial.get_ref().parse::<TrialId>();
            parsed.map_err(|error| self.at(trial.span(), &format!("trial: {error}")))
        });
        let (site, trial) = (site.transpose()?, trial.transpose()?);
        let whole = match (parsed, &site, &trial) {
            (TokenRole::Site, Some(_), Some(_)) => true,
            (TokenRole::Site, ..) => false,
            (_, site, _) => site.is_none(),
        };
        let detail = "a rule for the role site names site and trial, and one for another role no site";
        ensure!(whole, self.at(written.span(), detail));
        Ok(Rule {
            claim: self.filled("claim", claim)?,
            value: self.filled("value", value)?,
            role: parsed,
            site,
            trial,
        })
    }

    /// An address that may be believed: over TLS, or on this machine.
    fn address(&self, key: &str, written: &Spanned<String>) -> Result<Url> {
        let refused = |what: &str| self.at(written.span(), &format!("{key} {what}"));
        let url: Url = written.get_ref().parse().map_err(|_| refused("is no address"))?;
        ensure!(may_be_asked(&url), refused("is an https address; http is for this machine alone"));
        let plain = url.query().is_none() && url.fragment().is_none();
        ensure!(
            plain && url.username().is_empty() && url.password().is_none(),
            refused("has no name, no ? and no # in it")
        );
        Ok(url)
    }

    fn filled(&self, key: &str, written: &Spanned<String>) -> Result<String> {
        let text = written.get_ref().trim();
        ensure!(!text.is_empty(), self.at(written.span(), &format!("{key} is empty")));
        Ok(text.to_owned())
    }

    fn secret(&self, path: &Spanned<PathBuf>) -> Result<String> {
        let named = || self.at(path.span(), "client_secret_file cannot be used");
        let bytes = read_bytes(path.get_ref(), SECRET_BYTES_MAX).with_context(named)?;
        let text = String::from_utf8(bytes).ok().map(|text| text.trim().to_owned());
        let text = text.filter(|text| !text.is_empty());
        text.with_context(|| format!("{} holds no secret", path.get_ref().display())).with_context(named)
    }

    fn at(&self, span: Range<usize>, what: &str) -> anyhow::Error {
        let line = self.text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1;
        anyhow!("{}, line {line}: {what}", self.path.display())
    }
}

/// Whether an address may be asked, or people be sent there: over TLS, or on this machine.
pub(super) fn may_be_asked(url: &Url) -> bool {
    url.scheme() == "https" || url.scheme() == "http" && on_this_machine(url)
}

/// Every key of the file, in the order of the guide: key, form, default, meaning.
#[cfg(test)]
pub(crate) const KEYS: &[(&str, &str, &str, &str)] = &[
    (
        "name",
        "a text",
        "the issuer's host",
        "What the organisation is called on the page where people sign in.",
    ),
    (
        "issuer",
        "a text",
        "",
        "The issuer's address, letter by letter as its discovery document and its tokens say it. https, or this machine.",
    ),
    ("client_id", "a text", "", "As what the registry is known to the issuer."),
    ("client_secret_file", "a text", "", "A file with the secret that the issuer gave for it."),
    (
        "origin",
        "a text",
        "",
        "Where people's browsers reach the registry, such as `https://registry.example`. The issuer is to send them back to `/login/organisation/return` there.",
    ),
    ("scopes", "a list of texts", "", "What is asked for beside `openid`, such as `profile` or `groups`."),
    (
        "form_origins",
        "a list of texts",
        "",
        "Further origins that signing in leads over, where the issuer's own address sends browsers on to others.",
    ),
    (
        "name_claim",
        "a text",
        "`sub`",
        "The claim of the ID token whose text is shown and logged as who it is.",
    ),
    (
        "session_minutes",
        "a whole number",
        "`480`",
        "After how many minutes a session ends at the latest; from 1 to 720.",
    ),
    (
        "ca",
        "a text",
        "",
        "Whose certificates are believed of the issuer, a PEM file; those the system believes, if not set.",
    ),
    (
        "rules",
        "a list of tables",
        "",
        "Who is let in, and as what; of several rules that fit the first counts.",
    ),
    (
        "rules.claim",
        "a text",
        "",
        "The claim that is looked at; with a `/` before it a JSON pointer, such as `/realm_access/roles`.",
    ),
    ("rules.value", "a text", "", "What it says, or one of what it lists, letter by letter."),
    ("rules.role", "a text", "", "site, statistician, inspector, operator or archive."),
    ("rules.site", "a text", "", "The site, for the role site."),
    ("rules.trial", "a text", "", "The one trial it is for; needed for the role site."),
];

/// Rows of docs/guide/configuration.md.
#[cfg(test)]
pub(crate) fn rows() -> Vec<String> {
    let row = |(key, form, default, meaning): &(&str, &str, &str, &str)| {
        format!("| `{key}` | {form} | {default} | {meaning} |")
    };
    KEYS.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key, one a line.
    const WHOLE: &str = "name = \"University Hospital\"
issuer = \"https://login.hospital.example/realms/staff\"
client_id = \"trialbook\"
client_secret_file = \"SECRET\"
origin = \"https://registry.example\"
scopes = [\"profile\", \"groups\"]
form_origins = [\"https://adfs.hospital.example/adfs/ls\"]
name_claim = \"preferred_username\"
session_minutes = 60
ca = \"/etc/ssl/hospital.pem\"
[[rules]]
claim = \"groups\"
value = \"trial-desk\"
role = \"site\"
site = \"CN-NJ\"
trial = \"lupus-msct\"
";

    fn read_text(text: &str) -> Result<Settings> {
        let dir = tempfile::tempdir().unwrap();
        let (path, secret) = (dir.path().join("oidc.toml"), dir.path().join("secret"));
        crate::data::replace(&secret, b"the-secret-itself\n").unwrap();
        let text = text.replace("\"SECRET\"", &format!("{:?}", secret.display().to_string()));
        crate::data::replace(&path, text.as_bytes()).unwrap();
        read(&path)
    }

    #[test]
    fn a_file_with_every_key_is_read_and_one_with_the_fewest_has_defaults() {
        let whole = read_text(WHOLE).unwrap();
        assert_eq!(whole.name, "University Hospital");
        assert_eq!(whole.client_secret.secret(), "the-secret-itself");
        assert_eq!(whole.redirect.as_str(), "https://registry.example/login/organisation/return");
        assert_eq!(whole.form_origins, ["https://adfs.hospital.example"]);
        assert_eq!(
            (whole.session, whole.name_claim.as_str()),
            (Duration::from_hours(1), "preferred_username")
        );
        let rule = &whole.rules.0[0];
        assert_eq!((rule.role, rule.site.as_ref().unwrap().as_str()), (TokenRole::Site, "CN-NJ"));
        let written: Vec<_> =
            WHOLE.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key).collect();
        let known: Vec<_> = KEYS.iter().map(|(key, ..)| *key).filter(|key| *key != "rules").collect();
        let known: Vec<_> = known.iter().map(|key| key.trim_start_matches("rules.")).collect();
        assert_eq!(written, known);

        let fewest = "issuer = \"http://127.0.0.1:8080\"\nclient_id = \"a\"\nclient_secret_file = \"SECRET\"\n\
            origin = \"http://localhost:7878\"\n[[rules]]\nclaim = \"groups\"\nvalue = \"a\"\nrole = \"inspector\"\n";
        let fewest = read_text(fewest).unwrap();
        assert_eq!((fewest.name.as_str(), fewest.name_claim.as_str()), ("127.0.0.1", "sub"));
        assert_eq!((fewest.session, fewest.scopes.len()), (Duration::from_hours(8), 0));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_line_and_without_the_secret() {
        let check = |from: &str, to: &str, line: usize, what: &str| {
            assert!(WHOLE.contains(from), "{from}");
            let said = format!("{:#}", read_text(&WHOLE.replacen(from, to, 1)).err().unwrap());
            assert!(said.contains(&format!("oidc.toml, line {line}: ")) && said.contains(what), "{said}");
            assert!(!said.contains("the-secret-itself"), "{said}");
        };
        check("client_id =", "client =", 3, "unknown field `client`");
        check("role = \"site\"", "rolle = \"site\"", 14, "unknown field `rolle`");
        check("role = \"site\"", "role = \"chief\"", 14, "one of site, statistician");
        check("site = \"CN-NJ\"\n", "", 11, "names site and trial");
        check("role = \"site\"", "role = \"inspector\"", 11, "no site");
        check("site = \"CN-NJ\"", "site = \"no site\"", 15, "site: ");
        check("value = \"trial-desk\"", "value = \" \"", 13, "value is empty");
        check("https://login", "http://login", 2, "https address");
        check("\"https://registry.example\"", "\"https://registry.example/trialbook\"", 5, "no path");
        check("\"https://registry.example\"", "\"https://registry.example?a\"", 5, "no ?");
        check("\"https://registry.example\"", "\"registry.example\"", 5, "no address");
        check("= 60", "= 721", 9, "from 1 to 720");
        check("= 60", "= 0", 9, "from 1 to 720");
        check("= 60", "= \"long\"", 9, "");
        check("\"SECRET\"", "\"/there/is/none\"", 4, "client_secret_file");
        check("issuer = \"https://login.hospital.example/realms/staff\"\n", "", 1, "missing field `issuer`");
        let none =
            read_text(&format!("rules = []\n{}", WHOLE.split("[[rules]]").next().unwrap())).err().unwrap();
        assert!(format!("{none:#}").contains("line 1: without rules nobody is let in"), "{none:#}");
    }
}
