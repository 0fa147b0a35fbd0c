//! The whole host: its own engine, real processes, the real agent.
//!
//! This program is the agent, too: started with `agent` it is one, as the command line is. Started with `host` it is
//! a host that waits to be killed.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod attended;
mod crash;
mod escape;
mod images;
mod kept;
mod limits;
mod passage;
mod processes;
mod replaced;
mod routes;
mod soak;
mod stand;
mod storm;
mod victim;
mod volumes;
mod workspaces;

use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};
use reveille_host::Lifetime;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|first| first == "agent").is_some() {
        return reveille_agent::main(arguments);
    }
    if arguments.next_if(|first| first == "serve").is_some() {
        return processes::serve();
    }
    if arguments.next_if(|first| first == "host").is_some() {
        return victim::host(arguments);
    }
    match arguments.peek().and_then(|first| first.to_str()) {
        Some("serve-patiently") => return passage::serve_patiently(),
        Some("serve-hastily") => return passage::serve_hastily(),
        Some("serve-heads") => return routes::serve_heads(),
        _ => {}
    }
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials()).exit_code()
}

fn trial<F>(name: &str, run: fn() -> F) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    Trial::test(name, move || {
        let runtime = tokio::runtime::Runtime::new()?;
        // What takes a second or two takes minutes where the machine is emulated; what hangs shall say which it is.
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(300), run()).await })?;
        Ok(())
    })
}

/// One that takes as long as it takes.
fn storm<F>(name: &str, run: fn() -> F) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    Trial::test(name, move || {
        tokio::runtime::Runtime::new()?.block_on(run());
        Ok(())
    })
}

