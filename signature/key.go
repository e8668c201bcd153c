package signature

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"

	"github.com/hookbridge/bridge"
)

// Prefixes of the text form of keys, by Standard Webhooks.
const (
	SecretPrefix  = "whsec_" // a shared secret
	PrivatePrefix = "whsk_"  // the signing half of an ed25519 pair
	PublicPrefix  = "whpk_"  // the verifying half
)

// Sizes of a shared secret in bytes, by Standard Webhooks.
const (
	MinSecret = 24
	MaxSecret = 64
)

// Key is a parsed secret. It does not print.
type Key struct {
	hmac    *macs              // shared secret
	private ed25519.PrivateKey // signing half
	check   ed25519.PublicKey  // verifying half
}

// Format keeps a key out of every print.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("(secret)")) }

// MarshalText keeps a key out of JSON and logs.
func (k Key) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }

// ParseSecret reads whsec_ (base64 of 24 to 64 bytes), whsk_ (base64 of a 32-byte seed, or of seed and public key) or
// whpk_ (base64 of a 32-byte public key, which verifies but cannot sign). Its errors never contain the secret.
func ParseSecret(secret bridge.Secret) (Key, error) { return parse(secret, MinSecret) }

// ParseSecrets reads several secrets; its error says which one is wrong, counting from 1.
func ParseSecrets(secrets []bridge.Secret) ([]Key, error) {
	keys := make([]Key, len(secrets))
	for i, secret := range secrets {
		key, err := ParseSecret(secret)
		if err != nil {
			return nil, fmt.Errorf("secret %d: %w", i+1, err)
		}
		keys[i] = key
	}
	return keys, nil
}

// CanSign reports whether the key is more than the public half of a pair. The zero Key cannot sign.
func (k Key) CanSign() bool { return k.private != nil || k.hmac != nil }

func parse(secret bridge.Secret, least int) (Key, error) {
	text := secret.Reveal()
	switch {
	case text == "":
		return Key{}, errors.New("the secret is empty; make one with: hookbridge secret new")
	case strings.HasPrefix(text, SecretPrefix):
		raw, err := decode(text[len(SecretPrefix):])
		if err != nil {
			return Key{}, err
		}
		if len(raw) < least || len(raw) > MaxSecret {
			return Key{}, fmt.Errorf("a whsec_ secret has %d to %d bytes, this one has %d; make one with: hookbridge secret new", MinSecret, MaxSecret, len(raw))
		}
		return Key{hmac: newMACs(raw)}, nil
	case strings.HasPrefix(text, PrivatePrefix):
		raw, err := decode(text[len(PrivatePrefix):])
		if err != nil {
			return Key{}, err
		}
		if len(raw) != ed25519.SeedSize && len(raw) != ed25519.PrivateKeySize {
			return Key{}, fmt.Errorf("a whsk_ key has 32 or 64 bytes, this one has %d", len(raw))
		}
		private := ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
		if len(raw) == ed25519.PrivateKeySize && !bytes.Equal(raw, private) {
			return Key{}, errors.New("the public half of this whsk_ key does not belong to its private half")
		}
		return Key{private: private, check: private.Public().(ed25519.PublicKey)}, nil
	case strings.HasPrefix(text, PublicPrefix):
		raw, err := decode(text[len(PublicPrefix):])
		if err != nil {
			return Key{}, err
		}
		if len(raw) != ed25519.PublicKeySize {
			return Key{}, fmt.Errorf("a whpk_ key has 32 bytes, this one has %d", len(raw))
		}
		return Key{check: raw}, nil
	}
	return Key{}, errors.New("a secret starts with whsec_ (or whsk_ for ed25519); make one with: hookbridge secret new")
}

// decode does not wrap the decoder's error: it says where in the secret it stopped, which tells about the secret.
func decode(text string) ([]byte, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("what follows the secret's prefix is not base64; copy it again, whole and without line breaks")
	}
	return raw, nil
}

// NewSecret returns a new shared secret of 32 random bytes.
func NewSecret() bridge.Secret {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails: the program is ended instead
	return bridge.NewSecret(SecretPrefix + base64.StdEncoding.EncodeToString(raw[:]))
}

// NewPair returns a new ed25519 pair: the private half signs and stays here, the public half goes to the receiver.
func NewPair() (private bridge.Secret, public string, err error) {
	check, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return bridge.Secret{}, "", fmt.Errorf("generate ed25519 pair: %w", err)
	}
	return bridge.NewSecret(PrivatePrefix + base64.StdEncoding.EncodeToString(key)),
		PublicPrefix + base64.StdEncoding.EncodeToString(check), nil
}

// version is the name of the key's signatures in a list.
func (k Key) version() string {
	if k.check != nil {
		return "v1a"
	}
	return "v1"
}

// sign appends "version,signature".
func (k Key) sign(out []byte, m message) []byte {
	if k.private != nil {
		out = append(out, "v1a,"...)
		return base64.StdEncoding.AppendEncode(out, ed25519.Sign(k.private, append(m.head(), m.body...)))
	}
	var sum [sha256.Size]byte
	out = append(out, "v1,"...)
	return base64.StdEncoding.AppendEncode(out, k.hmac.sum(sum[:0], m))
}

// verify compares decoded bytes: a truncated, padded or empty signature has another length and is refused.
func (k Key) verify(m message, value string) bool {
	given, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil {
		return false
	}
	if k.check != nil {
		return len(given) == ed25519.SignatureSize && ed25519.Verify(k.check, append(m.head(), m.body...), given)
	}
	if k.hmac == nil {
		return false // the zero Key matches nothing
	}
	var sum [sha256.Size]byte
	return subtle.ConstantTimeCompare(k.hmac.sum(sum[:0], m), given) == 1
}

// macs are HMACs of one secret, kept for the next message: a new one hashes the secret twice before it begins.
type macs struct{ pool sync.Pool }

func newMACs(secret []byte) *macs {
	return &macs{sync.Pool{New: func() any { return hmac.New(sha256.New, secret) }}}
}

func (s *macs) sum(out []byte, m message) []byte {
	mac := s.pool.Get().(hash.Hash)
	defer s.pool.Put(mac)
	mac.Reset()
	mac.Write(m.head())
	mac.Write(m.body)
	return mac.Sum(out)
}
