//! A connection that is closed when its client takes nothing. Who reads slowly is answered slowly; who does not read at
//! all would keep what is read for the answer, and the connection's place, for ever.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// How often what is not taken is tried again, before the patience is at its end.
const TRIES: u32 = 4;

/// A client's connection, on which what is written is taken in time.
pub(super) struct Patient {
    stream: TcpStream,
    patience: Duration,
    /// While there is something to write and nothing is taken; what waits for news has nothing to write.
    waiting: Option<Waiting>,
}

struct Waiting {
    next: Pin<Box<Sleep>>,
    tries: u32,
}

impl Patient {
    /// A connection that is closed when nothing was taken for so long.
    pub(super) fn new(stream: TcpStream, patience: Duration) -> Self {
        Self { stream, patience, waiting: None }
    }

    /// Goes on waiting or gives up, when the system takes nothing more of what is written.
    fn wait(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
        write: impl Fn(&mut std::net::TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let step = self.patience / TRIES;
        let waiting = self.waiting.get_or_insert_with(|| Waiting { next: Box::pin(sleep(step)), tries: 0 });
        loop {
            ready!(waiting.next.as_mut().poll(cx));
            waiting.tries += 1;
            // The runtime hears of room when a third of the system's buffer is free again. Who reads slowly has freed less
            // of it by now, and who reads nothing none.
            // Where there is no descriptor left, nothing was tried, and nobody is blamed for it.
            let same = self.stream.as_fd().try_clone_to_owned().map_err(|_| io::ErrorKind::WouldBlock.into());
            match same.and_then(|same| write(&mut same.into())) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && waiting.tries < TRIES => {
                    waiting.next.as_mut().reset(Instant::now() + step);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                tried => {
                    self.waiting = None;
                    return Poll::Ready(tried);
                }
            }
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wait(cx, written, |stream| stream.write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wait(cx, written, |stream| stream.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// More than the system keeps of what is not taken.
    const MUCH: usize = 64 * 1_024 * 1_024;

    async fn connected(patience: Duration) -> Result<(Patient, TcpStream), Box<dyn Error>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let client = TcpStream::connect(listener.local_addr()?).await?;
        Ok((Patient::new(listener.accept().await?.0, patience), client))
    }

    #[tokio::test]
    async fn who_takes_nothing_is_cut_off() -> Result<(), Box<dyn Error>> {
        let (mut server, _client) = connected(Duration::from_millis(100)).await?;
        let told = server.write_all(&vec![0; MUCH]).await.map_err(|error| error.kind());
        assert_eq!(told, Err(io::ErrorKind::TimedOut));
        Ok(())
    }

    #[tokio::test]
    async fn who_takes_a_little_now_and_then_gets_everything() -> Result<(), Box<dyn Error>> {
        let patience = Duration::from_millis(200);
        let (mut server, mut client) = connected(patience).await?;
        let writing = tokio::spawn(async move { server.write_all(&vec![0; MUCH]).await });
        let mut piece = vec![0; 512 * 1_024];
        let mut pauses = tokio::time::interval(patience / 4);
        for _ in 0..16 {
            pauses.tick().await;
            client.read_exact(&mut piece).await?;
        }
        assert!(!writing.is_finished(), "it goes on");
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await?;
        assert_eq!(rest.len(), MUCH - 16 * piece.len());
        Ok(writing.await??)
    }
}
