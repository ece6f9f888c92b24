// Sends a notification with the client that openapi-generator writes. Arguments: the gateway's URL and an API key.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	gateway "example.com/test/gateway"
)

func main() {
	configuration := gateway.NewConfiguration()
	configuration.Servers = gateway.ServerConfigurations{{URL: os.Args[1]}}
	notifications := gateway.NewAPIClient(configuration).NotificationsAPI
	withKey := context.WithValue(context.Background(), gateway.ContextAccessToken, os.Args[2])

	one := gateway.NewSendNotification("Quest", "Done")
	one.SetUserId("alice")
	one.SetData(map[string]any{"quest": 7})
	several := gateway.NewSendNotification("Quest", "Done")
	several.SetUserIds([]string{"bob", "carol"})
	several.SetTtlSeconds(60)
	ids := []string{}
	for _, notification := range []*gateway.SendNotification{one, several} {
		accepted, _, err := notifications.SendNotification(withKey).SendNotification(*notification).Execute()
		if err != nil {
			panic(err)
		}
		ids = append(ids, accepted.GetIds()...)
	}

	withoutUser := *gateway.NewSendNotification("Quest", "Done")
	_, answer, err := notifications.SendNotification(withKey).SendNotification(withoutUser).Execute()
	if err == nil || answer == nil || answer.StatusCode != 400 {
		panic("a notification for no user was accepted")
	}
	text, err := json.Marshal(ids)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}
