package login

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
)

// jar holds the cookies of one session: of what a server gives, no more than a browser would (RFC 6265, section 6.1).
type jar struct {
	*cookiejar.Jar

	mu    sync.Mutex
	names map[cookieName]struct{}
}

// cookieName tells cookies apart.
type cookieName struct{ name, domain, path string }

const (
	maxCookies = 180
	maxCookie  = 4096 // bytes, of its names and its value
)

func newJar() *jar {
	inner, _ := cookiejar.New(nil) // of which no error comes
	return &jar{Jar: inner, names: map[cookieName]struct{}{}}
}

// SetCookies takes the cookies of an answer, new ones for as long as there is room.
func (j *jar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	var kept []*http.Cookie
	j.mu.Lock()
	for _, c := range cookies {
		name := cookieName{c.Name, c.Domain, c.Path}
		if name.path == "" {
			name.path = u.Path[:strings.LastIndex(u.Path, "/")+1]
		}
		_, known := j.names[name]
		if len(c.Name)+len(c.Domain)+len(c.Path)+len(c.Value) > maxCookie || !known && len(j.names) == maxCookies {
			continue
		}
		j.names[name] = struct{}{}
		kept = append(kept, c)
	}
	j.mu.Unlock()
	j.Jar.SetCookies(u, kept)
}

// given reports whether a cookie has ever come, for whatever path.
func (j *jar) given() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.names) > 0
}
