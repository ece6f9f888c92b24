// Package core runs clients of the core, which is a WebAssembly module translated to Go. docs/sdk-core.md in the repository
// describes its messages.
package core

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/realtime-gateway/realtime-gateway/sdk-go/internal/core/module"
)

const (
	// abi is the version of the interface that this package is written for.
	abi = 1
	// maxClients is the number of clients of an instance.
	maxClients = 64
	// inputBytes is the initial size of the memory for inputs. Larger inputs replace it.
	inputBytes = 16 * 1024
)

// ErrTrap means that the core has failed because of a bug of its own. All clients of its instance have ended.
var ErrTrap = errors.New("the core of the SDK has failed, which is a bug of the SDK")

// pool has the instances with clients. Each is dropped with its last client, because its memory never shrinks.
var pool struct {
	sync.Mutex
	instances map[*instance]struct{}
}

// instance is a module with up to 64 clients, under one lock.
type instance struct {
	// clients is the number of clients, under the lock of the pool.
	clients int

	sync.Mutex
	module *module.Module
	trap   error
	// onTrap has what the other clients want to be told after a trap.
	onTrap map[int32]func(error)
	// out is where the functions put the address and the length of a text.
	out int32
	// input is the memory for inputs.
	input, capacity int32
}

// Client is one client of the core. Its methods can be called from any goroutine.
type Client struct {
	instance *instance
	number   int32
}

// Open makes a client. onTrap is called in a goroutine of its own if another client of the same instance traps.
func Open(config []byte, onTrap func(error)) (*Client, error) {
	instance := reserve()
	instance.Lock()
	number, sentence, err := instance.open(config)
	if number > 0 {
		instance.onTrap[number] = onTrap
	}
	instance.Unlock()
	if number <= 0 {
		instance.release()
		if err == nil {
			err = fmt.Errorf("invalid configuration: %s", sentence)
		}
		return nil, err
	}
	return &Client{instance, number}, nil
}

// Digest returns the digest of the core's sources. SDKs with the same digest make the same decisions.
func Digest() string {
	module := module.New()
	address := uint32(module.Xgw_digest())
	return string((*module.Slice())[address : address+64])
}

// Handle passes a message to the core, which consists of a head with its LF and a body. It appends the core's messages to out.
// An error other than [ErrTrap] means that the input was invalid, and had no effect.
func (c *Client) Handle(now uint64, head, body, out []byte) (_ []byte, err error) {
	in := c.instance
	in.Lock()
	defer in.Unlock()
	defer in.recover(c.number, &err)
	if in.trap != nil {
		return out, in.trap
	}
	in.write(head, body)
	status := in.module.Xgw_handle(c.number, int64(now), in.input, int32(len(head)+len(body)), in.out)
	return in.text(status, out)
}

// Take appends the next item of a stream to out, as a message, or nothing.
func (c *Client) Take(stream uint64, out []byte) (_ []byte, err error) {
	in := c.instance
	in.Lock()
	defer in.Unlock()
	defer in.recover(c.number, &err)
	if in.trap != nil {
		return out, in.trap
	}
	status := in.module.Xgw_take(c.number, int64(stream), in.out)
	return in.text(status, out)
}

// Deadline returns when the core wants a tick, or -1 for never.
func (c *Client) Deadline() (deadline int64) {
	in := c.instance
	in.Lock()
	defer in.Unlock()
	var err error
	defer func() {
		if err != nil {
			deadline = -1
		}
	}()
	defer in.recover(c.number, &err)
	if in.trap != nil {
		return -1
	}
	return in.module.Xgw_deadline(c.number)
}

// Close ends the client. Nothing may follow.
func (c *Client) Close() {
	in := c.instance
	in.Lock()
	func() {
		var err error
		defer in.recover(c.number, &err)
		if in.trap == nil {
			in.module.Xgw_close(c.number)
		}
	}()
	delete(in.onTrap, c.number)
	in.Unlock()
	in.release()
}

// reserve returns an instance with room for one client more.
func reserve() *instance {
	pool.Lock()
	defer pool.Unlock()
	for in := range pool.instances {
		if in.clients < maxClients {
			in.clients++
			return in
		}
	}
	in := newInstance()
	in.clients = 1
	if pool.instances == nil {
		pool.instances = map[*instance]struct{}{}
	}
	pool.instances[in] = struct{}{}
	return in
}

func newInstance() *instance {
	in := &instance{module: module.New(), onTrap: map[int32]func(error){}, capacity: inputBytes}
	if version := in.module.Xgw_abi(); version != abi {
		panic(fmt.Sprintf("gateway: the core has version %d of its interface instead of %d", version, abi))
	}
	in.out = in.module.Xgw_alloc(8)
	in.input = in.module.Xgw_alloc(in.capacity)
	return in
}

// release gives the place of a client back.
func (in *instance) release() {
	pool.Lock()
	defer pool.Unlock()
	in.clients--
	if in.clients == 0 {
		delete(pool.instances, in)
	}
}

func (in *instance) open(config []byte) (number int32, sentence []byte, err error) {
	defer in.recover(0, &err)
	if in.trap != nil {
		return 0, nil, in.trap
	}
	in.write(config, nil)
	number = in.module.Xgw_open(in.input, int32(len(config)), in.out)
	sentence = in.returned(nil)
	return number, sentence, nil
}

// write copies an input to the memory of the module.
func (in *instance) write(head, body []byte) {
	length := int32(len(head) + len(body))
	if length > in.capacity {
		in.module.Xgw_free(in.input, in.capacity)
		in.capacity = length
		in.input = in.module.Xgw_alloc(length)
		if in.input == 0 {
			panic("the core has no memory")
		}
	}
	memory := (*in.module.Slice())[uint32(in.input):]
	copy(memory[copy(memory, head):], body)
}

// text appends the text that a function has returned to out, if its status is good. Otherwise the text is the error.
func (in *instance) text(status int32, out []byte) ([]byte, error) {
	if status != 0 {
		return out, fmt.Errorf("status %d: %s", status, in.returned(nil))
	}
	return in.returned(out), nil
}

func (in *instance) returned(out []byte) []byte {
	memory := *in.module.Slice()
	address := binary.LittleEndian.Uint32(memory[uint32(in.out):])
	length := binary.LittleEndian.Uint32(memory[uint32(in.out)+4:])
	if length == 0 {
		return out
	}
	out = append(out, memory[address:][:length]...)
	in.module.Xgw_free(int32(address), int32(length))
	return out
}

// recover turns a trap into an error, and ends the instance: it is not called again, and gets no new clients.
func (in *instance) recover(number int32, err *error) {
	cause := recover()
	if cause == nil {
		return
	}
	in.trap = fmt.Errorf("%w (%v)", ErrTrap, cause)
	*err = in.trap
	in.module = nil
	for other, onTrap := range in.onTrap {
		if other != number {
			go onTrap(in.trap)
		}
	}
	clear(in.onTrap)
	pool.Lock()
	delete(pool.instances, in)
	pool.Unlock()
}
