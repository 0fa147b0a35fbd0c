//! The built binary against the built host, as a person has both.

#[cfg(target_os = "linux")]
mod conformance;
#[cfg(target_os = "linux")]
mod matrix;
#[cfg(target_os = "linux")]
mod stand;

/// How many tests run at once: most of their time is spent waiting for windows.
const AT_ONCE: usize = 8;

fn main() {
    let mut arguments = libtest_mimic::Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    #[cfg(target_os = "linux")]
    let trials = matrix::trials().chain([conformance::trial()]).collect();
    #[cfg(not(target_os = "linux"))]
    let trials = Vec::new();
    libtest_mimic::run(&arguments, trials).exit();
}
