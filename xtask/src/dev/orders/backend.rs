//! The backend of the example service: it answers calls, and publishes what happens to each order.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::http::{Answer, answer, post};

/// What happens to an order by itself, and how long after the step before.
const STEPS: [(&str, Duration); 4] = [
    ("received", Duration::from_secs(1)),
    ("packed", Duration::from_secs(4)),
    ("shipped", Duration::from_secs(8)),
    ("delivered", Duration::from_secs(8)),
];
/// The price of an item.
const CENTS: i64 = 2_100;

/// The orders, and where their events are published.
struct Backend {
    gateway: SocketAddr,
    key: String,
    orders: Mutex<BTreeMap<String, Order>>,
}

struct Order {
    cents: i64,
    /// The number of steps that were made.
    steps: usize,
    is_cancelled: bool,
}

/// Starts the backend in the background, with the API key in a file.
///
/// # Errors
/// If the address is in use, or the key cannot be read.
pub(crate) fn start(gateway: SocketAddr, address: SocketAddr, key: &Path) -> anyhow::Result<()> {
    let key = fs::read_to_string(key).with_context(|| format!("read {}", key.display()))?;
    let listener =
        TcpListener::bind(address).with_context(|| format!("listen on {address} for the example backend"))?;
    serve(listener, gateway, key);
    Ok(())
}

fn serve(listener: TcpListener, gateway: SocketAddr, key: String) {
    let backend = Arc::new(Backend { gateway, key, orders: Mutex::default() });
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let backend = Arc::clone(&backend);
            thread::spawn(move || {
                if let Err(error) = answer(socket, |request| backend.call(request)) {
                    report("a request failed", &error.to_string());
                }
            });
        }
    });
}

impl Backend {
    fn call(self: &Arc<Self>, request: &Value) -> Answer {
        let data = &request["data"];
        match request["method"].as_str() {
            Some("place") => self.place(&data["items"]),
            Some("cancel") => self.cancel(data["orderId"].as_str().unwrap_or_default(), &request["userId"]),
            _ => refusal(404, "unknown_method", "The example has no such call."),
        }
    }

    fn place(self: &Arc<Self>, items: &Value) -> Answer {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let order_id = format!("{}", now.as_millis() % 10_000_000_000);
        let cents = i64::try_from(items.as_array().map_or(0, Vec::len)).unwrap_or(0) * CENTS;
        self.lock().insert(order_id.clone(), Order { cents, steps: 0, is_cancelled: false });
        self.publish(&order_id, &json!({ "type": "placed", "items": items, "totalCents": cents }));
        let (backend, id) = (Arc::clone(self), order_id.clone());
        thread::spawn(move || {
            for (status, wait) in STEPS {
                thread::sleep(wait);
                if !backend.advance(&id) {
                    return;
                }
                backend.publish(&id, &json!({ "type": "status", "status": status }));
            }
        });
        Answer(200, json!({ "data": { "orderId": order_id } }))
    }

    /// Makes the next step of an order, unless it was cancelled.
    fn advance(&self, order_id: &str) -> bool {
        let mut orders = self.lock();
        let Some(order) = orders.get_mut(order_id).filter(|order| !order.is_cancelled) else { return false };
        order.steps += 1;
        true
    }

    fn cancel(&self, order_id: &str, user: &Value) -> Answer {
        let cents = match self.lock().get_mut(order_id) {
            None => return refusal(404, "unknown_order", "There is no such order."),
            Some(order) if order.steps > 2 => return refusal(409, "too_late", "The order is on its way."),
            Some(order) if order.is_cancelled => return refusal(409, "cancelled", "The order was cancelled before."),
            Some(order) => {
                order.is_cancelled = true;
                order.cents
            }
        };
        self.publish(order_id, &json!({ "type": "status", "status": "cancelled", "by": user }));
        Answer(200, json!({ "data": { "refundCents": cents } }))
    }

    fn publish(&self, order_id: &str, data: &Value) {
        let path = format!("/api/v1/services/orders/topics/order-{order_id}/events");
        match post(self.gateway, &path, &self.key, &json!({ "data": data })) {
            Ok(200..300) => {}
            Ok(status) => report("the gateway has refused an event", &status.to_string()),
            Err(error) => report("an event could not be published", &error.to_string()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(status: u16, code: &str, message: &str) -> Answer {
    Answer(status, json!({ "code": code, "message": message }))
}

fn report(what: &str, why: &str) {
    // Standard error may be closed, and there is no other place for it.
    let _ = io::Write::write_all(&mut io::stderr(), format!("example backend: {what}: {why}\n").as_bytes());
}
