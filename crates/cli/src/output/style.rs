use anstyle::{AnsiColor, Style};

/// It is well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// It is on its way, or asleep.
pub(crate) const WAIT: Style = AnsiColor::Yellow.on_default();
/// It went wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
/// What the eye should find first.
pub(crate) const STRONG: Style = Style::new().bold();
/// What the eye should pass over.
pub(crate) const FAINT: Style = Style::new().dimmed();
