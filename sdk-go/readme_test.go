package gateway_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	gateway "github.com/realtime-gateway/realtime-gateway/sdk-go"
)

// example compiles an example.
func example(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	output, err := exec.Command("go", "build", "-o", path, "./examples/"+name).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return path
}

func TestQuickStartOfTheReadmeWorks(t *testing.T) {
	server := startGateway(t, "")
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("examples/quickstart/main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(readme), "```go\n")
	code, _, _ = strings.Cut(code, "\n```")
	indented := "\t" + strings.ReplaceAll(code, "\n", "\n\t") + "\n"
	if !strings.Contains(string(source), indented) {
		t.Error("examples/quickstart does not have the code of the README")
	}
	command := exec.Command(example(t, "quickstart"))
	command.Env = append(os.Environ(), "GATEWAY_URL="+server.url(), "GATEWAY_TOKEN="+server.token("ada"))
	if output, err := command.CombinedOutput(); err != nil || !strings.Contains(string(output), `"userId":"ada","content":"hello"`) {
		t.Errorf("%v: %s", err, output)
	}
}

func TestCommandsOfTheQuickStartWork(t *testing.T) {
	server := startGateway(t, "")
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "in development mode gives one to everyone:\n\n```sh\n")
	commands, _, isFound := strings.Cut(rest, "```")
	if !isFound {
		t.Fatal("the README has no commands")
	}
	script := strings.ReplaceAll(commands, "127.0.0.1:4000", server.listen)
	output, err := exec.Command("bash", "-euo", "pipefail", "-c", script).CombinedOutput()
	if err != nil || !strings.Contains(string(output), `"userId":"ada","content":"hello"`) {
		t.Errorf("%v: %s", err, output)
	}
}

func TestExampleChatSendsLinesAndShowsThem(t *testing.T) {
	server := startGateway(t, "")
	chat := example(t, "chat")
	command := exec.Command(chat, "ada", "wolves")
	command.Env = append(os.Environ(), "GATEWAY_HTTP=http://"+server.listen)
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var output lines
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = command.Process.Kill() }()
	if _, err := input.Write([]byte("hello wolves\n")); err != nil {
		t.Fatal(err)
	}
	output.waitFor(t, "ada: hello wolves")
	_ = input.Close()
	if err := command.Wait(); err != nil {
		t.Errorf("%v: %s", err, output.text())
	}
}

func TestExampleBackendAnswersAWebhook(t *testing.T) {
	backend := exec.Command(example(t, "backend"))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	server := startGateway(t, fmt.Sprintf(
		"webhooks.shop.url = \"http://%s\"\nwebhooks.shop.secret_file = %q\nwebhooks.shop.events = [\"chat.message\"]\n", address, secretFile(t),
	))
	// Until now no other program could take the port.
	_ = listener.Close()
	backend.Env = append(os.Environ(), "GATEWAY_HTTP=http://"+server.listen, "GATEWAY_API_KEY="+apiKey, "WEBHOOK_SECRET="+secret, "LISTEN="+address)
	var output lines
	backend.Stdout, backend.Stderr = &output, &output
	if err := backend.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = backend.Process.Kill()
		_ = backend.Wait()
	}()
	output.waitFor(t, "listens on")
	chat := server.client("ada", nil).ClanChat("wolves")
	subscription, err := chat.Subscribe(testContext(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chat.Send(testContext(t), "please help", nil); err != nil {
		t.Fatal(err)
	}
	nextOf[*gateway.Chat](t, subscription)
	if answer := nextOf[*gateway.Chat](t, subscription); answer.Content != "Help is on its way, ada." || answer.UserID != "system" {
		t.Errorf("got %+v: %s", answer, output.text())
	}
}

func TestExampleNotificationsAcknowledgesWhatItHasHandled(t *testing.T) {
	server := startGateway(t, "")
	server.notify("ada", "an order has arrived")
	command := exec.Command(example(t, "notifications"))
	command.Env = append(os.Environ(), "GATEWAY_URL="+server.url(), "GATEWAY_TOKEN="+server.token("ada"))
	var output lines
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	output.waitFor(t, "an order has arrived: m")
	output.waitFor(t, "acknowledged")
	if err := command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("%v: %s", err, output.text())
	}
	client := server.client("ada", nil)
	if _, err := client.Notifications().Subscribe(testContext(t)); err != nil {
		t.Fatal(err)
	}
	for count := range client.Notifications().PendingCounts(testContext(t)) {
		if count != 0 {
			t.Errorf("%d notifications are not acknowledged", count)
		}
		break
	}
}
