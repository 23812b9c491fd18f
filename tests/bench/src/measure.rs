//! What every measurement shares: arguments, interleaved runs, medians.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// `--name value` pairs.
pub(crate) struct Arguments(BTreeMap<String, String>);

impl Arguments {
    /// Reads the words after the subcommand.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut values = BTreeMap::new();
        while let Some(word) = words.next() {
            let Some(name) = word.strip_prefix("--") else { bail!("expected --name, found {word}") };
            let value = words.next().with_context(|| format!("--{name} needs a value"))?;
            values.insert(name.to_owned(), value);
        }
        Ok(Self(values))
    }

    /// The value of `--name`, or `default`.
    pub(crate) fn value<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &self,
        name: &str,
        default: T,
    ) -> Result<T> {
        match self.0.get(name) {
            Some(text) => text.parse().with_context(|| format!("--{name} {text}")),
            None => Ok(default),
        }
    }

    /// How long one run lasts; 1 second unless `--seconds` says otherwise.
    pub(crate) fn duration(&self) -> Result<Duration> {
        Ok(Duration::from_secs_f64(self.value("seconds", 1.0)?))
    }

    /// How many interleaved runs; 5 unless `--runs` says otherwise.
    pub(crate) fn runs(&self) -> Result<usize> {
        self.value("runs", 5)
    }
}

/// Runs `ours` and `plain` in turn, `runs` times each, and prints the medians of what they answer (a rate, in `unit` a
/// second), their ratio and the spread of each.
pub(crate) fn compare(
    what: &str,
    unit: &str,
    runs: usize,
    mut ours: impl FnMut() -> Result<f64>,
    mut plain: impl FnMut() -> Result<f64>,
) -> Result<()> {
    let mut rates = (Vec::new(), Vec::new());
    for _ in 0..runs.max(1) {
        rates.1.push(plain()?);
        rates.0.push(ours()?);
    }
    let (ours, plain) = (Spread::of(rates.0), Spread::of(rates.1));
    println!(
        "{what:<28} {:>10.0} {unit}/s ({:.0}–{:.0})   plain {:>10.0} ({:.0}–{:.0})   ratio {:.2}",
        ours.median,
        ours.least,
        ours.most,
        plain.median,
        plain.least,
        plain.most,
        ours.median / plain.median
    );
    Ok(())
}

struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(mut rates: Vec<f64>) -> Self {
        rates.sort_by(f64::total_cmp);
        Self { least: rates[0], median: rates[rates.len() / 2], most: rates[rates.len() - 1] }
    }
}
