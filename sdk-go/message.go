package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// head is the first line of a message of the core. Members that a type does not have are zero.
type head struct {
	Type        string     `json:"type"`
	Connection  uint64     `json:"connection"`
	Stream      uint64     `json:"stream"`
	Call        uint64     `json:"call"`
	Code        int        `json:"code"`
	Count       int        `json:"count"`
	Status      Status     `json:"status"`
	NextAttempt *int64     `json:"nextAttempt"`
	Position    *Position  `json:"position"`
	Due         bool       `json:"due"`
	Error       *wireError `json:"error"`
	Body        int        `json:"body"`
}

// nextMessage splits the first message off the output of the core.
func nextMessage(output []byte, epoch string) (message head, body, rest []byte, err error) {
	line, rest, _ := bytes.Cut(output, []byte("\n"))
	if !message.parseFrequent(line, epoch) {
		// In a function of its own, so that only this head is on the heap.
		if message, err = parseHead(line); err != nil {
			return message, nil, nil, err
		}
	}
	if message.Body > len(rest) {
		return message, nil, nil, fmt.Errorf("the head %q has no such body", line)
	}
	return message, rest[:message.Body], rest[message.Body:], nil
}

func parseHead(line []byte) (message head, err error) {
	if err := json.Unmarshal(line, &message); err != nil {
		return message, fmt.Errorf("the head %q: %w", line, err)
	}
	return message, nil
}

// parseFrequent reads the two heads that come with each message of a subscription, for which encoding/json would be most of the
// work. It returns false for all others, and for what it does not expect. epoch is that of the last position, which is most
// often the same.
func (h *head) parseFrequent(line []byte, epoch string) bool {
	var found bool
	rest, isReady := bytes.CutPrefix(line, []byte(`{"type":"ready","stream":`))
	if isReady {
		h.Type = "ready"
		h.Stream, rest, found = cutNumber(rest)
		return found && string(rest) == "}"
	}
	rest, isItem := bytes.CutPrefix(line, []byte(`{"type":"item",`))
	if !isItem {
		return false
	}
	read := head{Type: "item"}
	if position, hasPosition := bytes.CutPrefix(rest, []byte(`"position":{"offset":`)); hasPosition {
		offset, position, _ := cutNumber(position)
		position, isEpoch := bytes.CutPrefix(position, []byte(`,"epoch":"`))
		text, after, isEnd := bytes.Cut(position, []byte(`"},`))
		if !isEpoch || !isEnd || bytes.ContainsAny(text, `\"`) {
			return false
		}
		if string(text) != epoch {
			epoch = string(text)
		}
		read.Position = &Position{Offset: int64(offset), Epoch: epoch}
		rest = after
	}
	rest, read.Due = bytes.CutPrefix(rest, []byte(`"due":true,`))
	rest, hasBody := bytes.CutPrefix(rest, []byte(`"body":`))
	length, rest, found := cutNumber(rest)
	if !hasBody || !found || string(rest) != "}" {
		return false
	}
	read.Body = int(length)
	*h = read
	return true
}

// cutNumber returns the number at the beginning of a text.
func cutNumber(text []byte) (number uint64, rest []byte, found bool) {
	end := 0
	for end < len(text) && end < 16 && '0' <= text[end] && text[end] <= '9' {
		number = number*10 + uint64(text[end]-'0')
		end++
	}
	return number, text[end:], end > 0
}

// number is a member of a head.
type number struct {
	name  string
	value uint64
}

// appendNumbers appends a head with numbers.
func appendNumbers(head []byte, kind string, members ...number) []byte {
	head = append(head, `{"type":"`...)
	head = append(head, kind...)
	head = append(head, '"')
	for _, member := range members {
		head = append(head, `,"`...)
		head = append(head, member.name...)
		head = append(head, `":`...)
		head = strconv.AppendUint(head, member.value, 10)
	}
	return append(head, "}\n"...)
}

// headOf returns a struct as a head. It must consist of texts, numbers and flags, which can always be encoded.
func headOf(message any) []byte {
	text, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	return append(text, '\n')
}
