package http

import (
	"encoding/base64"
	"encoding/json"
	"net/url"

	"github.com/hookbridge/bridge"
	"github.com/zeebo/xxh3"
)

// A checkpoint remembers the answers of the last complete fetch well enough to recognise them: validators, a hash of
// the body and the numbers that decide whether another answer follows. It holds no cursor and no address, because
// those may carry credentials. So an answer is asked for conditionally only if what comes after it can be told without
// its body; see paging.validates.
type memory struct {
	Version int     `json:"v"`
	Pages   []known `json:"p"`
}

const memoryVersion = 1

// maxKnown bounds the memory: a fetch of more answers remembers none.
const maxKnown = 1000

// maxValidator is the longest validator worth keeping.
const maxValidator = 512

// known is one answer of the last fetch.
type known struct {
	Address  string `json:"u,omitempty"` // hash of the address it was fetched from
	ETag     string `json:"e,omitempty"`
	Modified string `json:"m,omitempty"` // Last-Modified
	Hash     string `json:"h,omitempty"` // of the body; empty when it was too large to be compared
	Items    int    `json:"n"`
	Total    int64  `json:"t,omitempty"` // declared number of records plus one; 0: none declared
	Pages    int64  `json:"g,omitempty"` // declared number of pages plus one
	More     bool   `json:"c,omitempty"` // the answer said that more follows
	Last     bool   `json:"l,omitempty"` // nothing followed
}

func (k *known) conditional() bool { return k != nil && (k.ETag != "" || k.Modified != "") }

func recall(from bridge.Checkpoint) []known {
	if len(from) == 0 {
		return nil
	}
	var m memory
	// One that cannot be read is one of another version: fetch everything.
	if json.Unmarshal(from, &m) != nil || m.Version != memoryVersion || len(m.Pages) > maxKnown {
		return nil
	}
	return m.Pages
}

func remember(pages []known) bridge.Checkpoint {
	if len(pages) == 0 {
		return nil
	}
	data, err := json.Marshal(memory{Version: memoryVersion, Pages: pages})
	if err != nil {
		return nil
	}
	return data
}

func hashBody(body []byte) string {
	sum := xxh3.Hash128(body).Bytes()
	return base64.RawStdEncoding.EncodeToString(sum[:])
}

func hashAddress(u *url.URL) string {
	sum := xxh3.HashString128(u.String()).Bytes()
	return base64.RawStdEncoding.EncodeToString(sum[:])
}
