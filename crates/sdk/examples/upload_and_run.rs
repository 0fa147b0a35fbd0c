//! A script that is brought into a sandbox, run there, and whose result is brought back.
//!
//! ```sh
//! cargo run -p reveille --example upload_and_run -- box
//! ```

use reveille::Client;

type Failure = Box<dyn std::error::Error>;

const SCRIPT: &str = "import json, platform, sys\n\
    json.dump({'python': platform.python_version(), 'of': sys.argv[1]}, open('result.json', 'w'))\n";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "work".to_owned());
    let client = Client::from_env()?;
    client.sandboxes().create(&name).if_missing().await?;
    let sandbox = client.sandbox(&name);
    let files = sandbox.files();

    files.make_directory("/tmp/work").await?;
    files.write_text("/tmp/work/task.py", SCRIPT).await?;
    let run = sandbox.processes().exec("python3 task.py \"$OF\"").dir("/tmp/work").env("OF", name);
    let output = run.await?;
    if !output.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    println!("{}", files.read_text("/tmp/work/result.json").await?);

    let here = std::env::temp_dir().join("result.json");
    let bytes = files.download("/tmp/work/result.json").to_file(&here).await?;
    println!("{bytes} bytes in {}", here.display());
    Ok(())
}
