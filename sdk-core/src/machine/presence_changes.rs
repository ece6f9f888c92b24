//! Takes the changes of presence in a large clan or topic out of the one message in which they arrive, so that an app has
//! one kind of event, however large its topics are.

use realtime_gateway_protocol::{ObjectText, Outline};

/// Returns the messages for the single changes, with the number of users. `None` for any other message.
pub(super) fn single_changes(message: &Outline<'_>) -> Option<Vec<String>> {
    let (type_name, shared): (_, &[&str]) = match message.type_name() {
        "presence_changes" => ("presence_changed", &["clanId"]),
        "topic_presence_changes" => ("topic_presence_changed", &["service", "topic"]),
        _ => return None,
    };
    let single = |change: &Outline<'_>| {
        let mut single = ObjectText::default();
        single.text("type", type_name);
        copy(message, shared, &mut single);
        copy(change, &["userId", "status", "data"], &mut single);
        copy(message, &["count"], &mut single);
        single.into_string()
    };
    Some(message.objects("changes").iter().map(single).collect())
}

fn copy(from: &Outline<'_>, names: &[&str], to: &mut ObjectText) {
    for (name, json) in names.iter().filter_map(|name| Some((name, from.raw(name)?))) {
        to.raw(name, json);
    }
}
