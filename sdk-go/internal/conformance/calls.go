package main

import (
	"context"
	"encoding/json"
	"time"

	gateway "github.com/realtime-gateway/realtime-gateway/sdk-go"
)

// limited returns a context with the time limit of the command.
func limited(ctx context.Context, c command) (context.Context, context.CancelFunc) {
	if c.TimeoutMs > 0 {
		return context.WithTimeout(ctx, time.Duration(c.TimeoutMs)*time.Millisecond)
	}
	return ctx, func() {}
}

func (a *adapter) send(ctx context.Context, c command) (any, error) {
	client, err := a.client(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := limited(ctx, c)
	defer cancel()
	about := c.topic()
	if about.Clan != "" {
		var data struct {
			Content     string
			MessageType string
			Data        json.RawMessage
		}
		if err := json.Unmarshal(c.Data, &data); err != nil {
			return nil, err
		}
		options := &gateway.SendOptions{MessageType: data.MessageType, ClientMessageID: c.ClientMessageID}
		if data.Data != nil {
			options.Data = data.Data
		}
		return sent(client.ClanChat(about.Clan).Send(ctx, data.Content, options))
	}
	publish := client.Topic(about.Service, about.Topic)
	if c.ClientMessageID != "" {
		return sent(publish.PublishWithID(ctx, c.ClientMessageID, c.Data))
	}
	return sent(publish.Publish(ctx, c.Data))
}

func sent(reply *gateway.MessageSent, err error) (any, error) {
	if err == nil && reply.Offset == 0 {
		return typed("publish_accepted", reply, nil)
	}
	return typed("message_sent", reply, err)
}

// typed returns a reply as the gateway has sent it: with its type.
func typed(name string, reply any, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(reply)
	if err != nil {
		return nil, err
	}
	message := map[string]any{}
	if err := json.Unmarshal(text, &message); err != nil {
		return nil, err
	}
	message["type"] = name
	return withMilliseconds(message), nil
}

// withMilliseconds writes times as the gateway does: encoding/json leaves out milliseconds that are zero.
func withMilliseconds(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			text, _ := member.(string)
			if at, err := time.Parse(time.RFC3339, text); err == nil && (name == "sentAt" || name == "publishedAt") {
				value[name] = at.UTC().Format("2006-01-02T15:04:05.000Z")
			} else {
				value[name] = withMilliseconds(member)
			}
		}
	case []any:
		for i := range value {
			value[i] = withMilliseconds(value[i])
		}
	}
	return value
}

func (a *adapter) query(ctx context.Context, c command) (any, error) {
	client, err := a.client(c)
	if err != nil {
		return nil, err
	}
	about, page := c.topic(), &gateway.HistoryOptions{Before: c.Before, After: c.After, Limit: c.Limit}
	switch {
	case c.Do == "typing":
		client.ClanChat(about.Clan).SetTyping(c.IsTyping)
		return nil, nil
	case c.Do == "history" && about.Clan != "":
		reply, err := client.ClanChat(about.Clan).History(ctx, page)
		return typed("chat_history", reply, err)
	case c.Do == "history":
		reply, err := client.Topic(about.Service, about.Topic).History(ctx, page)
		return typed("topic_history", reply, err)
	case about.Clan != "":
		reply, err := client.ClanChat(about.Clan).Presence(ctx)
		return typed("presence", reply, err)
	default:
		reply, err := client.Topic(about.Service, about.Topic).Presence(ctx)
		return typed("topic_presence", reply, err)
	}
}

func (a *adapter) raw(ctx context.Context, c command) (any, error) {
	client, err := a.client(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := limited(ctx, c)
	defer cancel()
	if c.Do == "request" {
		return client.Request(ctx, c.Type, c.Fields)
	}
	var response json.RawMessage
	err = client.Call(ctx, c.Service, c.Call, c.Data, &response)
	return response, err
}
