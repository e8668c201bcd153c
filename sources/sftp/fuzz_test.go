//go:build unix

package sftp

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hookbridge/bridge"
	pkgsftp "github.com/pkg/sftp"
)

// The kinds of SFTP packets (draft-ietf-secsh-filexfer-02, section 3): what is asked, and what is answered.
const (
	opening, closing, reading, opendir, readdir, stat = 3, 4, 5, 11, 12, 17
	version, status, handle, data, name, attrs        = 2, 101, 102, 103, 104, 105
)

// packet is an answer as the fuzzer has it: the kind of request that it is for, its own kind, the length of the rest in one
// byte, and the rest without the number of the request.
func packet(request, kind byte, parts ...any) []byte {
	var rest []byte
	for _, part := range parts {
		switch part := part.(type) {
		case int:
			rest = binary.BigEndian.AppendUint32(rest, uint32(part))
		case uint64:
			rest = binary.BigEndian.AppendUint64(rest, part)
		case string:
			rest = append(binary.BigEndian.AppendUint32(rest, uint32(len(part))), part...)
		}
	}
	return append([]byte{request, kind, byte(len(rest))}, rest...)
}

// FuzzAnswers is a server that answers requests, those of a kind in their order, with what the fuzzer likes, and ends the
// connection when it has no more.
func FuzzAnswers(f *testing.F) {
	about := func(size uint64) []any { return []any{1 | 4 | 8, size, 0o100644, 7, 7} } // size, mode and times
	look := func(size uint64) []byte { return packet(stat, attrs, about(size)...) }
	list := func(count int, base string, size uint64) []byte {
		return slices.Concat(packet(opendir, handle, "h"), packet(readdir, name, append([]any{count, base, base}, about(size)...)...),
			packet(readdir, status, 1, "end of file", ""), packet(closing, status, 0, "", ""), packet(stat, attrs, 4, 0o040755))
	}
	read := func(parts ...string) (all []byte) {
		all = packet(opening, handle, "i")
		for _, part := range parts {
			all = append(all, packet(reading, data, part)...)
		}
		return slices.Concat(all, packet(reading, status, 1, "end of file", ""), packet(closing, status, 0, "", ""))
	}
	whole := slices.Concat(list(1, "a.json", 3), look(3), look(3), read("[", "1]"), list(1, "a.json", 3))
	f.Add(whole)
	f.Add(slices.Concat(list(1, "a.json", 1<<63), look(1<<63), look(1<<63), read("[1]")))
	f.Add(slices.Concat(list(1<<31, "../a.json", 0), look(0), read("")))
	f.Add(slices.Concat(list(1, "a.json", 3), look(3), look(3), read("[1,2,3]", ""), list(1, "b.json", 3)))
	f.Add(slices.Concat(list(1, "a.json", 60<<10), look(60<<10), look(60<<10), read("[", "1", "]")))
	f.Add(slices.Concat(list(1, "a.json", 70_000), look(70_000), look(70_000), read(strings.Repeat("[", 200), "1", "]", "")))
	f.Add(slices.Concat(list(1, "a.json", 3), packet(stat, status, 0, "", ""), packet(opening, status, 0, "", ""), packet(reading, status, 0, "", "")))
	s := newHost(f).source(f)
	f.Fuzz(func(t *testing.T, said []byte) {
		outcome, err := talk(t, s, said)
		if err != nil && bytes.Equal(said, whole) {
			t.Errorf("a file that is as it should be: %v", err)
		}
		if err != nil && (outcome.Complete || outcome.NotModified || outcome.Next != nil) {
			t.Errorf("%v, and %+v", err, outcome)
		}
	})
}

// talk fetches from a server that says this.
func talk(t *testing.T, s *Source, said []byte) (bridge.Outcome, error) {
	t.Helper()
	near, far := net.Pipe()
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { converse(far, said) })
	place := &remote{ctx: t.Context(), wire: &wire{Conn: near}, unwatch: func() bool { return true }}
	defer place.close()
	var err error
	if place.sftp, err = pkgsftp.NewClientPipe(place.wire, place.wire, pkgsftp.MaxConcurrentRequestsPerFile(inFlight)); err != nil {
		t.Fatal(err)
	}
	return s.files.Fetch(t.Context(), place, bridge.FetchOptions{}, func(r bridge.Record) error {
		if !json.Valid(r.Body) {
			t.Errorf("record %s", r.Body)
		}
		return nil
	})
}

// TestAServerThatSucceedsAndSendsNothing: a status that says "ok" answers no question.
func TestAServerThatSucceedsAndSendsNothing(t *testing.T) {
	s, ok := newHost(t).source(t), []any{0, "", ""}
	about := []any{1 | 4 | 8, uint64(3), 0o100644, 7, 7}
	look := packet(stat, attrs, about...)
	list := slices.Concat(packet(opendir, handle, "h"), packet(readdir, name, append([]any{1, "a.json", "a.json"}, about...)...),
		packet(readdir, status, 1, "end of file", ""), packet(closing, status, ok...), packet(stat, attrs, 4, 0o040755))
	for op, said := range map[string][]byte{
		"look at": slices.Concat(list, packet(stat, status, ok...)),
		"open":    slices.Concat(list, look, look, packet(opening, status, ok...)),
		"read":    slices.Concat(list, look, look, packet(opening, handle, "i"), packet(reading, status, ok...), packet(closing, status, ok...)),
	} {
		want := "source.sftp: /out/a.json: " + op + ": the server says that it succeeded, and sends nothing"
		if _, err := talk(t, s, said); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// converse is the server's side of the conversation.
func converse(conn net.Conn, said []byte) {
	defer conn.Close()
	var answers [][]byte
	for len(said) > 2 {
		length := 3 + min(int(said[2]), len(said)-3)
		answers, said = append(answers, said[:length]), said[length:]
	}
	for first := true; ; first = false {
		var head [4]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		request := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(conn, request); err != nil {
			return
		}
		reply := []byte{version, 0, 0, 0, 3}
		if !first {
			at := slices.IndexFunc(answers, func(a []byte) bool { return a[0] == request[0] })
			if at < 0 {
				return
			}
			reply = slices.Concat(answers[at][1:2], request[1:5], answers[at][3:])
			answers = slices.Delete(answers, at, at+1)
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(reply))), reply...)); err != nil {
			return
		}
	}
}
