package gateway

import "context"

// Topic is a topic of a declared service.
type Topic struct {
	client         *Client
	service, topic string
}

// Topic returns a topic of a declared service.
func (c *Client) Topic(service, topic string) Topic {
	return Topic{c, service, topic}
}

// Subscribe subscribes to the events, and waits for the gateway's confirmation. Events are [TopicMessage], [Gap], and with
// Presence [TopicPresence] and [TopicPresenceChanged]. options may be nil.
func (t Topic) Subscribe(ctx context.Context, options *SubscribeOptions) (*Subscription, error) {
	return t.client.subscribe(ctx, "subscribe", subscribeFields{Service: t.service, Topic: t.topic}.with(options))
}

// Publish publishes data, which is encoded as JSON, and waits until it is stored. It is repeated after a lost connection if
// necessary, and stored once.
func (t Topic) Publish(ctx context.Context, data any) (*MessageSent, error) {
	return t.PublishWithID(ctx, newID(), data)
}

// PublishWithID is like [Topic.Publish] with an id of the message. Repeating with the same id is safe.
func (t Topic) PublishWithID(ctx context.Context, clientMessageID string, data any) (*MessageSent, error) {
	fields := struct {
		Service         string `json:"service"`
		Topic           string `json:"topic"`
		Data            any    `json:"data"`
		ClientMessageID string `json:"clientMessageId"`
	}{t.service, t.topic, data, clientMessageID}
	sent, err := reply[MessageSent](t.client.call(ctx, "call", "publish", fields))
	return sent, withMessageID(err, clientMessageID)
}

// History returns a page of the history in ascending order of offsets. options may be nil.
func (t Topic) History(ctx context.Context, options *HistoryOptions) (*TopicHistory, error) {
	fields := historyFields{Service: t.service, Topic: t.topic}.with(options)
	return reply[TopicHistory](t.client.call(ctx, "call", "topic_history", fields))
}

// Presence returns the users who are present, with the data that each of them shows.
func (t Topic) Presence(ctx context.Context) (*TopicPresence, error) {
	return reply[TopicPresence](t.client.call(ctx, "call", "topic_presence", struct {
		Service string `json:"service"`
		Topic   string `json:"topic"`
	}{t.service, t.topic}))
}

// ServerSubscriptions returns the subscriptions that the server makes, by a claim of the token or through its HTTP API, and the
// events of all their topics: each once and in the order of its topic, or a [Gap]. Open it before [Client.Connect], and keep it.
// Events are [SubscriptionConfirmed], [TopicMessage], [Gap], [SubscriptionEnded] and [Missed].
func (c *Client) ServerSubscriptions(ctx context.Context) (*Subscription, error) {
	return c.subscribe(ctx, "server_subscriptions", struct{}{})
}
