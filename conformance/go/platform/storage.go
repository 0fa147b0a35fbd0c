package main

import (
	"net/http"
	"os"
	"strings"
)

func (t *trial) storage() {
	ask := t.control.ask
	t.statement("a volume keeps what is written to it, through two sandboxes and a change of its size", func() {
		name := named("volume")
		spec := map[string]any{"size": 16, "region": os.Getenv("BL_REGION")}
		var made, grown volume
		must(ask(http.MethodPost, "volumes", map[string]any{"metadata": map[string]any{"name": name, "displayName": "My Test Volume"}, "spec": spec}, &made))
		check(made.Metadata.Name == name && made.Metadata.DisplayName == "My Test Volume", "%+v", made)
		var page struct {
			Data []volume `json:"data,must"`
			Meta meta     `json:"meta,must"`
		}
		must(ask(http.MethodGet, "volumes?q="+name, nil, &page))
		check(len(page.Data) == 1 && page.Data[0].Metadata.Name == name, "%+v", page)
		attached := map[string]any{"volumes": []map[string]any{{"name": name, "mountPath": "/data", "readOnly": false}}}
		first := t.create(named("first"), attached)
		t.run(t.inside(first), "echo 'mounted' > /data/test.txt")
		t.delete(first.Metadata.Name)
		must(ask(http.MethodPut, "volumes/"+name, map[string]any{"metadata": map[string]any{"name": ""}, "spec": map[string]any{"size": 32}}, &grown))
		check(grown.Spec.Size == 32, "%+v", grown)
		second := t.create(named("second"), attached)
		seen := t.run(t.inside(second), "cat /data/test.txt")
		check(strings.Contains(seen.Stdout, "mounted"), "%+v", seen)
		t.delete(second.Metadata.Name)
		must(ask(http.MethodDelete, "volumes/"+name, nil, nil))
		refused(ask(http.MethodGet, "volumes/"+name, nil, &volume{}), http.StatusNotFound)
	})
	t.statement("a snapshot outlives its sandbox, and becomes another one", func() {
		source, copied, name := named("source"), named("copy"), named("snapshot")
		box := t.create(source, nil)
		t.run(t.inside(box), "echo kept > kept")
		var taken, orphan snapshot
		must(ask(http.MethodPost, "sandboxes/"+source+"/snapshots", map[string]any{"name": name}, &taken))
		check(taken.Name == name && taken.Source.Kind == "sandbox" && taken.Source.Name == source, "%+v", taken)
		var nested []snapshot
		must(ask(http.MethodGet, "sandboxes/"+source+"/snapshots", nil, &nested))
		check(len(nested) == 1 && nested[0].ID == taken.ID, "%+v", nested)
		var page struct {
			Data []snapshot `json:"data,must"`
			Meta meta       `json:"meta,must"`
		}
		must(ask(http.MethodGet, "snapshots?limit=200", nil, &page))
		check(len(page.Data) > 0, "it is in no list of the workspace")
		eventually("it is ready", func() bool {
			must(ask(http.MethodGet, "snapshots/"+taken.ID, nil, &taken))
			return taken.Status == "ready"
		})
		t.delete(source)
		must(ask(http.MethodGet, "snapshots/"+taken.ID, nil, &orphan))
		check(orphan.Name == name && orphan.Source.Name == source && orphan.Spec.Image != "", "%+v", orphan)
		var forked struct {
			Name string `json:"name,must"`
			Type string `json:"type,must"`
		}
		must(ask(http.MethodPost, "snapshots/"+taken.ID+"/fork", map[string]any{"targetName": copied, "targetType": "sandbox"}, &forked))
		check(forked.Name == copied && forked.Type == "sandbox", "%+v", forked)
		must(ask(http.MethodGet, "sandboxes/"+copied, nil, &box))
		check(t.run(t.inside(box), "cat kept").Stdout == "kept\n", "its files are not there")
		t.delete(copied)
		must(t.control.take(call{method: http.MethodDelete, path: "snapshots/" + taken.ID, headers: map[string]string{"Accept": "*/*"}}, nil))
		refused(ask(http.MethodGet, "snapshots/"+taken.ID, nil, &snapshot{}), http.StatusNotFound)
	})
}
