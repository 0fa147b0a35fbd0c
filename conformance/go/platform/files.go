package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
)

func write(inside caller, path, content string) {
	must(inside.ask(http.MethodPut, "filesystem/"+path, map[string]any{"content": content}, &done{}))
}

func read(inside caller, path string) string {
	var seen file
	must(inside.ask(http.MethodGet, "filesystem/"+path, nil, &seen))
	check(seen.Path == path && seen.Name == path[strings.LastIndex(path, "/")+1:], "%s at %s", seen.Name, seen.Path)
	return seen.Content
}

func list(inside caller, path string) (seen directory, err error) {
	err = inside.ask(http.MethodGet, "filesystem/"+path, nil, &seen)
	return seen, err
}

func (t *trial) files(box sandbox) {
	inside := t.inside(box)
	t.statement("what is written is read, by the same path with both its slashes", func() {
		for _, content := range []string{"Hello, World!", "Hello 世界 🌍 émojis", "Line 1\nLine 2\nLine 3", "updated", "", strings.Repeat("X", 6<<20)} {
			write(inside, "/tmp/text.txt", content)
			check(read(inside, "/tmp/text.txt") == content, "%d bytes are others", len(content))
			var raw []byte
			must(inside.take(call{method: http.MethodGet, path: "filesystem//tmp/text.txt", headers: map[string]string{"Accept": "application/octet-stream"}}, &raw))
			check(string(raw) == content, "%d bytes are others as they are", len(content))
		}
	})
	t.statement("a directory is made, listed and removed", func() {
		must(inside.ask(http.MethodPut, "filesystem//tmp/dir/level1/level2", map[string]any{"isDirectory": true, "permissions": "755"}, &done{}))
		write(inside, "/tmp/dir/file1.txt", "content1")
		seen, err := list(inside, "/tmp/dir")
		must(err)
		check(len(seen.Files) == 1 && seen.Files[0].Path == "/tmp/dir/file1.txt" && seen.Files[0].Name == "file1.txt", "%+v", seen)
		check(len(seen.Subdirectories) == 1 && seen.Subdirectories[0].Name == "level1", "%+v", seen)
		check(inside.ask(http.MethodDelete, "filesystem//tmp/dir?recursive=false", nil, &done{}) != nil, "it is removed with its files")
		must(inside.ask(http.MethodDelete, "filesystem//tmp/dir?recursive=true", nil, &done{}))
		_, err = list(inside, "/tmp/dir")
		refused(err, http.StatusNotFound)
	})
	t.statement("a tree is written and is what its directory is", func() {
		var written, seen directory
		must(inside.ask(http.MethodPut, "filesystem/tree//tmp/tree", map[string]any{"files": map[string]string{"root.txt": "root", "nested/child.txt": "child"}}, &written))
		must(inside.ask(http.MethodGet, "filesystem/tree//tmp/tree", nil, &seen))
		listed, err := list(inside, "/tmp/tree")
		must(err)
		check(fmt.Sprint(written) == fmt.Sprint(seen) && fmt.Sprint(seen) == fmt.Sprint(listed), "%+v\n%+v\n%+v", written, seen, listed)
		check(t.run(inside, "cp -r /tmp/tree /tmp/copy").Status == "completed" && read(inside, "/tmp/copy/nested/child.txt") == "child", "it is not copied")
	})
	t.statement("files are found by name, by a likeness of it, and by what is in them", func() {
		write(inside, "/tmp/search/main.go", "one\nneedle\nthree")
		for query, number := range map[string]int{
			"filesystem-find//tmp/search?patterns=*.go":                 1,
			"filesystem-find//tmp/search?patterns=*.none":               0,
			"filesystem-search//tmp/search?query=mngo":                  1,
			"filesystem-content-search//tmp/search?query=needle":        1,
			"filesystem-content-search//tmp/search?query=nothing-is-so": 0,
		} {
			var seen found
			must(inside.ask(http.MethodGet, query, nil, &seen))
			check(seen.Total == number && len(seen.Matches) == number, "%s: %+v", query, seen)
		}
	})
	t.statement("a watch tells of a file that is written", func() {
		must(inside.ask(http.MethodPut, "filesystem//tmp/watched", map[string]any{"isDirectory": true}, &done{}))
		act := func() { write(inside, "/tmp/watched/new.txt", "the content") }
		watch(inside, "/tmp/watched", act, func(op, path, name string) bool {
			return name == "new.txt" && (op == "CREATE" || op == "WRITE") && path == "/tmp/watched"
		})
	})
	t.statement("a hundred reads at once are a hundred answers", func() {
		content := strings.Repeat("A", 200<<10)
		write(inside, "/tmp/parallel.txt", content)
		var all sync.WaitGroup
		errors := make([]error, 100)
		for number := range errors {
			all.Add(1)
			go quietly(&errors[number], &all, func() { check(read(inside, "/tmp/parallel.txt") == content, "it is another") })
		}
		all.Wait()
		for _, err := range errors {
			must(err)
		}
	})
}

