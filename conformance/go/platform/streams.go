package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Hands on each line of a stream, as it comes, except what only says that the stream lives.
func each(ctx context.Context, inside caller, one call, lines chan<- string) error {
	defer close(lines)
	request, err := inside.request(ctx, one)
	if err != nil {
		return err
	}
	came, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer came.Body.Close()
	if came.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", one.method, one.path, came.Status)
	}
	// A line may not be longer than 64 KiB, as the client has it.
	scanner := bufio.NewScanner(came.Body)
	for scanner.Scan() {
		if line := scanner.Text(); line != "" && !strings.HasPrefix(line, "[keepalive]") {
			select {
			case lines <- line:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	if err := scanner.Err(); err != nil {
		return err
	}
	return ctx.Err()
}

// Follows a process that says three things over a while, to its end.
func follow(inside caller, name string) {
	_, err := start(inside, map[string]any{"command": "for i in 1 2 3; do echo $i; sleep 0.1; done; echo end >&2", "name": name})
	must(err)
	lines := make(chan string)
	ended := make(chan error, 1)
	go func() {
		ended <- each(patient(), inside, call{method: http.MethodGet, path: "process/" + name + "/logs/stream"}, lines)
	}()
	var heard []string
	for line := range lines {
		heard = append(heard, line)
	}
	must(<-ended)
	check(strings.Join(heard, " ") == "stdout:1 stdout:2 stdout:3 stderr:end", "%q", heard)
}

// Runs a command with its output streamed, and tells both and the result.
func stream(inside caller, command string) (heard map[string]string, result process) {
	lines := make(chan string)
	ended := make(chan error, 1)
	one := call{
		method:  http.MethodPost,
		path:    "process",
		body:    map[string]any{"command": command, "waitForCompletion": true},
		headers: map[string]string{"Accept": "text/event-stream"},
	}
	go func() { ended <- each(patient(), inside, one, lines) }()
	heard = map[string]string{}
	for line := range lines {
		var frame struct {
			Type string `json:"type"`
			Data string `json:"data"`
		}
		must(json.Unmarshal([]byte(line), &frame))
		if frame.Type == "result" {
			must(decode([]byte(frame.Data), &result))
		} else {
			heard[frame.Type] += frame.Data
		}
	}
	must(<-ended)
	return heard, result
}

// Watches a directory while `act` changes something in it, until an event `fits`.
func watch(inside caller, directory string, act func(), fits func(op, path, name string) bool) {
	ctx, leave := context.WithCancel(patient())
	defer leave()
	request, err := inside.request(ctx, call{method: http.MethodGet, path: "watch/filesystem/" + directory})
	must(err)
	// When the head of the answer is here the watch has begun.
	came, err := http.DefaultClient.Do(request)
	must(err)
	defer came.Body.Close()
	check(came.StatusCode == http.StatusOK, "%s", came.Status)
	act()
	scanner := bufio.NewScanner(came.Body)
	for scanner.Scan() {
		var event struct {
			Op   string `json:"op"`
			Path string `json:"path"`
			Name string `json:"name"`
		}
		if json.Unmarshal(scanner.Bytes(), &event) == nil && fits(event.Op, event.Path, event.Name) {
			return
		}
	}
	check(false, "it ended without it: %v", scanner.Err())
}
