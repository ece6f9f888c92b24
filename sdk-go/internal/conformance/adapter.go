package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	gateway "github.com/realtime-gateway/realtime-gateway/sdk-go"
)

// adapter has what the kit has made.
type adapter struct {
	mu      sync.Mutex
	clients map[string]*gateway.Client
	streams map[string]*reader
	// questions are those of token providers without an answer.
	questions    map[int64]chan answer
	lastQuestion int64
}

// answer is a token, or why there is none.
type answer struct {
	token string
	err   error
}

func newAdapter() *adapter {
	return &adapter{clients: map[string]*gateway.Client{}, streams: map[string]*reader{}, questions: map[int64]chan answer{}}
}

func (a *adapter) carryOut(ctx context.Context, c command) (any, error) {
	switch c.Do {
	case "open":
		return nil, a.open(c)
	case "connect":
		client, err := a.client(c)
		if err != nil {
			return nil, err
		}
		return nil, client.Connect(ctx)
	case "subscribe":
		return a.subscribe(ctx, c)
	case "read", "leave":
		return nil, a.order(c)
	case "send":
		return a.send(ctx, c)
	case "ack":
		client, err := a.client(c)
		if err != nil {
			return nil, err
		}
		return nil, client.Notifications().Ack(ctx, c.IDs...)
	case "history", "presence", "typing":
		return a.query(ctx, c)
	case "call", "request":
		return a.raw(ctx, c)
	case "token":
		a.answer(c)
		return nil, nil
	case "wake":
		client, err := a.client(c)
		if err == nil {
			client.Wake()
		}
		return nil, err
	}
	return nil, unsupported(c.Do)
}

func (a *adapter) open(c command) error {
	provider := func(ctx context.Context) (string, error) {
		asked := make(chan answer, 1)
		a.mu.Lock()
		a.lastQuestion++
		ask := a.lastQuestion
		a.questions[ask] = asked
		a.mu.Unlock()
		emit(line{Event: "token", Client: c.Client, Ask: ask})
		select {
		case answer := <-asked:
			return answer.token, answer.err
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	options := &gateway.Options{DeviceID: c.DeviceID, Buffer: c.Buffer, Timeout: time.Duration(c.TimeoutMs) * time.Millisecond}
	if c.CAFile != "" {
		certificate, err := os.ReadFile(c.CAFile)
		if err != nil {
			return err
		}
		authorities := x509.NewCertPool()
		if !authorities.AppendCertsFromPEM(certificate) {
			return fmt.Errorf("%s has no certificate", c.CAFile)
		}
		options.TLS = &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12}
	}
	client, err := gateway.NewClient(c.URL, provider, options)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.clients[c.Client] = client
	a.mu.Unlock()
	go func() {
		for state := range client.States(context.Background()) {
			failed := line{Event: "state", Client: c.Client, Status: state.Status}
			if state.Err != nil {
				failed.Error = failureOf(state.Err)
			}
			emit(failed)
		}
	}()
	go func() {
		for count := range client.Notifications().PendingCounts(context.Background()) {
			emit(line{Event: "pending", Client: c.Client, Count: &count})
		}
	}()
	return nil
}

func (a *adapter) answer(c command) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if asked := a.questions[c.Ask]; asked != nil {
		delete(a.questions, c.Ask)
		switch {
		case c.SignedOut:
			asked <- answer{err: gateway.ErrSignedOut}
		case c.Error != "":
			asked <- answer{err: errors.New(c.Error)}
		default:
			asked <- answer{token: c.Token}
		}
	}
}

func (a *adapter) client(c command) (*gateway.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if client := a.clients[c.Client]; client != nil {
		return client, nil
	}
	return nil, errors.New("there is no client " + c.Client)
}

// end closes a client, or with `reset` all of them.
func (a *adapter) end(c command) error {
	a.mu.Lock()
	var ending []*gateway.Client
	for name, client := range a.clients {
		if c.Do == "reset" || name == c.Client {
			ending = append(ending, client)
		}
	}
	if c.Do == "reset" {
		a.clients, a.streams, a.questions = map[string]*gateway.Client{}, map[string]*reader{}, map[int64]chan answer{}
	}
	a.mu.Unlock()
	var closing sync.WaitGroup
	for _, client := range ending {
		closing.Add(1)
		go func() {
			defer closing.Done()
			_ = client.Close()
		}()
	}
	closing.Wait()
	return nil
}

// topic is what a command is about: notifications, a clan or a topic of a service.
type topic struct {
	Clan    string `json:"clan"`
	Service string `json:"service"`
	Topic   string `json:"topic"`
}

// isNotifications returns whether it is neither.
func (t topic) isNotifications() bool {
	return t.Clan == "" && t.Service == ""
}

func (c command) topic() topic {
	var own topic
	// It is a text for notifications.
	_ = json.Unmarshal(c.Topic, &own)
	return own
}
