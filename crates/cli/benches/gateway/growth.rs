//! How what it costs grows with callers, bytes and sandboxes, as plots.

use std::fs;
use std::path::Path;
use std::time::Duration;

use reveille::Client;

use crate::app;
use crate::first_byte;
use crate::linux::{Failure, median};
use crate::load::{Load, Proxy};
use crate::nginx::Nginx;
use crate::peer::Host;
use crate::plot::{Axis, Curve, Plot};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(300);
const CALLERS: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];
const BYTES: [u32; 7] = [100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
const SANDBOXES: [u32; 6] = [1, 10, 30, 100, 200, 500];
const TRIES: usize = 50;

/// Writes all of them into a directory.
pub(crate) fn draw(
    directory: &Path,
    host: &Host,
    client: &Client,
    nginx: Option<&Nginx>,
) -> Result<(), Failure> {
    let key = format!("Bearer {}", host.key);
    let address = host.address()?;
    let proxies = |path: &str| {
        let through = format!("/{}/sandboxes/box/port/{}{path}", host.workspace, app::PORT);
        let ours = Proxy::new(address, &through, &[("X-Blaxel-Authorization", &key)], vec![host.pid()]);
        let beside = nginx.map(|nginx| Proxy::new(nginx.address(), path, &[], nginx.workers()));
        [("gateway", Some(ours)), ("nginx", beside)]
    };
    let callers = over(
        proxies("/").into_iter().filter_map(|(name, proxy)| Some((name, proxy?))),
        &CALLERS,
        |proxy, callers| Ok(1e6 / rate(proxy, callers)?),
    )?;
    let mut sized: Vec<Curve> = Vec::new();
    for bytes in BYTES {
        for (name, proxy) in proxies(&format!("/{bytes}")) {
            let Some(proxy) = proxy else { continue };
            let rounds: Result<Vec<Load>, Failure> = (0..ROUNDS).map(|_| proxy.load(1, ROUND)).collect();
            // Of the rounds in which the machine was busiest with it, as above.
            let took = rounds?.iter().map(|load| load.quantile(0.5)).fold(f64::NAN, f64::min);
            add(&mut sized, name, (f64::from(bytes), took));
        }
    }
    let plot = |name: &str, x: Axis, y: Axis, curves: Vec<Curve>| {
        fs::write(directory.join(name), Plot { x, y, curves }.draw())
    };
    plot(
        "gateway-callers.svg",
        axis("connections at once", &CALLERS),
        times("time for one answer, all together", 10.0, 1e3),
        callers,
    )?;
    plot(
        "gateway-bytes.svg",
        axis("bytes of an answer", &BYTES),
        times("time for one answer, one connection", 10.0, 1e6),
        sized,
    )?;
    let slept = over_sandboxes(host, client)?;
    let y = times("time to the first byte, on a new connection", 100.0, 1e4);
    plot("gateway-sandboxes.svg", axis("sandboxes of the host", &SANDBOXES), y, slept)?;
    Ok(())
}

fn over<'a>(
    proxies: impl Iterator<Item = (&'a str, Proxy)>,
    values: &[u32],
    measure: impl Fn(&Proxy, u32) -> Result<f64, Failure>,
) -> Result<Vec<Curve>, Failure> {
    let mut curves = Vec::new();
    for (name, proxy) in proxies {
        for value in values {
            add(&mut curves, name, (f64::from(*value), measure(&proxy, *value)?));
        }
    }
    Ok(curves)
}

/// Answers a second; the fastest of the rounds, in which the machine was busiest with it.
fn rate(proxy: &Proxy, callers: u32) -> Result<f64, Failure> {
    let rounds: Result<Vec<Load>, Failure> =
        (0..ROUNDS).map(|_| proxy.load(callers as usize, ROUND)).collect();
    Ok(rounds?.iter().map(Load::rate).fold(f64::NAN, f64::max))
}

fn over_sandboxes(host: &Host, client: &Client) -> Result<Vec<Curve>, Failure> {
    let mut curves = Vec::new();
    for sandboxes in SANDBOXES {
        let [asleep, awake] = first_byte::beside(host, client, sandboxes as usize, TRIES)?;
        for (name, took) in [("asleep", asleep), ("awake", awake)] {
            let took = median(took.iter().map(|took| took.as_secs_f64() * 1e6));
            add(&mut curves, name, (f64::from(sandboxes), took));
        }
    }
    Ok(curves)
}

fn add(curves: &mut Vec<Curve>, name: &str, point: (f64, f64)) {
    match curves.iter_mut().find(|curve| curve.name == name) {
        Some(curve) => curve.points.push(point),
        None => curves.push(Curve { name: name.to_owned(), points: vec![point] }),
    }
}

fn axis(title: &'static str, values: &[u32]) -> Axis {
    let text = |value: u32| match value {
        1_000_000.. => format!("{} M", value / 1_000_000),
        1_000.. => format!("{} k", value / 1_000),
        _ => value.to_string(),
    };
    Axis { title, marks: values.iter().map(|value| (f64::from(*value), text(*value))).collect() }
}

/// Times, from one mark to another.
fn times(title: &'static str, from: f64, to: f64) -> Axis {
    let marks =
        [(10.0, "10 us"), (100.0, "100 us"), (1e3, "1 ms"), (1e4, "10 ms"), (1e5, "100 ms"), (1e6, "1 s")];
    let within = marks.into_iter().filter(|(value, _)| (from..=to).contains(value));
    Axis { title, marks: within.map(|(value, text)| (value, text.to_owned())).collect() }
}
