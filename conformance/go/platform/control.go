package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
)

// What a sandbox is asked for: its name, and what is laid over the client's defaults.
func wanted(name string, runtime, spec map[string]any) map[string]any {
	whole := map[string]any{"image": "blaxel/base-image:latest", "memory": 4096}
	for key, value := range runtime {
		whole[key] = value
	}
	of := map[string]any{"region": os.Getenv("BL_REGION"), "runtime": whole}
	for key, value := range spec {
		of[key] = value
	}
	return map[string]any{"metadata": map[string]any{"name": name, "labels": map[string]string{"language": "go"}}, "spec": of}
}

// Makes a sandbox whatever comes of it, as nothing can be asked without.
func (t *trial) create(name string, spec map[string]any) sandbox {
	var made sandbox
	if err := t.control.ask(http.MethodPost, "sandboxes", wanted(name, nil, spec), &made); err != nil {
		fmt.Printf("no sandbox: %v\n0 passed, 1 failed\n", err)
		os.Exit(1)
	}
	return made
}

// The caller that a sandbox of this record is asked by: at the URL that the record tells.
func (t *trial) inside(box sandbox) caller {
	return at(box.Metadata.URL, t.control.headers)
}

func (t *trial) delete(names ...string) {
	for _, name := range names {
		must(t.control.ask(http.MethodDelete, "sandboxes/"+name, nil, nil))
		eventually(name+" is gone", func() bool {
			return t.control.ask(http.MethodGet, "sandboxes/"+name, nil, &sandbox{}) != nil
		})
	}
}

func (t *trial) sandboxes() {
	ask := t.control.ask
	t.statement("a sandbox is as it was asked for", func() {
		name := named("whole")
		runtime := map[string]any{
			"memory": 8192,
			"ttl":    "5m",
			"ports":  []map[string]any{{"name": "web", "target": 3000}, {"name": "api", "target": 8080, "protocol": "TCP"}},
			"envs":   []map[string]any{{"name": "NODE_ENV", "value": "test"}, {"name": "DEBUG", "value": "true"}},
		}
		idle := []map[string]any{{"type": "ttl-idle", "value": "5m", "action": "delete"}, {"type": "ttl-max-age", "value": "30m", "action": "delete"}}
		var made, seen sandbox
		must(ask(http.MethodPost, "sandboxes", wanted(name, runtime, map[string]any{"lifecycle": map[string]any{"expirationPolicies": idle}}), &made))
		must(ask(http.MethodGet, "sandboxes/"+name, nil, &seen))
		check(made.Metadata.Name == name && made.Metadata.Labels["language"] == "go" && made.Metadata.URL != "", "%+v", made)
		of := seen.Spec
		check(of.Runtime.Memory == 8192 && of.Region == os.Getenv("BL_REGION") && seen.Status != "TERMINATED", "%+v", seen)
		check(len(of.Runtime.Ports) == 2 && len(of.Runtime.Envs) == 2 && len(of.Lifecycle.ExpirationPolicies) == 2, "%+v", seen)
		t.delete(name)
	})
	t.statement("a name that is taken is refused once, and led to the sandbox that has it", func() {
		name := named("taken")
		t.create(name, nil)
		told := refused(ask(http.MethodPost, "sandboxes", wanted(name, nil, nil), &sandbox{}), http.StatusConflict)
		check(strings.Contains(told.Error(), "409") && told.said["message"] != nil, "%v", told)
		check(told.attempts == 1, "the client has asked %d times", told.attempts)
		must(ask(http.MethodGet, "sandboxes/"+name, nil, &sandbox{}))
		t.delete(name)
	})
	t.statement("five who want the same sandbox at once all get it", func() {
		name := named("race")
		errors := make(chan error, 5)
		for range cap(errors) {
			go func() {
				err := ask(http.MethodPost, "sandboxes", wanted(name, nil, nil), &sandbox{})
				if err != nil && strings.Contains(err.Error(), "409") {
					err = ask(http.MethodGet, "sandboxes/"+name, nil, &sandbox{})
				}
				errors <- err
			}()
		}
		for range cap(errors) {
			must(<-errors)
		}
		var box sandbox
		must(ask(http.MethodGet, "sandboxes/"+name, nil, &box))
		check(strings.Contains(t.run(t.inside(box), "echo 'test'").Logs, "test"), "it does not work")
		t.delete(name)
	})
	t.statement("a sandbox that is not there is a 404 in JSON", func() {
		refused(ask(http.MethodGet, "sandboxes/non-existent-sandbox-xyz", nil, &sandbox{}), http.StatusNotFound)
		refused(ask(http.MethodDelete, "sandboxes/non-existent-sandbox-xyz", nil, &sandbox{}), http.StatusNotFound)
	})
	t.statement("what was read is changed in one place and written back", func() {
		name := named("change")
		t.create(name, map[string]any{"lifecycle": map[string]any{"expirationPolicies": []map[string]any{{"type": "ttl-idle", "value": "5m", "action": "delete"}}}})
		change := func(act func(metadata, spec map[string]any)) (seen sandbox) {
			var raw []byte
			must(ask(http.MethodGet, "sandboxes/"+name, nil, &raw))
			var record map[string]map[string]any
			var whole map[string]any
			must(json.Unmarshal(raw, &whole))
			record = map[string]map[string]any{"metadata": whole["metadata"].(map[string]any), "spec": whole["spec"].(map[string]any)}
			act(record["metadata"], record["spec"])
			must(ask(http.MethodPut, "sandboxes/"+name, record, &seen))
			return seen
		}
		seen := change(func(metadata, _ map[string]any) { metadata["labels"] = map[string]string{"updated": "true"} })
		check(seen.Metadata.Labels["updated"] == "true", "%+v", seen)
		seen = change(func(metadata, _ map[string]any) { metadata["displayName"] = "My Test Sandbox" })
		check(seen.Metadata.DisplayName == "My Test Sandbox" && seen.Metadata.Labels["updated"] == "true", "%+v", seen)
		seen = change(func(_, spec map[string]any) { spec["runtime"].(map[string]any)["ttl"] = "10m" })
		check(seen.Spec.Runtime.Ttl == "10m", "%+v", seen)
		seen = change(func(_, spec map[string]any) { spec["runtime"].(map[string]any)["ttl"] = nil })
		check(seen.Spec.Runtime.Ttl == "" && len(seen.Spec.Lifecycle.ExpirationPolicies) == 1, "%+v", seen)
		seen = change(func(_, spec map[string]any) { spec["lifecycle"] = nil })
		check(len(seen.Spec.Lifecycle.ExpirationPolicies) == 0, "%+v", seen)
		t.delete(name)
	})
	t.statement("a list comes in pages that repeat and leave out nothing", func() {
		names := []string{named("page"), named("page"), named("page")}
		for _, name := range names {
			t.create(name, nil)
		}
		seen, cursor := map[string]int{}, ""
		for {
			var page struct {
				Data []sandbox `json:"data,must"`
				Meta meta      `json:"meta,must"`
			}
			path := "sandboxes?limit=1"
			if cursor != "" {
				path += "&cursor=" + cursor
			}
			must(ask(http.MethodGet, path, nil, &page))
			check(len(page.Data) == 1, "%d on a page", len(page.Data))
			seen[page.Data[0].Metadata.Name]++
			if cursor = page.Meta.NextCursor; !page.Meta.HasMore || cursor == "" {
				break
			}
		}
		for name, times := range seen {
			check(times == 1, "%s comes %d times", name, times)
		}
		for _, name := range names {
			check(seen[name] == 1, "%s is missing", name)
		}
		t.delete(names...)
	})
}

