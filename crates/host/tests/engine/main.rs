//! What the local engine promises, on every rung of its ladder that this machine has.
//!
//! This executable is also the agent of the sandboxes that it makes, the host that is killed, and itself again as
//! an ordinary user when it runs as root. What the machine forbids is skipped, and said.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a statement that cannot be tried fails")]

mod apart;
mod crash;
mod domain;
mod drives;
mod escape;
mod ground;
mod life;
mod limits;
mod measure;
mod replaced;
mod sleep;
mod user;

use std::ffi::OsString;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use ground::Rung;

/// One thing that holds on a rung.
type Statement = fn(&Rung) -> Result<(), Failed>;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_ref().and_then(|first| first.to_str()) {
        Some("agent") => return reveille_agent::main(arguments),
        Some("script") => return ground::script(arguments),
        Some("host") => return crash::host(arguments),
        Some("replaced-host") => return replaced::host(arguments),
        Some("starting-host") => return crash::starting_host(arguments),
        Some("bind") => return drives::bind(arguments),
        Some("answer") => return with_words(arguments, |words| apart::answer(&words[0], &words[1])),
        Some("ask") => return with_words(arguments, |words| apart::ask(&words[0])),
        Some("connects") => return with_words(arguments, |words| apart::connects(&words[0])),
        Some("eat") => return with_words(arguments, |words| limits::eat(&words[0])),
        Some("multiply") => return with_words(arguments, |words| limits::multiply(&words[0])),
        Some("confined") => return with_words(arguments, |words| domain::confined(&words[0], &words[1])),
        Some("ordinary-user") => return user::become_ordinary(arguments),
        _ => {}
    }
    let rungs = ground::rungs();
    let mut trials = Vec::new();
    for (name, statement) in statements() {
        for rung in &rungs {
            let rung = *rung;
            trials.push(Trial::test(format!("{name}, {rung}"), move || statement(&rung)));
        }
    }
    for rung in rungs {
        let name = format!("time to start, and memory asleep, {rung}");
        trials.push(Trial::test(name, move || measure::start_and_sleep(&rung)).with_ignored_flag(true));
        let name = format!("many sleepers cost little each, {rung}");
        trials.push(Trial::test(name, move || measure::many_sleepers(&rung)).with_ignored_flag(true));
        let name = format!("time to freeze and to thaw, {rung}");
        trials.push(Trial::test(name, move || measure::freeze_and_thaw(&rung)).with_ignored_flag(true));
    }
    trials.extend(user::trial());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn with_words(words: impl Iterator<Item = OsString>, act: impl FnOnce(&[String]) -> ExitCode) -> ExitCode {
    act(&words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>())
}

fn statements() -> impl Iterator<Item = (&'static str, Statement)> {
    sleep::STATEMENTS
        .iter()
        .chain(life::STATEMENTS)
        .chain(crash::STATEMENTS)
        .chain(replaced::STATEMENTS)
        .chain(drives::STATEMENTS)
        .chain(apart::STATEMENTS)
        .chain(escape::STATEMENTS)
        .chain(domain::STATEMENTS)
        .chain(limits::STATEMENTS)
        .copied()
}
