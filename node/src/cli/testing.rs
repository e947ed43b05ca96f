//! A node for tests of commands: it answers as a script says, truly or not.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::client::Client;

/// What a node answers to a method with these parameters: an object with `error` is JSON-RPC's error; never, if nothing.
pub(super) type Script = fn(&str, &Value) -> Option<Value>;

/// A node that answers a method as the script says, or never.
pub(super) async fn scripted(
    script: impl Fn(&str, &Value) -> Option<Value> + Send + Sync + 'static,
) -> Client {
    let script = Arc::new(script);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&script)));
        }
    });
    Client::new(url.parse().unwrap())
}

async fn serve(stream: TcpStream, script: Arc<impl Fn(&str, &Value) -> Option<Value>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let request: Value = serde_json::from_slice(&body).unwrap();
        let Some(result) = script(request["method"].as_str().unwrap(), &request["params"]) else {
            return std::future::pending().await;
        };
        let answer = match result.get("error") {
            Some(error) => json!({ "jsonrpc": "2.0", "id": 1, "error": error }),
            None => json!({ "jsonrpc": "2.0", "id": 1, "result": result }),
        };
        let answer = answer.to_string();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}
