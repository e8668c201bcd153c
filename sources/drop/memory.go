package drop

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/hookbridge/bridge"
	"github.com/zeebo/xxh3"
)

// known is one file of the last complete fetch.
type known struct {
	Name    string `json:"n,omitempty"`
	Raw     []byte `json:"r,omitempty"` // the name, where it is no UTF-8
	Size    int64  `json:"s"`
	Written int64  `json:"w"`           // modification time in nanoseconds
	Settled bool   `json:"o,omitempty"` // its time, as it was when it was read, cannot be that of a later content, too
	Inode   uint64 `json:"i,omitempty"`
	Seen    int64  `json:"t,omitempty"` // when we first saw it so, in nanoseconds, where its time is that of another clock
	Window  bool   `json:"f,omitempty"` // it shows the newest records only
	Hash    string `json:"h"`
}

// settled is how long a file must have rested before its modification time says anything: clocks of file systems are
// coarse, SFTP counts seconds, and two writes may carry the same time.
const settled = 2 * time.Second

// maxKnown bounds the memory: of more files, only the hash of all that tells them apart is remembered.
const maxKnown = 1000

func recall(from bridge.Checkpoint) []known {
	var files []known
	if len(from) == 0 || json.Unmarshal(from, &files) != nil {
		return nil
	}
	for i, k := range files {
		if k.Raw != nil {
			files[i].Name, files[i].Raw = string(k.Raw), nil
		}
	}
	return files
}

func remember(files []known) bridge.Checkpoint {
	if len(files) > maxKnown {
		if slices.ContainsFunc(files, func(k known) bool { return !k.Settled }) {
			return nil // the hash would not say which
		}
		files = []known{summary(files)}
	}
	for i, k := range files {
		if !utf8.ValidString(k.Name) {
			files[i].Name, files[i].Raw = "", []byte(k.Name)
		}
	}
	data, err := json.Marshal(files)
	if err != nil {
		return nil
	}
	return data
}

// summary stands for many settled files. No file has its name.
func summary(files []known) known {
	hash := xxh3.New()
	all := known{Settled: true, Size: int64(len(files))}
	for _, k := range files {
		_, _ = fmt.Fprintf(hash, "%q %d %d %d\n", k.Name, k.Size, k.Written, k.Inode)
		all.Window = all.Window || k.Window
	}
	all.Hash = text(hash)
	return all
}

// isSummary reports whether a memory is that of too many files, and of these.
func isSummary(memory []known, files []file) (window, same bool) {
	if len(memory) != 1 || memory[0].Name != "" || memory[0].Size != int64(len(files)) {
		return false, false
	}
	all := make([]known, len(files))
	for i, f := range files {
		all[i] = known{Name: f.name, Size: f.size, Written: f.written, Inode: f.inode}
	}
	return memory[0].Window, memory[0].Hash == summary(all).Hash
}

// recognize marks the files that are as they were when an earlier fetch read them.
func recognize(files []file, memory []known) {
	for i, f := range files {
		at, found := slices.BinarySearchFunc(memory, f.name, func(k known, name string) int { return cmp.Compare(k.Name, name) })
		if !found || !f.is(memory[at].file()) {
			continue
		}
		files[i].read = true
		if t := memory[at].Seen; t != 0 {
			files[i].seen = time.Unix(0, t)
		}
	}
}

func (k known) file() file {
	return file{name: k.Name, size: k.Size, written: k.Written, inode: k.Inode}
}

// known is what to remember of a file that is read now, but for its hash.
func (s *Set) known(f file) known {
	k := known{Name: f.name, Size: f.size, Written: f.written, Inode: f.inode}
	since := time.Unix(0, f.written)
	if !s.OurClock {
		since, k.Seen = f.seen, f.seen.UnixNano()
	}
	k.Settled = time.Since(since) > settled
	return k
}

func text(hash *xxh3.Hasher) string {
	sum := hash.Sum128().Bytes()
	return base64.RawStdEncoding.EncodeToString(sum[:])
}
