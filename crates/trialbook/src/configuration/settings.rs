//! What can be set.

use anyhow::{Result, bail, ensure};

use super::Value;

/// One setting.
pub(crate) struct Setting {
    /// Its place in the file: tables and key, with dots between them.
    pub(crate) key: &'static str,
    pub(crate) form: Form,
    /// As it would be written in the environment; `None`: not set.
    pub(crate) default: Option<&'static str>,
    pub(crate) secret: bool,
    pub(crate) meaning: &'static str,
}

/// What a setting's value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    /// A list of texts; with commas between them in the environment.
    Texts,
    /// A whole number, not negative.
    Number,
    /// true or false.
    Flag,
}

impl Form {
    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Texts => "a list of texts",
            Self::Number => "a whole number",
            Self::Flag => "true or false",
        }
    }
}

impl Setting {
    /// The environment's variable that sets it.
    pub(crate) fn variable(&self) -> String {
        format!("TRIALBOOK_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// Reads a value as the environment and the command line write it.
    pub(crate) fn read(&self, text: &str) -> Result<Value> {
        let not_of_form = || anyhow::anyhow!("{} is {}, not {text:?}", self.key, self.form.name());
        Ok(match self.form {
            Form::Text => {
                ensure!(!text.is_empty(), "{} is empty", self.key);
                Value::Text(text.to_owned())
            }
            Form::Texts => {
                let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
                Value::Texts(texts.map(str::to_owned).collect())
            }
            Form::Number => Value::Number(text.parse().map_err(|_| not_of_form())?),
            Form::Flag => match text {
                "true" => Value::Flag(true),
                "false" => Value::Flag(false),
                _ => bail!(not_of_form()),
            },
        })
    }

    /// Its row in docs/guide/configuration.md.
    #[cfg(test)]
    pub(crate) fn row(&self) -> String {
        let default = self.default.map(|text| format!("`{text}`")).unwrap_or_default();
        let secret = if self.secret { " Secret." } else { "" };
        format!("| `{}` | {} | {default} | {}{secret} |", self.key, self.form.name(), self.meaning)
    }
}

const fn of(key: &'static str, form: Form, meaning: &'static str) -> Setting {
    Setting { key, form, default: None, secret: false, meaning }
}

const fn with(key: &'static str, form: Form, default: &'static str, meaning: &'static str) -> Setting {
    Setting { key, form, default: Some(default), secret: false, meaning }
}

const fn secret(key: &'static str, meaning: &'static str) -> Setting {
    Setting { key, form: Form::Text, default: None, secret: true, meaning }
}

/// Every setting, in the order of the guide.
pub(crate) const SETTINGS: &[Setting] = &[
    with(
        "data",
        Form::Text,
        "./trialbook-data",
        "The process's own directory: read models, keys, tokens, state.",
    ),
    with(
        "listen",
        Form::Text,
        "127.0.0.1:7878",
        "Where it listens for HTTP. Beyond loopback it needs `tls`, `hosts` and a token.",
    ),
    of("hosts", Form::Texts, "Names that it is reached by, beside those of its machine."),
    of("tls.cert", Form::Text, "Its certificate and those between it and its authority, a PEM file."),
    of("tls.key", Form::Text, "The certificate's private key, a PEM file."),
    of(
        "oidc",
        Form::Text,
        "`console`: a file that says how people [sign in with their organisation](#sign-in-with-an-organisation); they do not, if not set.",
    ),
    with(
        "log.filter",
        Form::Text,
        "warn",
        "Which messages are logged, such as `info` or `warn,notary=debug`.",
    ),
    with("log.format", Form::Text, "text", "`text` or `json`."),
    of("nats.servers", Form::Texts, "The servers of the log of record, such as `tls://nats-1:4222`."),
    with("nats.replicas", Form::Number, "3", "How many servers hold each log: 3, 5, or 1 for development."),
    with(
        "nats.play",
        Form::Flag,
        "false",
        "Work also where the servers do not prove that what they acknowledge is synced. Every page then says \"not durable\".",
    ),
    of(
        "nats.ca",
        Form::Text,
        "Whose certificates are believed of the servers, a PEM file; those the system believes, if not set.",
    ),
    of("nats.cert", Form::Text, "The certificate that the process shows the servers, a PEM file."),
    of("nats.key", Form::Text, "That certificate's private key, a PEM file."),
    of("nats.nkey", Form::Text, "A file with the seed of the process's nkey."),
    of("nats.credentials", Form::Text, "A credentials file of the process, instead of an nkey."),
    of("nats.user", Form::Text, "The process's user name, instead of an nkey; with `nats.password`."),
    secret("nats.password", "The user's password."),
    of(
        "nats.system.nkey",
        Form::Text,
        "A file with the seed of an nkey of the system account, which proves that the servers sync.",
    ),
    of(
        "nats.system.credentials",
        Form::Text,
        "A credentials file of the system account, instead of an nkey.",
    ),
    of(
        "nats.system.user",
        Form::Text,
        "A user of the system account, instead of an nkey; with `nats.system.password`.",
    ),
    secret("nats.system.password", "That user's password."),
    with(
        "nats.submit",
        Form::Flag,
        "false",
        "`registrar`: take submissions over NATS as well, at `trialbook.{trial}.submit.{site}`.",
    ),
    with(
        "nats.audit_minutes",
        Form::Number,
        "60",
        "`notary`: after how many minutes each server's copy of the logs is read again and held against the others'; 0: never.",
    ),
    of(
        "services.registrar",
        Form::Text,
        "`console`: address of a registrar. A further `registrar`: address of the one that keeps the subjects' text keys.",
    ),
    of("services.notary", Form::Text, "`console`: address of the notary."),
    of("services.outcomes", Form::Text, "`console`: address of the outcome projector."),
    of("services.safety", Form::Text, "`console`: address of the safety projector."),
    of(
        "services.ca",
        Form::Text,
        "Whose certificates are believed of these, a PEM file; those the system believes, if not set.",
    ),
    of("services.token_file", Form::Text, "A file with the token that is shown to them; an inspector's."),
    secret("services.token", "That token itself, instead of a file."),
    of(
        "witnesses.policy",
        Form::Text,
        "`notary`: which witnesses are asked to cosign and how many have to, a C2SP tlog-policy file.",
    ),
    of(
        "witnesses.ca",
        Form::Text,
        "`notary`: whose certificates are believed of witnesses, a PEM file; those the system believes, if not set.",
    ),
    of("witness.key", Form::Text, "`witness`: its key file."),
    of(
        "witness.state",
        Form::Text,
        "`witness`: where the last checkpoint of each log is kept. Never to be restored from a backup.",
    ),
    of("witness.logs", Form::Texts, "`witness`: verifier keys of the logs that it cosigns."),
    of(
        "telemetry.otlp",
        Form::Text,
        "The OpenTelemetry collector that spans are sent to, OTLP over HTTP, such as `http://127.0.0.1:4318`; to none, if not set.",
    ),
];
