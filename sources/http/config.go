package http

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"maps"
	nethttp "net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/address"
	"github.com/hookbridge/bridge/sources/block"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/json"
	"github.com/hookbridge/bridge/sources/login"
	"golang.org/x/net/http/httpguts"
)

// Source is one HTTP API, as a source block describes it.
type Source struct {
	shared   *Shared
	client   *retryablehttp.Client
	host     *host
	identity string
	method   string
	url      *url.URL
	header   nethttp.Header
	body     []byte
	format   decode.Format
	paging   paging
	since    *since // nil: every fetch reads everything
	login    login.Login
	maxPages int
	maxBody  int64
	secrets  []string
}

// Identity names what is read: kind, method, address, records. Values of the query and credentials stand in it as a
// hash only, and secrets not at all, so that a rotated key is not another source.
func (s *Source) Identity() string { return s.identity }

// String is the identity: a source that is printed by accident shows no secret.
func (s *Source) String() string { return s.identity }

// GoString is the identity, too.
func (s *Source) GoString() string { return s.identity }

// Decode reads the block of a source "http". Files it names are relative to dir.
func (s *Shared) Decode(body hcl.Body, ctx *hcl.EvalContext, dir string) (bridge.Source, hcl.Diagnostics) {
	r := attr.NewReader(body, ctx, `source "http"`)
	r.OtherVersion("success")
	src := &Source{shared: s}
	src.method = r.Word("method", "GET", "GET", "POST")
	src.url = address.Read(r, "url")
	if src.url != nil {
		query := r.StringMap("query")
		for _, name := range slices.Sorted(maps.Keys(query)) {
			src.url = address.With(src.url, name, query[name])
		}
	}
	if src.format = block.Format(r); src.format == nil {
		src.format = json.Format{}
	}
	src.header = header(r, s.userAgent, src.format)
	src.body = payload(r, src.method, src.header)
	src.paging = pagination(r, src.format)
	key := clientKey{
		redirects: r.Word("redirects", "same-origin", "same-origin", "none") == "same-origin",
		retries:   r.Int("retries", 2, 0, 10),
	}
	config := certificates(r, dir, &key)
	src.login = s.logins.Read(r, s.door(src.url, key, config, dir))
	src.since = src.incremental(r)
	src.maxPages = r.Int("max_pages", 10000, 1, 1<<30)
	src.maxBody = r.Size("max_body", 2<<30)
	perSecond := r.Rate("rate")
	src.secrets = r.Known()
	diags := r.Done()
	if diags.HasErrors() {
		return nil, diags
	}
	if basic, password := login.Userinfo(src.url); basic != nil {
		if src.secrets = append(src.secrets, password.Reveal()); src.login == nil {
			src.login = basic
		}
	}
	src.url.User = nil
	src.client = s.client(key, config)
	src.host = s.host(src.url)
	if perSecond > 0 {
		s.limited.Store(true)
		src.host.limit(perSecond, src)
	}
	src.identity = src.identify()
	return src, diags
}

func (s *Source) identify() string {
	shown := *s.url
	shown.RawQuery = ""
	// Before the first login, so that a token cannot be part of it.
	sum := sha256.Sum256([]byte(s.scrub(s.whole().String()) + "\x00" + s.scrub(string(s.body))))
	return s.scrub(strings.Join([]string{"http", s.method, shown.String(), s.format.Identity()}, " ")) + " " + hex.EncodeToString(sum[:8])
}

func header(r *attr.Reader, userAgent string, format decode.Format) nethttp.Header {
	h := nethttp.Header{"Accept": {format.Accept()}, "User-Agent": {userAgent}}
	for name, value := range r.StringMap("headers") {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			r.Errorf(r.Range("headers"), "Invalid header", "The header %q has a name or a value that HTTP does not allow.", name)
			continue
		}
		switch key := nethttp.CanonicalHeaderKey(name); key {
		case "Accept-Encoding", "Content-Length", "Transfer-Encoding", "Connection", "If-None-Match", "If-Modified-Since", "Range", "Host":
			r.Errorf(r.Range("headers"), "Reserved header", "The header %q is set by hookbridge itself; remove it.", name)
		default:
			h[key] = []string{value}
		}
	}
	h.Set("Accept-Encoding", "gzip")
	return h
}

func payload(r *attr.Reader, method string, h nethttp.Header) []byte {
	var body []byte
	if r.Has("body") {
		body = []byte(r.String("body", ""))
	}
	if r.Has("json") {
		if body != nil {
			r.Errorf(r.Range("json"), "Two bodies", "Write either body or json, not both.")
		}
		body = []byte(r.JSON("json"))
		if h.Get("Content-Type") == "" {
			h.Set("Content-Type", "application/json")
		}
	}
	if body != nil && method != nethttp.MethodPost {
		name := "body"
		if r.Has("json") {
			name = "json"
		}
		r.Errorf(r.Range(name), "A body without POST", `Only a POST request has a body; add method = "POST".`)
	}
	return body
}

