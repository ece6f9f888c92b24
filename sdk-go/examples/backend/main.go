// Command backend answers a chat message that contains "help": the gateway sends messages by a webhook, and the answer goes over
// the HTTP API.
//
//	GATEWAY_HTTP=http://127.0.0.1:4000 GATEWAY_API_KEY=… WEBHOOK_SECRET=whsec_… LISTEN=127.0.0.1:8080 backend
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/realtime-gateway/realtime-gateway/sdk-go/publish"
)

// event is the part of a webhook's event that this program needs.
type event struct {
	ID, Type, ClanID, UserID, Content string
}

func main() {
	client, err := publish.NewClient(os.Getenv("GATEWAY_HTTP"), os.Getenv("GATEWAY_API_KEY"), nil)
	check(err)
	verifier, err := publish.NewVerifier(os.Getenv("WEBHOOK_SECRET"))
	check(err)
	listener, err := net.Listen("tcp", os.Getenv("LISTEN"))
	check(err)
	fmt.Println("listens on", listener.Addr())
	check(http.Serve(listener, http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		body, err := verifier.ReadBody(request)
		if err != nil {
			http.Error(response, "not signed by the gateway", http.StatusUnauthorized)
			return
		}
		var webhook struct{ Events []event }
		if err := json.Unmarshal(body, &webhook); err != nil {
			http.Error(response, err.Error(), http.StatusBadRequest)
			return
		}
		for _, event := range webhook.Events {
			if event.Type != "chat.message" || !strings.Contains(event.Content, "help") {
				continue
			}
			// The gateway may send an event twice. With this id, the answer is stored once.
			answer := publish.PostMessage{Content: "Help is on its way, " + event.UserID + ".", ID: "help-" + event.ID}
			if _, err := client.PostMessage(request.Context(), event.ClanID, answer); err != nil {
				log.Print(err)
				http.Error(response, "try again", http.StatusServiceUnavailable)
				return
			}
		}
		response.WriteHeader(http.StatusNoContent)
	})))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
