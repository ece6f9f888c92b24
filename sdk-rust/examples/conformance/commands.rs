//! The commands of the kit, as calls of the SDK.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use realtime_gateway_sdk::{
    CallOptions, ClanChat, Client, Error, Position, Published, Receipt, ServiceTopic, SignedOut, SubscribeChat,
    SubscribeTopic,
    protocol::{MessageType, NotificationId, ServerMessage},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::{
    Outcome,
    output::{Failed, emit, message_value},
    stream::{AnyStream, Order, read},
    words::{position_value, report},
};

/// How many orders of a stream wait.
const ORDERS: usize = 16;

/// The questions for tokens without an answer.
type Questions = Arc<Mutex<HashMap<u64, oneshot::Sender<Result<String, ProviderError>>>>>;

/// Why a token provider has no token.
type ProviderError = Box<dyn std::error::Error + Send + Sync>;

/// What the adapter has made.
#[derive(Default)]
pub(crate) struct Adapter {
    clients: RefCell<HashMap<String, Client>>,
    streams: RefCell<HashMap<String, mpsc::Sender<Order>>>,
    questions: Questions,
    last_question: Arc<std::sync::atomic::AtomicU64>,
    generation: Cell<u64>,
}

/// A topic of the kit.
enum Topic {
    Clan(ClanChat),
    Service(ServiceTopic),
    Notifications,
}

impl Adapter {
    /// Carries out a command.
    pub(crate) async fn carry_out(self: Rc<Self>, command: Value) -> Outcome {
        match command["do"].as_str().unwrap_or_default() {
            "open" => self.open(&command),
            "connect" => self.connect(&command).await,
            "subscribe" => self.subscribe(&command).await,
            "read" => self.order(&command, Order::Read(command["count"].as_u64().unwrap_or_default())).await,
            "leave" => self.order(&command, Order::Leave).await,
            "send" => self.send(&command).await,
            "ack" => self.ack(&command).await,
            "history" => self.history(&command).await,
            "presence" => self.presence(&command).await,
            "typing" => self.typing(&command).await,
            "call" => self.call(&command).await,
            "request" => self.request(&command).await,
            "token" => self.token(&command),
            "wake" => {
                self.client(&command)?.wake().await;
                Ok(Value::Null)
            }
            "close" => {
                self.client(&command)?.close().await;
                Ok(Value::Null)
            }
            "reset" => {
                self.reset().await;
                Ok(Value::Null)
            }
            _ => Err(Failed::unsupported(&command)),
        }
    }

    /// Closes all clients and forgets all names.
    pub(crate) async fn reset(&self) {
        self.generation.set(self.generation.get() + 1);
        let clients: Vec<_> = self.clients.take().into_values().collect();
        self.streams.take();
        for client in clients {
            client.close().await;
        }
        self.questions.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
    }

    fn open(&self, command: &Value) -> Outcome {
        let name = text(command, "client");
        let (questions, last, own) = (Arc::clone(&self.questions), Arc::clone(&self.last_question), name.clone());
        let provider = move || {
            let (answer, answered) = oneshot::channel();
            let ask = last.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            questions.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(ask, answer);
            emit(&json!({"event": "token", "client": own, "ask": ask}));
            async move { answered.await.unwrap_or_else(|_| Err("there is no answer".into())) }
        };
        let mut builder = Client::builder(text(command, "url")).token(provider);
        if let Some(device) = command["deviceId"].as_str() {
            builder = builder.device_id(device);
        }
        if let Some(timeout) = millis(command) {
            builder = builder.timeout(timeout);
        }
        if let Some(buffer) = command["buffer"].as_u64() {
            builder = builder.stream_buffer(usize::try_from(buffer).unwrap_or(usize::MAX));
        }
        if let Some(file) = command["caFile"].as_str() {
            builder = builder.tls(trusting(file).map_err(Error::invalid)?);
        }
        let client = builder.build()?;
        tokio::task::spawn_local(report(name.clone(), client.clone()));
        self.clients.borrow_mut().insert(name, client);
        Ok(Value::Null)
    }

