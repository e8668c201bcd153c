package signature

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/bridge"
)

func TestNewHMAC(t *testing.T) {
	at := time.Unix(1614265330, 0)
	vectors := []struct {
		name, secret string
		axes         HMAC
		header, want string
	}{
		{"only a header", shop, HMAC{Header: "x-sig"}, "X-Sig", "a655bc546aaad270cc204843a9a34d5bdf5ab1d502cbb108a8b655710c2d019d"},
		{"sha1", shop, HMAC{Algorithm: SHA1, Header: "X-Sig", Prefix: "sha1="}, "X-Sig", "sha1=23eb32731fe55ac6c45ae49464df448fbb87e7e3"},
		{"sha512", shop, HMAC{Algorithm: SHA512, Header: "X-Sig"}, "X-Sig", "9e7e37a1d6a67c08d61d376e4ead493aef18e8ce2cc13ee2ff6c04f5c4b9c33a08afb84e742492ce52dc69d36dba750b0d2b66d8c11aa1b6d2712e731c01fdb2"},
		{"key in hex after a prefix", "k_73686f702d736563726574", HMAC{Key: Hex, KeyPrefix: "k_", Header: "X-Sig", Encoding: Base64}, "X-Sig", "plW8VGqq0nDMIEhDqaNNW99asdUCy7EIqLZVcQwtAZ0="},
		{"key in base64", "c2hvcC1zZWNyZXQ=", HMAC{Key: Base64, Header: "X-Sig", Encoding: Base64}, "X-Sig", "plW8VGqq0nDMIEhDqaNNW99asdUCy7EIqLZVcQwtAZ0="},
		{"time before the body", shop, HMAC{Sign: "{ts}{body}", Header: "X-Sig", Encoding: Base64, Time: Timestamp{Header: "X-Time"}}, "X-Sig", "ldv/jTcV/Wc/njqAgR8fOTHsmEkvfOtVNzYNGVDwveQ="},
		{"time as a part", shop, HMAC{Sign: "{ts}:{body}", Header: "X-Sig", Prefix: "h1=", Separator: ";", Time: Timestamp{Part: "ts="}}, "X-Sig", "ts=1614265330;h1=caf1b25474e0f7e2c2eaed2f1a11ae7b576b324dea3514662a2d98ef3b5c6444"},
		{"numbered headers", shop, HMAC{Header: "X-Sig-*"}, "X-Sig-1", "a655bc546aaad270cc204843a9a34d5bdf5ab1d502cbb108a8b655710c2d019d"},
	}
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			d, err := NewHMAC(v.axes)
			if err != nil {
				t.Fatal(err)
			}
			keys := keysOf(t, d, v.secret)
			m := Message{At: at, Body: []byte(order)}
			headers, err := d.Sign(keys, m)
			if err != nil {
				t.Fatal(err)
			}
			r := request(m, headers)
			if got := r.Header.Get(v.header); got != v.want {
				t.Errorf("got %s: %s, want %s", v.header, got, v.want)
			}
			if _, err := d.Verify(keys, r, at); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNewHMACRefuses(t *testing.T) {
	cases := []struct {
		name string
		axes HMAC
		want string
	}{
		{"nothing", HMAC{}, "header is required"},
		{"an algorithm nobody knows", HMAC{Header: "X", Algorithm: "md5"}, `algorithm "md5" is not known; use one of sha256`},
		{"a key form nobody knows", HMAC{Header: "X", Key: "base32"}, `key "base32"`},
		{"an encoding nobody knows", HMAC{Header: "X", Encoding: "base58"}, `encoding "base58"`},
		{"bytes as they are", HMAC{Header: "X", Encoding: Text}, "hex or base64"},
		{"a time form nobody knows", HMAC{Header: "X", Time: Timestamp{Format: "us"}}, `time format "us"`},
		{"no header's name", HMAC{Header: "X Y"}, `"X Y" cannot be the name of a header`},
		{"a star in the middle", HMAC{Header: "X-*-Y"}, "" + "X-*-Y"},
		{"only a star", HMAC{Header: "*"}, "header is required"},
		{"no body", HMAC{Header: "X", Sign: "{ts}", Time: Timestamp{Header: "T"}}, "must hold {body} once"},
		{"two bodies", HMAC{Header: "X", Sign: "{body}{body}"}, "must hold {body} once"},
		{"a place nobody knows", HMAC{Header: "X", Sign: "{body}{host}"}, "no place {host}"},
		{"a place left open", HMAC{Header: "X", Sign: "{body}{ts"}, "not closed"},
		{"a time from nowhere", HMAC{Header: "X", Sign: "{ts}{body}"}, "where the time stands"},
		{"a tolerance of nothing", HMAC{Header: "X", Time: Timestamp{Tolerance: time.Minute}}, "where the time stands"},
		{"a time that is not signed", HMAC{Header: "X", Time: Timestamp{Header: "T"}}, "anybody could change it"},
		{"a time in two places", HMAC{Header: "X", Sign: "{ts}{body}", Time: Timestamp{Header: "T", Path: "t"}}, "in one place"},
		{"a time in the body signed twice", HMAC{Header: "X", Sign: "{ts}{body}", Time: Timestamp{Path: "t"}}, "signed with it"},
		{"a part without a list", HMAC{Header: "X", Sign: "{ts}{body}", Time: Timestamp{Part: "t="}}, "separator"},
		{"a tolerance below nothing", HMAC{Header: "X", Sign: "{ts}{body}", Time: Timestamp{Header: "T", Tolerance: -1}}, "negative"},
		{"a path with a query", HMAC{Header: "X", ID: Identity{Path: "a.#(b=1)"}}, "names with dots"},
		{"an id in two places", HMAC{Header: "X", ID: Identity{Header: "I", Path: "i"}}, "in one place"},
		{"an id from nowhere", HMAC{Header: "X", Sign: "{id}{body}"}, "no header of the id"},
		{"an id signed from the body", HMAC{Header: "X", Sign: "{id}{body}", ID: Identity{Path: "i"}}, "no header of the id"},
		{"a public key as it is", HMAC{Header: "X", Algorithm: Ed25519}, "hex or base64"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := NewHMAC(c.axes); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := NewHMAC(HMAC{Algorithm: "md5", Sign: "{ts}"}); err == nil || strings.Count(err.Error(), "\n") < 2 {
		t.Errorf("got %v, want every mistake", err)
	}
}

func TestNewToken(t *testing.T) {
	d, err := NewToken("x-my-token")
	if err != nil {
		t.Fatal(err)
	}
	keys := keysOf(t, d, "first", "second")
	for value, want := range map[string]Cause{"first": "", "second": "", "secon": Mismatch, "secondd": Mismatch, "SECOND": Mismatch} {
		if _, err := d.Verify(keys, Request{Header: http.Header{"X-My-Token": {value}}}, time.Now()); cause(err) != want {
			t.Errorf("%s: got %v, want %q", value, err, want)
		}
	}
	if _, err := NewToken("no header"); err == nil {
		t.Error("a header with a space")
	}
}

// TestKeysRefuse: secrets that cannot be right are told by their form, in words that do not hold them.
func TestKeysRefuse(t *testing.T) {
	cases := []struct{ dialect, secret, want string }{
		{"github", "", "empty"},
		{"github", shop + "\n", "white space"},
		{"stripe", " " + shop, "white space"},
		{"adyen", "not hexadecimal", "not hex"},
		{"adyen", "73686f702d73656372657", "not hex"},
		{"gitlab", "glpat-token", "use gitlab-token"},
		{"svix", "whsec_hunter2", "not base64"},
		{"sendgrid", "aHVudGVyMg==", "not a P-256 key"},
		{"sendgrid", "-----BEGIN PUBLIC KEY-----", "not base64"},
		{"sendgrid", curvePublic[:60] + "\n" + curvePublic[60:], "not base64"},
		{"svix", SecretPrefix, "this one has 0"},
		{"sendgrid", otherCurve, "not a P-256 key"},
		{"basic", "hunter2", "user:password"},
		{"basic", ":hunter2", "user:password"},
		{"bearer", "hunter2 hunter2", "no spaces"},
		{"token", "hünter2", "no spaces"},
	}
	for _, c := range cases {
		t.Run(c.dialect+"/"+c.want, func(t *testing.T) {
			_, err := find(t, c.dialect).Keys([]bridge.Secret{bridge.NewSecret(c.secret)})
			if err == nil || !strings.HasPrefix(err.Error(), "secret 1: ") || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want secret 1 and %q", err, c.want)
			}
			if c.secret != "" && c.secret != SecretPrefix && strings.Contains(err.Error(), c.secret) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
	for _, secret := range []string{"aHVudGVyMg==", strings.TrimPrefix(privateV3, PrivatePrefix)[:84] + "AAAA"} {
		d, err := NewHMAC(HMAC{Algorithm: Ed25519, Key: Base64, Header: "X-Sig"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Keys([]bridge.Secret{bridge.NewSecret(secret)}); err == nil {
			t.Error("an ed25519 key of the wrong form is taken")
		}
	}
}

// TestWeak: a short secret of somebody else's choice works, and says so.
func TestWeak(t *testing.T) {
	m := Message{ID: "msg_loFOjxBNrRLzqYUf", At: time.Unix(1731705121, 0), Body: []byte(`{"event_type":"ping","data":{"success":true}}`)}
	for secret, want := range map[string]string{secretV1: "", secretV2: "this one has 18"} {
		keys := keysOf(t, Standard, secret)
		headers, err := Standard.Sign(keys, m)
		if err != nil {
			t.Fatal(err)
		}
		v, err := Standard.Verify(append(keysOf(t, Standard, secretV2), keys...), request(m, headers), m.At)
		if err != nil || !strings.Contains(v.Weak, want) || (want == "") != (v.Weak == "") || keys[0].Weak() != v.Weak {
			t.Errorf("got %q and %v, want %q", v.Weak, err, want)
		}
	}
}

// TestPublicKeysDoNotSign: with the half that verifies alone nothing is sent unsigned.
func TestPublicKeysDoNotSign(t *testing.T) {
	for dialect, secret := range map[string]string{"standard": publicV3, "sendgrid": curvePublic} {
		d := find(t, dialect)
		if headers, err := d.Sign(keysOf(t, d, secret), Message{ID: "1", At: sampleTime}); err == nil || headers != nil {
			t.Errorf("%s: got %v and %v", dialect, headers, err)
		}
	}
}

// TestIDs: where an id is not text or a number, or is beyond all measure, there is none; the webhook is good all the same.
func TestIDs(t *testing.T) {
	d := find(t, "pagerduty")
	keys := keysOf(t, d, shop)
	for body, want := range map[string]string{
		`{"event":{"id":"01D"}}`:                              "01D",
		`{"event":{"id":9007199254740993}}`:                   "9007199254740993",
		`{"event":{"id":{"id":"x"}}}`:                         "",
		`{"event":{"id":null}}`:                               "",
		`{"event":"id"}`:                                      "",
		`{"event":{"id":"` + strings.Repeat("x", 257) + `"}}`: "",
		`{"event":{"id":"01D"}`:                               "",
		`event=01D`:                                           "",
	} {
		m := Message{Body: []byte(body)}
		headers, err := d.Sign(keys, m)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := d.Verify(keys, request(m, headers), time.Now()); err != nil || v.ID != want {
			t.Errorf("%.40s: got %q and %v, want %q", body, v.ID, err, want)
		}
	}
}
