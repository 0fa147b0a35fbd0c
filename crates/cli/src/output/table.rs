use anstyle::Style;

/// The space between two columns.
const GAP: usize = 2;

/// Lines whose columns stand below each other, under one heading.
#[derive(Debug)]
pub(crate) struct Table<const COLUMNS: usize> {
    heading: Option<[&'static str; COLUMNS]>,
    lines: Vec<[Cell; COLUMNS]>,
}

/// One entry, and how it looks.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), style: Style::new() }
    }
}

impl Cell {
    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(crate) fn new(heading: [&'static str; COLUMNS]) -> Self {
        Self { heading: Some(heading), lines: Vec::new() }
    }

    /// One without a heading.
    pub(crate) fn bare() -> Self {
        Self { heading: None, lines: Vec::new() }
    }

    pub(crate) fn add(&mut self, line: [Cell; COLUMNS]) {
        self.lines.push(line);
    }

    /// The lines, the heading first, none with blanks at its end.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let heading = self.heading.map(|heading| heading.map(|text| Cell::styled(text, super::FAINT)));
        let all = heading.iter().chain(&self.lines);
        let widths: Vec<usize> = (0..COLUMNS)
            .map(|column| all.clone().map(|line| line[column].text.chars().count()).max().unwrap_or(0))
            .collect();
        all.map(|line| laid_out(line, &widths)).collect::<Vec<_>>().into_iter()
    }
}

fn laid_out(line: &[Cell], widths: &[usize]) -> String {
    let mut text = String::new();
    let mut owed = 0;
    for (Cell { text: entry, style }, width) in line.iter().zip(widths) {
        if !entry.is_empty() {
            text.extend(std::iter::repeat_n(' ', owed));
            text.push_str(&format!("{style}{entry}{style:#}"));
            owed = 0;
        }
        owed += width - entry.chars().count() + GAP;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::new(["NAME", "STATE"]);
        table.add(["a-long-name".into(), "running".into()]);
        table.add(["b".into(), "".into()]);
        let lines: Vec<String> =
            table.lines().map(|line| anstream::adapter::strip_str(&line).to_string()).collect();
        assert_eq!(lines, ["NAME         STATE", "a-long-name  running", "b"]);
    }
}
