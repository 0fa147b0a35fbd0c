//! A long list is read with memory in proportion to it. Alone in its process, as it looks at the process's peak.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use reveille::Client;
use reveille_faults::{FaultServer, Step};

/// A record as the platform writes it, with what this crate has no names for.
fn record(at: usize) -> String {
    format!(
        r#"{{"metadata":{{"name":"box-{at}","displayName":"box {at}","workspace":"acme","createdAt":"2026-11-25T03:00:00Z","updatedAt":"2026-11-25T03:00:00Z","createdBy":"somebody@example.com","updatedBy":"somebody@example.com","labels":{{"team":"a","stage":"test"}},"plan":"large","url":"https://run.blaxel.ai/acme/sandboxes/box-{at}"}},"spec":{{"enabled":true,"region":"us-pdx-1","lifecycle":{{"expirationPolicies":[{{"type":"ttl-idle","value":"24h","action":"delete"}}]}},"runtime":{{"image":"blaxel/base-image:latest","memory":4096,"ports":[{{"target":3000,"name":"web","protocol":"HTTP"}}],"envs":[{{"name":"A","value":"b"}}],"generation":"mk3","snapshotEnabled":true}}}},"status":"DEPLOYED","state":"STANDBY","lastUsedAt":"2026-11-25T03:00:00Z","events":[{{"type":"DEPLOYED","time":"2026-11-25T03:00:00Z","message":"deployed"}}]}}"#
    )
}

fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

#[test]
fn a_list_of_25_megabytes_takes_a_few_times_its_size() {
    let records: Vec<String> = (0..32_000).map(record).collect();
    let body = format!(r#"{{"data":[{}],"meta":{{"hasMore":false}},"novel":1}}"#, records.join(","));
    drop(records);
    let size = body.len() as u64;
    assert!(size > 25_000_000, "{size}");
    let server = FaultServer::start(Step::ok(body)).unwrap();
    let client = Client::builder().api_key("k").workspace("w").api_url(server.url()).build().unwrap();
    let before = peak();
    let list = client.sandboxes().list().wait().unwrap();
    let grown = peak() - before;
    assert_eq!((list.data.len(), list.left_out, &list.other["novel"]), (10_000, 22_000, &1.into()));
    assert!(grown < 6 * size, "{} MB for a list of {} MB", grown >> 20, size >> 20);
}
