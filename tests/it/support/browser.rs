//! A real browser: Chromium without a window, driven over WebDriver. It ends with the test, however that ends.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Error, Keyledger, TestResult, node_modules};

/// How long the driver and the browser may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a page may take to show what it ought to.
const PAGE_LIMIT: Duration = Duration::from_secs(20);
/// The pause between two looks at a page.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How a browser is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scripts {
    On,
    Off,
}

/// A browser with one page.
#[derive(Debug)]
pub(crate) struct Browser {
    client: Client,
    driver: Child,
    base: String,
    profile: TempDir,
}

/// A barrier that axe-core found.
#[derive(Debug)]
pub(crate) struct Barrier {
    pub(crate) id: String,
    pub(crate) impact: String,
    pub(crate) nodes: String,
}

/// Something of the DevTools protocol, through the driver.
#[derive(Debug)]
struct DevTools(&'static str, Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (reqwest::Method, Option<String>) {
        (reqwest::Method::POST, Some(json!({ "cmd": self.0, "params": self.1 }).to_string()))
    }
}

/// What the browser's console says.
#[derive(Debug)]
struct ConsoleLog;

impl WebDriverCompatibleCommand for ConsoleLog {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (reqwest::Method, Option<String>) {
        (reqwest::Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}

impl Browser {
    /// A new browser, with nothing remembered, for a server.
    pub(crate) async fn start(server: &Keyledger) -> Result<Self, Error> {
        Self::start_with(server, Scripts::On).await
    }

    /// The same, with scripts on or off.
    pub(crate) async fn start_with(server: &Keyledger, scripts: Scripts) -> Result<Self, Error> {
        use std::os::unix::process::CommandExt as _;

        let profile = tempfile::tempdir()?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own, so that the browser and its helpers end with it.
        let driver = command.process_group(0).spawn().map_err(|error| format!("chromedriver: {error}"))?;
        let capabilities = capabilities(profile.path(), scripts);
        let connected = connect(port, capabilities).await;
        let mut driver = Guard(Some(driver));
        let client = connected?;
        let driver = driver.0.take().ok_or("the driver is gone")?;
        Ok(Self { client, driver, base: server.url(""), profile })
    }

    /// Goes to a path of the server.
    pub(crate) async fn visit(&self, path: &str) -> TestResult {
        Ok(self.client.goto(&format!("{}{path}", self.base)).await?)
    }

    /// The path and query that the browser is at.
    pub(crate) async fn path(&self) -> Result<String, Error> {
        let url = self.client.current_url().await?;
        Ok(url.as_str().strip_prefix(&self.base).unwrap_or_default().to_owned())
    }

    /// The text of the page.
    pub(crate) async fn text(&self) -> Result<String, Error> {
        self.text_of("body").await
    }

    /// The text of an element.
    pub(crate) async fn text_of(&self, css: &str) -> Result<String, Error> {
        Ok(self.client.find(Locator::Css(css)).await?.text().await?)
    }

    /// Fills in the field of a name.
    pub(crate) async fn fill(&self, name: &str, value: &str) -> TestResult {
        let field = self.client.find(Locator::Css(&format!("main [name=\"{name}\"]:not([type=hidden])"))).await?;
        field.clear().await?;
        Ok(field.send_keys(value).await?)
    }

    /// Presses the button that says `label`, opening what hides it first, and waits for the page that follows.
    pub(crate) async fn press(&self, label: &str) -> TestResult {
        let button = format!("//main//button[normalize-space()=\"{label}\"]");
        let button = self.client.find(Locator::XPath(&button)).await.map_err(|error| format!("{label}: {error}"))?;
        let hidden = "//main//details[not(@open)][.//button[normalize-space()=\"LABEL\"]]/summary";
        for summary in self.client.find_all(Locator::XPath(&hidden.replace("LABEL", label))).await? {
            summary.click().await?;
        }
        Ok(button.click().await.map_err(|error| format!("pressing “{label}”: {error}"))?)
    }

    /// Follows the link that says `label`, where it is to be seen.
    pub(crate) async fn follow(&self, label: &str) -> TestResult {
        let links = format!("//a[normalize-space()=\"{label}\"]");
        for link in self.client.find_all(Locator::XPath(&links)).await? {
            if link.is_displayed().await? {
                return Ok(link.click().await?);
            }
        }
        Err(format!("no link says “{label}”").into())
    }

