//! The report as tables: what is printed, in each of its formats, and what is left out of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    /// A number of orders, people or events: left out where it is small.
    Count(u64),
    /// A number of packets or bytes: never left out.
    Amount(u64),
    /// Days, seconds, a mean: never left out.
    Rounded(f64),
    /// Words.
    Text(String),
    /// A count from 1 to less than this.
    Below(u64),
    /// A count that would give the one that is left out beside it away.
    Hidden,
}

/// A table: its key, its title, and its rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    pub(super) key: &'static str,
    pub(super) title: &'static str,
    pub(super) rows: Vec<(String, Cell)>,
}

impl Table {
    pub(super) fn new(key: &'static str, title: &'static str) -> Self {
        Self { key, title, rows: Vec::new() }
    }

    pub(super) fn count(&mut self, name: &str, count: u64) {
        self.rows.push((name.to_owned(), Cell::Count(count)));
    }

    pub(super) fn amount(&mut self, name: &str, amount: u64) {
        self.rows.push((name.to_owned(), Cell::Amount(amount)));
    }

    pub(super) fn rounded(&mut self, name: &str, amount: f64) {
        self.rows.push((name.to_owned(), Cell::Rounded((amount * 100.0).round() / 100.0)));
    }

    pub(super) fn text(&mut self, name: &str, text: String) {
        self.rows.push((name.to_owned(), Cell::Text(text)));
    }

    /// A table of how often each of these occurs.
    pub(super) fn breakdown(
        key: &'static str,
        title: &'static str,
        counts: BTreeMap<String, u64>,
    ) -> Self {
        let mut table = Self::new(key, title);
        counts.iter().for_each(|(name, count)| table.count(name, *count));
        table
    }

    /// Leaves out counts from 1 to less than `least`. Where that is a single one, the next smallest
    /// goes with it, as the sum would give it away.
    pub(super) fn suppress(&mut self, least: u64) {
        let small = |cell: &Cell| matches!(cell, Cell::Count(count) if (1..least).contains(count));
        let found = self.rows.iter().filter(|(_, cell)| small(cell)).count();
        let next = self.rows.iter().filter_map(|(_, cell)| match cell {
            Cell::Count(count) if *count >= least => Some(*count),
            _ => None,
        });
        let next = next.min().filter(|_| found == 1);
        let mut hidden = false;
        for (_, cell) in &mut self.rows {
            match cell {
                cell if small(cell) => *cell = Cell::Below(least),
                Cell::Count(count) if Some(*count) == next && !hidden => {
                    hidden = true;
                    *cell = Cell::Hidden;
                }
                _ => {}
            }
        }
    }
}

impl Cell {
    fn json(&self) -> Value {
        match self {
            Self::Count(count) => json!(count),
            Self::Amount(amount) => json!(amount),
            Self::Rounded(amount) => json!(amount),
            Self::Text(text) => json!(text),
            Self::Below(least) => json!(format!("<{least}")),
            Self::Hidden => json!("suppressed"),
        }
    }

    fn words(&self) -> String {
        match self.json() {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }
}

pub(super) fn json(tables: &[Table]) -> String {
    let object: Map<String, Value> = tables
        .iter()
        .map(|table| {
            let rows = table.rows.iter().map(|(name, cell)| (name.clone(), cell.json()));
            (table.key.to_owned(), Value::Object(rows.collect()))
        })
        .collect();
    format!("{}\n", Value::Object(object))
}

pub(super) fn markdown(title: &str, tables: &[Table]) -> String {
    let mut text = format!("# {title}\n");
    for table in tables {
        let _ = write!(text, "\n## {}\n\n", table.title);
        if table.rows.is_empty() {
            text.push_str("None.\n");
            continue;
        }
        text.push_str("| | |\n|---|---:|\n");
        for (name, cell) in &table.rows {
            let (name, cell) = (name.replace('|', "\\|"), cell.words().replace('|', "\\|"));
            let _ = writeln!(text, "| {name} | {cell} |");
        }
    }
    text
}

/// A page that loads nothing from anywhere.
pub(super) fn html(title: &str, tables: &[Table]) -> String {
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'\">\n\
         <style>body{{font:16px/1.5 sans-serif;max-width:44em;margin:2em auto;padding:0 1em}}\
         table{{border-collapse:collapse;width:100%}}td{{border-top:1px solid #ccc;\
         padding:.2em .5em}}td+td{{text-align:right}}</style></head>\n<body><h1>{0}</h1>\n",
        escaped(title)
    );
    for table in tables {
        let _ = writeln!(text, "<h2>{}</h2>\n<table>", escaped(table.title));
        for (name, cell) in &table.rows {
            let (name, cell) = (escaped(name), escaped(&cell.words()));
            let _ = writeln!(text, "<tr><td>{name}</td><td>{cell}</td></tr>");
        }
        text.push_str("</table>\n");
    }
    text + "</body></html>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(counts: &[u64]) -> Table {
        let counts = (0..).map(|n: u32| n.to_string()).zip(counts.iter().copied());
        Table::breakdown("by", "By", counts.collect())
    }

    fn suppressed(counts: &[u64]) -> Vec<String> {
        let mut table = table(counts);
        table.suppress(5);
        table.rows.iter().map(|(_, cell)| cell.words()).collect()
    }

    #[test]
    fn a_small_count_is_left_out_and_no_sum_gives_it_away() {
        assert_eq!(suppressed(&[0, 3, 9, 7]), ["0", "<5", "9", "suppressed"]);
        assert_eq!(suppressed(&[2, 3, 9]), ["<5", "<5", "9"]);
        assert_eq!(suppressed(&[5, 6]), ["5", "6"]);
    }

    #[test]
    fn what_an_authority_calls_itself_is_no_markup() {
        let counts = BTreeMap::from([("<script>|".to_owned(), 7)]);
        let tables = [Table::breakdown("by", "By", counts)];
        assert!(!html("a report", &tables).contains("<script>"));
        assert!(markdown("a report", &tables).contains("| <script>\\| | 7 |"));
    }
}
