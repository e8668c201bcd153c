package signature

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/bridge"
)

const (
	secretV1  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	secretV2  = "whsec_plJ3nmyCDGBKInavdOK15jsl"
	privateV3 = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
	publicV3  = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
)

func key(t testing.TB, text string) Key {
	t.Helper()
	k, err := standardKey(bridge.NewSecret(text)) // V2 of the specification is shorter than the specification allows
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func headers(id string, timestamp int64, signature string) http.Header {
	h := http.Header{}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", strconv.FormatInt(timestamp, 10))
	h.Set("webhook-signature", signature)
	return h
}

func TestVectors(t *testing.T) {
	vectors := []struct {
		name, sign, verify, id string
		at                     int64
		body, want             string
	}{
		{"V1", secretV1, secretV1, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, `{"test": 2432232314}`,
			"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
		{"V2", secretV2, secretV2, "msg_loFOjxBNrRLzqYUf", 1731705121, `{"event_type":"ping","data":{"success":true}}`,
			"v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="},
		{"V3", privateV3, publicV3, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, `{"test": 2432232314}`,
			"v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="},
	}
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			at := time.Unix(v.at, 0)
			if got := sign([]Key{key(t, v.sign)}, v.id, at, []byte(v.body)); got != v.want {
				t.Errorf("sign: got %s, want %s", got, v.want)
			}
			for _, text := range []string{v.sign, v.verify} {
				if err := Verify([]Key{key(t, text)}, headers(v.id, v.at, v.want), []byte(v.body), at); err != nil {
					t.Errorf("verify with %.6s: %v", text, err)
				}
			}
		})
	}
}

// sign is the signature header of a message in the Standard dialect; empty when no key can sign.
func sign(keys []Key, id string, at time.Time, body []byte) string {
	headers, err := Standard.Sign(keys, Message{ID: id, At: at, Body: body})
	if err != nil {
		return ""
	}
	return headers[len(headers)-1].Value
}

func cause(err error) Cause {
	var refused *RefusedError
	if errors.As(err, &refused) {
		return refused.Cause
	}
	return ""
}

