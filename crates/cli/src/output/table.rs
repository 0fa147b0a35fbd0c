use super::{FAINT, Line};

/// The space between two columns.
const GAP: usize = 2;

/// Lines whose columns stand below each other, under one heading.
#[derive(Debug)]
pub(crate) struct Table<const COLUMNS: usize> {
    heading: Option<[&'static str; COLUMNS]>,
    rows: Vec<[Line; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(crate) fn new(heading: [&'static str; COLUMNS]) -> Self {
        Self { heading: Some(heading), rows: Vec::new() }
    }

    /// One without a heading.
    pub(crate) fn bare() -> Self {
        Self { heading: None, rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, row: [Line; COLUMNS]) {
        self.rows.push(row);
    }

    /// The lines, the heading first, none with blanks at its end.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Line> {
        let heading = self.heading.map(|heading| heading.map(|text| Line::new().styled(FAINT, text)));
        let all = heading.iter().chain(&self.rows);
        let widths: [usize; COLUMNS] =
            std::array::from_fn(|column| all.clone().map(|row| row[column].width()).max().unwrap_or(0));
        all.map(|row| laid_out(row, &widths)).collect::<Vec<_>>().into_iter()
    }
}

fn laid_out(row: &[Line], widths: &[usize]) -> Line {
    let mut line = Line::new();
    let mut owed = 0;
    for (entry, width) in row.iter().zip(widths) {
        if entry.width() > 0 {
            line = line.blanks(owed).then(entry.clone());
            owed = 0;
        }
        owed += width - entry.width() + GAP;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(table: &Table<2>) -> Vec<String> {
        table.lines().map(|line| anstream::adapter::strip_str(&line.to_string()).to_string()).collect()
    }

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::new(["NAME", "STATE"]);
        table.add(["a-long-name".into(), "running".into()]);
        table.add(["b".into(), "".into()]);
        assert_eq!(lines(&table), ["NAME         STATE", "a-long-name  running", "b"]);
    }

    #[test]
    fn a_letter_that_takes_two_columns_is_counted_as_two() {
        let mut table = Table::bare();
        table.add(["\u{7bb1}".into(), "x".into()]);
        table.add(["abc".into(), "y".into()]);
        assert_eq!(lines(&table), ["\u{7bb1}   x", "abc  y"]);
    }
}
