// What a client with a generated retry layer makes of the host's refusal of a mutation that may have run.
//
// The platform's Go client replays POSTs by default, unless an answer says `x-should-retry: false`. It comes from a
// generator, whose layer of retries is the same in every client that it makes; this is another one of those.
//
//	trial app PORT          tells where it serves; breaks every request off once it has read it, and counts them
//	trial client APP BARE   asks that app behind the gateway and, as the control, one without a gateway
//
// The environment says who asks: BL_API_KEY. Prints a line a statement and ends with "N passed, N failed"; exit status 1
// where one failed.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/openai/openai-go"
	"github.com/openai/openai-go/option"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "app" {
		fail(serve(os.Args[2]))
	}
	if len(os.Args) == 4 && os.Args[1] == "client" {
		os.Exit(client(os.Args[2], os.Args[3]))
	}
	fail(errors.New("it takes: app PORT, or client APP BARE"))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(2)
}

// The app.

func serve(port string) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	var lock sync.Mutex
	arrived := map[string]int{}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer connection.Close()
			request, err := http.ReadRequest(bufio.NewReader(connection))
			if err != nil {
				return
			}
			io.Copy(io.Discard, request.Body)
			lock.Lock()
			defer lock.Unlock()
			if path, isQuestion := strings.CutPrefix(request.URL.Path, "/arrived"); isQuestion {
				answer := strconv.Itoa(arrived[path])
				fmt.Fprintf(connection, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s", len(answer), answer)
				return
			}
			arrived[request.URL.Path]++
			// Closed like this, it is reset.
			connection.(*net.TCPConn).SetLinger(0)
		}()
	}
}

// The client.

type caller struct {
	client openai.Client
	app    string
}

func at(app string) caller {
	key := os.Getenv("BL_API_KEY")
	return caller{
		client: openai.NewClient(
			option.WithBaseURL(app),
			option.WithAPIKey(key),
			option.WithHeader("X-Blaxel-Authorization", "Bearer "+key),
			option.WithRequestTimeout(30*time.Second),
		),
		app: app,
	}
}

// Sends a request to a path of its own, and tells how it failed and how often it arrived.
func (c caller) send(method string) (error, int) {
	path := fmt.Sprintf("of-%s-%d", method, time.Now().UnixNano())
	var answer []byte
	var failed error
	switch method {
	case http.MethodPost:
		failed = c.client.Post(context.Background(), path, map[string]string{"say": "once"}, &answer)
	case http.MethodGet:
		failed = c.client.Get(context.Background(), path, nil, &answer)
	}
	return failed, c.arrived("/" + path)
}

func (c caller) arrived(path string) int {
	request, err := http.NewRequest(http.MethodGet, strings.TrimSuffix(c.app, "/")+"/arrived"+path, nil)
	if err != nil {
		fail(err)
	}
	request.Header.Set("X-Blaxel-Authorization", "Bearer "+os.Getenv("BL_API_KEY"))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		fail(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		fail(err)
	}
	times, err := strconv.Atoi(string(text))
	if err != nil {
		fail(fmt.Errorf("%s: %s", answer.Status, text))
	}
	return times
}

func client(app, bare string) int {
	passed, failed := 0, 0
	statement := func(title string, act func() error) {
		if err := act(); err != nil {
			failed++
			fmt.Printf("FAILED  %s: %v\n", title, err)
			return
		}
		passed++
		fmt.Printf("ok      %s\n", title)
	}
	statement("without a gateway it sends a POST again that has arrived already", func() error {
		_, times := at(bare).send(http.MethodPost)
		return more(times)
	})
	statement("through the gateway a POST arrives once, and fails with the refusal", func() error {
		failure, times := at(app).send(http.MethodPost)
		if times != 1 {
			return fmt.Errorf("it arrived %d times", times)
		}
		var told *openai.Error
		if !errors.As(failure, &told) {
			return fmt.Errorf("it failed with %v", failure)
		}
		if told.StatusCode != http.StatusBadGateway || told.Response.Header.Get("X-Should-Retry") != "false" {
			return fmt.Errorf("it failed with %v and %v", told, told.Response.Header)
		}
		return nil
	})
	statement("through the gateway a GET is sent again", func() error {
		_, times := at(app).send(http.MethodGet)
		return more(times)
	})
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		return 1
	}
	return 0
}

func more(times int) error {
	if times < 2 {
		return fmt.Errorf("it arrived %d times", times)
	}
	return nil
}
