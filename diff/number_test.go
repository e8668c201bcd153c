package diff

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// spelled is the one spelling of a number, worked out with big integers.
func spelled(text string) string {
	text, negative := strings.CutPrefix(strings.ToLower(text), "-")
	digits, exponent, _ := strings.Cut(text, "e")
	power := new(big.Int)
	if exponent != "" {
		power.SetString(strings.TrimPrefix(exponent, "+"), 10)
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	power.Sub(power, big.NewInt(int64(len(fraction))))
	digits = strings.TrimLeft(whole+fraction, "0")
	short := strings.TrimRight(digits, "0")
	power.Add(power, big.NewInt(int64(len(digits)-len(short))))
	switch {
	case short == "":
		return "0"
	case negative:
		short = "-" + short
	}
	return short + "e" + power.String()
}

func drawNumberText(t *rapid.T) string {
	text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,4}|[1-9][0-9]{16,22}|10{0,25})(\.([0-9]{1,3}|[0-9]{15,22}|0{1,25}1?))?`).Draw(t, "number")
	// Around the lengths at which a power no longer fits.
	return text + rapid.StringMatching(`([eE][-+]?(0{0,3}[0-9]{1,3}|9{15,22}[0-9]|10{15,22}|[1-9][0-9]{15,22}))?`).Draw(t, "exponent")
}

func TestNumbersHaveOneSpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(drawNumberText(t))
		if !json.Valid(text) {
			t.Fatalf("%s is no number", text)
		}
		d, end := parseDecimal(text, 0)
		if got, want := string(d.append(nil)), spelled(string(text)); got != want || end != len(text) {
			t.Errorf("%s: spelled %s, want %s; end %d", text, got, want, end)
		}
		mantissa, power, negative, end := parseShort(text, 0)
		if end < 0 {
			return
		}
		if end != len(text) || mantissa != d.mantissa || power != d.power || negative != d.negative || !d.short() {
			t.Errorf("%s: in short %d·10^%d, negative %v, end %d; in full %+v", text, mantissa, power, negative, end, d)
		}
	})
}

func TestNumbersHashByValue(t *testing.T) {
	rules := new(Rules)
	rapid.Check(t, func(t *rapid.T) {
		before, after := drawNumberText(t), drawNumberText(t)
		if rapid.Bool().Draw(t, "respelled") {
			after = spelled(before)
		}
		want := spelled(before) == spelled(after)
		if got := rules.Fingerprint([]byte(before), "") == rules.Fingerprint([]byte(after), ""); got != want {
			t.Errorf("%s and %s: same fingerprint %v, want %v", before, after, got, want)
		}
		if got := rules.Equal([]byte(before), []byte(after)); got != want {
			t.Errorf("%s and %s: equal %v, want %v", before, after, got, want)
		}
	})
}

func TestHugeNumbersAreRead(t *testing.T) {
	rules := new(Rules)
	zeros := strings.Repeat("0", 1<<20)
	for name, tc := range map[string]struct {
		before, after string
		equal         bool
	}{
		"a million digits":          {"1" + zeros, "10" + zeros + "e-1", true},
		"a million digits, another": {"1" + zeros, "1" + zeros + "0", false},
		"a million places":          {"0." + zeros + "1", "1e-1048577", true},
		"a power of a million":      {"1e" + "1" + zeros, "0.1e1" + zeros[:len(zeros)-1] + "1", true},
		"a million in front":        {"1e" + zeros + "7", "10000000", true},
		"a million that matter":     {"1" + zeros + "1", "1" + zeros + "2", false},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := []byte(tc.before), []byte(tc.after)
			if got := rules.Fingerprint(before, "") == rules.Fingerprint(after, ""); got != tc.equal {
				t.Errorf("same fingerprint %v, want %v", got, tc.equal)
			}
			if got := rules.Equal(before, after); got != tc.equal {
				t.Errorf("equal %v, want %v", got, tc.equal)
			}
		})
	}
}
