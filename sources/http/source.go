package http

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	nethttp "net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/login"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/net/http/httpguts"
)

// Plan is what a kind of source makes of its block: what is asked for and how an answer is read. Everything else is the
// same for all that speak HTTP.
type Plan struct {
	Kind        string         // http, graphql ...: in identities and errors
	URL         *url.URL       // nil where it could not be read
	Method      string         // GET or POST
	Header      nethttp.Header // of every request, unless the block's own headers say otherwise
	Payload     *Payload       // nil: requests carry nothing
	Asks        string         // what else requests ask for, as part of the identity
	Format      decode.Format
	Paginations []string // labels of pagination blocks that make sense
	// Seal, which may be nil, turns the bytes of a payload into those that are sent, anew for each try and always as many.
	// It is safe for concurrent use.
	Seal func(body []byte) ([]byte, error)
	// Explain, which may be nil, finds the reason in the beginning of an answer whose status is an error.
	Explain func(contentType string, start []byte) *decode.RefusedError
	// Admits names the blocks by which the source learns who asks, as errors put it; empty: "an auth block".
	Admits string
	// FaultsAre500 says that status 500 is how the kind answers what it does not want to do, so that trying again is no use.
	FaultsAre500 bool

	inQuery bool     // pages may be told apart by parameters of the query
	query   *Payload // parameters that differ from page to page; nil: they stand in URL
}

// Source is one HTTP API, as a source block describes it.
type Source struct {
	shared   *Shared
	client   *retryablehttp.Client
	host     *host
	kind     string
	identity string
	method   string
	url      *url.URL
	hash     string // of url
	header   nethttp.Header
	body     []byte   // what requests carry
	payload  *Payload // that differs from page to page; nil: it is always body
	query    *Payload // so do parameters; nil: they stand in url
	seal     func([]byte) ([]byte, error)
	explain  func(string, []byte) *decode.RefusedError
	admits   string // see Plan
	format   decode.Format
	paging   paging
	success  *success // nil: every answer that can be read counts
	since    *since   // nil: every fetch reads everything
	login    login.Login
	each     *each   // nil: a list shows records whole
	detail   *Source // that fetches what it does not show
	maxPages int
	maxBody  int64
	members  string // of answers that are a zip; empty: all
	secrets  []string
}

// Identity names what is read: kind, method, address, records. Values of the query and credentials stand in it as a
// hash only, and secrets not at all, so that a rotated key is not another source.
func (s *Source) Identity() string { return s.identity }

// String is the identity: a source that is printed by accident shows no secret.
func (s *Source) String() string { return s.identity }

// GoString is the identity, too.
func (s *Source) GoString() string { return s.identity }

// fields are wanted beside the records: what paging needs, then what success does.
func (s *Source) fields() []decode.Path {
	if s.success != nil {
		return s.success.fields
	}
	return s.paging.fields
}

// Source reads what every source of this sort has in its block beside what the plan was made of, and reports what is left
// over. The source is nil if something is wrong. Files that the block names are relative to dir.
func (s *Shared) Source(r *attr.Reader, dir string, p Plan) (bridge.Source, hcl.Diagnostics) {
	src, diags := s.read(r, dir, &p).open()
	if src == nil {
		return nil, diags
	}
	return struct{ bridge.Source }{src}, diags // a source and no more: only plain HTTP looks records up
}

// reading is a source while its block is read.
type reading struct {
	*Source
	block     *attr.Reader
	key       clientKey
	certs     certificates
	perSecond float64
	asks      string    // what a plan asks for beside what requests carry
	carries   cty.Value // what they are made of, whatever the pagination
	queries   cty.Value // so for the parameters
}

func (s *Shared) read(r *attr.Reader, dir string, p *Plan) *reading {
	src := &reading{
		Source: &Source{shared: s, kind: p.Kind, method: p.Method, url: p.URL, seal: p.Seal, explain: p.Explain, admits: cmp.Or(p.Admits, "an auth block"), format: p.Format},
		block:  r,
		asks:   p.Asks,
	}
	src.header = p.header(r, s.userAgent)
	src.paging = p.pagination(r)
	if p.Payload != nil {
		src.body, src.carries = p.Payload.check(r, &src.paging)
	}
	if p.Payload.moves() {
		src.payload = p.Payload
	}
	if src.query = p.query; src.query != nil {
		_, src.queries = src.query.check(r, &src.paging)
	}
	src.success = readSuccess(r, p.Format)
	if src.success != nil {
		src.success.fields = slices.Concat(src.paging.fields, src.success.paths)
	}
	src.key = clientKey{
		redirects: r.Word("redirects", "same-origin", "same-origin", "none") == "same-origin",
		retries:   r.Int("retries", 2, 0, 10),
		faults:    p.FaultsAre500,
	}
	src.certs = s.certificates(r, dir)
	src.key.tls = src.certs.sum
	src.login = s.logins.Read(r, s.door(p.URL, src.certs, dir))
	src.since = src.incremental(r, p)
	src.maxPages = r.Int("max_pages", 10000, 1, 1<<30)
	src.maxBody = r.Size("max_body", 2<<30)
	src.perSecond = r.Rate("rate")
	return src
}

