package signature

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"hash"
	"io"
	"sync"
)

// scheme is what a key can do.
type scheme interface {
	canSign() bool
	sign(text) ([]byte, error)
	// matches reports whether one of the given is right, comparing all bytes of equal lengths.
	matches(signed text, given [][]byte) bool
}

// shared is a secret that both sides have. HMACs of it are kept for the next message: a new one hashes the secret twice
// before it begins.
type shared struct{ pool sync.Pool }

func newShared(hash func() hash.Hash, secret []byte) *shared {
	return &shared{sync.Pool{New: func() any { return hmac.New(hash, secret) }}}
}

func (s *shared) canSign() bool { return true }

func (s *shared) sign(signed text) ([]byte, error) {
	mac := s.pool.Get().(hash.Hash)
	defer s.pool.Put(mac)
	mac.Reset()
	signed.write(mac)
	return mac.Sum(nil), nil
}

func (s *shared) matches(signed text, given [][]byte) bool {
	want, _ := s.sign(signed)
	for _, g := range given {
		if subtle.ConstantTimeCompare(want, g) == 1 {
			return true
		}
	}
	return false
}

// pair is ed25519. Without its private half it only verifies.
type pair struct {
	private ed25519.PrivateKey
	public  ed25519.PublicKey
}

func (p pair) canSign() bool { return p.private != nil }

func (p pair) sign(signed text) ([]byte, error) { return ed25519.Sign(p.private, signed.whole()), nil }

func (p pair) matches(signed text, given [][]byte) bool {
	whole := signed.whole()
	for _, g := range given[:min(len(given), maxPublic)] {
		if ed25519.Verify(p.public, whole, g) {
			return true
		}
	}
	return false
}

// curve is ECDSA on P-256 over SHA-256, signatures in DER. Without its private half it only verifies.
type curve struct {
	private *ecdsa.PrivateKey
	public  *ecdsa.PublicKey
}

func (c curve) canSign() bool { return c.private != nil }

func (c curve) sign(signed text) ([]byte, error) {
	return ecdsa.SignASN1(rand.Reader, c.private, signed.digest())
}

func (c curve) matches(signed text, given [][]byte) bool {
	digest := signed.digest()
	for _, g := range given[:min(len(given), maxPublic)] {
		if ecdsa.VerifyASN1(c.public, digest, g) {
			return true
		}
	}
	return false
}

// token is a secret that travels as it is. It says who sends, and nothing about what.
type token struct{ value string }

func (t token) canSign() bool { return true }

func (t token) sign(text) ([]byte, error) { return []byte(t.value), nil }

// matches compares digests, so that not even the length of the secret can be timed.
func (t token) matches(_ text, given [][]byte) bool {
	want := sha256.Sum256([]byte(t.value))
	for _, g := range given {
		if got := sha256.Sum256(g); subtle.ConstantTimeCompare(want[:], got[:]) == 1 {
			return true
		}
	}
	return false
}

func (t text) write(w io.Writer) { // hashes never fail
	_, _ = w.Write(t.head)
	_, _ = w.Write(t.body)
	_, _ = w.Write(t.tail)
}

func (t text) digest() []byte {
	h := sha256.New()
	t.write(h)
	return h.Sum(nil)
}
