package diff

import (
	"math/bits"
	"sync"

	"github.com/zeebo/xxh3"
)

// Distinct numbers, one for each thing that is hashed: the first bits of the square roots of primes, so that nobody has
// chosen them.
const (
	tagKey    = 0x6a09e667f3bcc908
	tagName   = 0xbb67ae8584caa73b
	tagMember = 0x3c6ef372fe94f82b
	tagText   = 0xa54ff53a5f1d36f1
	tagNumber = 0x510e527fade682d1
	tagLong   = 0x9b05688c2b3e6c1f
	tagObject = 0x1f83d9abfb41bd6b
	tagArray  = 0x5be0cd19137e2179
	tagSet    = 0xcbbb9d5dc1059ed8
	tagOpaque = 0x629a292a367cd507
	tagWord   = 0x9159015a3070dd17
	tagBroken = 0x152fecd8f70e5939
)

// mix folds two hashes into one; their order counts.
func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a^tagName, b^tagMember)
	return high ^ low
}

// stir makes every bit of a hash depend on every other, so that sums of hashes do not cancel out.
func stir(h uint64) uint64 {
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	h = (h ^ h>>29) * 0x9e3779b97f4a7c15
	return h ^ h>>32
}

// Fingerprint hashes what the rules let count of a body, together with its key: for one key, two bodies have the same
// fingerprint if they are equal under the rules, and else differ but for an accident of 1 in 2^64. It is never 0.
func (r *Rules) Fingerprint(body []byte, key string) uint64 {
	h := hashers.Get().(*hasher)
	h.body = body
	sum, end, counts := h.value(space(body, 0), r.start(), 0)
	switch {
	case end < 0 || space(body, end) != len(body):
		sum = mix(xxh3.Hash(body), tagBroken)
	case !counts:
		sum = 0
	}
	h.body = nil
	if cap(h.scratch) <= maxScratch {
		hashers.Put(h)
	}
	// Seeded, so that two keys with one HashKey do not have one fingerprint as well.
	sum = stir(mix(sum, xxh3.HashStringSeed(key, tagKey)))
	if sum == 0 {
		return 1
	}
	return sum
}

// hasher reads a body once, from its first byte to its last.
type hasher struct {
	body    []byte
	scratch []byte
}

// A hasher is used again for the sake of its scratch, unless one huge text has made that huge.
var hashers = sync.Pool{New: func() any { return new(hasher) }}

const maxScratch = 64 << 10

// value hashes the value at i: its hash, the position behind it, and whether anything in it counts under the rules.
func (h *hasher) value(i int, n *node, depth int) (sum uint64, end int, counts bool) {
	b := h.body
	if i >= len(b) {
		return 0, -1, false
	}
	switch b[i] {
	case '{':
		if depth == maxDepth {
			return h.opaque(i)
		}
		return h.object(i, n, depth)
	case '[':
		if depth == maxDepth {
			return h.opaque(i)
		}
		return h.array(i, n, depth)
	case '"':
		text, end := h.text(i)
		return mix(xxh3.Hash(text), tagText), end, n.keep
	case 't', 'f', 'n':
		return mix(uint64(b[i]), tagWord), word(b, i), n.keep
	}
	sum, end = h.number(i)
	return sum, end, n.keep
}

func (h *hasher) number(i int) (uint64, int) {
	mantissa, power, negative, end := parseShort(h.body, i)
	if end < 0 {
		var d decimal
		if d, end = parseDecimal(h.body, i); !d.short() {
			h.scratch = d.append(h.scratch[:0])
			return mix(xxh3.Hash(h.scratch), tagLong), end
		}
		mantissa, power, negative = d.mantissa, d.power, d.negative
	}
	p := uint64(power) << 1
	if negative {
		p |= 1
	}
	return mix(stir(mantissa^tagNumber), p), end
}

// text is what the string at i says, and the position behind it. It stands until the next text.
func (h *hasher) text(i int) ([]byte, int) {
	end, escaped := closing(h.body, i)
	if end < 0 {
		return nil, -1
	}
	if !escaped {
		return h.body[i+1 : end], end + 1
	}
	var ok bool
	if h.scratch, ok = unquote(h.scratch[:0], h.body[i:end+1]); !ok {
		return nil, -1
	}
	return h.scratch, end + 1
}

// object adds up its members, so that their order does not count.
func (h *hasher) object(i int, n *node, depth int) (uint64, int, bool) {
	b := h.body
	var sum, count uint64
	i = space(b, i+1)
	if i < len(b) && b[i] == '}' {
		return mix(tagObject, 0), i + 1, n.keep
	}
	for i < len(b) && b[i] == '"' {
		name, next := h.text(i)
		if next < 0 {
			break
		}
		child := n.child(name)
		i = space(b, next)
		if i >= len(b) || b[i] != ':' {
			break
		}
		i = space(b, i+1)
		if child.drop {
			i = skip(b, i)
		} else {
			label := xxh3.Hash(name) ^ tagName
			var value uint64
			var counts bool
			if value, i, counts = h.value(i, child, depth+1); counts {
				sum += stir(mix(label, value))
				count++
			}
		}
		if i < 0 {
			break
		}
		if i = space(b, i); i >= len(b) {
			break
		}
		switch b[i] {
		case ',':
			i = space(b, i+1)
		case '}':
			return mix(sum^tagObject, count), i + 1, n.keep || count > 0
		default:
			return 0, -1, false
		}
	}
	return 0, -1, false
}

// array chains its elements, or adds them up where their order does not count. Where only some elements count, they
// count together with their places.
func (h *hasher) array(i int, n *node, depth int) (uint64, int, bool) {
	b := h.body
	child := n.rest
	sum, count := uint64(tagArray), uint64(0)
	if n.unordered {
		sum = tagSet
	}
	i = space(b, i+1)
	if i < len(b) && b[i] == ']' {
		return mix(sum, 0), i + 1, n.keep
	}
	for place := uint64(0); i < len(b); place++ {
		if child.drop {
			i = skip(b, i)
		} else {
			var value uint64
			var counts bool
			value, i, counts = h.value(i, child, depth+1)
			switch {
			case !counts:
				// a place without anything selected
			case n.unordered:
				sum += stir(value)
				count++
			case n.keep:
				sum = mix(sum, value)
				count++
			default:
				sum = mix(sum, mix(value, place))
				count++
			}
		}
		if i < 0 {
			break
		}
		if i = space(b, i); i >= len(b) {
			break
		}
		switch b[i] {
		case ',':
			i = space(b, i+1)
		case ']':
			return mix(sum, count), i + 1, n.keep || count > 0
		default:
			return 0, -1, false
		}
	}
	return 0, -1, false
}

// opaque hashes an object or array token by token, without descending: what lies too deep is equal only if its members
// come in the same order.
func (h *hasher) opaque(i int) (uint64, int, bool) {
	b := h.body
	sum := uint64(tagOpaque)
	for level := 0; ; {
		i = space(b, i)
		if i >= len(b) {
			return 0, -1, false
		}
		switch c := b[i]; c {
		case '{', '[', '}', ']', ',', ':':
			sum = mix(sum, uint64(c))
			i++
			if c == '{' || c == '[' {
				level++
			} else if c == '}' || c == ']' {
				level--
			}
		default:
			var value uint64
			value, i, _ = h.value(i, plain, 0)
			sum = mix(sum, value)
		}
		switch {
		case i < 0 || level < 0:
			return 0, -1, false
		case level == 0:
			return sum, i, true
		}
	}
}
