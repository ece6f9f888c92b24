package core

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// line is a line of a transcript, or of the seeded inputs.
type line struct {
	Open     json.RawMessage
	Now      uint64
	Input    string
	Take     *uint64
	Output   string
	Deadline *int64
	Inputs   int
	SHA256   string
}

// lines reads a file of JSON objects.
func lines(t *testing.T, file io.Reader) []line {
	t.Helper()
	var all []line
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var next line
		if err := json.Unmarshal(scanner.Bytes(), &next); err != nil {
			t.Fatal(err)
		}
		all = append(all, next)
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// carryOut passes the input or the take of a line to a client.
func (l line) carryOut(client *Client) (string, error) {
	if l.Take != nil {
		output, err := client.Take(*l.Take, nil)
		return string(output), err
	}
	output, err := client.Handle(l.Now, []byte(l.Input), nil, nil)
	return string(output), err
}

func open(t testing.TB, config string) *Client {
	t.Helper()
	client, err := Open([]byte(config), func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

const config = `{"seed":[1,2,3,4],"name":"test","version":"1.0.0"}`

func TestReplaysTranscriptsByteForByte(t *testing.T) {
	paths, _ := filepath.Glob("../../../sdk-core/transcripts/*.jsonl")
	if len(paths) == 0 {
		t.Fatal("no transcripts: they are in the repository, in sdk-core/transcripts")
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".jsonl"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all := lines(t, bytes.NewReader(text))
			client := open(t, string(all[0].Open))
			defer client.Close()
			for number, line := range all[1:] {
				output, err := line.carryOut(client)
				if err != nil || output != line.Output {
					t.Fatalf("line %d: %v, got\n%s\nwant\n%s", number+2, err, output, line.Output)
				}
				deadline := int64(-1)
				if line.Deadline != nil {
					deadline = *line.Deadline
				}
				if got := client.Deadline(); got != deadline {
					t.Fatalf("line %d: deadline %d, want %d", number+2, got, deadline)
				}
			}
		})
	}
}

// The step `go` of `cargo xtask test` names the file, which the crate's example `seeded` prints.
func TestGivesTheOutputsOfTheCrateForSeededInputs(t *testing.T) {
	path := os.Getenv("GATEWAY_SEEDED")
	if path == "" {
		t.Fatal("GATEWAY_SEEDED names no file: run `cargo xtask test go`")
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	all := lines(t, file)
	last := all[len(all)-1]
	digest, count := sha256.New(), 0
	var client *Client
	for _, line := range all[:len(all)-1] {
		if line.Open != nil {
			if client != nil {
				client.Close()
			}
			client = open(t, string(line.Open))
			continue
		}
		output, err := line.carryOut(client)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(digest, "%s\n%d\n", output, client.Deadline())
		count++
	}
	client.Close()
	if count != last.Inputs || hex.EncodeToString(digest.Sum(nil)) != last.SHA256 {
		t.Fatalf("%d inputs gave other outputs than the crate, want %d", count, last.Inputs)
	}
}

func TestCoreHasTheDigestOfTheSources(t *testing.T) {
	source, err := os.ReadFile("../../../sdk-core/src/digest.rs")
	if err != nil {
		t.Fatalf("the sources of the core are in the repository: %v", err)
	}
	if !strings.Contains(string(source), `"`+Digest()+`"`) {
		t.Fatalf("the core was translated from other sources: %s. Run `cargo xtask codegen`", Digest())
	}
	generated, err := os.ReadFile("module/module.go")
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(string(generated), "\n")
	if !strings.Contains(first, Digest()) || !strings.Contains(first, "wasm2go v0.4.21") {
		t.Errorf("the first line does not name the tools and the digest: %s", first)
	}
	if functions, marked := strings.Count(rest, "\nfunc "), strings.Count(rest, "\n//go:norace\nfunc "); functions != marked {
		t.Errorf("%d of %d functions have no //go:norace", functions-marked, functions)
	}
}

func instances() int {
	pool.Lock()
	defer pool.Unlock()
	return len(pool.instances)
}

func TestInstanceHas64ClientsAndEndsWithTheLast(t *testing.T) {
	before := instances()
	var clients []*Client
	for range 130 {
		clients = append(clients, open(t, config))
	}
	if got := instances() - before; got != 3 {
		t.Errorf("130 clients have %d instances", got)
	}
	for _, client := range clients {
		client.Close()
	}
	if got := instances(); got != before {
		t.Errorf("%d instances are left", got-before)
	}
}

func TestRefusesInvalidInputWithoutEffect(t *testing.T) {
	if _, err := Open([]byte("{}"), nil); err == nil || !strings.Contains(err.Error(), "seed") {
		t.Errorf("an invalid configuration: %v", err)
	}
	client := open(t, config)
	defer client.Close()
	for _, input := range []string{"", "{}\n", "{\"type\":\"tick\"}\nx", "\xff"} {
		if _, err := client.Handle(0, []byte(input), nil, nil); err == nil || errors.Is(err, ErrTrap) {
			t.Errorf("%q: %v", input, err)
		}
	}
	if output, err := client.Take(1, nil); err != nil || len(output) > 0 {
		t.Errorf("take: %q, %v", output, err)
	}
}

func TestAcceptsInputsOfAnySize(t *testing.T) {
	client := open(t, config)
	defer client.Close()
	for _, size := range []int{10, 300_000, 4 << 20, 10} {
		body := bytes.Repeat([]byte("x"), size)
		head := fmt.Appendf(nil, "{\"type\":\"frame\",\"connection\":7,\"body\":%d}\n", size)
		if _, err := client.Handle(0, head, body, nil); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestTrapEndsTheClientsOfItsInstance(t *testing.T) {
	told := make(chan error, 1)
	first := open(t, config)
	second, err := Open([]byte(config), func(err error) { told <- err })
	if err != nil {
		t.Fatal(err)
	}
	if first.instance != second.instance {
		t.Fatal("the clients have different instances")
	}
	// A broken address makes the next access to the module's memory fail, as a bug of the core would.
	first.instance.out = -1
	if _, err := first.Handle(0, []byte("{\"type\":\"connect\"}\n"), nil, nil); !errors.Is(err, ErrTrap) {
		t.Fatalf("no trap: %v", err)
	}
	if err := <-told; !errors.Is(err, ErrTrap) {
		t.Errorf("the other client got %v", err)
	}
	if _, err := second.Take(1, nil); !errors.Is(err, ErrTrap) {
		t.Errorf("the instance was called again: %v", err)
	}
	third := open(t, config)
	if third.instance == first.instance {
		t.Error("a new client got the ended instance")
	}
	for _, client := range []*Client{first, second, third} {
		client.Close()
	}
}
