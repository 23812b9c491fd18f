//! What every measurement shares: arguments, interleaved runs, medians, one way to print them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

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

    /// A directory for what is measured, below `--dir`: the present one unless that says otherwise. Gone when dropped.
    pub(crate) fn directory(&self) -> Result<tempfile::TempDir> {
        let base: PathBuf = self.value("dir", ".".into())?;
        Ok(tempfile::tempdir_in(base)?)
    }
}

/// Writes a file, and the directories above it, for one run.
#[expect(clippy::disallowed_methods, reason = "nothing of it need outlive the run")]
pub(crate) fn write(file: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    std::fs::create_dir_all(file.parent().context("a file lies in a directory")?)?;
    Ok(std::fs::write(file, bytes)?)
}

/// What a figure is to reach.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// So much of the reference.
    Ratio(f64),
    /// So many a second, whatever the reference does.
    Rate(f64),
    /// Nothing; it is printed to be compared with another.
    None,
}

/// Runs `ours` and `plain` in turn, `runs` times each, and prints the medians of what they answer (a rate, in `unit` a
/// second) with the least and the most, their ratio, the target, and the machine's load. `reference` names `plain`.
pub(crate) fn compare(
    what: &str,
    unit: &str,
    runs: usize,
    (reference, target): (&str, Target),
    mut ours: impl FnMut() -> Result<f64>,
    mut plain: impl FnMut() -> Result<f64>,
) -> Result<()> {
    let mut rates = (Vec::new(), Vec::new());
    for _ in 0..runs.max(1) {
        rates.1.push(plain()?);
        rates.0.push(ours()?);
    }
    print(what, unit, &Spread::of(rates.0), reference, &Spread::of(rates.1), target);
    Ok(())
}

/// Prints one line of figures.
pub(crate) fn print(what: &str, unit: &str, ours: &Spread, reference: &str, plain: &Spread, target: Target) {
    let ratio = ours.median / plain.median;
    let target = match target {
        Target::Ratio(least) => format!("  target ratio {least}: {}", reached(ratio >= least)),
        Target::Rate(least) => format!("  target {least}/s: {}", reached(ours.median >= least)),
        Target::None => String::new(),
    };
    println!(
        "{what:<24} {ours} {unit}/s  {reference} {plain}  ratio {ratio:.2}{target}  load {}",
        load().unwrap_or_default()
    );
}

fn reached(reached: bool) -> &'static str {
    if reached { "reached" } else { "BELOW" }
}

/// The machine's load over the last minute, of which our own work is a part.
fn load() -> Option<String> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next().map(str::to_owned)
}

/// Median of some runs, with the least and the most.
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of at least one value.
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { least: values[0], median: values[values.len() / 2], most: values[values.len() - 1] }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0} ({:.0}–{:.0})", self.median, self.least, self.most)
    }
}

/// How many a second `work` does, which does `count`.
pub(crate) fn rate(count: usize, work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

/// How many threads the machine runs at once.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Does `work` on every item, on all cores.
pub(crate) fn on_all_cores<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        for share in items.chunks(items.len().div_ceil(threads()).max(1)) {
            let work = &work;
            scope.spawn(move || share.iter().for_each(work));
        }
    });
}
