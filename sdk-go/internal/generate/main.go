// Command generate writes the generated files of this module. `cargo xtask codegen` runs it.
//
//	go run ./internal/generate core CORE.wasm FACTS   # the core, translated to Go
//	go run ./internal/generate messages               # the types of the protocol's messages
//
// With the flag -check it writes nothing, and fails if a file is out of date.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
)

func main() {
	check := flag.Bool("check", false, "compare the files instead of writing them")
	flag.Parse()
	if err := run(flag.Args(), *check); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string, check bool) error {
	if len(arguments) == 3 && arguments[0] == "core" {
		content, err := translate(arguments[1], arguments[2])
		if err != nil {
			return err
		}
		return write("internal/core/module/module.go", content, check)
	}
	if len(arguments) == 1 && arguments[0] == "messages" {
		content, err := messages("../protocol/schema/server.json")
		if err != nil {
			return err
		}
		return write("messages.go", content, check)
	}
	return fmt.Errorf("usage: generate [-check] core CORE.wasm FACTS | generate [-check] messages")
}

// write writes a file, or compares it with the committed one.
func write(path string, content []byte, check bool) error {
	if !check {
		return os.WriteFile(path, content, 0o644)
	}
	committed, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(committed, content) {
		return fmt.Errorf("sdk-go/%s is out of date: run `cargo xtask codegen`", path)
	}
	return nil
}