func (t *trial) visits(box sandbox) {
	previews := "sandboxes/" + box.Metadata.Name + "/previews"
	show := func(name string, isPublic bool) (made preview) {
		spec := map[string]any{"port": 3000, "public": isPublic}
		must(t.control.ask(http.MethodPost, previews, map[string]any{"metadata": map[string]any{"name": name}, "spec": spec}, &made))
		check(made.Metadata.Name == name && made.Spec.URL != "", "%+v", made)
		return made
	}
	status := func(url string) int {
		came, err := http.Get(url)
		must(err)
		came.Body.Close()
		return came.StatusCode
	}
	give := func(of, name string) (made token) {
		spec := map[string]any{"expiresAt": "2099-01-02T03:04:05+02:00"}
		must(t.control.ask(http.MethodPost, previews+"/"+of+"/tokens", map[string]any{"metadata": map[string]any{"name": name}, "spec": spec}, &made))
		check(made.Spec.Token != "", "%+v", made)
		return made
	}
	t.statement("a port is fetched through the sandbox's own URL, whatever the path", func() {
		t.serve(box, 3000)
		for _, path := range []string{"port/3000/", "port/3000/some/path?a=b"} {
			came, err := t.inside(box).send(patient(), call{method: http.MethodGet, path: path, retries: retries})
			must(err)
			check(came.StatusCode == 200 && string(came.content) == "OK", "%s %s", came.Status, came.content)
		}
	})
	t.statement("a public preview opens for everybody, is listed and goes", func() {
		made := show("public", true)
		check(status(made.Spec.URL) == 200, "it is closed")
		var listed []preview
		must(t.control.ask(http.MethodGet, previews, nil, &listed))
		check(len(listed) == 1 && listed[0].Metadata.Name == "public", "%+v", listed)
		must(t.control.ask(http.MethodDelete, previews+"/public", nil, &made))
		eventually("it is gone", func() bool {
			return t.control.ask(http.MethodGet, previews+"/public", nil, &preview{}) != nil
		})
	})
	t.statement("a private preview wants a token, and fifteen made at once are fifteen", func() {
		made := show("private", false)
		check(status(made.Spec.URL) == 401, "it is open")
		var all sync.WaitGroup
		errors := make([]error, 15)
		for number := range errors {
			all.Add(1)
			go quietly(&errors[number], &all, func() { give("private", fmt.Sprintf("token-%d", number)) })
		}
		all.Wait()
		for _, err := range errors {
			must(err)
		}
		tokens := previews + "/private/tokens"
		var listed []token
		must(t.control.ask(http.MethodGet, tokens, nil, &listed))
		check(len(listed) == 15 && listed[0].Spec.ExpiresAt != "", "%d of them", len(listed))
		check(status(made.Spec.URL+"?bl_preview_token="+listed[7].Spec.Token) == 200, "a token does not open it")
		must(t.control.ask(http.MethodDelete, tokens+"/"+listed[7].Metadata.Name, nil, nil))
		check(status(made.Spec.URL+"?bl_preview_token="+listed[7].Spec.Token) == 401, "a token that is gone opens it")
		must(t.control.ask(http.MethodDelete, previews+"/private", nil, nil))
		check(status(show("private", true).Spec.URL) == 200, "it does not come back")
		must(t.control.ask(http.MethodDelete, previews+"/private", nil, nil))
	})
}

// Runs what may fail beside others that may.
func quietly(err *error, all *sync.WaitGroup, act func()) {
	defer all.Done()
	defer func() {
		if reason, isFailure := recover().(failure); isFailure {
			*err = reason
		}
	}()
	act()
}
