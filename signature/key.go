package signature

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

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
	scheme scheme
	prefix string // of its signatures, where it is not the dialect's
	weak   string
}

// Format keeps a key out of every print.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("(secret)")) }

// MarshalText keeps a key out of JSON and logs.
func (k Key) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }

// CanSign reports whether the key is more than the public half of a pair. The zero Key cannot sign.
func (k Key) CanSign() bool { return k.scheme != nil && k.scheme.canSign() }

// Weak says what is wrong with a key that works all the same, such as that it is short; empty: nothing.
func (k Key) Weak() string { return k.weak }

func (k Key) prefixOr(prefix string) string {
	if k.prefix != "" {
		return k.prefix
	}
	return prefix
}

// ParseSecret reads whsec_ (base64 of 24 to 64 bytes), whsk_ (base64 of a 32-byte seed, or of seed and public key) or
// whpk_ (base64 of a 32-byte public key, which verifies but cannot sign). Its errors never contain the secret.
func ParseSecret(secret bridge.Secret) (Key, error) {
	key, err := standardKey(secret)
	if err == nil && key.weak != "" {
		return Key{}, fmt.Errorf("%s; make one with: hookbridge secret new", key.weak)
	}
	return key, err
}

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

// standardKey reads the keys of Standard Webhooks. A secret that is shorter than the specification allows is weak, not
// wrong: those who receive cannot choose it.
func standardKey(secret bridge.Secret) (Key, error) {
	text := secret.Reveal()
	switch {
	case text == "":
		return Key{}, errors.New("the secret is empty; make one with: hookbridge secret new")
	case strings.HasPrefix(text, SecretPrefix):
		raw, err := decodeKey(text[len(SecretPrefix):])
		if err != nil {
			return Key{}, err
		}
		size := fmt.Sprintf("a whsec_ secret has %d to %d bytes, this one has %d", MinSecret, MaxSecret, len(raw))
		if len(raw) == 0 || len(raw) > MaxSecret {
			return Key{}, fmt.Errorf("%s; make one with: hookbridge secret new", size)
		}
		key := Key{scheme: newShared(sha256.New, raw), prefix: "v1,"}
		if len(raw) < MinSecret {
			key.weak = size
		}
		return key, nil
	case strings.HasPrefix(text, PrivatePrefix):
		raw, err := decodeKey(text[len(PrivatePrefix):])
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
		return Key{scheme: pair{private, private.Public().(ed25519.PublicKey)}, prefix: "v1a,"}, nil
	case strings.HasPrefix(text, PublicPrefix):
		raw, err := decodeKey(text[len(PublicPrefix):])
		if err != nil {
			return Key{}, err
		}
		if len(raw) != ed25519.PublicKeySize {
			return Key{}, fmt.Errorf("a whpk_ key has 32 bytes, this one has %d", len(raw))
		}
		return Key{scheme: pair{public: raw}, prefix: "v1a,"}, nil
	}
	return Key{}, errors.New("a secret starts with whsec_ (or whsk_ for ed25519); make one with: hookbridge secret new")
}

// decodeKey does not wrap the decoder's error: it says where in the secret it stopped, which tells about the secret.
func decodeKey(text string) ([]byte, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("what follows the secret's prefix is not base64; copy it again, whole and without line breaks")
	}
	return raw, nil
}

// edKey reads a bare ed25519 key: 32 bytes are the public half, 64 the private one.
func edKey(raw []byte) (Key, error) {
	switch len(raw) {
	case ed25519.PublicKeySize:
		return Key{scheme: pair{public: raw}}, nil
	case ed25519.PrivateKeySize:
		private := ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
		if !bytes.Equal(raw, private) {
			return Key{}, errors.New("the public half of this ed25519 key does not belong to its private half")
		}
		return Key{scheme: pair{private, private.Public().(ed25519.PublicKey)}}, nil
	}
	return Key{}, fmt.Errorf("an ed25519 key has 32 bytes, or 64 with its private half; this one has %d", len(raw))
}

// curveKey reads a P-256 key in DER: PKIX is the public half, PKCS #8 the private one.
func curveKey(raw []byte) (Key, error) {
	wrong := errors.New("this is not a P-256 key in DER (PKIX to verify, PKCS #8 to sign); copy it again, whole and without the lines around it")
	if parsed, err := x509.ParsePKIXPublicKey(raw); err == nil {
		if public, ok := parsed.(*ecdsa.PublicKey); ok && public.Curve == elliptic.P256() {
			return Key{scheme: curve{public: public}}, nil
		}
		return Key{}, wrong
	}
	parsed, err := x509.ParsePKCS8PrivateKey(raw)
	if err != nil {
		return Key{}, wrong // the parser's words may tell about the key
	}
	if private, ok := parsed.(*ecdsa.PrivateKey); ok && private.Curve == elliptic.P256() {
		return Key{scheme: curve{private, &private.PublicKey}}, nil
	}
	return Key{}, wrong
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
