package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A terminal, over a WebSocket as the platform's command line opens it: the key is in the URL, and in no header.
type terminal struct {
	net.Conn
	from *bufio.Reader
}

func open(box sandbox, key string) (*terminal, int) {
	at, err := url.Parse(box.Metadata.URL)
	must(err)
	at.Path = strings.TrimSuffix(at.Path, "/") + "/terminal/ws"
	at.RawQuery = url.Values{"token": {key}}.Encode() + "&cols=80&rows=24"
	connection, err := net.Dial("tcp", at.Host)
	must(err)
	connection.SetDeadline(time.Now().Add(patience))
	request, err := http.NewRequest(http.MethodGet, at.String(), nil)
	must(err)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		request.Header.Set(name, value)
	}
	must(request.Write(connection))
	from := bufio.NewReader(connection)
	came, err := http.ReadResponse(from, request)
	must(err)
	return &terminal{connection, from}, came.StatusCode
}

// Types something, as one short frame whose mask is zero.
func (t *terminal) typed(text string) {
	message, err := json.Marshal(map[string]string{"type": "input", "data": text})
	must(err)
	check(len(message) < 126, "it is too long for a short frame")
	_, err = t.Write(append([]byte{0x81, 0x80 | byte(len(message)), 0, 0, 0, 0}, message...))
	must(err)
}

// The next frame: its kind and what is in it.
func (t *terminal) next() (byte, []byte) {
	head := make([]byte, 2)
	_, err := io.ReadFull(t.from, head)
	must(err)
	length := uint64(head[1] & 0x7F)
	if wide := map[uint64]int{126: 2, 127: 8}[length]; wide > 0 {
		bytes := make([]byte, 8)
		_, err = io.ReadFull(t.from, bytes[8-wide:])
		must(err)
		length = binary.BigEndian.Uint64(bytes)
	}
	content := make([]byte, length)
	_, err = io.ReadFull(t.from, content)
	must(err)
	return head[0] & 0x0F, content
}

func (t *trial) terminal(box sandbox) {
	const text, closing = 1, 8
	t.statement("a terminal opens for a key in its URL, and its connection ends with its shell", func() {
		_, status := open(box, "another")
		check(status == http.StatusUnauthorized, "another key is answered %d", status)
		session, status := open(box, t.key)
		check(status == http.StatusSwitchingProtocols, "it is answered %d", status)
		defer session.Close()
		session.typed("echo te''rm; exit\n")
		var screen strings.Builder
		for {
			kind, content := session.next()
			switch kind {
			case text:
				var message struct {
					Type string `json:"type"`
					Data string `json:"data"`
				}
				must(json.Unmarshal(content, &message))
				check(message.Type == "output", "%s", content)
				screen.WriteString(message.Data)
			case closing:
				check(strings.Contains(screen.String(), "term"), "%q", screen.String())
				check(len(content) > 2 && binary.BigEndian.Uint16(content) == 1000 && string(content[2:]) == "Shell exited", "%q", content)
				return
			}
		}
	})
}
