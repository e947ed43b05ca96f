//! Requests as no client would send them.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::PATIENCE;

/// Sends these bytes and hears what comes until the other side hangs up.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut heard = Vec::new();
    let talk = async {
        let mut stream = TcpStream::connect(address).await?;
        // Whoever is refused may be cut off while sending or hearing.
        if stream.write_all(bytes).await.is_ok() {
            let _ = stream.read_to_end(&mut heard).await;
        }
        Ok::<_, std::io::Error>(())
    };
    timeout(PATIENCE, talk).await.expect("the other side hangs up").expect("a connection");
    heard
}

/// Posts a body over HTTP; the status and the JSON of the answer.
pub async fn post(address: SocketAddr, body: &[u8]) -> (u16, Value) {
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let heard = exchange(address, &[head.as_bytes(), body].concat()).await;
    let heard = String::from_utf8(heard).expect("an answer is text");
    let parse = || {
        let (head, body) = heard.split_once("\r\n\r\n")?;
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        Some((status, serde_json::from_str(body).ok()?))
    };
    parse().unwrap_or_else(|| panic!("no JSON over HTTP: {heard:?}"))
}
