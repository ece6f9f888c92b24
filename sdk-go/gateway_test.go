package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	gateway "github.com/realtime-gateway/realtime-gateway/sdk-go"
)

// realGateway is the program in a process of its own.
type realGateway struct {
	t       testing.TB
	folder  string
	listen  string
	process *exec.Cmd
}

// program returns the path of the gateway. The step `go` of `cargo xtask test` names it.
func program(t testing.TB) string {
	t.Helper()
	path := os.Getenv("GATEWAY")
	if path == "" {
		path, _ = filepath.Abs("../target/debug/gateway")
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: build a gateway by `cargo build --bin gateway`, or name its program by GATEWAY", err)
	}
	return path
}

// apiKey is a key of the HTTP API of the gateways of these tests.
const apiKey = "the api key of the tests"

// startGateway starts one that ends with the test. settings are lines of TOML.
func startGateway(t testing.TB, settings string) *realGateway {
	t.Helper()
	g := &realGateway{t: t, folder: t.TempDir(), listen: "127.0.0.1:0"}
	program(t)
	config := fmt.Sprintf(
		"%s\nstore.url = %q\nauth.jwt_secret = \"a secret of the tests, of more than 32 bytes\"\n"+
			"auth.api_keys = [{ name = \"tests\", sha256 = \"%x\", scopes = [\"publish\", \"read\"] }]\n",
		settings, "redb:"+filepath.Join(g.folder, "gateway.redb"), sha256.Sum256([]byte(apiKey)))
	if err := os.WriteFile(filepath.Join(g.folder, "gateway.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.kill)
	g.run()
	return g
}

// run starts the gateway, or starts it again on the same port with the same data.
func (g *realGateway) run() {
	g.t.Helper()
	g.process = exec.Command(program(g.t), "serve", "--dev", "--config", "gateway.toml", "--listen", g.listen)
	g.process.Dir = g.folder
	g.process.Env = append(os.Environ(), "GATEWAY_LOG__FORMAT=json")
	output, err := g.process.StdoutPipe()
	if err != nil {
		g.t.Fatal(err)
	}
	g.process.Stderr = g.process.Stdout
	if err := g.process.Start(); err != nil {
		g.t.Fatal(err)
	}
	address := make(chan string, 1)
	go func() {
		var log strings.Builder
		found := false
		pattern := regexp.MustCompile(`127\.0\.0\.1:[1-9][0-9]*`)
		for scanner := bufio.NewScanner(output); scanner.Scan(); {
			if found {
				continue
			}
			fmt.Fprintln(&log, scanner.Text())
			if match := pattern.FindString(scanner.Text()); match != "" {
				found = true
				address <- match
			}
		}
		if !found {
			address <- "the gateway ended:\n" + log.String()
		}
	}()
	g.listen = <-address
	if strings.Contains(g.listen, "\n") {
		g.t.Fatal(g.listen)
	}
	for {
		response, err := http.Get("http://" + g.listen + "/health/ready")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		if g.process.ProcessState != nil {
			g.t.Fatal("the gateway ended before it was ready")
		}
		time.Sleep(time.Millisecond)
	}
}

func (g *realGateway) kill() {
	if g.process != nil && g.process.Process != nil {
		_ = g.process.Process.Kill()
		_ = g.process.Wait()
		g.process = nil
	}
}

func (g *realGateway) url() string {
	return "ws://" + g.listen + "/ws"
}

// post sends JSON to the gateway, and returns its answer.
func (g *realGateway) post(path string, body any) map[string]any {
	g.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		g.t.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPost, "http://"+g.listen+path, bytes.NewReader(text))
	if err != nil {
		g.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+apiKey)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode >= 300 {
		g.t.Fatalf("%s: %s: %v, %v", path, response.Status, answer, err)
	}
	return answer
}

// token returns a token of a user for everything, with more claims.
func (g *realGateway) token(user string, claims ...map[string]any) string {
	g.t.Helper()
	body := map[string]any{
		"userId": user, "clans": []string{"*"}, "topics": map[string][]string{"orders": {"*"}}, "calls": map[string][]string{"orders": {"place", "cancel"}},
	}
	for _, more := range claims {
		maps.Copy(body, more)
	}
	return g.post("/dev/token", body)["token"].(string)
}

func (g *realGateway) notify(user, title string) {
	g.t.Helper()
	g.post("/dev/notifications", map[string]string{"userId": user, "title": title, "message": "m"})
}

// client makes a client that is closed with the test.
func (g *realGateway) client(user string, options *gateway.Options) *gateway.Client {
	g.t.Helper()
	return newClient(g.t, g.url(), gateway.StaticToken(g.token(user)), options)
}

func newClient(t testing.TB, url string, token gateway.TokenProvider, options *gateway.Options) *gateway.Client {
	t.Helper()
	client, err := gateway.NewClient(url, token, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// testContext ends before the time limit of the test.
func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// nextOf returns the next message of a type.
func nextOf[M gateway.Message](t testing.TB, subscription *gateway.Subscription) M {
	t.Helper()
	ctx := testContext(t)
	for {
		event, err := subscription.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if message, isWanted := event.Message.(M); isWanted {
			return message
		}
	}
}

// failureOf returns the SDK's error, and fails the test if it is another one.
func failureOf(t testing.TB, err error) *gateway.Error {
	t.Helper()
	var failure *gateway.Error
	if !errors.As(err, &failure) {
		t.Fatalf("%v is no error of the SDK", err)
	}
	return failure
}
