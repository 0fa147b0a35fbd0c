package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Makes a session as the client does, a private preview of the sandbox's own API with a token, and tells who has it.
func (t *trial) session(box sandbox, name string) caller {
	previews := "sandboxes/" + box.Metadata.Name + "/previews"
	expires := time.Now().Add(time.Hour).Format(time.RFC3339)
	var made preview
	var key token
	spec := map[string]any{"port": 443, "public": false, "expires": expires}
	must(t.control.ask(http.MethodPost, previews, map[string]any{"metadata": map[string]any{"name": name}, "spec": spec}, &made))
	of := map[string]any{"metadata": map[string]any{"name": "token-" + name}, "spec": map[string]any{"expiresAt": expires}}
	must(t.control.ask(http.MethodPost, previews+"/"+name+"/tokens", of, &key))
	check(strings.HasPrefix(made.Spec.URL, "http") && key.Spec.Token != "", "%+v %+v", made, key)
	return at(made.Spec.URL, map[string]string{"X-Blaxel-Preview-Token": key.Spec.Token})
}

func (t *trial) sessions(box sandbox) {
	t.statement("whoever has a session uses the sandbox with nothing but its token", func() {
		visitor := t.session(box, "session-1")
		seen, err := list(visitor, "/")
		must(err)
		check(len(seen.Subdirectories) > 0, "%+v", seen)
		check(strings.Contains(t.run(visitor, "echo 'from session'").Stdout, "from session"), "it does not run")
		follow(visitor, "of-a-session")
		watch(visitor, "/", func() { write(visitor, "/session-test.txt", "content") }, func(_, _, name string) bool { return name == "session-test.txt" })
	})
	t.statement("a session that is deleted is in no list and opens nothing", func() {
		visitor := t.session(box, "session-2")
		previews := "sandboxes/" + box.Metadata.Name + "/previews"
		must(t.control.ask(http.MethodDelete, previews+"/session-2", nil, nil))
		var listed []preview
		must(t.control.ask(http.MethodGet, previews, nil, &listed))
		for _, one := range listed {
			check(one.Metadata.Name != "session-2", "it is listed")
		}
		_, err := list(visitor, "/")
		check(err != nil, "it opens the sandbox")
	})
}

func (t *trial) upgrade(box sandbox) {
	inside := t.inside(box)
	t.statement("an upgrade is over in time, and what runs goes on", func() {
		_, err := start(inside, map[string]any{"command": "sleep 3; echo through", "name": "through"})
		must(err)
		var before, after health
		must(inside.ask(http.MethodGet, "health", nil, &before))
		check(before.Status == "ok" && before.UpgradeCount == 0, "%+v", before)
		must(inside.ask(http.MethodPost, "upgrade", map[string]any{}, &done{}))
		eventually("it has been upgraded", func() bool {
			err := inside.ask(http.MethodGet, "health", nil, &after)
			check(after.LastUpgrade.Status != "failed", "%+v", after)
			return err == nil && after.UpgradeCount > 0
		})
		ended, err := wait(inside, "through", patience, 50*time.Millisecond)
		must(err)
		check(ended.Status == "completed" && ended.Stdout == "through\n", "%+v", ended)
		came, err := inside.send(patient(), call{method: http.MethodGet, path: "port/3000/", retries: retries})
		must(err)
		check(string(came.content) == "OK", "%s", fmt.Sprint(came.Status))
	})
}