    /// Waits until the page shows a text, without asking for it again.
    pub(crate) async fn shows(&self, text: &str) -> TestResult {
        let begun = Instant::now();
        loop {
            // Between two pages there is no body.
            let shown = self.text().await.unwrap_or_else(|error| error.to_string());
            if shown.contains(text) {
                return Ok(());
            }
            if begun.elapsed() > PAGE_LIMIT {
                return Err(format!("{} never showed “{text}” but:\n{shown}", self.path().await?).into());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Runs a script in the page.
    pub(crate) async fn run(&self, script: &str) -> Result<Value, Error> {
        Ok(self.client.execute(script, Vec::new()).await?)
    }

    /// Shows pages in dark or light colours.
    pub(crate) async fn colours(&self, scheme: &str) -> TestResult {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.client.issue_cmd(DevTools("Emulation.setEmulatedMedia", features)).await?;
        Ok(())
    }

    /// Makes the window so large.
    pub(crate) async fn size(&self, width: u32, height: u32) -> TestResult {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.client.issue_cmd(DevTools("Emulation.setDeviceMetricsOverride", metrics)).await?;
        Ok(())
    }

    /// A picture of the whole page.
    pub(crate) async fn picture(&self, file: &Path) -> TestResult {
        use base64::Engine as _;

        let whole = json!({ "captureBeyondViewport": true });
        let shot = self.client.issue_cmd(DevTools("Page.captureScreenshot", whole)).await?;
        let data = shot["data"].as_str().ok_or("no picture")?;
        Ok(std::fs::write(file, base64::engine::general_purpose::STANDARD.decode(data)?)?)
    }

    /// The barriers that axe-core finds in the page.
    pub(crate) async fn barriers(&self) -> Result<Vec<Barrier>, Error> {
        let axe = std::fs::read_to_string(node_modules().join("axe-core/axe.min.js"))
            .map_err(|error| format!("axe-core: {error}; run ./scripts/test once, which installs it"))?;
        self.client.execute(&axe, Vec::new()).await?;
        let script = "const [done] = arguments; axe.run().then(r => done(r.violations), e => done(String(e)));";
        let found = self.client.execute_async(script, Vec::new()).await?;
        let found = found.as_array().ok_or_else(|| format!("axe-core: {found}"))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(found
            .iter()
            .map(|one| Barrier { id: text(&one["id"]), impact: text(&one["impact"]), nodes: one["nodes"].to_string() })
            .collect())
    }

    /// What went wrong in the browser since the last look: scripts that failed, what the page's policy forbade.
    pub(crate) async fn complaints(&self) -> Result<Vec<String>, Error> {
        let log = self.client.issue_cmd(ConsoleLog).await?;
        let entries = log.as_array().ok_or_else(|| format!("the console's log: {log}"))?;
        Ok(entries.iter().filter_map(|entry| entry["message"].as_str()).map(str::to_owned).collect())
    }
}

fn capabilities(profile: &Path, scripts: Scripts) -> serde_json::Map<String, Value> {
    let mut args = vec![
        "--headless=new".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-quic".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        "--no-first-run".to_owned(),
        "--window-size=1280,900".to_owned(),
        format!("--user-data-dir={}", profile.display()),
    ];
    if nix::unistd::geteuid().is_root() {
        args.push("--no-sandbox".to_owned());
    }
    let scripts = if scripts == Scripts::On { 1 } else { 2 };
    let options = json!({
        "args": args,
        "prefs": { "profile.managed_default_content_settings.javascript": scripts },
    });
    let all =
        json!({ "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
    all.as_object().cloned().unwrap_or_default()
}

async fn connect(port: u16, capabilities: serde_json::Map<String, Value>) -> Result<Client, Error> {
    let (begun, address) = (Instant::now(), format!("http://127.0.0.1:{port}"));
    loop {
        let connector = hyper_util::client::legacy::connect::HttpConnector::new();
        let mut builder = ClientBuilder::new(connector);
        let connecting = builder.capabilities(capabilities.clone()).connect(&address);
        match tokio::time::timeout(START_LIMIT, connecting).await {
            Ok(Ok(client)) => return Ok(client),
            Ok(Err(error)) if begun.elapsed() > START_LIMIT => return Err(format!("no browser: {error}").into()),
            Err(_) => return Err("the browser did not start in time".into()),
            Ok(Err(_)) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

/// Ends the driver's group unless it is taken out.
struct Guard(Option<Child>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut driver) = self.0.take() {
            end(&mut driver);
        }
    }
}

fn end(driver: &mut Child) {
    if let Ok(id) = i32::try_from(driver.id()) {
        let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
    }
    let _ = driver.wait();
}

impl Drop for Browser {
    fn drop(&mut self) {
        end(&mut self.driver);
        // The browser is in a group of its own; it is the one that has our profile.
        end_all_with(self.profile.path());
    }
}

/// Ends every process whose arguments name a folder that is ours alone.
fn end_all_with(profile: &Path) {
    use std::os::unix::ffi::OsStrExt as _;

    let ours = profile.as_os_str().as_bytes();
    let numbers = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for id in numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        let arguments = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        if arguments.windows(ours.len()).any(|window| window == ours) {
            let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
        }
    }
}