    async fn connect(&self, command: &Value) -> Outcome {
        let client = self.client(command)?;
        // A client that was replaced, for example, starts again.
        let is_over = matches!(&*client.state().borrow(), realtime_gateway_sdk::State::Closed(_));
        if is_over {
            client.resume().await?
        } else {
            client.connect().await?
        }
        Ok(Value::Null)
    }

    async fn subscribe(&self, command: &Value) -> Outcome {
        let history = command["history"].as_u64().map(|history| u32::try_from(history).unwrap_or(u32::MAX));
        let presence = command["presence"] == true;
        let from = &command["from"];
        let from = from["offset"].as_u64().map(|offset| Position::new(offset, text(from, "epoch"))).transpose()?;
        let stream = match self.topic(command)? {
            Topic::Clan(chat) => {
                let mut subscribe: SubscribeChat = chat.subscribe();
                subscribe = history.into_iter().fold(subscribe, SubscribeChat::history);
                subscribe = from.into_iter().fold(subscribe, SubscribeChat::from);
                AnyStream::Chat(if presence { subscribe.presence().await? } else { subscribe.await? })
            }
            Topic::Service(topic) => {
                let mut subscribe: SubscribeTopic = topic.subscribe();
                subscribe = history.into_iter().fold(subscribe, SubscribeTopic::history);
                subscribe = from.into_iter().fold(subscribe, SubscribeTopic::from);
                AnyStream::Topic(if presence { subscribe.presence().await? } else { subscribe.await? })
            }
            Topic::Notifications => AnyStream::Notifications(self.client(command)?.notifications().subscribe().await?),
        };
        let position = position_value(stream.position());
        let name = text(command, "stream");
        let (orders, queue) = mpsc::channel(ORDERS);
        self.streams.borrow_mut().insert(name.clone(), orders);
        // The position comes before the first item.
        tokio::task::spawn_local(read(name, stream, command["read"].as_u64(), queue));
        Ok(position)
    }

    async fn order(&self, command: &Value, order: Order) -> Outcome {
        let stream = self.streams.borrow().get(&text(command, "stream")).cloned();
        let stream = stream.ok_or_else(|| Error::invalid("there is no such stream"))?;
        // A stream that has ended takes no order.
        let _ = stream.send(order).await;
        Ok(Value::Null)
    }

    async fn send(&self, command: &Value) -> Outcome {
        let data = &command["data"];
        let (id, timeout) = (command["clientMessageId"].as_str(), millis(command));
        match self.topic(command)? {
            Topic::Clan(chat) => {
                let clan = chat.clan_id().as_str().to_owned();
                let mut send = chat.send(text(data, "content"));
                if let Some(word) = data["messageType"].as_str() {
                    send = send.message_type(MessageType::from(word));
                }
                if let Some(data) = data.get("data") {
                    send = send.data(data);
                }
                if let Some(id) = id {
                    send = send.client_message_id(id);
                }
                if let Some(timeout) = timeout {
                    send = send.timeout(timeout);
                }
                Ok(receipt(send.await?, &json!({"clanId": clan})))
            }
            Topic::Service(topic) => {
                let mut publish = topic.publish(data);
                if let Some(id) = id {
                    publish = publish.client_message_id(id);
                }
                if let Some(timeout) = timeout {
                    publish = publish.timeout(timeout);
                }
                let names = command["topic"].clone();
                match publish.await? {
                    Published::Stored(stored) => Ok(receipt(stored, &names)),
                    Published::Sent(id) => {
                        let mut value = names;
                        value["type"] = json!("publish_accepted");
                        value["clientMessageId"] = json!(id.as_ref().map(|id| id.as_str()));
                        Ok(value)
                    }
                    _ => Ok(Value::Null),
                }
            }
            Topic::Notifications => Err(Failed::unsupported(command)),
        }
    }

