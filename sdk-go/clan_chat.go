package gateway

import (
	"context"
)

// ClanChat is the chat of a clan.
type ClanChat struct {
	client *Client
	clanID string
}

// ClanChat returns the chat of a clan.
func (c *Client) ClanChat(clanID string) ClanChat {
	return ClanChat{c, clanID}
}

// subscribeFields are the fields of a subscription to a log.
type subscribeFields struct {
	ClanID       string    `json:"clanId,omitempty"`
	Service      string    `json:"service,omitempty"`
	Topic        string    `json:"topic,omitempty"`
	History      int       `json:"history,omitempty"`
	Recover      *Position `json:"recover,omitempty"`
	Presence     bool      `json:"presence,omitempty"`
	PresenceData any       `json:"presenceData,omitempty"`
}

// with adds options, which may be nil.
func (f subscribeFields) with(options *SubscribeOptions) subscribeFields {
	if options != nil {
		f.History, f.Recover, f.Presence, f.PresenceData = options.History, options.From, options.Presence, options.PresenceData
	}
	return f
}

// Subscribe subscribes to the messages, and waits for the gateway's confirmation. It waits for a connection as long as the
// context allows. Events are [Chat], [ChatDeleted], [Typing], [Gap], and with Presence [Presence] and [PresenceChanged].
func (c ClanChat) Subscribe(ctx context.Context, options *SubscribeOptions) (*Subscription, error) {
	return c.client.subscribe(ctx, "subscribe_clan_chat", subscribeFields{ClanID: c.clanID}.with(options))
}

// SendOptions are the rarer parts of a chat message.
type SendOptions struct {
	// MessageType is "TEXT", "IMAGE" or "FILE"; "TEXT" by default.
	MessageType string
	// Data has replies, mentions, attachments: encoded as a JSON object of at most 8 KiB.
	Data any
	// ClientMessageID makes repeating safe, and comes back in Chat.ClientMessageID. It is made by default.
	ClientMessageID string
}

// Send sends a message, and waits until it is stored. It is repeated after a lost connection if necessary, and stored once.
// options may be nil.
func (c ClanChat) Send(ctx context.Context, content string, options *SendOptions) (*MessageSent, error) {
	if options == nil {
		options = &SendOptions{}
	}
	fields := struct {
		ClanID          string `json:"clanId"`
		Content         string `json:"content"`
		MessageType     string `json:"messageType,omitempty"`
		Data            any    `json:"data,omitempty"`
		ClientMessageID string `json:"clientMessageId"`
	}{c.clanID, content, options.MessageType, options.Data, options.ClientMessageID}
	if fields.ClientMessageID == "" {
		fields.ClientMessageID = newID()
	}
	sent, err := reply[MessageSent](c.client.call(ctx, "call", "chat", fields))
	return sent, withMessageID(err, fields.ClientMessageID)
}

// withMessageID adds the id of the message to the error of a send.
func withMessageID(err error, id string) error {
	failure, isError := err.(*Error)
	if !isError {
		return err
	}
	own := *failure
	own.ClientMessageID = id
	return &own
}

// SetTyping reports that the user types or has stopped. It may be called for every key: the SDK limits what is sent. It is not
// confirmed.
func (c ClanChat) SetTyping(isTyping bool) {
	fields := headOf(struct {
		ClanID   string `json:"clanId"`
		IsTyping bool   `json:"isTyping"`
	}{c.clanID, isTyping})
	// Typing is useless later, so errors are ignored.
	_, _ = c.client.begin("call", "typing", fields[:len(fields)-1], nil, nil)
}

// HistoryOptions choose a page of the history: the newest messages, or those before or after an offset.
type HistoryOptions struct {
	Before, After *int64
	// Limit is 1 to 100; the default is 50.
	Limit int
}

// historyFields are the fields of a page of the history.
type historyFields struct {
	ClanID  string `json:"clanId,omitempty"`
	Service string `json:"service,omitempty"`
	Topic   string `json:"topic,omitempty"`
	Before  *int64 `json:"before,omitempty"`
	After   *int64 `json:"after,omitempty"`
	Limit   int    `json:"limit,omitempty"`
}

func (f historyFields) with(options *HistoryOptions) historyFields {
	if options != nil {
		f.Before, f.After, f.Limit = options.Before, options.After, options.Limit
	}
	return f
}

// History returns a page of the history in ascending order of offsets. options may be nil.
func (c ClanChat) History(ctx context.Context, options *HistoryOptions) (*ChatHistory, error) {
	return reply[ChatHistory](c.client.call(ctx, "call", "chat_history", historyFields{ClanID: c.clanID}.with(options)))
}

// Presence returns the users who are present.
func (c ClanChat) Presence(ctx context.Context) (*Presence, error) {
	return reply[Presence](c.client.call(ctx, "call", "presence", struct {
		ClanID string `json:"clanId"`
	}{c.clanID}))
}
