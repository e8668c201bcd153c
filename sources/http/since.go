package http

import (
	"fmt"
	nethttp "net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/address"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/login"
	"github.com/hookbridge/bridge/sources/stamp"
	"github.com/tidwall/gjson"
	"github.com/zeebo/xxh3"
)

// since is how a source is asked for what changed since a watermark: the newest value its records had. A fetch without
// one reads everything, from initial on where that is set: what is older is no part of the source.
type since struct {
	param   string // empty: the requests say it elsewhere
	value   decode.Path
	path    string      // value, as gjson reads it
	initial stamp.Stamp // zero: none
	overlap time.Duration
	ahead   sync.Once // says that the values lie in the future
}

// incremental reads the since block; nil without one.
func (s *reading) incremental(r *attr.Reader, p *Plan) *since {
	b := r.Block("since", 0)
	if b == nil {
		return nil
	}
	c := r.Child(b, "since")
	w := &since{overlap: c.Duration("overlap", 5*time.Minute, 0)}
	switch said := p.Payload.dates() || p.query.dates(); {
	case p.inQuery && said:
		w.param = c.String("param", "")
	case p.inQuery:
		w.param = c.Required("param")
	case !said:
		c.Errorf(b.DefRange(), "Nothing would change", "Everything would be asked for each time: refer to since.value in %q.", p.Payload.name)
	}
	var err error
	if text := c.Required("value"); text != "" {
		if w.value, err = decode.ParsePath(text); err != nil || w.value == nil {
			c.Errorf(c.Range("value"), "Invalid path", `value names the field of the record that says when it changed, such as "updated_at".`)
		}
		w.path = w.value.GJSON()
	}
	if text := c.String("initial", ""); text != "" {
		var ok bool
		if w.initial, ok = stamp.Read(text); !ok {
			c.Errorf(c.Range("initial"), "Invalid time", `initial must be written as param takes it: like "2020-01-31T12:00:00Z" or "2020-01-31", or as seconds or milliseconds since 1970.`)
		}
	}
	other := ""
	if s.login != nil && login.Parameter(s.login) == w.param {
		other = "auth"
	} else if w.param == s.paging.param || w.param == s.paging.sizeParam {
		other = "pagination"
	} else if s.url != nil && s.url.Query().Has(w.param) {
		other = "query"
	}
	if other != "" && w.param != "" {
		c.Errorf(c.Range("param"), "Ambiguous parameter", "since and %s both set the parameter %q of the query.", other, w.param)
	}
	return w
}

// start is the time to ask from for everything there is; empty: none.
func (w *since) start() string {
	if w == nil {
		return ""
	}
	return w.initial.Text
}

// from is the time to ask from for what changed since mark; the overlap finds what came late or was equal.
func (w *since) from(mark stamp.Stamp) string {
	style, initial := mark, w.initial
	// Whoever wrote an initial value wrote it as the parameter takes it. Only of a small number, such as 0, nobody knows
	// what it counts.
	if initial.Text != "" && (initial.Layout != "" || mark.Layout != "" || initial.At.After(earliest)) {
		style = initial
	}
	at := mark.At.Add(-w.overlap)
	if at.Before(initial.At) {
		return w.start()
	}
	return style.Spell(at)
}

// ask is the address that answers with what changed from a time on.
func (w *since) ask(base *url.URL, from string) *url.URL {
	if w == nil || w.param == "" || from == "" {
		return base
	}
	return address.With(base, w.param, from)
}

// A watermark is a checkpoint of its own kind: a version, then what it belongs to and the value as the source wrote it.
const markVersion = "http since 1\n"

// recall reads what remember wrote. A watermark of another field or parameter means nothing.
func (w *since) recall(from bridge.Checkpoint) (stamp.Stamp, bool) {
	text, ok := strings.CutPrefix(string(from), markVersion+w.sum()+"\t")
	if !ok {
		return stamp.Stamp{}, false
	}
	return stamp.Read(strings.TrimSuffix(text, "\n"))
}

func (w *since) remember(mark stamp.Stamp) bridge.Checkpoint {
	return bridge.Checkpoint(markVersion + w.sum() + "\t" + mark.Text + "\n")
}

func (w *since) sum() string {
	sum := xxh3.HashString128(strings.Join([]string{w.param, w.value.String(), w.initial.Text}, "\x00")).Bytes()
	return fmt.Sprintf("%x", sum)
}

// earliest is the first time that counts as a value. What lies before stands for "never", or is a number of another sort.
var earliest = time.Unix(1e8, 0)

// absurd is how far a watermark may be ahead of its source before it is given up. It cannot be by anything but a clock
// that was wrong when it was taken.
const absurd = 24 * time.Hour

// tide is what the records of one fetch say about the watermark.
type tide struct {
	mark    stamp.Stamp // the newest; zero: none
	limit   time.Time   // no value beyond it counts
	read    int         // values that are times
	ahead   int         // values beyond the limit
	strange string      // what else stood there
}

// limit is how far a watermark may go. A value later than the answer's own clock is a mistake of somebody's. More: a
// record that changes while we read may escape us, but not the next fetch, which begins no later than this one did.
func (w *since) limit(resp *nethttp.Response) time.Time {
	now, err := nethttp.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return now.Add(w.overlap)
}

// observe notes the value of one record.
func (t *tide) observe(raw []byte, path string) {
	result := gjson.GetBytes(raw, path)
	value := jsontext.Value(result.Raw)
	text, err := scalar(value.Kind(), value)
	s, ok := stamp.Read(text)
	switch {
	case err != nil || !ok || s.At.Before(earliest):
		t.strange = strings.Clone(result.Raw[:min(len(result.Raw), 512)])
	case s.At.After(t.limit):
		t.read++
		t.ahead++
	default:
		if t.read++; t.mark.Text == "" || s.At.After(t.mark.At) {
			t.mark = s
		}
	}
}

// unreadable tells of a whole source without a single value that is a time.
func (w *since) unreadable(records int64, strange string) error {
	found := "nothing"
	if strange != "" {
		found = strconv.QuoteToASCII(clip(strange))
	}
	return fmt.Errorf("none of the %d records has a time at %q, which since needs; the last one has %s there", records, w.value, found)
}
