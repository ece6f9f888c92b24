// Package gateway is the Go SDK of the realtime gateway: clan chat, notifications, topics of declared services and calls, over
// one WebSocket.
//
//	client, err := gateway.NewClient("wss://gateway.example.com/ws", provider, nil)
//	…
//	subscription, err := client.ClanChat("wolves").Subscribe(ctx, nil)
//	…
//	for event, err := range subscription.Events(ctx) {
//		if err != nil {
//			return err
//		}
//		if chat, isChat := event.Message.(*gateway.Chat); isChat {
//			fmt.Println(chat.UserID, chat.Content)
//		}
//	}
//
// A [Client] connects at its first use. It reconnects by itself, subscribes again, and repeats sends that were not confirmed, so
// each message comes once and in order, or the subscription has a [Gap]. What it decides is decided by the core, which all SDKs
// of the gateway share.
//
// # Errors
//
// Failed calls return an [*Error] with a code, and with an [Outcome] that says whether the call may have had an effect.
//
// # Contexts
//
// The end of a context ends the waiting of one call, and never the connection. A call that was sent may still have its effect.
//
// # Goroutines
//
// All methods can be called from any goroutine. A connected client has one goroutine, and one more each while it writes or calls
// the app's tap or logger. It calls the token provider in another one. After [Client.Close] none is left, except for a call of
// the app's that does not return.
package gateway
