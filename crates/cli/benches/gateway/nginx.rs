//! nginx as a proxy of one hop, with as many workers as there are processors.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::linux::Failure;

pub(crate) struct Nginx {
    child: Child,
    address: SocketAddr,
    _place: TempDir,
}

impl Nginx {
    /// Starts it before an app on this port; `None` where it is not installed.
    pub(crate) fn before(app: u16) -> Result<Option<Self>, Failure> {
        let program = ["nginx", "/usr/sbin/nginx"].into_iter().find(|program| {
            Command::new(program)
                .arg("-v")
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        });
        let Some(program) = program else { return Ok(None) };
        let place = tempfile::tempdir()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let at = place.path().display();
        let settings = format!(
            "daemon off; worker_processes auto; pid {at}/pid; error_log /dev/null;
             events {{ worker_connections 1024; }}
             http {{
                 access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
                 upstream app {{ server 127.0.0.1:{app}; keepalive 128; keepalive_requests 1000000000; }}
                 server {{
                     listen {address};
                     location / {{
                         proxy_pass http://app; proxy_http_version 1.1; proxy_buffering off;
                         proxy_set_header Connection \"\"; proxy_set_header X-Forwarded-For $remote_addr;
                     }}
                 }}
             }}"
        );
        fs::write(place.path().join("settings"), settings)?;
        let child = Command::new(program)
            .arg("-p")
            .arg(place.path())
            .arg("-c")
            .arg(place.path().join("settings"))
            .stderr(Stdio::null())
            .spawn()?;
        let nginx = Self { child, address, _place: place };
        for _ in 0..200 {
            if TcpStream::connect(address).is_ok() {
                return Ok(Some(nginx));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("nginx does not listen".into())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The processes that do the work.
    pub(crate) fn workers(&self) -> Vec<u32> {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        children.split_whitespace().filter_map(|child| child.parse().ok()).collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _gone = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _gone = self.child.wait();
    }
}
