//! The chat of `sdk-c/examples` in C, which is compiled with every warning and runs against a real gateway.

use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
    sync::LazyLock,
};

use realtime_gateway_tests::{Gateway, Socket, Token, must};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
};

/// The compiled program. Tests run in processes of their own, so each compiles its own.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk-c");
    // Next to this test, where cargo has put the static library.
    let folder = env::current_exe().unwrap().parent().unwrap().to_owned();
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c-chat");
    let new = program.with_extension(std::process::id().to_string());
    let examples = ["buffer.c", "chat.c", "json.c", "sha1.c", "websocket.c"];
    let mut cc = std::process::Command::new("cc");
    cc.args([
        "-std=c11",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wpedantic",
        "-O1",
        "-g",
        "-fsanitize=address,undefined",
        "-I",
    ]);
    cc.arg(sources.join("include")).args(examples.map(|file| sources.join("examples").join(file)));
    cc.arg(folder.join("libgateway_core.a")).args(["-lpthread", "-ldl", "-lm", "-o"]).arg(&new);
    let output = cc.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::rename(new, &program).unwrap();
    program
});

/// A running chat.
struct Chat {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    states: Lines<BufReader<ChildStderr>>,
}

impl Chat {
    fn start(address: &str, token: &Token) -> Self {
        let mut command = Command::new(&*PROGRAM);
        command.arg(format!("ws://{address}/ws")).arg("c").env("GATEWAY_TOKEN", token.text()).kill_on_drop(true);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (input, output, errors) = (child.stdin.take(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, input, lines: BufReader::new(output).lines(), states: BufReader::new(errors).lines() }
    }

    async fn type_line(&mut self, text: &str) {
        self.input.as_mut().unwrap().write_all(format!("{text}\n").as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> String {
        must("a line of the chat", self.lines.next_line()).await.unwrap().expect("the chat runs")
    }

    /// Passes over states until one begins like this.
    async fn until(&mut self, state: &str) {
        let mut seen = Vec::new();
        loop {
            let line = must(&format!("{state:?} after {seen:?}"), self.states.next_line()).await.unwrap();
            let Some(line) = line else { panic!("{state:?} did not come: {seen:?}") };
            if line.starts_with(state) {
                return;
            }
            seen.push(line);
        }
    }

    /// Ends the input, and waits for the end of the program.
    async fn finish(mut self) -> Option<i32> {
        self.input = None;
        must("the end of the chat", self.child.wait()).await.unwrap().code()
    }
}

#[tokio::test]
async fn chat_in_c_sends_and_receives() {
    let gateway = Gateway::start().await;
    let mut chat = Chat::start(gateway.address(), &Token::for_user("alice"));
    chat.until("* online").await;
    let mut bob = Socket::connect(&gateway, "bob").await;
    bob.chat("c", "hello \u{1f43a} \"quoted\" \\ \u{e9}").await;
    assert_eq!(chat.line().await, "bob: hello \u{1f43a} \"quoted\" \\ \u{e9}");
    chat.type_line("and \"back\" \u{1f43a}").await;
    assert_eq!(chat.line().await, "alice: and \"back\" \u{1f43a}");
    // A frame with a length of 16 bits, in both directions.
    let long = "x".repeat(3_000);
    chat.type_line(&long).await;
    assert_eq!(chat.line().await, format!("alice: {long}"));
    assert_eq!(chat.finish().await, Some(0));
}

#[tokio::test]
async fn chat_in_c_misses_nothing_when_the_gateway_is_killed() {
    let mut gateway = Gateway::start().await;
    let mut chat = Chat::start(gateway.address(), &Token::for_user("alice"));
    chat.until("* online").await;
    chat.type_line("first").await;
    assert_eq!(chat.line().await, "alice: first");
    gateway.kill().await;
    chat.until("* reconnecting").await;
    // Typed while there is no gateway: it waits, and is sent once.
    chat.type_line("second").await;
    gateway.restart().await;
    chat.until("* online").await;
    assert_eq!(chat.line().await, "alice: second");
    Socket::connect(&gateway, "bob").await.chat("c", "third").await;
    assert_eq!(chat.line().await, "bob: third");
    assert_eq!(chat.finish().await, Some(0));
}

#[tokio::test]
async fn chat_in_c_sends_what_it_has_read_before_its_input_ends() {
    let gateway = Gateway::start().await;
    let mut chat = Chat::start(gateway.address(), &Token::for_user("alice"));
    for number in 0..120 {
        chat.type_line(&format!("line {number}")).await;
    }
    chat.input = None;
    for number in 0..120 {
        assert_eq!(chat.line().await, format!("alice: line {number}"));
    }
    assert_eq!(chat.finish().await, Some(0));
}

#[tokio::test]
async fn chat_in_c_ends_with_the_reason_when_its_token_is_refused() {
    let gateway = Gateway::start().await;
    let mut chat =
        Chat::start(gateway.address(), &Token::for_user("alice").signed_with("another secret, of 32 bytes at least"));
    chat.until("* unauthorized").await;
    assert_eq!(chat.finish().await, Some(1));
}
