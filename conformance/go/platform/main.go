// The calls of the platform's own Go client against a host, made in its way and asserting what its tests assert.
//
// The module of that client cannot be had where this is run, so its requests are made here by the standard library
// alone: the same methods, paths, bodies and headers, the same retries, and answers that need what its types need.
//
//	platform            asks; the environment says whom: BL_API_URL, BL_API_KEY, BL_WORKSPACE, BL_REGION
//	platform app PORT   is the app in the sandbox that it asks: "OK" for every path
//
// Prints a line a statement and ends with "N passed, N failed"; exit status 1 where one failed.
package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// How long anything may take that takes its time.
const patience = 60 * time.Second

// What is asked, and what came of it so far.
type trial struct {
	control        caller
	key            string
	passed, failed int
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "app" {
		app(os.Args[2])
		return
	}
	key := os.Getenv("BL_API_KEY")
	t := &trial{key: key, control: at(os.Getenv("BL_API_URL"), map[string]string{
		"X-Blaxel-Authorization": "Bearer " + key,
		"X-Blaxel-Workspace":     os.Getenv("BL_WORKSPACE"),
	})}
	t.sandboxes()
	t.storage()
	box := t.create(named("go"), nil)
	t.processes(box)
	t.output(box)
	t.files(box)
	t.uploads(box)
	t.visits(box)
	t.sessions(box)
	t.terminal(box)
	t.upgrade(box)
	t.control.ask(http.MethodDelete, "sandboxes/"+box.Metadata.Name, nil, nil)
	fmt.Printf("%d passed, %d failed\n", t.passed, t.failed)
	if t.failed > 0 {
		os.Exit(1)
	}
}

func app(port string) {
	answer := func(to http.ResponseWriter, _ *http.Request) { io.WriteString(to, "OK") }
	fmt.Fprintln(os.Stderr, http.ListenAndServe(":"+port, http.HandlerFunc(answer)))
	os.Exit(1)
}

// What a statement fails with.
type failure struct{ error }

// Says of something that is so, and goes on where it is not.
func (t *trial) statement(title string, act func()) {
	defer func() {
		switch reason := recover().(type) {
		case nil:
			t.passed++
			fmt.Printf("ok      %s\n", title)
		case failure:
			t.failed++
			fmt.Printf("FAILED  %s: %v\n", title, reason)
		default:
			panic(reason)
		}
	}()
	act()
}

func must(err error) {
	if err != nil {
		panic(failure{err})
	}
}

func check(isSo bool, format string, seen ...any) {
	if !isSo {
		panic(failure{fmt.Errorf(format, seen...)})
	}
}

// The refusal that a call has to end with.
func refused(err error, status int) *refusal {
	var told *refusal
	check(errors.As(err, &told) && told.status == status, "it is no %d but %v", status, err)
	return told
}

func eventually(what string, isSo func() bool) {
	for end := time.Now().Add(patience); !isSo(); time.Sleep(20 * time.Millisecond) {
		check(time.Now().Before(end), "not in %v: %s", patience, what)
	}
}

// A name that nothing has yet.
func named(prefix string) string {
	random := make([]byte, 4)
	rand.Read(random)
	return prefix + "-" + hex.EncodeToString(random)
}
