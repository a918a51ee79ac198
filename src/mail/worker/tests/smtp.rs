//! A mail server of a few lines that takes a mail when it is told to, or refuses its recipient.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::test_support::TestResult;

pub(super) struct Server {
    pub(super) url: String,
    /// Told when the whole mail has arrived.
    pub(super) arrived: Arc<Notify>,
    /// Waited for before the mail is accepted.
    pub(super) accept: Arc<Notify>,
}

impl Server {
    pub(super) async fn start(refuses: bool) -> TestResult<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("smtp://{}?tls=none&from=shop@example.com", listener.local_addr()?);
        let server = Self { url, arrived: Arc::default(), accept: Arc::default() };
        let (arrived, accept) = (server.arrived.clone(), server.accept.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, refuses, arrived.clone(), accept.clone()));
            }
        });
        Ok(server)
    }
}

async fn converse(stream: TcpStream, refuses: bool, arrived: Arc<Notify>, accept: Arc<Notify>) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 hello\r\n").await?;
    let mut in_mail = false;
    while let Some(line) = lines.next_line().await? {
        let answer = match line.get(..4).unwrap_or(&line) {
            "." => {
                arrived.notify_one();
                accept.notified().await;
                in_mail = false;
                "250 taken"
            }
            _ if in_mail => continue,
            "RCPT" if refuses => "550 5.1.1 <buyer@example.com>: no such buyer",
            "DATA" => {
                in_mail = true;
                "354 go on"
            }
            _ => "250 fine",
        };
        writer.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}