fn trials() -> Vec<Trial> {
    vec![
        trial("processes survive standby, and use no time in it", processes::processes_survive_standby),
        trial(
            "a keep-alive process keeps its sandbox awake while it runs",
            processes::keep_alive_keeps_awake,
        ),
        trial("files survive a restart of the host", kept::files_survive_a_restart),
        trial(
            "a sandbox whose agent was killed is started again",
            processes::a_killed_agent_is_started_again,
        ),
        trial(
            "a server in it is reached, asleep or not, and goes on where it was",
            processes::a_server_goes_on,
        ),
        trial("a terminal in it is sat at over HTTP/2", attended::over_http2),
        trial("no request fails while the agent upgrades itself", processes::upgrades_unnoticed),
        trial("a deleted sandbox takes its processes with it", processes::deleted_with_its_processes),
        trial("a drive that is mounted, awake or asleep, is not deleted", kept::a_mounted_drive_stays),
        trial(
            "a snapshot is laid back, forked, and outlives its sandbox",
            kept::a_snapshot_outlives_its_sandbox,
        ),
        trial("another network reaches what runs, at once", routes::another_network_at_once),
        trial(
            "its own loopback is asked without the proxy",
            routes::its_own_loopback_is_asked_without_the_proxy,
        ),
        trial(
            "a secret is added on the way out, and is nowhere inside",
            routes::a_secret_is_added_on_the_way,
        ),
        trial(
            "what is to start with a sandbox starts each time that it comes without its processes",
            processes::autostarts,
        ),
        trial(
            "a fork has the files and the environment of its source, and starts anew",
            kept::a_fork_starts_anew,
        ),
        trial(
            "a sandbox is made of an image, and of nothing else",
            images::a_sandbox_is_made_of_an_image_and_of_nothing_else,
        ),
        trial(
            "what runs is the user that its image names",
            images::what_runs_is_the_user_that_its_image_names,
        ),
        trial(
            "what an image has where a sandbox's files are is there, and its owner's",
            images::what_an_image_has_where_a_sandboxes_files_are_is_there_and_its_owners,
        ),
        trial("an archive that breaks off leaves nothing", images::an_archive_that_breaks_off_leaves_nothing),
        trial(
            "a volume outlives its sandbox, and is in one at a time",
            volumes::a_volume_outlives_its_sandbox_and_is_in_one_at_a_time,
        ),
        trial(
            "a volume for a place where a file stands is refused",
            volumes::a_volume_for_a_place_where_a_file_stands_is_refused,
        ),
        trial(
            "a volume keeps to its size, and grows with what it holds",
            volumes::a_volume_keeps_to_its_size_and_grows_with_what_it_holds,
        ),
        trial(
            "a volume of a size goes on under the next host",
            volumes::a_volume_of_a_size_goes_on_under_the_next_host,
        ),
        trial(
            "a volume that an earlier host kept as a directory stays what it is",
            volumes::a_directory_of_an_earlier_host_stays_what_it_is,
        ),
        trial(
            "what a killed host did not come to of volumes the next one does",
            volumes::what_a_killed_host_did_not_come_to_the_next_one_does,
        ),
        trial(
            "sizes of volumes at the edge are kept or refused",
            volumes::sizes_at_the_edge_are_kept_or_refused,
        ),
        trial(
            "commands begin in a volume where they begin",
            volumes::commands_begin_in_a_volume_where_they_begin,
        ),
        trial(
            "scratch space is bounded, and goes with the sandbox's processes",
            volumes::scratch_space_is_bounded_and_goes_with_the_sandbox_s_processes,
        ),
        trial(
            "what runs goes on with the next host, and its output is whole",
            replaced::what_runs_goes_on_and_its_output_is_whole,
        ),
        trial(
            "what a host has taken over goes to standby when nothing happens in it",
            replaced::it_goes_to_standby_when_nothing_happens_in_it,
        ),
        trial(
            "the next host's previews are at its address inside what it has taken over",
            replaced::the_next_hosts_previews_are_at_its_address_inside,
        ),
        trial(
            "what a host has taken over reaches what its record says",
            replaced::it_reaches_what_its_record_says,
        ),
        trial(
            "what a host has taken over is started again when its agent has ended",
            replaced::it_is_started_again_when_its_agent_has_ended,
        ),
        trial(
            "an agent cannot be looked into or driven by what it started",
            escape::an_agent_cannot_be_looked_into_or_driven_by_what_it_started,
        ),
        trial(
            "others and the host are neither seen nor reached",
            escape::others_and_the_host_are_neither_seen_nor_reached,
        ),
        trial(
            "a drive is reached only where it is mounted",
            escape::a_drive_is_reached_only_where_it_is_mounted,
        ),
        trial(
            "what a sandbox does to its own programs keeps it from nothing",
            escape::what_a_sandbox_does_to_its_own_programs_gives_it_no_rights,
        ),
        trial(
            "who wants too much memory is ended, and the sandbox goes on",
            limits::who_wants_too_much_memory_is_ended_and_the_sandbox_goes_on,
        ),
        trial(
            "less memory than a sandbox uses is refused",
            limits::less_memory_than_a_sandbox_uses_is_refused,
        ),
        trial("a full disk is one sandbox's own", limits::a_full_disk_is_one_sandbox_s_own),
        trial(
            "nothing is made where the disk has too little room",
            limits::nothing_is_made_where_the_disk_has_too_little_room,
        ),
        trial(
            "a disk of its own is taken over, and goes with its sandbox",
            limits::a_disk_of_its_own_is_taken_over_and_goes_with_its_sandbox,
        ),
        trial("a long sleep gives memory back", limits::a_long_sleep_gives_memory_back),
        trial(
            "who is taken over asleep gives memory back, too",
            limits::who_is_taken_over_asleep_gives_memory_back_too,
        ),
        trial("limits outlive the host that set them", limits::limits_outlive_the_host_that_set_them),
        trial("a fork bomb is contained and ended", limits::a_fork_bomb_is_contained_and_ended),
        trial(
            "a sandbox gets no more of a processor than it may",
            limits::a_sandbox_gets_no_more_of_a_processor_than_it_may,
        ),
        trial(
            "a file that is too long ends nobody but its writer",
            limits::a_file_that_is_too_long_ends_nobody_but_its_writer,
        ),
        storm(
            "many requests to one sleeper are answered once each, by one waking",
            storm::requests_to_one_sleeper_are_answered_once_each_by_one_waking,
        ),
        storm("many sleepers wake once each", storm::many_sleepers_wake_once_each),
        storm(
            "requests at the moment of falling asleep are not lost",
            storm::requests_at_the_moment_of_falling_asleep_are_not_lost,
        ),
        Trial::test("a host that is used for long does not grow", || {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(soak::a_host_does_not_grow());
            Ok(())
        })
        .with_ignored_flag(true),
        trial(
            "what runs goes on where the next host cannot start",
            replaced::it_goes_on_where_the_next_host_cannot_start,
        ),
        trial(
            "servers and mounts of what a host has taken over are what they were",
            replaced::its_servers_and_its_mounts_are_what_they_were,
        ),
        trial("the agent of what a host has taken over can be upgraded", replaced::its_agent_can_be_upgraded),
        trial("of two workspaces one sees nothing of the other", workspaces::one_sees_nothing_of_the_other),
        trial("a key opens its own workspace only", workspaces::a_key_opens_its_own_only),
        trial("previews lead to their own workspace", workspaces::previews_lead_to_their_own),
        trial("a workspace that has been once is there again", workspaces::what_has_been_once_is_there_again),
        trial("only one host has the data", replaced::only_one_host_has_the_data),
        Trial::test(
            "what was acknowledged outlives a host that is killed under load, and nothing else",
            || {
                let runtime = tokio::runtime::Runtime::new()?;
                runtime.block_on(crash::killed_under_load(Lifetime::OfTheHost));
                Ok(())
            },
        ),
        Trial::test("so does what runs, where it lives beyond its host", || {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(crash::killed_under_load(Lifetime::BeyondTheHost));
            Ok(())
        }),
        Trial::test(
            "a host that is killed while it takes over an older data directory loses nothing",
            || {
                let runtime = tokio::runtime::Runtime::new()?;
                runtime.block_on(crash::killed_while_it_takes_over());
                Ok(())
            },
        ),
        Trial::test("a host that is killed while it copies leaves nothing of the copy", || {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(crash::killed_while_it_copies());
            Ok(())
        }),
        trial(
            "a read may use a connection again, and a mutation has its own",
            passage::a_read_may_use_a_connection_again_and_a_mutation_has_its_own,
        ),
        trial(
            "what the gateway takes the agent and its servers get",
            passage::what_the_gateway_takes_the_agent_and_its_servers_get,
        ),
        trial("an early answer arrives from inside", passage::an_early_answer_arrives_from_inside),
        trial(
            "where nobody listens the answer says so and proves it",
            passage::where_nobody_listens_the_answer_says_so_and_proves_it,
        ),
    ]
}
