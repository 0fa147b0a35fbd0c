// A Go client in the window: reveille grade -- target/conformance/go-grade
//
// It is the layer of requests and retries that the platform's own Go client has from the same generator, asked for what
// that client asks for. As there, the start of a process is sent once, and all else up to three times.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/openai/openai-go"
	"github.com/openai/openai-go/option"
)

func main() {
	if err := operation(os.Getenv("GRADE_OPERATION")); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func operation(name string) error {
	key := os.Getenv("BL_API_KEY")
	box := openai.NewClient(
		option.WithBaseURL(os.Getenv("BL_SANDBOX_BOX_URL")),
		option.WithAPIKey(key),
		option.WithHeader("X-Blaxel-Authorization", "Bearer "+key),
	)
	ctx := context.Background()
	order := map[string]string{}
	var answer map[string]any
	switch name {
	case "list":
		var listed struct {
			Mounts []any `json:"mounts"`
		}
		if err := box.Get(ctx, "drives/mount", nil, &listed); err != nil {
			return err
		}
		if len(listed.Mounts) == 0 {
			return errors.New("no drives")
		}
		return nil
	case "fetch":
		return box.Get(ctx, "port/3000/page", nil, &answer)
	case "exec":
		command := map[string]any{"command": "true", "waitForCompletion": true}
		if err := box.Post(ctx, "process", command, &answer, option.WithMaxRetries(0)); err != nil {
			return err
		}
		if answer["exitCode"] != 0.0 {
			return fmt.Errorf("it ended with %v", answer["exitCode"])
		}
		return nil
	case "post":
		return box.Post(ctx, "port/3000/orders", order, &answer)
	case "put":
		return box.Put(ctx, "port/3000/orders/1", order, &answer)
	}
	return fmt.Errorf("it has no operation %q", name)
}
