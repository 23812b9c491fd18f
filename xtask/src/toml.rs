//! As much of TOML as this workspace's manifests and deny.toml use: tables, keys, and values as text.
//!
//! Not a TOML reader: multi-line strings are not known, and values are left as they are written.

/// One `key = value` and the table it stands in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The table's name without brackets; empty before the first.
    pub(crate) table: String,
    /// The key as written, dotted where it is dotted.
    pub(crate) key: String,
    /// The value as written, without comments; one that spans lines is joined by spaces.
    pub(crate) value: String,
}

/// All entries of `text`, in order.
pub(crate) fn entries(text: &str) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut table = String::new();
    let mut lines = text.lines().map(without_comment);
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.starts_with('[') {
            line.trim_matches(['[', ']']).trim().clone_into(&mut table);
        } else if let Some((key, value)) = line.split_once('=') {
            let mut value = value.trim().to_owned();
            while open_brackets(&value) > 0 {
                let Some(more) = lines.next() else { break };
                value.push(' ');
                value.push_str(more.trim());
            }
            found.push(Entry { table: table.clone(), key: key.trim().to_owned(), value });
        }
    }
    found
}

/// The strings in `value`, without their quotes.
pub(crate) fn strings(value: &str) -> Vec<String> {
    value.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The first string after `key =` in an inline table.
pub(crate) fn member(inline_table: &str, key: &str) -> Option<String> {
    let after = inline_table.split_once(&format!("{key} = "))?.1;
    after.starts_with('"').then(|| strings(after).into_iter().next())?
}

fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'#' if !quoted => return &line[..at],
            _ => {}
        }
    }
    line
}

fn open_brackets(value: &str) -> i32 {
    let mut quoted = false;
    let mut depth = 0;
    for byte in value.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth += 1,
            b']' | b'}' if !quoted => depth -= 1,
            _ => {}
        }
    }
    depth
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_over_several_lines_is_one_entry() {
        let text = "a = 1 # one\n[t.u]\nlist = [\n  \"x # y]\", # why\n  \"z\",\n]\nb.workspace = true\n";
        let entry = |table: &str, key: &str, value: &str| Entry {
            table: table.into(),
            key: key.into(),
            value: value.into(),
        };
        assert_eq!(
            entries(text),
            [
                entry("", "a", "1"),
                entry("t.u", "list", "[ \"x # y]\", \"z\", ]"),
                entry("t.u", "b.workspace", "true")
            ]
        );
        assert_eq!(strings(&entries(text)[1].value), ["x # y]", "z"]);
    }

    #[test]
    fn a_member_of_an_inline_table_is_found() {
        assert_eq!(member("{ id = \"A\", reason = \"why\" }", "reason").as_deref(), Some("why"));
        assert_eq!(member("{ id = \"A\" }", "reason"), None);
        assert_eq!(member("{ id = 7, x = \"A\" }", "id"), None);
    }
}
