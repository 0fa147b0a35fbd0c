//! Instructions and allocations of one call, counted by `valgrind`.

use std::io;
use std::process::{Command, Output};

use crate::ways::{Bare, Client, Ours, Runtime};
use crate::{CALLERS, Failure};

/// What one call takes is the difference between two runs of so many requests, in so many.
const FEWER: usize = 800;
const MORE: usize = 2_400;
const CLIENTS: [&str; 2] = ["hyper-util", "reveille"];

/// Prints what a call of each client takes.
pub(crate) fn print(address: &str) -> Result<(), Failure> {
    match Command::new("valgrind").arg("--version").output() {
        Ok(found) if found.status.success() => {}
        _ => {
            eprintln!("SKIPPED: instructions and allocations are not counted, as there is no valgrind");
            return Ok(());
        }
    }
    for callers in CALLERS {
        println!("{callers} caller(s), awaited on one thread: instructions and allocations a call");
        let mut bare = None;
        for name in CLIENTS {
            let way = format!("{name} {callers}");
            let instructions = each(|requests| instructions(address, &way, requests))?;
            let allocations = each(|requests| allocations(address, &way, requests))?;
            let ratio = instructions / *bare.get_or_insert(instructions);
            println!("  {name:12} {instructions:>8.0} (x{ratio:.2})   {allocations:>5.1}");
        }
    }
    Ok(())
}

fn each(count: impl Fn(usize) -> Result<u64, Failure>) -> Result<f64, Failure> {
    Ok(count(MORE)?.saturating_sub(count(FEWER)?) as f64 / (MORE - FEWER) as f64)
}

fn instructions(address: &str, way: &str, requests: usize) -> Result<u64, Failure> {
    let Output { stderr, .. } =
        counted(&["--tool=callgrind", "--callgrind-out-file=/dev/null"], address, way, requests)?;
    number_after(&stderr, "Collected : ")
}

fn allocations(address: &str, way: &str, requests: usize) -> Result<u64, Failure> {
    let Output { stderr, .. } = counted(&["--leak-check=no"], address, way, requests)?;
    number_after(&stderr, "total heap usage: ")
}

fn counted(tool: &[&str], address: &str, way: &str, requests: usize) -> io::Result<Output> {
    let mut command = Command::new("valgrind");
    command.args(tool).arg(std::env::current_exe()?);
    command.args(["count", address, way]).arg(requests.to_string()).output()
}

/// The number that follows in what valgrind says, which groups its digits by commas.
fn number_after(said: &[u8], what: &str) -> Result<u64, Failure> {
    let said = String::from_utf8_lossy(said);
    let (_, number) = said.split_once(what).ok_or_else(|| format!("valgrind counted nothing: {said}"))?;
    let digits =
        number.chars().take_while(|it| it.is_ascii_digit() || *it == ',').filter(char::is_ascii_digit);
    Ok(digits.collect::<String>().parse()?)
}

/// Makes the requests that are counted.
pub(crate) fn child(address: &str, way: &str, requests: usize) -> Result<(), Failure> {
    let (client, callers) = way.split_once(' ').ok_or("no way")?;
    let callers = callers.parse()?;
    match client {
        "hyper-util" => run(&Bare::new(address)?, callers, requests),
        _ => run(&Ours::new(address)?, callers, requests),
    }
}

fn run(client: &impl Client, callers: usize, requests: usize) -> Result<(), Failure> {
    Runtime::Here.run(client, callers, requests).map(drop)
}
