package sql

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/stamp"
	"github.com/zclconf/go-cty/cty"
	"github.com/zeebo/xxh3"
)

// since is how a query is asked for what changed since a watermark: the largest value a column had. A fetch without one
// reads everything, from initial on where that is set: what is smaller is no part of the source.
type since struct {
	column  string
	initial value
	overlap time.Duration // of times
	back    *big.Rat      // of numbers; nil: none
	written kind          // what overlap was written for: moment or number; 0: it was not
	ahead   sync.Once     // says that the values lie in the future
}

// value is one that a watermark can have, as the database wrote it; the zero value is none.
type value struct {
	kind kind
	text string
	at   stamp.Stamp // of a time
	n    *big.Rat    // of a number that is none of 64 bits
	i    int64       // of one that is
}

// readValue reads the text of a value of a column of kind k.
func readValue(k kind, text string) (value, bool) {
	v := value{kind: k, text: text}
	if k == number {
		var err error
		if v.i, err = strconv.ParseInt(text, 10, 64); err == nil {
			return v, true
		}
		var ok bool
		if len(text) > 100 || !numeric(strings.TrimPrefix(text, "-")) || strings.ContainsAny(text, "eE") {
			return value{}, false
		}
		v.n, ok = new(big.Rat).SetString(text)
		return v, ok
	}
	var ok bool
	v.at, ok = stamp.Read(text)
	return v, ok && v.at.Layout != ""
}

func (v value) after(w value) bool {
	switch {
	case v.kind != number:
		return v.at.At.After(w.at.At)
	case v.n == nil && w.n == nil:
		return v.i > w.i
	}
	return v.exact().Cmp(w.exact()) > 0
}

func (v value) exact() *big.Rat {
	if v.n != nil {
		return v.n
	}
	return new(big.Rat).SetInt64(v.i)
}

// defaultOverlap is how far before the newest time rows are read again.
const defaultOverlap = 5 * time.Minute

// readSince reads the since block; nil without one.
func readSince(r *attr.Reader) *since {
	b := r.Block("since", 0)
	if b == nil {
		return nil
	}
	c := r.Child(b, "since")
	w := &since{column: c.Required("value"), overlap: defaultOverlap}
	if text := c.String("initial", ""); text != "" {
		var ok bool
		if w.initial, ok = readValue(number, text); !ok {
			w.initial, ok = readValue(moment, text)
		}
		if !ok {
			c.Errorf(c.Range("initial"), "Invalid value", `initial is a number, or a time like "2020-01-31T12:00:00Z" or "2020-01-31".`)
		}
	}
	if !c.Has("overlap") {
		return w
	}
	if plain, _ := c.Value("overlap").Unmark(); plain != cty.NilVal && plain.Type() == cty.Number {
		v, ok := readValue(number, c.String("overlap", ""))
		if w.written = number; !ok || strings.HasPrefix(v.text, "-") {
			c.Errorf(c.Range("overlap"), "Invalid value", `overlap is a duration such as "5m" for times, or a number that is not negative for numbers.`)
			return w
		}
		w.back = v.exact()
		return w
	}
	w.written, w.overlap = moment, c.Duration("overlap", defaultOverlap, 0)
	return w
}

// whole is the value of :since when everything is asked for.
func (w *since) whole() bound { return w.bind(w.initial) }

func (w *since) bind(v value) bound { return bound{name: w.column, kind: v.kind, text: v.text} }

// from is the value of :since for what changed since mark; the overlap finds what came late or was equal.
func (w *since) from(mark value) bound {
	start := mark
	if mark.kind == number {
		if w.back != nil {
			_, fraction, _ := strings.Cut(mark.text, ".")
			precision, _ := w.back.FloatPrec()
			less := new(big.Rat).Sub(mark.exact(), w.back)
			start, _ = readValue(number, less.FloatString(max(len(fraction), precision)))
		}
	} else {
		at := mark.at.At.Add(-w.overlap)
		start, _ = readValue(mark.kind, mark.at.Spell(at))
	}
	if w.initial.text != "" && (w.initial.kind == number) == (mark.kind == number) && !start.after(w.initial) {
		return bound{name: w.column, kind: mark.kind, text: w.initial.text}
	}
	return w.bind(start)
}

