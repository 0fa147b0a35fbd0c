//! How fast the agent is on loopback, beside a plain static file server where one is installed.
//!
//! `cargo bench -p reveille-agent --bench agent` starts a real agent, and `nginx` where it is there, and prints requests
//! a second with sixteen connections, how long a command takes there and back, how long 1 GiB takes in either direction,
//! and the most memory that the agent ever used. The rounds of agent and nginx alternate, so that what else the machine
//! does hits them alike. Figures of the vendor's server are those that were measured once on a machine of two cores.

#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
#[path = "../../tests/running/mod.rs"]
mod running;

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("SKIPPED: the agent runs on Linux");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{self, Write};
    use std::net::TcpStream;
    use std::path::Path;
    use std::time::{Duration, Instant};

    use crate::load::{self, Nginx};
    use crate::running::Running;

    /// How often each rate is measured, in turns.
    const ROUNDS: usize = 7;
    /// How many requests one of them has.
    const REQUESTS: usize = 16_000;
    const CONNECTIONS: usize = 16;
    const COMMANDS: usize = 400;
    const GIB: u64 = 1 << 30;
    /// The file that is read again and again: 5.5 kB of text.
    const PAGE: usize = 5_500;

    pub(crate) fn main() -> io::Result<()> {
        let root = tempfile::tempdir()?;
        let files = root.path().join("files");
        std::fs::create_dir(&files)?;
        std::fs::write(files.join("page"), vec![b'x'; PAGE])?;
        std::fs::File::create(files.join("large"))?.set_len(GIB)?;
        let agent = Running::start(&[]);
        let nginx = Nginx::start(root.path(), &files)?;
        if nginx.is_none() {
            println!("SKIPPED: nginx is not installed, so nothing stands beside the agent's figures");
        }
        let at = |name: &str| format!("/filesystem/{}", files.join(name).display());

        let health = |_: &str| "/health".to_owned();
        rates("GET /health", &agent, nginx.as_ref(), health, "37,700")?;
        rates("GET of a file of 5.5 kB as JSON", &agent, nginx.as_ref(), at, "12,000")?;
        commands(&agent, "waited for", r#"{"command":"true","waitForCompletion":true}"#, "52.7 ms")?;
        commands(&agent, "in the background", r#"{"command":"true"}"#, "1.3 ms")?;
        let confined = Running::start(&["--landlock"]);
        commands(
            &confined,
            "waited for, in a Landlock domain",
            r#"{"command":"true","waitForCompletion":true}"#,
            "52.7 ms",
        )?;
        whole_file(&agent, nginx.as_ref(), &at("large"))?;
        upload(&agent, &files.join("arrived"))?;
        println!(
            "the most memory that the agent used: {} MiB (vendor: 57 MB)",
            load::peak(agent.pid())? >> 20
        );
        Ok(())
    }

    /// Prints how many requests a second the agent answers, and nginx with a file of the same name.
    fn rates(
        what: &str,
        agent: &Running,
        nginx: Option<&Nginx>,
        path: impl Fn(&str) -> String,
        vendor: &str,
    ) -> io::Result<()> {
        let mut agents = Vec::new();
        let mut ratios = Vec::new();
        for _ in 0..ROUNDS {
            let rate = load::rate(&agent.host, &path("page"), CONNECTIONS, REQUESTS)?;
            agents.push(rate);
            if let Some(nginx) = nginx {
                ratios.push(rate / load::rate(&nginx.host, "/page", CONNECTIONS, REQUESTS)?);
            }
        }
        let beside = if ratios.is_empty() {
            String::new()
        } else {
            format!(", x{:.2} of nginx with a file", load::median(ratios))
        };
        println!(
            "{what}, {CONNECTIONS} connections: {:.0} a second{beside} (vendor: {vendor})",
            load::median(agents)
        );
        Ok(())
    }

    /// Prints how long starting a command takes, one after the other.
    fn commands(agent: &Running, how: &str, json: &str, vendor: &str) -> io::Result<()> {
        let connection = load::connect(&agent.host)?;
        let mut took = Vec::new();
        for _ in 0..COMMANDS {
            let began = Instant::now();
            load::post(&connection, &agent.host, "/process", json)?;
            took.push(began.elapsed());
        }
        took.sort_unstable();
        let (middle, late) = (took[COMMANDS / 2], took[COMMANDS * 99 / 100]);
        println!("exec of true, {how}: p50 {middle:.2?}, p99 {late:.2?} (vendor: p50 {vendor})");
        Ok(())
    }

    fn whole_file(agent: &Running, nginx: Option<&Nginx>, path: &str) -> io::Result<()> {
        let raw = "Accept: application/octet-stream\r\n";
        let mut agents = Vec::new();
        let mut ratios = Vec::new();
        for _ in 0..3 {
            let took = load::download(&agent.host, path, raw, GIB)?;
            agents.push(took.as_secs_f64());
            if let Some(nginx) = nginx {
                ratios
                    .push(took.as_secs_f64() / load::download(&nginx.host, "/large", "", GIB)?.as_secs_f64());
            }
        }
        let beside = if ratios.is_empty() {
            String::new()
        } else {
            format!(", x{:.2} of the time of nginx", load::median(ratios))
        };
        println!("1 GiB down: {:.2} s{beside} (vendor: 0.5 s)", load::median(agents));
        Ok(())
    }

    fn upload(agent: &Running, to: &Path) -> io::Result<()> {
        let mut took = Vec::new();
        let mut ratios = Vec::new();
        for _ in 0..3 {
            let uploaded = one_upload(&agent.host, to)?.as_secs_f64();
            assert_eq!(std::fs::metadata(to)?.len(), GIB, "the file arrived whole");
            std::fs::remove_file(to)?;
            ratios.push(uploaded / plain_write(to)?.as_secs_f64());
            took.push(uploaded);
            std::fs::remove_file(to)?;
        }
        let (took, ratio) = (load::median(took), load::median(ratios));
        println!(
            "1 GiB up, as one form: {took:.2} s, x{ratio:.2} of the time of writing a file here (vendor: 3.9 to 5.5 s)"
        );
        Ok(())
    }

    /// How long it takes to write as much into a file without anybody between.
    fn plain_write(to: &Path) -> io::Result<Duration> {
        let piece = vec![0; 1 << 20];
        let began = Instant::now();
        let mut file = std::fs::File::create(to)?;
        for _ in 0..GIB >> 20 {
            file.write_all(&piece)?;
        }
        Ok(began.elapsed())
    }

    fn one_upload(host: &str, to: &Path) -> io::Result<Duration> {
        let head = "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";
        let tail = "\r\n--edge--\r\n";
        let length = head.len() as u64 + GIB + tail.len() as u64;
        let piece = vec![0; 1 << 20];
        let mut connection: TcpStream = load::connect(host)?;
        let began = Instant::now();
        write!(
            connection,
            "PUT /filesystem/{} HTTP/1.1\r\nHost: {host}\r\nContent-Type: multipart/form-data; boundary=edge\r\n\
             Content-Length: {length}\r\n\r\n{head}",
            to.display()
        )?;
        for _ in 0..GIB >> 20 {
            connection.write_all(&piece)?;
        }
        connection.write_all(tail.as_bytes())?;
        load::answer(&connection)?;
        Ok(began.elapsed())
    }
}
