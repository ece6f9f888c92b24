package gateway

import (
	"context"
	"iter"
)

// Notifications are the notifications of the user.
type Notifications struct {
	client *Client
}

// Notifications returns the notifications of the user.
func (c *Client) Notifications() Notifications {
	return Notifications{c}
}

// Subscribe subscribes to the notifications, and waits for the gateway's confirmation. First come all that are not acknowledged,
// then new ones, each once. Events are [Notification].
func (n Notifications) Subscribe(ctx context.Context) (*Subscription, error) {
	return n.client.subscribe(ctx, "subscribe_notifications", struct{}{})
}

// Ack acknowledges notifications, so that no device gets them again. It is repeated after a lost connection.
func (n Notifications) Ack(ctx context.Context, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := n.client.call(ctx, "call", "notification_ack", struct {
		IDs []string `json:"notificationIds"`
	}{ids})
	return err
}

// Pending returns the number of notifications that are not acknowledged, and whether it is known, which it is while the app is
// subscribed.
func (n Notifications) Pending() (count int, known bool) {
	n.client.mu.Lock()
	defer n.client.mu.Unlock()
	return max(0, n.client.pending), n.client.pending >= 0
}

// PendingCounts returns the number of notifications that are not acknowledged, and then each change, until the context ends or
// the client is closed. A slow loop gets the latest number.
func (n Notifications) PendingCounts(ctx context.Context) iter.Seq[int] {
	return func(yield func(int) bool) {
		last := -1
		for {
			n.client.mu.Lock()
			pending, changed, status := n.client.pending, n.client.changed, n.client.state.Status
			n.client.mu.Unlock()
			if pending != last {
				last = pending
				if !yield(pending) {
					return
				}
			}
			if status == Closed {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}

// setPending changes the number of pending notifications. The lock is held.
func (c *Client) setPending(count int) {
	c.pending = count
	close(c.changed)
	c.changed = make(chan struct{})
}
