package diff

import (
	"bytes"
	"slices"
	"strconv"
)

// No container tells more than this about what is inside; then it is told as changed itself. It bounds what a record of
// ten thousand fields, or of one field with a name of a megabyte, can make of an event.
const (
	maxPointers     = 1000
	maxPointerBytes = 64 << 10
)

// Equal says whether two bodies are the same under the rules. Bodies that are not JSON are equal if their bytes are.
func (r *Rules) Equal(before, after []byte) bool {
	return len(r.compare(before, after, true)) == 0
}

// Changed lists what differs as JSON Pointers (RFC 6901): what is new or changed in the order of after, then what is
// gone in the order of before. It is empty if and only if the bodies are equal.
//
// A value that is an object, or an array, on both sides is told by what changed inside; anything else by itself. Array
// elements are compared by place. An unordered array is always told as a whole, and so is one with more than 1,000
// differences.
func (r *Rules) Changed(before, after []byte) []string {
	differences := r.compare(before, after, false)
	if len(differences) == 0 {
		return nil
	}
	pointers := make([]string, len(differences))
	for i, d := range differences {
		pointers[i] = d.Pointer
	}
	return pointers
}

// compare lists what differs, or with once no more than the first of it.
func (r *Rules) compare(before, after []byte, once bool) []Field {
	if bytes.Equal(before, after) {
		return nil
	}
	b, okBefore := r.parse(before)
	a, okAfter := r.parse(after)
	if !okBefore || !okAfter {
		return []Field{{Before: before, After: after}}
	}
	w := walk{once: once}
	w.compare(r.start(), b, a)
	return append(w.told, w.gone...)
}

// walk goes through two bodies side by side.
type walk struct {
	once       bool   // stop at the first difference
	path       []byte // JSON Pointer of where we are
	told, gone []Field
	bytes      int // of all pointers so far
}

// compare compares what stands at one place. Nil is missing.
func (w *walk) compare(n *node, before, after *value) {
	switch {
	case before == nil && after == nil:
		// neither has anything that counts
	case before != nil && after != nil && before.kind == after.kind:
		switch {
		case before.kind == isObject:
			w.objects(n, before, after)
		case before.kind == isArray && !n.unordered:
			w.arrays(n, before, after)
		case before.kind == isArray:
			if !sameSet(before, after, n) {
				w.tell(before, after)
			}
		case !sameScalar(before, after):
			w.tell(before, after)
		}
	case n.keep || before != nil && after != nil:
		w.tell(before, after)
	case before == nil:
		// Under select, a container counts for what is selected inside only.
		w.compare(n, &value{kind: after.kind}, after)
	default:
		w.compare(n, before, &value{kind: before.kind})
	}
}

func (w *walk) objects(n *node, before, after *value) {
	mark := w.mark()
	old, now := newLookup(before.members), newLookup(after.members)
	for i := range after.members {
		m := &after.members[i]
		if w.under(mark, before, after, func() {
			w.path = appendPointer(w.path, m.name)
			w.compare(n.child(m.name), old.find(m.name, i), &m.value)
		}) {
			return
		}
	}
	for i := range before.members {
		m := &before.members[i]
		if now.find(m.name, i) != nil {
			continue
		}
		if w.under(mark, before, after, func() {
			w.path = appendPointer(w.path, m.name)
			w.compare(n.child(m.name), &m.value, nil)
		}) {
			return
		}
	}
}

func (w *walk) arrays(n *node, before, after *value) {
	mark := w.mark()
	old, now := before.members, after.members
	for len(old) > 0 || len(now) > 0 {
		// Where only some elements count, either side may lack a place.
		var b, a *value
		place := 0
		if len(now) == 0 || len(old) > 0 && old[0].place <= now[0].place {
			b, place = &old[0].value, old[0].place
		}
		if len(old) == 0 || len(now) > 0 && now[0].place <= old[0].place {
			a, place = &now[0].value, now[0].place
		}
		if b != nil {
			old = old[1:]
		}
		if a != nil {
			now = now[1:]
		}
		if w.under(mark, before, after, func() {
			w.path = strconv.AppendInt(append(w.path, '/'), int64(place), 10)
			w.compare(n.rest, b, a)
		}) {
			return
		}
	}
}

// mark is how far a walk had come when it entered a container.
type mark struct{ path, told, gone, bytes int }

func (w *walk) mark() mark { return mark{len(w.path), len(w.told), len(w.gone), w.bytes} }

// under compares one member of a container, and says whether there is no need to go on with the next.
func (w *walk) under(m mark, before, after *value, compare func()) (enough bool) {
	compare()
	w.path = w.path[:m.path]
	if w.once {
		return len(w.told)+len(w.gone) > 0
	}
	if len(w.told)-m.told+len(w.gone)-m.gone <= maxPointers && w.bytes-m.bytes <= maxPointerBytes {
		return false
	}
	w.told, w.gone, w.bytes = w.told[:m.told], w.gone[:m.gone], m.bytes
	w.tell(before, after)
	return true
}

// tell notes a difference at the place where we are.
func (w *walk) tell(before, after *value) {
	f := Field{Pointer: string(w.path)}
	if before != nil {
		f.Before = slices.Clip(before.raw)
	}
	if after != nil {
		f.After = slices.Clip(after.raw)
	}
	w.bytes += len(f.Pointer)
	if f.After == nil {
		w.gone = append(w.gone, f)
	} else {
		w.told = append(w.told, f)
	}
}

// appendPointer adds a name to a JSON Pointer.
func appendPointer(path, name []byte) []byte {
	path = append(path, '/')
	for _, c := range name {
		switch c {
		case '~':
			path = append(path, "~0"...)
		case '/':
			path = append(path, "~1"...)
		default:
			path = append(path, c)
		}
	}
	return path
}
