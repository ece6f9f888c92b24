package gateway_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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
