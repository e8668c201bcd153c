package http

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"

	"github.com/hookbridge/bridge"
	"github.com/zeebo/xxh3"
)

// A checkpoint remembers the answers of the last complete fetch well enough to recognise them: validators, a hash of
// the body and the numbers that decide whether another answer follows. It holds no cursor and no address, because
// those may carry credentials. So an answer is asked for conditionally only if what comes after it can be told without
// its body; see paging.validates.
//
// It is text: a version, then a line for each answer with its fields between tabs. Ten thousand sources read theirs
// at every poll, most of them to find that nothing changed.
const memoryVersion = "http 1\n"

// maxKnown bounds the memory: a fetch of more answers remembers none.
const maxKnown = 1000

// maxValidator is the longest validator worth keeping.
const maxValidator = 512

// known is one answer of the last fetch.
type known struct {
	Address  string // hash of the address it was fetched from; empty where there is no validator
	ETag     string
	Modified string // Last-Modified
	Hash     string // of the body; empty when it was too large to be compared
	Items    int
	Total    int64 // declared number of records plus one; 0: none declared
	Pages    int64 // declared number of pages plus one
	More     bool  // the answer said that more follows
	Last     bool  // nothing followed
}

func (k *known) conditional() bool { return k != nil && (k.ETag != "" || k.Modified != "") }

// recall reads what remember wrote. What it cannot read is of another version, or nobody's: fetch everything.
func recall(from bridge.Checkpoint) []known {
	text, ok := strings.CutPrefix(string(from), memoryVersion)
	if !ok {
		return nil
	}
	pages := make([]known, 0, strings.Count(text, "\n"))
	for line := range strings.Lines(text) {
		k, ok := readKnown(line)
		if !ok || len(pages) == maxKnown {
			return nil
		}
		pages = append(pages, k)
	}
	return pages
}

func readKnown(line string) (k known, ok bool) {
	rest, ok := strings.CutSuffix(line, "\n")
	field := func() (text string) {
		text, rest, _ = strings.Cut(rest, "\t")
		return text
	}
	number := func() int64 {
		n, err := strconv.ParseInt(field(), 10, 62)
		ok = ok && err == nil && n >= 0
		return n
	}
	k.Address, k.ETag, k.Modified, k.Hash = field(), field(), field(), field()
	k.Items, k.Total, k.Pages = int(number()), number(), number()
	flags := field()
	k.More, k.Last = strings.Contains(flags, "m"), strings.Contains(flags, "l")
	return k, ok && rest == ""
}

func remember(pages []known) bridge.Checkpoint {
	if len(pages) == 0 {
		return nil
	}
	b := make([]byte, 0, len(memoryVersion)+len(pages)*128)
	b = append(b, memoryVersion...)
	for i := range pages {
		k := &pages[i]
		for _, text := range []string{k.Address, k.ETag, k.Modified, k.Hash} { // none can hold a tab; see validatorsOf
			b = append(append(b, text...), '\t')
		}
		for _, n := range []int64{int64(k.Items), k.Total, k.Pages} {
			b = append(strconv.AppendInt(b, n, 10), '\t')
		}
		if k.More {
			b = append(b, 'm')
		}
		if k.Last {
			b = append(b, 'l')
		}
		b = append(b, '\n')
	}
	return b
}

func hashBody(body []byte) string {
	sum := xxh3.Hash128(body).Bytes()
	return base64.RawStdEncoding.EncodeToString(sum[:])
}

// addressed is the hash of an address, most often of the source's own.
func (s *Source) addressed(u *url.URL) string {
	if u == s.url {
		return s.hash
	}
	return hashAddress(u)
}

func hashAddress(u *url.URL) string {
	sum := xxh3.HashString128(u.String()).Bytes()
	return base64.RawStdEncoding.EncodeToString(sum[:])
}
