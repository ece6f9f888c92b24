// Command quickstart sends a message to a clan and prints what comes back: the quick start of the README.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	gateway "github.com/realtime-gateway/realtime-gateway/sdk-go"
)

func main() {
	ctx := context.Background()
	client, err := gateway.NewClient(os.Getenv("GATEWAY_URL"), gateway.StaticToken(os.Getenv("GATEWAY_TOKEN")), nil)
	check(err)
	defer client.Close()
	chat, err := client.ClanChat("clan123").Subscribe(ctx, nil)
	check(err)
	_, err = client.ClanChat("clan123").Send(ctx, "hello", nil)
	check(err)
	event, err := chat.Next(ctx)
	check(err)
	fmt.Println(event)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