func pagination(r *attr.Reader, format decode.Format) paging {
	b := r.Block("pagination", 1)
	if b == nil || !block.Choice(r, b, "pagination", []string{byPage, byOffset, byCursor, byLink, byNext}) {
		return paging{}
	}
	kind := b.Labels[0]
	c := r.Child(b, `pagination "`+kind+`"`)
	p := paging{kind: kind}
	path := func(name, def string) decode.Path {
		text := c.String(name, def)
		if text == "" {
			return nil
		}
		path, err := decode.ParsePath(text)
		if err != nil {
			c.Errorf(c.Range(name), "Invalid path", "%v.", err)
		}
		if err == nil && path == nil {
			c.Errorf(c.Range(name), "Invalid path", "%s names one value beside the records, not the whole body.", name)
		}
		if !format.Enveloped() {
			c.Errorf(c.Range(name), "No envelope", `A document of this format has nothing beside its records, so %q cannot be read; leave it out, or use decode "json".`, name)
		}
		return path
	}
	sized := func() {
		p.sizeParam, p.size = c.String("size_param", ""), c.Int("size", 0, 1, 1<<30)
		if (p.sizeParam == "") != (p.size == 0) {
			c.Errorf(b.DefRange(), "Incomplete page size", "size_param and size belong together: write both or neither.")
		}
	}
	switch kind {
	case byPage:
		p.param, p.start = c.String("param", "page"), c.Int("start", 1, 0, 1<<30)
		sized()
		p.total, p.pages = path("total", ""), path("pages", "")
	case byOffset:
		p.param, p.start = c.String("param", "offset"), c.Int("start", 0, 0, 1<<30)
		sized()
		p.total = path("total", "")
	case byCursor:
		p.param = c.Required("param")
		sized()
		if c.Has("next") && c.Has("last") {
			c.Errorf(c.Range("last"), "Two cursors", "The cursor stands either in the body (next) or in the last record (last), not both.")
		}
		if c.Has("last") {
			last, err := decode.ParsePath(c.Required("last"))
			if err != nil || last == nil {
				c.Errorf(c.Range("last"), "Invalid path", "last names a field of the record, such as \"id\".")
			}
			p.last = gjsonPath(last)
		} else if !format.Enveloped() {
			c.Errorf(b.DefRange(), "No envelope", `A document of this format has nothing beside its records: write last, or use decode "json".`)
		} else {
			p.next = path("next", "next_cursor")
		}
		p.moreWritten = c.Has("more")
		if p.moreWritten || format.Enveloped() {
			p.more = path("more", defaultHas)
		}
	case byNext:
		c.Required("path")
		p.next = path("path", "")
	}
	for _, path := range []decode.Path{p.total, p.pages, p.more, p.next} {
		if path != nil {
			p.fields = append(p.fields, path)
		}
	}
	return p
}

// gjsonPath writes a path so that gjson takes every name literally.
func gjsonPath(path decode.Path) string {
	var b strings.Builder
	for i, name := range path {
		if i > 0 {
			b.WriteByte('.')
		}
		for _, c := range []byte(name) {
			if strings.IndexByte(`\.*?#|@!{}[]()=<>%"'~:`, c) >= 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		}
	}
	return b.String()
}

// certificates reads the tls block; the contents of its files tell clients apart.
func certificates(r *attr.Reader, dir string, key *clientKey) *tls.Config {
	b := r.Block("tls", 0)
	if b == nil {
		return nil
	}
	c := r.Child(b, "tls")
	sum := sha256.New()
	read := func(name string) []byte {
		path := c.String(name, "")
		if path == "" {
			return nil
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			c.Errorf(c.Range(name), "Unreadable file", "%s cannot be read: %v.", name, err)
			return nil
		}
		fmt.Fprintf(sum, "%s %d ", name, len(data))
		sum.Write(data)
		return data
	}
	authority, certificate, private := read("ca_file"), read("cert_file"), read("key_file")
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if authority != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(authority) {
			c.Errorf(c.Range("ca_file"), "No certificate", "ca_file holds no certificate in PEM form.")
		}
	}
	if c.Has("cert_file") != c.Has("key_file") {
		c.Errorf(b.DefRange(), "Incomplete certificate", "cert_file and key_file belong together: write both or neither.")
	}
	if certificate != nil && private != nil {
		pair, err := tls.X509KeyPair(certificate, private)
		if err != nil {
			c.Errorf(c.Range("cert_file"), "Unusable certificate", "cert_file and key_file cannot be used: %v.", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	sum.Sum(key.tls[:0])
	return config
}
