// Command notifications is a worker that handles the notifications of a user, each at least once:
//
//	GATEWAY_URL=wss://gateway.example.com/ws GATEWAY_TOKEN=… go run ./examples/notifications
//
// A notification is acknowledged after it was handled, so one that was not comes again after a crash.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	gateway "github.com/realtime-gateway/realtime-gateway/sdk-go"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil && ctx.Err() == nil {
		slog.Error("the worker has ended", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	token := gateway.StaticToken(os.Getenv("GATEWAY_TOKEN"))
	client, err := gateway.NewClient(os.Getenv("GATEWAY_URL"), token, &gateway.Options{Logger: slog.Default()})
	if err != nil {
		return err
	}
	defer client.Close()

	notifications := client.Notifications()
	subscription, err := notifications.Subscribe(ctx)
	if err != nil {
		return err
	}
	for event, err := range subscription.Events(ctx) {
		if err != nil {
			return err
		}
		notification, isNotification := event.Message.(*gateway.Notification)
		if !isNotification {
			continue
		}
		if err := handle(notification); err != nil {
			slog.Warn("a notification will come again", "id", notification.ID, "error", err)
			continue
		}
		if err := notifications.Ack(ctx, notification.ID); err != nil {
			return err
		}
		slog.Info("acknowledged a notification", "id", notification.ID)
	}
	return nil
}

// handle does the work of this program.
func handle(notification *gateway.Notification) error {
	_, err := fmt.Println(notification.Title + ": " + notification.Message)
	return err
}
