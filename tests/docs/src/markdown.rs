//! Just enough Markdown: headings, tables, fenced blocks, links.

use std::path::{Path, PathBuf};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn format_page() -> String {
    read(&root().join("docs/format.md"))
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text under a heading, up to the next heading of its level or above.
pub(crate) fn section<'t>(text: &'t str, heading: &str) -> &'t str {
    let level = heading.chars().take_while(|mark| *mark == '#').count();
    let start = format!("\n{heading}\n");
    let after = text.split_once(&start).unwrap_or_else(|| panic!("no heading {heading}")).1;
    let mut end = after.len();
    let mut at = 0;
    for line in after.split_inclusive('\n') {
        let marks = line.chars().take_while(|mark| *mark == '#').count();
        if (1..=level).contains(&marks) && line[marks..].starts_with(' ') {
            end = at;
            break;
        }
        at += line.len();
    }
    &after[..end]
}

/// The rows of the table whose header cells are `header`, as trimmed cells.
pub(crate) fn table(text: &str, header: &[&str]) -> Vec<Vec<String>> {
    let mut lines = text.lines();
    lines.find(|line| cells(line) == header).unwrap_or_else(|| panic!("no table {header:?}"));
    let rule = lines.next().unwrap_or_default();
    assert!(rule.starts_with("|---"), "{rule}");
    let rows: Vec<_> = lines.take_while(|line| line.starts_with('|')).map(cells).collect();
    for row in &rows {
        assert_eq!(row.len(), header.len(), "{row:?}");
    }
    rows
}

/// The cells of a table's line; `\|` is a bar inside a cell.
fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().strip_prefix('|').and_then(|line| line.strip_suffix('|'));
    let Some(inner) = inner else { return Vec::new() };
    inner.replace("\\|", "\u{1}").split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
}

/// What stands between backticks.
pub(crate) fn code_spans(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The one name between backticks, or in brackets of a link.
pub(crate) fn name(cell: &str) -> String {
    match cell.strip_prefix('[').and_then(|cell| cell.split_once(']')) {
        Some((name, _)) => name.to_owned(),
        None => cell.trim_matches('`').to_owned(),
    }
}

/// Fenced blocks with their language.
pub(crate) fn fenced(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((language.to_owned(), block.join("\n")));
        }
    }
    blocks
}

/// Text without fenced blocks and inline code.
pub(crate) fn prose(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            let spans = line.split('`').step_by(2);
            out.push_str(&spans.collect::<Vec<_>>().join("code"));
            out.push('\n');
        }
    }
    out
}

/// Targets of inline links, as written.
pub(crate) fn link_targets(text: &str) -> Vec<String> {
    prose(text)
        .split("](")
        .skip(1)
        .filter_map(|after| after.split_once(')'))
        .map(|(target, _)| target.split_whitespace().next().unwrap_or_default().to_owned())
        .collect()
}

/// The anchors of a page's headings, as GitHub makes them.
pub(crate) fn anchors(text: &str) -> Vec<String> {
    let mut inside = false;
    let headings = text.lines().filter(|line| {
        inside ^= line.starts_with("```");
        !inside && line.starts_with('#')
    });
    headings.map(|heading| anchor(heading.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|character| character.is_alphanumeric() || matches!(character, ' ' | '-' | '_'))
        .map(|character| if character == ' ' { '-' } else { character })
        .collect()
}

#[test]
fn a_table_a_section_and_a_link_are_read_as_they_stand() {
    let text = "\n## One\n\n| a | b |\n|---|---|\n| `x` | p \\| q |\n\n### Sub\n## Two's `end`\n```text\n# no\n[n](no)\n```\n[l](t.md#x) `[c](no)`\n";
    assert_eq!(table(section(text, "## One"), &["a", "b"]), [["`x`", "p | q"]]);
    assert!(section(text, "## One").contains("### Sub") && !section(text, "## One").contains("Two"));
    assert_eq!(link_targets(text), ["t.md#x"]);
    assert_eq!(anchors(text), ["one", "sub", "twos-end"]);
    assert_eq!(fenced(text), [("text".to_owned(), "# no\n[n](no)".to_owned())]);
    assert_eq!((name("[x](y)"), name("`x`")), ("x".to_owned(), "x".to_owned()));
}