func TestVerifyRefuses(t *testing.T) {
	const id, at, body = "msg_1", int64(1614265330), `{"a":1}`
	now := time.Unix(at, 0)
	keys := []Key{key(t, secretV1)}
	good := sign(keys, id, now, []byte(body))
	raw := strings.TrimPrefix(good, "v1,")
	ed := sign([]Key{key(t, privateV3)}, id, now, []byte(body))
	without := func(name string) http.Header { h := headers(id, at, good); h.Del(name); return h }
	with := func(signature string) http.Header { return headers(id, at, signature) }
	stamped := func(text string) http.Header { h := with(good); h.Set("webhook-timestamp", text); return h }

	cases := []struct {
		name   string
		header http.Header
		body   string
		now    time.Time
		want   Cause
	}{
		{"no id", without("webhook-id"), body, now, Missing},
		{"no timestamp", without("webhook-timestamp"), body, now, Missing},
		{"no signature", without("webhook-signature"), body, now, Missing},
		{"empty signature header", with(""), body, now, Missing},
		{"only blanks", with("   "), body, now, Mismatch},
		{"empty v1", with("v1,"), body, now, Mismatch},
		{"version alone", with("v1"), body, now, Mismatch},
		{"decoy version only", with("v2," + raw), body, now, Mismatch},
		{"other kind under our version", with("v1," + strings.TrimPrefix(ed, "v1a,")), body, now, Mismatch},
		{"our signature under the other kind", with("v1a," + raw), body, now, Mismatch},
		{"truncated", with(good[:len(good)-4]), body, now, Mismatch},
		{"one byte less", with("v1," + base64.StdEncoding.EncodeToString(mustDecode(t, raw)[:31])), body, now, Mismatch},
		{"longer", with("v1," + base64.StdEncoding.EncodeToString(append(mustDecode(t, raw), 0))), body, now, Mismatch},
		{"bit flipped in body", with(good), `{"a":0}`, now, Mismatch},
		{"bit flipped in id", headers("msg_0", at, good), body, now, Mismatch},
		{"bit flipped in timestamp", headers(id, at^1, good), body, now, Mismatch},
		{"a second too old", with(good), body, now.Add(301 * time.Second), Stale},
		{"a second too new", with(good), body, now.Add(-301 * time.Second), Early},
		{"timestamp with sign", stamped("+1614265330"), body, now, Malformed},
		{"timestamp with fraction", stamped("1614265330.0"), body, now, Malformed},
		{"timestamp in hex", stamped("0x60381fb2"), body, now, Malformed},
		{"timestamp beyond int64", stamped("99999999999999999999"), body, now, Malformed},
		{"timestamp that overflows the difference", stamped("-9223372036854775808"), body, now, Malformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := Verify(keys, c.header, []byte(c.body), c.now); cause(err) != c.want {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	t.Run("no keys", func(t *testing.T) {
		for _, keys := range [][]Key{nil, {{}}} {
			if err := Verify(keys, with(good), []byte(body), now); cause(err) != Mismatch {
				t.Errorf("got %v, want %v", err, Mismatch)
			}
		}
		if got := sign([]Key{{}}, id, now, []byte(body)); got != "" {
			t.Errorf("the zero key signed: %s", got)
		}
	})
}

func mustDecode(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestVerifyAccepts(t *testing.T) {
	const id, at, body = "msg_1", int64(1614265330), `{"a":1}`
	now := time.Unix(at, 0)
	old, current, other := key(t, secretV1), key(t, NewSecret().Reveal()), key(t, NewSecret().Reveal())
	good := sign([]Key{current}, id, now, []byte(body))
	wrong := sign([]Key{other}, id, now, []byte(body))
	cases := []struct {
		name   string
		keys   []Key
		header http.Header
		now    time.Time
	}{
		{"at the old edge", []Key{current}, headers(id, at, good), now.Add(300 * time.Second)},
		{"at the new edge", []Key{current}, headers(id, at, good), now.Add(-300 * time.Second)},
		{"last of a list", []Key{current}, headers(id, at, "v1, v9,xx "+wrong+" v1a,AAAA  "+good), now},
		{"second header line", []Key{current}, http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {fmt.Sprint(at)}, "Webhook-Signature": {wrong, good}}, now},
		{"second of our keys", []Key{old, current}, headers(id, at, good), now},
		{"sender rotates", []Key{old}, headers(id, at, sign([]Key{current, old}, id, now, []byte(body))), now},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := Verify(c.keys, c.header, []byte(body), c.now); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestParseSecret(t *testing.T) {
	b64 := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	cases := []struct {
		name, text, want string // want: part of the error; empty: accepted
	}{
		{"24 bytes", SecretPrefix + b64(24), ""},
		{"64 bytes", SecretPrefix + b64(64), ""},
		{"seed alone", PrivatePrefix + b64(32), ""},
		{"empty", "", "empty"},
		{"23 bytes", SecretPrefix + b64(23), "24 to 64 bytes, this one has 23"},
		{"65 bytes", SecretPrefix + b64(65), "this one has 65"},
		{"no prefix", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "starts with whsec_"},
		{"not base64", SecretPrefix + "hunter2-hunter2-hunter2-hunter2-hunter2!", "not base64"},
		{"line break", SecretPrefix + b64(24)[:8] + "\n" + b64(24)[8:], "not base64"},
		{"private of 16 bytes", PrivatePrefix + b64(16), "32 or 64"},
		{"halves that do not belong together", PrivatePrefix + b64(64), "does not belong"},
		{"public of 31 bytes", PublicPrefix + b64(31), "32 bytes"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseSecret(bridge.NewSecret(c.text))
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			case err != nil && len(c.text) > 12 && strings.Contains(err.Error(), c.text[6:12]):
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
	if _, err := ParseSecrets([]bridge.Secret{bridge.NewSecret(secretV1), bridge.NewSecret("x")}); err == nil || !strings.HasPrefix(err.Error(), "secret 2: ") {
		t.Errorf("got %v, want the second secret named", err)
	}
}

func TestNewSecretsWork(t *testing.T) {
	private, public, err := NewPair()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1614265330, 0)
	secret := NewSecret()
	for _, pair := range [][2]string{{secret.Reveal(), secret.Reveal()}, {private.Reveal(), public}} {
		signer, verifier := key(t, pair[0]), key(t, pair[1])
		signature := sign([]Key{signer}, "msg_1", now, []byte("{}"))
		if err := Verify([]Key{verifier}, headers("msg_1", now.Unix(), signature), []byte("{}"), now); err != nil {
			t.Errorf("%.5s: %v", pair[0], err)
		}
	}
	if key(t, public).CanSign() {
		t.Error("a public key says that it can sign")
	}
	if NewSecret().Reveal() == NewSecret().Reveal() {
		t.Error("two new secrets are equal")
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	k := key(t, secretV1)
	var out strings.Builder
	fmt.Fprintf(&out, "%v %+v %#v %s %x %q", k, k, k, k, k, []Key{k})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("key", "key", k)
	for _, leak := range []string{"MfKQ", "31f290", "49 242 144"} {
		if strings.Contains(strings.ToLower(out.String()), strings.ToLower(leak)) {
			t.Errorf("printed %q: %s", leak, out.String())
		}
	}
}

func FuzzVerify(f *testing.F) {
	k := key(f, secretV1)
	f.Add("msg_1", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", []byte(`{}`))
	f.Add("", "-1", "v1, v1a,=", []byte(nil))
	f.Add("x", "99999999999999999999", strings.Repeat("v1,A ", 50), []byte("x"))
	now := time.Unix(1614265330, 0)
	f.Fuzz(func(t *testing.T, id, timestamp, signature string, body []byte) {
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": {signature}}
		if Verify([]Key{k, key(t, publicV3)}, h, body, now) != nil {
			return
		}
		// Whatever is accepted must contain the one signature that is right.
		mac, _ := k.scheme.sign(text{head: []byte(id + "." + timestamp + "."), body: body})
		want := "v1," + base64.StdEncoding.EncodeToString(mac)
		if !strings.Contains(signature, want) {
			t.Errorf("accepted %q for id %q at %q", signature, id, timestamp)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	keys := []Key{key(b, secretV1)}
	body := make([]byte, 1024)
	now := time.Unix(1614265330, 0)
	b.ReportAllocs()
	for b.Loop() {
		sign(keys, "evt_0199c0de-0000-7000-8000-000000000000", now, body)
	}
}
