use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Format, Screen, Tone, terminal};

/// How often a bar whose end is not known moves.
const TICK: Duration = Duration::from_millis(120);

/// How far something has come, on stderr; shown to nobody where that is no terminal. It is gone once it is over.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Screen {
    /// Something of so many bytes, where that is known, that begins.
    pub(crate) fn progress(&self, total: Option<u64>) -> Progress {
        let seen = self.format == Format::People && self.tone == Tone::Notes && terminal::stderr_is_live();
        let target = if seen { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(total, target);
        dress(&bar, total);
        if total.is_none() && seen {
            bar.enable_steady_tick(TICK);
        }
        Progress(bar)
    }
}

/// Makes it look like what is known of it.
fn dress(bar: &ProgressBar, total: Option<u64>) {
    let template = match total {
        Some(_) => "{bar:30} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} to go",
        None => "{spinner} {decimal_bytes}, {decimal_bytes_per_sec}",
    };
    // The template is one of two that stand here.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

impl Progress {
    /// So many bytes have come in all, of so many, where that is known by now.
    pub(crate) fn reached(&self, done: u64, total: Option<u64>) {
        if let Some(total) = total.filter(|_| self.0.length().is_none()) {
            self.0.disable_steady_tick();
            self.0.set_length(total);
            dress(&self.0, Some(total));
        }
        self.0.set_position(done);
    }

    pub(crate) fn advance(&self, bytes: usize) {
        self.0.inc(bytes as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
