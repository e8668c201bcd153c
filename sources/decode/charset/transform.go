package charset

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

// invalid stands in the UTF-8 that comes out for what is no text.
const invalid = 0xff

var replacement = []byte("\uFFFD")

// honest undoes that a decoder replaces what it cannot read by a character that means so: it is in no charset itself.
type honest struct{ *encoding.Decoder }

func (h *honest) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	nDst, nSrc, err = h.Decoder.Transform(dst, src, atEOF)
	if out := dst[:nDst]; bytes.Contains(out, replacement) {
		nDst = copy(out, bytes.ReplaceAll(out, replacement, []byte{invalid}))
	}
	return nDst, nSrc, err
}

// wide reads UTF-16 of one byte order. In UTF-16 the replacement character may be meant, so only halves of pairs that
// stand alone are invalid, and half a unit at the end.
type wide struct {
	transform.NopResetter
	little bool
}

func (w *wide) unit(b []byte) rune {
	if w.little {
		return rune(b[0]) | rune(b[1])<<8
	}
	return rune(b[1]) | rune(b[0])<<8
}

func (w *wide) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		if len(dst)-nDst < utf8.UTFMax {
			return nDst, nSrc, transform.ErrShortDst
		}
		left := src[nSrc:]
		if len(left) < 2 {
			if !atEOF {
				return nDst, nSrc, transform.ErrShortSrc
			}
			dst[nDst] = invalid
			return nDst + 1, nSrc + 1, nil
		}
		c, size := w.unit(left), 2
		if utf16.IsSurrogate(c) {
			if len(left) < 4 && !atEOF {
				return nDst, nSrc, transform.ErrShortSrc
			}
			pair := rune(utf8.RuneError)
			if len(left) >= 4 {
				pair = utf16.DecodeRune(c, w.unit(left[2:]))
			}
			if pair == utf8.RuneError {
				dst[nDst] = invalid
				nDst, nSrc = nDst+1, nSrc+2
				continue
			}
			c, size = pair, 4
		}
		nDst += utf8.EncodeRune(dst[nDst:], c)
		nSrc += size
	}
	return nDst, nSrc, nil
}