    async fn ack(&self, command: &Value) -> Outcome {
        let ids = command["ids"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let ids: Result<Vec<_>, _> = ids.map(NotificationId::new).collect();
        self.client(command)?.notifications().ack(ids.map_err(Error::invalid)?).await?;
        Ok(Value::Null)
    }

    async fn history(&self, command: &Value) -> Outcome {
        let number = |name: &str| command[name].as_u64();
        macro_rules! page {
            ($history:expr) => {{
                let mut history = $history;
                history = number("before").into_iter().fold(history, |history, offset| history.before(offset));
                history = number("after").into_iter().fold(history, |history, offset| history.after(offset));
                let limit = number("limit").map(|limit| u32::try_from(limit).unwrap_or(u32::MAX));
                limit.into_iter().fold(history, |history, limit| history.limit(limit)).await?
            }};
        }
        Ok(message_value(match self.topic(command)? {
            Topic::Clan(chat) => ServerMessage::ChatHistory(page!(chat.history())),
            Topic::Service(topic) => ServerMessage::TopicHistory(page!(topic.history())),
            Topic::Notifications => return Err(Failed::unsupported(command)),
        }))
    }

    async fn presence(&self, command: &Value) -> Outcome {
        Ok(message_value(match self.topic(command)? {
            Topic::Clan(chat) => ServerMessage::Presence(chat.presence().await?),
            Topic::Service(topic) => ServerMessage::TopicPresence(topic.presence().await?),
            Topic::Notifications => return Err(Failed::unsupported(command)),
        }))
    }

    async fn typing(&self, command: &Value) -> Outcome {
        match self.topic(command)? {
            Topic::Clan(chat) => chat.typing(command["isTyping"] == true).await?,
            _ => return Err(Failed::unsupported(command)),
        }
        Ok(Value::Null)
    }

    async fn call(&self, command: &Value) -> Outcome {
        let mut options = CallOptions::default();
        if let Some(timeout) = millis(command) {
            options = options.timeout(timeout);
        }
        let client = self.client(command)?;
        let (service, method) = (text(command, "service"), text(command, "call"));
        Ok(client.call::<Value>(&service, &method, &command["data"], options).await?)
    }

    async fn request(&self, command: &Value) -> Outcome {
        let client = self.client(command)?;
        Ok(message_value(client.request(text(command, "type"), &command["fields"]).await?))
    }

    fn token(&self, command: &Value) -> Outcome {
        let ask = command["ask"].as_u64().unwrap_or_default();
        let question = self.questions.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&ask);
        if let Some(question) = question {
            // The provider may no longer be asked.
            let _ = question.send(match command["token"].as_str() {
                Some(token) => Ok(token.to_owned()),
                None if command["signedOut"] == true => Err(SignedOut.into()),
                None => Err(text(command, "error").into()),
            });
        }
        Ok(Value::Null)
    }

    fn client(&self, command: &Value) -> Result<Client, Failed> {
        let client = self.clients.borrow().get(&text(command, "client")).cloned();
        Ok(client.ok_or_else(|| Error::invalid("there is no such client"))?)
    }

    fn topic(&self, command: &Value) -> Result<Topic, Failed> {
        let (client, topic) = (self.client(command)?, &command["topic"]);
        Ok(if topic == "notifications" {
            Topic::Notifications
        } else if topic["clan"].is_string() {
            Topic::Clan(client.clan_chat(text(topic, "clan"))?)
        } else {
            Topic::Service(client.topic(text(topic, "service"), text(topic, "topic"))?)
        })
    }
}

/// Returns a configuration of TLS that trusts the authority in a file, and no other.
fn trusting(file: &str) -> Result<Arc<ClientConfig>, String> {
    let certificate = CertificateDer::from_pem_file(file).map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).map_err(|error| error.to_string())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn millis(command: &Value) -> Option<Duration> {
    command["timeoutMs"].as_u64().map(Duration::from_millis)
}

/// Returns the reply of a publication, as the gateway has sent it.
fn receipt(receipt: Receipt, names: &Value) -> Value {
    let mut value = names.clone();
    value["type"] = json!("message_sent");
    value["messageId"] = json!(receipt.message_id.as_str());
    value["offset"] = json!(receipt.offset);
    if let Some(id) = receipt.client_message_id {
        value["clientMessageId"] = json!(id.as_str());
    }
    if receipt.duplicate {
        value["duplicate"] = json!(true);
    }
    value
}