// open reports what is wrong with the block, and makes a source ready for use where nothing is.
func (s *reading) open() (*Source, hcl.Diagnostics) {
	s.secrets = s.block.Known()
	diags := s.block.Done()
	if diags.HasErrors() {
		return nil, diags
	}
	if basic, password := login.Userinfo(s.url); basic != nil {
		if s.secrets = append(s.secrets, password.Reveal()); s.login == nil {
			s.login = basic
		}
	}
	s.url.User = nil
	s.hash = hashAddress(s.url)
	s.client = s.shared.client(s.key, s.certs)
	s.host = s.shared.host(s.url)
	if s.perSecond > 0 {
		s.shared.limited.Store(true)
		s.host.limit(s.perSecond, s.Source)
	}
	s.identity = s.identify()
	if s.each != nil {
		s.detail = s.single()
		s.detail.maxBody = min(s.maxBody, maxDetail)
	}
	return s.Source, diags
}

func (s *reading) identify() string {
	shown := *s.url
	shown.RawQuery = ""
	// Before the first login, so that a token cannot be part of it.
	whole := s.since.ask(s.url, s.since.start()).String()
	if s.since != nil && s.since.param == "" {
		whole += " " + s.since.start()
	}
	whole = s.scrub(whole) + "\x00" + s.asked()
	if s.each != nil {
		whole += "\x00" + s.scrub(s.each.asks)
	}
	sum := sha256.Sum256([]byte(whole))
	parts := []string{s.kind, s.method, shown.String(), s.format.Identity()}
	if s.members != "" {
		parts = append(parts, "members", s.members)
	}
	return s.scrub(strings.Join(parts, " ")) + " " + hex.EncodeToString(sum[:8])
}

// asked is what requests ask for, without secrets. A text that as a whole is one came out of a file: it is what is asked.
func (s *reading) asked() string {
	document := func(text string) string {
		for _, secret := range s.secrets {
			if strings.TrimSpace(secret) != strings.TrimSpace(text) {
				text = hide(text, secret)
			}
		}
		return text
	}
	parts := []string{}
	for _, v := range []cty.Value{s.carries, s.queries} {
		switch v = attr.Reveal(v); {
		case v == cty.NilVal || v.IsNull():
			parts = append(parts, "")
		case v.Type() == cty.String:
			plain, _ := v.Unmark()
			parts = append(parts, document(plain.AsString()))
		default:
			parts = append(parts, s.leaves(v))
		}
	}
	return strings.TrimRight(strings.Join(append(parts, document(s.asks)), "\x00"), "\x00")
}

// leaves writes a value as JSON, without the secrets in its texts.
func (s *reading) leaves(v cty.Value) string {
	hidden, err := cty.Transform(v, func(_ cty.Path, e cty.Value) (cty.Value, error) {
		if plain, _ := e.Unmark(); plain.Type() == cty.String && !plain.IsNull() {
			return cty.StringVal(s.scrub(plain.AsString())), nil
		}
		return e, nil
	})
	if err != nil {
		return ""
	}
	raw, _ := attr.MarshalJSON(hidden) // it was written before
	return string(raw)
}

// header is what every request says: what is ours, what the kind says, what the block says.
func (p *Plan) header(r *attr.Reader, userAgent string) nethttp.Header {
	h := nethttp.Header{"Accept": {p.Format.Accept()}, "User-Agent": {userAgent}}
	maps.Copy(h, p.Header)
	for name, value := range r.StringMap("headers") {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			r.Errorf(r.Range("headers"), "Invalid header", "The header %q has a name or a value that HTTP does not allow.", name)
			continue
		}
		switch key := nethttp.CanonicalHeaderKey(name); key {
		case "Accept-Encoding", "Content-Length", "Transfer-Encoding", "Connection", "If-None-Match", "If-Modified-Since", "Range", "Host":
			r.Errorf(r.Range("headers"), "Reserved header", "The header %q is set by hookbridge itself; remove it.", name)
		default:
			maps.DeleteFunc(h, func(ours string, _ []string) bool { return strings.EqualFold(ours, key) })
			h[key] = []string{value}
		}
	}
	h.Set("Accept-Encoding", "gzip")
	return h
}
