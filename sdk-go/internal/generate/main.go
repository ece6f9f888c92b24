// Command generate translates the core to Go. `cargo xtask codegen` runs it.
//
//	go run ./internal/generate CORE.wasm FACTS
//
// With the flag -check it writes nothing, and fails if the file is out of date.
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
	if len(arguments) != 2 {
		return fmt.Errorf("usage: generate [-check] CORE.wasm FACTS")
	}
	content, err := translate(arguments[0], arguments[1])
	if err != nil {
		return err
	}
	return write("internal/core/module/module.go", content, check)
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
