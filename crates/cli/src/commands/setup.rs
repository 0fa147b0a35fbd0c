use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::env::Shells;

use crate::arguments::Arguments;
use crate::completion::ASKED;
use crate::output::Screen;
use crate::report::{Exit, Failure};

/// The name of this program, as a shell and the manual know it.
const PROGRAM: &str = "reveille";

/// Install the completion of shells and the manual pages, for this user
///
/// Where each shell looks by itself; for zsh it says what else is needed. To run it again changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples
  reveille setup
  reveille setup --print bash")]
pub(crate) struct Setup {
    /// Print the completion of a shell instead, and install nothing
    #[arg(long, value_enum, value_name = "SHELL")]
    print: Option<Shell>,
    /// Where data of this user is kept [default: XDG_DATA_HOME, or ~/.local/share]
    #[arg(long, value_name = "DIR", conflicts_with = "print")]
    data: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Elvish,
    Powershell,
}

/// The shells that look in a place of their own, and the file below the data of a user.
const LOOKING: [(Shell, &str); 3] = [
    (Shell::Bash, "bash-completion/completions/reveille"),
    (Shell::Zsh, "zsh/site-functions/_reveille"),
    (Shell::Fish, "fish/vendor_completions.d/reveille.fish"),
];
const MANUAL: &str = "man/man1";

pub(crate) fn run(screen: &Screen, asked: &Setup) -> Result<Exit, Failure> {
    if let Some(shell) = asked.print {
        screen.raw(&script(shell)?)?;
        return Ok(Exit::Done);
    }
    let data = asked.data.clone().or_else(data_of_the_user).ok_or_else(|| {
        Failure::new("there is no directory for data, as neither XDG_DATA_HOME nor HOME is set")
            .next("choose one with --data")
    })?;
    let mut written = Vec::new();
    for (shell, file) in LOOKING {
        let path = data.join(file);
        put(&path, &script(shell)?)?;
        written.push(path);
    }
    let manual = data.join(MANUAL);
    fs::create_dir_all(&manual).map_err(|error| Failure::io(manual.display(), &error))?;
    clap_mangen::generate_to(Arguments::command(), &manual)
        .map_err(|error| Failure::io(manual.display(), &error))?;
    written.push(manual);
    screen.installed(&written, &data.join("zsh/site-functions"))?;
    Ok(Exit::Done)
}

/// What a shell reads to know how this program is completed.
fn script(shell: Shell) -> Result<Vec<u8>, Failure> {
    let name = match shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
        Shell::Elvish => "elvish",
        Shell::Powershell => "powershell",
    };
    let shells = Shells::builtins();
    let completer = shells.completer(name).ok_or_else(|| Failure::new(format!("{name} is not known")))?;
    let mut text = Vec::new();
    completer
        .write_registration(ASKED, PROGRAM, PROGRAM, PROGRAM, &mut text)
        .map_err(|error| Failure::io(name, &error))?;
    Ok(text)
}

fn put(path: &Path, text: &[u8]) -> Result<(), Failure> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    let put = made.and_then(|()| fs::write(path, text));
    put.map_err(|error: io::Error| Failure::io(path.display(), &error))
}

fn data_of_the_user() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
}