func (t *trial) uploads(box sandbox) {
	inside := t.inside(box)
	t.statement("bytes are uploaded whole, with the permissions that come after them", func() {
		content := bytes.Repeat([]byte{0, 1, 127, 128, 255, '\r', '\n'}, 300_000)
		must(inside.ask(http.MethodPut, "filesystem//tmp/binary", upload(content, "permissions", "755"), &done{}))
		var raw []byte
		must(inside.take(call{method: http.MethodGet, path: "filesystem//tmp/binary", headers: map[string]string{"Accept": "application/octet-stream"}}, &raw))
		check(bytes.Equal(raw, content), "%d bytes are others", len(raw))
		check(t.run(inside, "stat -c %a /tmp/binary").Stdout == "755\n", "its permissions are others")
	})
	t.statement("a large file is uploaded in parts, three at a time", func() {
		self, err := os.Executable()
		must(err)
		content, err := os.ReadFile(self)
		must(err)
		var begun struct {
			UploadID string `json:"uploadId,must"`
			Path     string `json:"path,must"`
		}
		must(inside.ask(http.MethodPost, "filesystem-multipart/initiate//tmp/app", map[string]any{"permissions": "0755"}, &begun))
		check(begun.Path == "/tmp/app", "%+v", begun)
		const most = 1 << 20
		parts := make([]part, (len(content)+most-1)/most)
		errors := make([]error, len(parts))
		room := make(chan bool, 3)
		var all sync.WaitGroup
		for number := range parts {
			all.Add(1)
			room <- true
			go quietly(&errors[number], &all, func() {
				defer func() { <-room }()
				piece := content[number*most : min((number+1)*most, len(content))]
				path := fmt.Sprintf("filesystem-multipart/%s/part?partNumber=%d", begun.UploadID, number+1)
				must(inside.ask(http.MethodPut, path, upload(piece), &parts[number]))
			})
		}
		all.Wait()
		for _, err := range errors {
			must(err)
		}
		whole := make([]map[string]any, len(parts))
		for number, one := range parts {
			whole[number] = map[string]any{"partNumber": one.PartNumber, "etag": one.Etag}
		}
		var told done
		must(inside.ask(http.MethodPost, "filesystem-multipart/"+begun.UploadID+"/complete", map[string]any{"parts": whole}, &told))
		check(told.Path == "/tmp/app", "%+v", told)
		size := t.run(inside, "stat -c %s /tmp/app").Stdout
		check(size == fmt.Sprintf("%d\n", len(content)), "it has %s bytes", size)
	})
	t.statement("an upload that is given up leaves nothing", func() {
		var begun struct {
			UploadID string `json:"uploadId,must"`
		}
		must(inside.ask(http.MethodPost, "filesystem-multipart/initiate//tmp/given-up", map[string]any{}, &begun))
		must(inside.ask(http.MethodDelete, "filesystem-multipart/"+begun.UploadID+"/abort", nil, &done{}))
		refused(inside.ask(http.MethodGet, "filesystem//tmp/given-up", nil, &file{}), http.StatusNotFound)
	})
}
