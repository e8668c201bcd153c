package signature

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

// sample is a dialect with all it takes to make a good request in it.
type sample struct {
	name           string
	dialect        Dialect
	secret, wrong  string // wrong is well formed, and somebody else's
	public, second string // the half that verifies, where it is another; another secret that signs
	body           string
}

var sampleTime = time.UnixMilli(1614265330000)

const sampleURL = "https://bridge.example.com/in/orders?tenant=7"

func samples(t testing.TB) []sample {
	t.Helper()
	plain := sample{secret: shop, wrong: "shop-secrex", second: "a second secret", body: `{"id":"evt_1","event_id":"evt_1","event":{"id":"evt_1"},"webhookTimestamp":1614265330000}`}
	made := func(name string, change func(*sample)) sample {
		s := plain
		s.name = name
		if d, ok := Find(name); ok {
			s.dialect = d
		}
		if change != nil {
			change(&s)
		}
		if s.dialect.row == nil {
			t.Fatalf("there is no dialect %s", name)
		}
		return s
	}
	hook := func(s *sample) {
		s.secret, s.wrong, s.second = secretV1, secretV2, "whsec_"+base64.StdEncoding.EncodeToString(make([]byte, 32))
	}
	generic := func(axes HMAC) func(*sample) {
		return func(s *sample) {
			var err error
			if s.dialect, err = NewHMAC(axes); err != nil {
				t.Fatal(err)
			}
		}
	}
	special := map[string]func(*sample){
		"standard": hook, "svix": hook, "gitlab": hook,
		"gitlab-token": func(s *sample) { s.second = "second-secret" },
		"adyen": func(s *sample) {
			s.secret, s.wrong, s.second = "73686f702d736563726574", "73686f702d736563726578", "7365636f6e64"
		},
		"basic":  func(s *sample) { s.secret, s.wrong, s.second = "me:secret", "me:secrex", "me:second" },
		"bearer": func(s *sample) { s.second = "second-secret" },
		"token":  func(s *sample) { s.second = "second-secret" },
		"sendgrid": func(s *sample) {
			s.secret, s.public, s.wrong, s.second = curveSecret, curvePublic, wrongCurve, wrongCurve
		},
	}
	var all []sample
	for _, name := range Names() {
		all = append(all, made(name, special[name]))
	}
	return append(all,
		made("standard with ed25519", func(s *sample) {
			private, public, err := NewPair()
			if err != nil {
				t.Fatal(err)
			}
			s.dialect, s.secret, s.public, s.wrong, s.second = Standard, privateV3, publicV3, public, private.Reveal()
		}),
		made("hmac with every axis", generic(HMAC{
			Algorithm: SHA512, Sign: "{method} {url}\n{id}|{ts}|{body}|end", Header: "X-Sig-*", Prefix: "sha512:", Encoding: Base64,
			Time: Timestamp{Header: "X-Time", Format: RFC3339, Tolerance: 2 * time.Minute}, ID: Identity{Header: "X-Id"},
		})),
		made("hmac of the body", generic(HMAC{Header: "X-Sig"})),
		made("hmac with parts", generic(HMAC{
			Sign: "{body}{ts}", Header: "X-Sig", Prefix: "s:", Separator: "|",
			Time: Timestamp{Part: "t:", Format: Milliseconds, Tolerance: time.Second},
		})),
		made("hmac with ed25519", func(s *sample) {
			generic(HMAC{Algorithm: Ed25519, Key: Base64, Sign: "{ts}{body}", Header: "X-Signature-Ed25519", Time: Timestamp{Header: "X-Signature-Timestamp"}})(s)
			s.secret, s.public = strings.TrimPrefix(privateV3, PrivatePrefix), strings.TrimPrefix(publicV3, PublicPrefix)
			private, public, err := NewPair()
			if err != nil {
				t.Fatal(err)
			}
			s.wrong, s.second = strings.TrimPrefix(public, PublicPrefix), strings.TrimPrefix(private.Reveal(), PrivatePrefix)
		}),
	)
}

// good is a request that is accepted at sampleTime. Linear cannot sign, because it would have to write into the body;
// here the body is ours.
func (s sample) good(t testing.TB, secrets ...string) Request {
	t.Helper()
	if len(secrets) == 0 {
		secrets = []string{s.secret}
	}
	m := Message{ID: "id-1", At: sampleTime, Method: "POST", URL: sampleURL, Body: []byte(s.body)}
	headers, err := s.dialect.row.sign(keysOf(t, s.dialect, secrets...), m)
	if err != nil {
		t.Fatal(err)
	}
	return request(m, headers)
}

func (s sample) keys(t testing.TB) []Key {
	t.Helper()
	if s.public != "" {
		return keysOf(t, s.dialect, s.public)
	}
	return keysOf(t, s.dialect, s.secret)
}

// header is the name that the signature travels under.
func (s sample) header() string {
	return strings.Replace(s.dialect.row.Header, "*", "1", 1)
}
