package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// For what has to come to its end in time.
func patient() context.Context {
	ctx, leave := context.WithCancel(context.Background())
	time.AfterFunc(patience, leave)
	return ctx
}

// Starts a process, as the client does: never twice.
func start(inside caller, order map[string]any) (begun process, err error) {
	err = inside.take(call{method: http.MethodPost, path: "process", body: order}, &begun)
	return begun, err
}

// Runs a command to its end.
func (t *trial) run(inside caller, command string) process {
	ended, err := start(inside, map[string]any{"command": command, "waitForCompletion": true})
	must(err)
	return ended
}

// Asks how a process stands until it has ended.
func wait(inside caller, name string, most, pause time.Duration) (seen process, err error) {
	for end := time.Now().Add(most); ; time.Sleep(pause) {
		if err = inside.take(call{method: http.MethodGet, path: "process/" + name}, &seen); err != nil {
			return seen, err
		}
		switch {
		case seen.Status != "running":
			return seen, nil
		case time.Now().After(end):
			return seen, context.DeadlineExceeded
		}
	}
}

func (t *trial) processes(box sandbox) {
	inside := t.inside(box)
	t.statement("a command runs, with its name, its place, its output and its code", func() {
		seen := t.run(inside, "echo 'Hello World'")
		check(seen.Status == "completed" && strings.Contains(seen.Logs, "Hello World"), "%+v", seen)
		check(strings.HasPrefix(seen.Name, "proc-") && seen.CompletedAt != "", "%+v", seen)
		t.run(inside, "mkdir -p /tmp/workdir")
		there, err := start(inside, map[string]any{"command": "pwd", "name": "there", "workingDir": "/tmp/workdir", "waitForCompletion": true})
		must(err)
		check(there.Name == "there" && strings.Contains(there.Logs, "/tmp/workdir"), "%+v", there)
		wrong := t.run(inside, "echo 'stderr output' >&2; exit 42")
		check(wrong.ExitCode == 42 && wrong.Status == "failed" && strings.Contains(wrong.Logs, "stderr output"), "%+v", wrong)
	})
	t.statement("a command in the background is running, waited for, and killed", func() {
		begun, err := start(inside, map[string]any{"command": "sleep 300", "name": "long", "waitForCompletion": false})
		must(err)
		check(begun.Name == "long" && begun.Status == "running" && begun.CompletedAt == "", "%+v", begun)
		_, err = wait(inside, "long", 0, time.Millisecond)
		check(err == context.DeadlineExceeded, "%v", err)
		must(inside.ask(http.MethodDelete, "process/long/kill", nil, &done{}))
		ended, err := wait(inside, "long", patience, 50*time.Millisecond)
		must(err)
		check(ended.Status == "killed" && ended.CompletedAt != "", "%+v", ended)
		refused(inside.ask(http.MethodGet, "process/none", nil, &process{}), http.StatusNotFound)
	})
	t.statement("a command that fails is started again as often as was said", func() {
		order := map[string]any{"command": "exit 1", "restartOnFailure": true, "maxRestarts": 3, "waitForCompletion": true}
		seen, err := start(inside, order)
		must(err)
		check(seen.RestartCount == 3 && seen.Status == "failed", "%+v", seen)
	})
	t.statement("a command that keeps the sandbox awake for too long is killed, whether it is waited for or not", func() {
		for name, waits := range map[string]bool{"waited": true, "unwaited": false} {
			_, err := start(inside, map[string]any{"command": "sleep 300", "name": name, "timeout": 1, "keepAlive": true, "waitForCompletion": waits})
			must(err)
			ended, err := wait(inside, name, patience, 50*time.Millisecond)
			must(err)
			check(ended.Status == "killed" && ended.ExitCode == -1, "%+v", ended)
		}
	})
	t.statement("all processes are listed, with what they wrote", func() {
		var all []process
		must(inside.ask(http.MethodGet, "process", nil, &all))
		for _, one := range all {
			if one.Name == "there" {
				check(one.Stdout == "/tmp/workdir\n", "%+v", one)
				return
			}
		}
		check(false, "it is missing")
	})
}

func (t *trial) output(box sandbox) {
	inside := t.inside(box)
	t.statement("the logs of a process are told apart and together", func() {
		_, err := start(inside, map[string]any{"command": "echo 'stdout' && echo 'stderr' >&2", "name": "logs", "waitForCompletion": true})
		must(err)
		var logs processLogs
		must(inside.ask(http.MethodGet, "process/logs/logs", nil, &logs))
		check(logs.Stdout == "stdout\n" && logs.Stderr == "stderr\n" && strings.Contains(logs.Logs, "stdout"), "%+v", logs)
	})
	t.statement("logs are followed to the end of their process", func() { follow(inside, "followed") })
	t.statement("whoever stops following hears no more, and the process goes on", func() {
		begun := map[string]any{"command": "for i in 1 2; do echo $i; done; sleep 300", "name": "left"}
		_, err := start(inside, begun)
		must(err)
		ctx, leave := context.WithCancel(patient())
		lines := make(chan string)
		ended := make(chan error)
		go func() {
			ended <- each(ctx, inside, call{method: http.MethodGet, path: "process/left/logs/stream"}, lines)
		}()
		<-lines
		<-lines
		leave()
		check(<-ended != nil, "it went on")
		seen, _ := wait(inside, "left", 0, 0)
		check(seen.Status == "running", "%+v", seen)
		must(inside.ask(http.MethodDelete, "process/left/kill", nil, &done{}))
	})
	t.statement("an execution is streamed, and ends with its result", func() {
		heard, ended := stream(inside, "for i in 1 2 3; do echo \"tick $i\"; done; echo wrong >&2; exit 42")
		check(heard["stdout"] == "tick 1\ntick 2\ntick 3\n" && heard["stderr"] == "wrong\n", "%v", heard)
		check(ended.Status == "failed" && ended.ExitCode == 42 && ended.Stdout == heard["stdout"], "%+v", ended)
	})
	t.statement("who would rather have text gets text", func() {
		for accept, kind := range map[string]string{
			"application/json":                             "text/plain",
			"*/*":                                          "text/plain",
			"text/plain, application/x-ndjson":             "application/x-ndjson",
			"application/x-ndjson;q=0, text/plain":         "text/plain",
			"application/x-ndjson;q=0.5, text/plain;q=0.9": "text/plain",
			"text/plain;q=0.5, application/x-ndjson;q=0.9": "application/x-ndjson",
		} {
			came, err := inside.send(patient(), call{method: http.MethodGet, path: "process/logs/logs/stream", headers: map[string]string{"Accept": accept}})
			must(err)
			check(strings.HasPrefix(came.Header.Get("Content-Type"), kind), "%s: %s", accept, came.Header.Get("Content-Type"))
		}
	})
}

// Puts the app into the sandbox and has it listen.
func (t *trial) serve(box sandbox, port int) {
	inside := t.inside(box)
	order := map[string]any{"command": fmt.Sprintf("sleep 0.2 && /tmp/app app %d", port), "name": "app", "waitForPorts": []int{port}}
	_, err := start(inside, order)
	must(err)
}
