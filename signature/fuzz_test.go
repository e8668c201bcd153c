package signature

import (
	"sync"
	"testing"
)

// FuzzDialects gives every dialect what a stranger may send. Only what the owner of the secret signed is accepted.
func FuzzDialects(f *testing.F) {
	all := samples(f)
	for i, s := range all {
		r := s.good(f)
		f.Add(byte(i), r.Header.Get(s.header()), r.Header.Get(s.dialect.row.Time.Header), r.Header.Get(s.dialect.row.ID.Header), r.URL, r.Body)
		f.Add(byte(i), "t=1,,v1=;ts=;h1=, v1,v1a,=sha256=", "-1", "", "%3a%", []byte(`{"webhookTimestamp":1e3}`))
	}
	f.Fuzz(func(t *testing.T, which byte, signed, at, id, url string, body []byte) {
		s := all[int(which)%len(all)]
		row := s.dialect.row
		good := s.good(t)
		r := s.good(t)
		r.URL, r.Body = url, body
		if row.Time.Header != "" {
			r.Header.Set(row.Time.Header, at)
		}
		if row.ID.Header != "" {
			r.Header.Set(row.ID.Header, id)
		}
		text := func(r Request) string {
			v := values{id: r.Header.Get(row.ID.Header), time: r.Header.Get(row.Time.Header), url: row.address(r.URL), method: r.Method}
			return string(row.text.fill(v, r.Body).whole())
		}
		changed := row.Algorithm != Token && text(r) != text(good)
		r.Header.Set(s.header(), signed)
		if _, err := s.dialect.Verify(s.keys(t), r, sampleTime); err == nil && changed {
			t.Errorf("%s accepts what nobody signed: %v %q %q", s.name, r.Header, url, body)
		}
	})
}

// TestKeysAreShared: keys and dialects may be used by many at once.
func TestKeysAreShared(t *testing.T) {
	for _, s := range samples(t) {
		keys, r := s.keys(t), s.good(t)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 20 {
					if _, err := s.dialect.Verify(keys, r, sampleTime); err != nil {
						t.Errorf("%s: %v", s.name, err)
					}
				}
			})
		}
		all.Wait()
	}
}