// A watermark is a checkpoint of its own kind: a version, what it belongs to, the kind of the column and the value as the
// database wrote it.
const markVersion = "sql since 1\n"

// recall reads what remember wrote. A watermark of another column means nothing.
func (w *since) recall(from bridge.Checkpoint) (value, bool) {
	text, ok := strings.CutPrefix(string(from), markVersion+w.sum()+"\t")
	text, end := strings.CutSuffix(text, "\n")
	k, text, cut := strings.Cut(text, "\t")
	if !ok || !end || !cut || len(k) != 1 || k[0] != byte(number) && k[0] != byte(moment) && k[0] != byte(other) {
		return value{}, false
	}
	return readValue(kind(k[0]), text)
}

func (w *since) remember(mark value) bridge.Checkpoint {
	return bridge.Checkpoint(markVersion + w.sum() + "\t" + string(rune(mark.kind)) + "\t" + mark.text + "\n")
}

func (w *since) sum() string {
	sum := xxh3.HashString128(w.column + "\x00" + w.initial.text).Bytes()
	return fmt.Sprintf("%x", sum)
}

// errKind says that the value of :since is of another kind than its column.
type errKind struct{ column kind }

func (e errKind) Error() string {
	return "the column holds " + map[kind]string{number: "numbers", moment: "times", other: "text"}[e.column]
}

// fits finds the column, and checks that the value and the overlap can be compared with it.
func (w *since) fits(columns []column, value bound) (int, error) {
	for i, c := range columns {
		if c.name != w.column {
			continue
		}
		switch {
		case c.kind == mixed:
		case w.written == number && c.kind != number:
			return i, fmt.Errorf(`overlap is a number, but %q holds none; write a duration such as "5m"`, c.name)
		case w.written == moment && c.kind == number:
			return i, fmt.Errorf("overlap is a duration, but %q holds numbers; write a number, or take overlap out", c.name)
		case value.text != "" && value.kind != c.kind:
			return i, errKind{c.kind}
		}
		return i, nil
	}
	return 0, fmt.Errorf("since looks at the column %q, which the result does not have; it has %s", w.column, names(columns))
}

// earliest is the first time that counts as a value. What lies before stands for "never".
var earliest = time.Unix(1e8, 0)

// absurd is how far a watermark may be ahead of the database's clock before it is given up. It cannot be by anything but
// a clock that was wrong when it was taken.
const absurd = 24 * time.Hour

// limit is how far a time may be ahead: by the overlap, by the clock that it was written after.
func (w *since) limit(v value, now clock) time.Time {
	if v.at.Zoned() {
		return now.at.Add(w.overlap)
	}
	return now.wall.Add(w.overlap)
}

// tide is what the rows of one fetch say about the watermark.
type tide struct {
	since   *since
	now     clock
	kind    kind   // of the column
	mark    value  // the largest; zero: none
	read    int    // values that can be compared
	ahead   int    // values beyond the limit
	strange string // what else stood there
}

// longestValue is more than any value has, as JSON.
const longestValue = 128

// observe notes the value of one row, given as JSON.
func (t *tide) observe(raw []byte) {
	if len(raw) > longestValue {
		t.strange = string(raw[:longestValue])
		return
	}
	k, text := t.kind, string(raw)
	switch {
	case raw[0] != '"':
		k = number
	case k == number || k == mixed:
		k = other
	}
	if raw[0] == '"' {
		text = text[1 : len(text)-1] // what has escapes in it is no time
	}
	v, ok := readValue(k, text)
	switch {
	case !ok || k != number && v.at.At.Before(earliest), t.mark.text != "" && t.mark.kind != k, t.kind != mixed && k != t.kind:
		t.strange = string(raw)
		return
	case k != number && v.at.At.After(t.since.limit(v, t.now)):
		t.ahead++
	case t.mark.text == "" || v.after(t.mark):
		t.mark = v
	}
	t.read++
}

// unreadable tells of a whole source without a single value that can be compared.
func (w *since) unreadable(rows int, strange string) error {
	found := "null"
	if strange != "" {
		if len(strange) > 60 {
			strange = strange[:60] + "…"
		}
		found = strconv.QuoteToASCII(strange)
	}
	return fmt.Errorf("none of the %d rows has a time or a number in %q, which since needs; the last one has %s there", rows, w.column, found)
}
