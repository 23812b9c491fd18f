//! The page that a person finds who opens a bundle.

use api::TrialView;
use chain::Checkpoint;

/// What the page tells of a bundle.
pub(super) struct Readme<'a> {
    pub(super) view: &'a TrialView,
    pub(super) checkpoint: &'a Checkpoint,
    /// A line for each report.
    pub(super) reports: &'a [String],
}

/// The page: HTML without scripts, styles from elsewhere, or links that lead out of it.
pub(super) fn readme(readme: &Readme<'_>) -> String {
    let (view, checkpoint) = (readme.view, readme.checkpoint);
    let synthetic =
        if view.synthetic { "<p><strong>The records of this trial are synthetic.</strong></p>" } else { "" };
    let reports: Vec<_> = readme.reports.iter().map(|line| format!("<li>{}</li>", escaped(line))).collect();
    let reports = reports.concat();
    format!(
        r#"<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Trial {trial}: the log and its reports</title>
<style>body{{font:1rem/1.5 sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}}code,pre{{font-family:monospace;overflow-wrap:anywhere;white-space:pre-wrap}}dt{{font-weight:bold}}</style></head>
<body>
<h1>Trial {trial}</h1>
<p>{title}</p>
{synthetic}
<p>This bundle holds the whole log of the trial as it stood at {size} records: every statement that its people signed, in the
order in which it was recorded, with the hashes and signatures that tie it together. It needs no server to be checked, and
nobody who made it has to be believed.</p>
<dl>
<dt>Log</dt><dd><code>{origin}</code></dd>
<dt>Records</dt><dd>{size}</dd>
<dt>Root over them</dt><dd><code>{root}</code></dd>
</dl>
<h2>Checking it</h2>
<p>You need two things that must reach you by another way than this file, such as a letter or a call from the sponsor: the
log's verifier key and the genesis, the hash of its first record. Whoever could alter this file could alter what it says of
them, under <code>keys/</code> as well. Then:</p>
<pre>trialbook-verify FILE --key VKEY --genesis HEX</pre>
<p>It answers in one sentence, with each check and its count. Status 0: intact. 1: something contradicts. 3: something is
missing, so that it cannot be decided. It works on the directory that this file was unpacked into, too.</p>
<h2>What is in it</h2>
<dl>
<dt><code>MANIFEST</code></dt><dd>Length and SHA-256 of every other file. It shows accidents on the way; nobody signs it.</dd>
<dt><code>log/checkpoint</code></dt><dd>What the log's key has signed: how many records there are, and the root over all of them.</dd>
<dt><code>log/tile/entries/</code></dt><dd>The records. Free text in them is encrypted, and subjects stand under pseudonyms.</dd>
<dt><code>log/tile/</code></dt><dd>The hash tree over the records, level by level.</dd>
<dt><code>reports/</code></dt><dd>Reports, each made anew from the records and compared byte for byte when you check:
<ul>{reports}</ul></dd>
<dt><code>keys/</code></dt><dd>Verifier key and genesis as the registry states them: to be compared, not to be relied on.</dd>
</dl>
</body>
</html>
"#,
        trial = escaped(view.trial.as_str()),
        title = escaped(&view.title),
        size = checkpoint.size,
        origin = escaped(checkpoint.origin()),
        root = checkpoint.root,
    )
}

/// Text as it may stand anywhere in a page.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_a_title_says_stays_text() {
        assert_eq!(
            escaped("<script>'a' & \"b\"</script> 狼疮"),
            "&lt;script&gt;&#39;a&#39; &amp; &quot;b&quot;&lt;/script&gt; 狼疮"
        );
    }
}
