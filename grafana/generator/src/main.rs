//! Writes the dashboards into a folder: `cargo run -p hostwarden-dashboards -- grafana/dashboards`, or `make dashboards`.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: hostwarden-dashboards FOLDER")?;
    std::fs::create_dir_all(&folder)?;
    for dashboard in hostwarden_dashboards::dashboards::all() {
        std::fs::write(folder.join(dashboard.file_name()), dashboard.to_json()?)?;
    }
    Ok(())
}
