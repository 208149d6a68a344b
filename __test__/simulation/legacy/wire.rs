//! A connection of a consumer of 2.2.0: one command at a time, sent again after a broken connection.

use std::io::{Error, ErrorKind};
use std::time::Duration;

use hfxbus::redis_io::resp::Scanner;
use hfxbus::redis_io::tasks::Tasks;
use hfxbus::redis_io::world::pipe::PipeEnd;
use hfxbus::redis_io::world::simulation::World;
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use crate::world;

/// Maximum delay before a reconnection, in ms.
const MAX_DELAY: u64 = 2_000;

struct Call {
    command: Vec<u8>,
    reply: oneshot::Sender<Vec<u8>>,
}

/// A connection.
pub(super) struct Wire(mpsc::UnboundedSender<Call>);

impl Wire {
    pub(super) fn new(tasks: &Tasks, port: u16) -> Self {
        let (sender, calls) = mpsc::unbounded_channel();
        tasks.spawn(serve(calls, port));
        Self(sender)
    }

    /// Sends a command. Resolves with the bytes of its reply, or never if the process ends.
    pub(super) async fn call(&self, words: &[&str]) -> Vec<u8> {
        let (reply, received) = oneshot::channel();
        let _ = self.0.send(Call { command: packed(words), reply });
        match received.await {
            Ok(reply) => reply,
            Err(_) => std::future::pending().await,
        }
    }
}

async fn serve(mut calls: mpsc::UnboundedReceiver<Call>, port: u16) {
    let mut pipe = None;
    let mut attempt = 0;
    while let Some(Call { command, reply }) = calls.recv().await {
        loop {
            match exchange(&mut pipe, port, &command).await {
                Ok(bytes) => {
                    attempt = 0;
                    let _ = reply.send(bytes);
                    break;
                }
                Err(_) => {
                    pipe = None;
                    attempt += 1;
                    sleep(Duration::from_millis((50 * attempt).min(MAX_DELAY))).await;
                }
            }
        }
    }
}

async fn exchange(pipe: &mut Option<PipeEnd>, port: u16, command: &[u8]) -> std::io::Result<Vec<u8>> {
    let pipe = match pipe {
        Some(pipe) => pipe,
        None => {
            let mut opening = None;
            world::with(|world| opening = Some(world.connect("127.0.0.1", port)));
            let opening = opening.ok_or_else(|| Error::from(ErrorKind::NotConnected))?;
            pipe.insert(opening.await?)
        }
    };
    pipe.write_all(command).await?;
    let (mut bytes, mut scanner) = (Vec::new(), Scanner::default());
    loop {
        if pipe.fill(&mut bytes).await? == 0 {
            return Err(Error::from(ErrorKind::UnexpectedEof));
        }
        let length = scanner.scan(&bytes).map_err(|_| Error::from(ErrorKind::InvalidData))?;
        if let Some(length) = length {
            bytes.truncate(length);
            return Ok(bytes);
        }
    }
}

fn packed(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
    }
    bytes
}
