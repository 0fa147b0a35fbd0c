package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// The version of the control plane that the client asks for.
const version = "2026-09-22"

// How often it sends a request again, unless a call says otherwise.
const retries = 2

// Whom it asks, and with which headers.
type caller struct {
	base    *url.URL
	headers map[string]string
}

// An answer of 400 or more.
type refusal struct {
	status   int
	attempts int
	raw      string
	said     map[string]any
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%d %s %s", r.status, http.StatusText(r.status), r.raw)
}

func at(base string, headers map[string]string) caller {
	parsed, err := url.Parse(base)
	if err != nil {
		panic(err)
	}
	if !strings.HasSuffix(parsed.Path, "/") {
		parsed.Path += "/"
	}
	return caller{base: parsed, headers: headers}
}

// One call: what is sent, and how the answer is taken.
type call struct {
	method  string
	path    string
	body    any
	headers map[string]string
	retries int
}

// The body of a call that is no JSON.
type form struct {
	content []byte
	kind    string
}

func (c caller) request(ctx context.Context, one call) (*http.Request, error) {
	target, err := c.base.Parse(strings.TrimLeft(one.path, "/"))
	if err != nil {
		return nil, err
	}
	var content []byte
	kind := "application/json"
	switch body := one.body.(type) {
	case nil:
	case form:
		content, kind = body.content, body.kind
	default:
		if content, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, one.method, target.String(), nil)
	if err != nil {
		return nil, err
	}
	if content != nil {
		request.Body = io.NopCloser(bytes.NewReader(content))
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
		request.ContentLength = int64(len(content))
		request.Header.Set("Content-Type", kind)
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "Blaxel/Go 0.24.0")
	request.Header.Set("Blaxel-Version", version)
	for _, headers := range []map[string]string{c.headers, one.headers} {
		for name, value := range headers {
			request.Header.Set(name, value)
		}
	}
	return request, nil
}

// What has come, and after how many sendings.
type answer struct {
	*http.Response
	content  []byte
	attempts int
}

// Sends a request, and again as the client does: what no answer came to, and 408, 409, 429 and 5xx, unless the answer
// says whether it wants that; after the time that it names, or half a second and twice as long each time.
func (c caller) send(ctx context.Context, one call) (answer, error) {
	for attempt := 0; ; attempt++ {
		request, err := c.request(ctx, one)
		if err != nil {
			return answer{}, err
		}
		request.Header.Set("X-Stainless-Retry-Count", strconv.Itoa(attempt))
		response, err := http.DefaultClient.Do(request)
		if attempt < one.retries && ctx.Err() == nil && isSentAgain(response) {
			wait := pause(response, attempt)
			if response != nil {
				response.Body.Close()
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
			continue
		}
		if err != nil {
			return answer{}, err
		}
		defer response.Body.Close()
		content, err := io.ReadAll(response.Body)
		return answer{Response: response, content: content, attempts: attempt + 1}, err
	}
}

func isSentAgain(response *http.Response) bool {
	if response == nil {
		return true
	}
	if said := response.Header.Get("X-Should-Retry"); said != "" {
		return said == "true"
	}
	switch status := response.StatusCode; status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return true
	default:
		return status >= 500
	}
}

func pause(response *http.Response, attempt int) time.Duration {
	if response != nil {
		// The finer one counts before the other.
		if wait, err := strconv.ParseFloat(response.Header.Get("Retry-After-Ms"), 64); err == nil {
			return max(0, time.Duration(wait*float64(time.Millisecond)))
		}
		if wait, err := strconv.ParseFloat(response.Header.Get("Retry-After"), 64); err == nil {
			return max(0, time.Duration(wait*float64(time.Second)))
		}
	}
	return time.Second / 2 << attempt
}

// Asks, and takes the answer as JSON into `into`, with all that the client's types need.
func (c caller) ask(method, path string, body, into any) error {
	return c.take(call{method: method, path: path, body: body, retries: retries}, into)
}

func (c caller) take(one call, into any) error {
	came, err := c.send(context.Background(), one)
	if err != nil {
		return err
	}
	if came.StatusCode >= 400 {
		refused := &refusal{status: came.StatusCode, attempts: came.attempts, raw: string(came.content)}
		// What is no JSON, or empty, is no error of the platform to the client, but one of its own.
		if err := json.Unmarshal(came.content, &refused.said); err != nil {
			return fmt.Errorf("%s %s: a %d that is no JSON: %q", one.method, one.path, came.StatusCode, came.content)
		}
		return refused
	}
	if into == nil {
		return nil
	}
	if raw, isRaw := into.(*[]byte); isRaw {
		*raw = came.content
		return nil
	}
	if kind := came.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
		return fmt.Errorf("%s %s: it is %q and not JSON", one.method, one.path, kind)
	}
	if err := decode(came.content, into); err != nil {
		return fmt.Errorf("%s %s: %w in %s", one.method, one.path, err, came.content)
	}
	return nil
}

// Decodes JSON, and fails where a field marked `must` is missing or null.
func decode(content []byte, into any) error {
	if err := json.Unmarshal(content, into); err != nil {
		return err
	}
	var raw any
	if err := json.Unmarshal(content, &raw); err != nil {
		return err
	}
	return complete(raw, reflect.TypeOf(into).Elem(), "")
}

func complete(raw any, kind reflect.Type, place string) error {
	switch kind.Kind() {
	case reflect.Slice:
		items, _ := raw.([]any)
		for number, item := range items {
			if err := complete(item, kind.Elem(), fmt.Sprintf("%s[%d]", place, number)); err != nil {
				return err
			}
		}
	case reflect.Struct:
		fields, isObject := raw.(map[string]any)
		if !isObject {
			return fmt.Errorf("%s is no object", place)
		}
		for number := range kind.NumField() {
			field := kind.Field(number)
			name, must := strings.CutSuffix(field.Tag.Get("json"), ",must")
			value, isThere := fields[name]
			if !must && value == nil {
				continue
			}
			if !isThere || value == nil {
				return fmt.Errorf("%s.%s is missing", place, name)
			}
			if err := complete(value, field.Type, place+"."+name); err != nil {
				return err
			}
		}
	}
	return nil
}

// A file and the fields after it, as the client sends them.
func upload(content []byte, fields ...string) form {
	var body bytes.Buffer
	writer := multipart.NewWriter(&body)
	part, err := writer.CreateFormFile("file", "file")
	if err == nil {
		_, err = part.Write(content)
	}
	for next := 0; err == nil && next+1 < len(fields); next += 2 {
		err = writer.WriteField(fields[next], fields[next+1])
	}
	if err == nil {
		err = writer.Close()
	}
	if err != nil {
		panic(err)
	}
	return form{content: body.Bytes(), kind: writer.FormDataContentType()}
}
