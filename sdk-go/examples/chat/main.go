// Command chat is a chat in the terminal:
//
//	go run ./examples/chat alice clan123
//
// It needs a gateway with --dev, which makes the tokens: http://127.0.0.1:4000, or the address in GATEWAY_HTTP.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"

	gateway "github.com/realtime-gateway/realtime-gateway/sdk-go"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: chat USER CLAN")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1], os.Args[2]); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, user, clanID string) error {
	address := cmp.Or(os.Getenv("GATEWAY_HTTP"), "http://127.0.0.1:4000")
	provider := func(ctx context.Context) (string, error) { return devToken(ctx, address, user) }
	client, err := gateway.NewClient(address+"/ws", provider, nil)
	if err != nil {
		return err
	}
	defer client.Close()

	clan := client.ClanChat(clanID)
	subscription, err := clan.Subscribe(ctx, &gateway.SubscribeOptions{History: 20})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() { cancel(show(ctx, subscription)) }()
	go watch(ctx, client)

	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(os.Stdin); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case line, more := <-lines:
			if !more {
				return nil
			}
			if err := send(ctx, clan, line); err != nil {
				return err
			}
		}
	}
}

// send sends a line. A refused one does not end the program.
func send(ctx context.Context, clan gateway.ClanChat, line string) error {
	_, err := clan.Send(ctx, line, nil)
	var failure *gateway.Error
	if errors.As(err, &failure) && failure.Outcome == gateway.Refused {
		fmt.Println("! not sent:", failure.Message)
		return nil
	}
	return err
}

// show prints what comes.
func show(ctx context.Context, subscription *gateway.Subscription) error {
	for event, err := range subscription.Events(ctx) {
		if err != nil {
			return err
		}
		switch message := event.Message.(type) {
		case *gateway.Chat:
			fmt.Printf("%s %s: %s\n", message.SentAt.Local().Format("15:04"), message.UserID, message.Content)
		case *gateway.Gap:
			fmt.Println("… some messages are missing:", message.Reason)
		}
	}
	return nil
}

// watch prints the state of the connection.
func watch(ctx context.Context, client *gateway.Client) {
	last := gateway.Online
	for state := range client.States(ctx) {
		if state.Status != last {
			fmt.Println("*", state.Status)
			last = state.Status
		}
	}
}

// devToken asks a gateway that runs with --dev for a token. A real app asks its own backend.
func devToken(ctx context.Context, address, user string) (string, error) {
	body, err := json.Marshal(map[string]any{"userId": user, "clans": []string{"*"}})
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"/dev/token", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("no token: the gateway answered %s", response.Status)
	}
	var answer struct{ Token string }
	err = json.NewDecoder(response.Body).Decode(&answer)
	return answer.Token, err
}
