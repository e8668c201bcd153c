package diff

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// comparison is one line of the golden table: changed is nil where the bodies are equal under the rules.
type comparison struct {
	name          string
	spec          Spec
	before, after string
	changed       []string
}

func ignore(paths ...string) Spec    { return Spec{Ignore: paths} }
func only(paths ...string) Spec      { return Spec{Select: paths} }
func unordered(paths ...string) Spec { return Spec{Unordered: paths} }

var comparisons = []comparison{
	{"key order", Spec{}, `{"a":1,"b":{"c":2,"d":3}}`, `{"b":{"d":3,"c":2},"a":1}`, nil},
	{"white space", Spec{}, `{"a":[1,2],"b":{}}`, " {\n\t\"a\" : [ 1 ,\r\n2 ] , \"b\" : { } } ", nil},
	{"escapes in a text", Spec{}, `{"a":"Aé\n😀/"}`, `{"a":"\u0041\u00e9\u000a\ud83d\ude00\/"}`, nil},
	{"escapes in a name", Spec{}, `{"Aa":1}`, `{"\u0041a":1}`, nil},
	{"long text", Spec{}, `{"a":"` + strings.Repeat("x", 300) + `"}`, `{"a":"` + strings.Repeat("x", 299) + `\u0078"}`, nil},

	{"one in many spellings", Spec{}, `[1,1,1,1,1]`, `[1.0,1e0,10e-1,0.1E+1,1.00e00]`, nil},
	{"a price", Spec{}, `{"p":10.50}`, `{"p":10.5}`, nil},
	{"a round number", Spec{}, `[100,1200]`, `[1e2,1.2e3]`, nil},
	{"zero has no sign", Spec{}, `[0,0,0,0]`, `[-0,0.0,0e5,-0.00e-7]`, nil},
	{"sign", Spec{}, `[1]`, `[-1]`, []string{"/0"}},
	{"power", Spec{}, `[1e5]`, `[1e-5]`, []string{"/0"}},
	{"beyond doubles", Spec{}, `{"n":9007199254740993}`, `{"n":9007199254740992}`, []string{"/n"}},
	{"beyond uint64", Spec{}, `[18446744073709551616]`, `[18446744073709551617]`, []string{"/0"}},
	{"beyond uint64, respelled", Spec{}, `[18446744073709551617]`, `[1844674407370955161.70e1]`, nil},
	{"twenty digits and zeros", Spec{}, `[12345678901234567890000]`, `[1.2345678901234567890e22]`, nil},
	{"beyond the largest double", Spec{}, `[1e400]`, `[1e401]`, []string{"/0"}},
	{"beyond the largest double, respelled", Spec{}, `[1e400]`, `[10e399]`, nil},
	{"vast power", Spec{}, `[1e999999999999]`, `[1e999999999998]`, []string{"/0"}},
	{"vast power, respelled", Spec{}, `[1e999999999999]`, `[0.1e1000000000000]`, nil},
	{"power beyond int64", Spec{}, `[1e99999999999999999999]`, `[10e99999999999999999998]`, nil},
	{"power beyond int64, another", Spec{}, `[1e99999999999999999999]`, `[1e99999999999999999998]`, []string{"/0"}},
	{"power beyond int64, carried", Spec{}, `[10e99999999999999999999]`, `[1e100000000000000000000]`, nil},
	{"power beyond int64, borrowed", Spec{}, `[0.1e100000000000000000000]`, `[1e99999999999999999999]`, nil},
	{"power beyond int64, below", Spec{}, `[1e-100000000000000000000]`, `[10e-100000000000000000001]`, nil},
	{"power beyond int64, signs", Spec{}, `[1e-100000000000000000000]`, `[1e100000000000000000000]`, []string{"/0"}},
	{"power about to be vast", Spec{}, `[10e999999999999999999]`, `[1e1000000000000000000]`, nil},
	{"power no longer vast", Spec{}, `[0.1e1000000000000000000]`, `[1e999999999999999999]`, nil},
	{"power about to be long", Spec{}, `[10e99999999999999999]`, `[1e100000000000000000]`, nil},
	{"power no longer long", Spec{}, `[0.1e100000000000000000]`, `[1e99999999999999999]`, nil},
	{"power just beyond int64", Spec{}, `[1e9223372036854775808]`, `[1e-9223372036854775808]`, []string{"/0"}},
	{"power just beyond int64, borrowed", Spec{}, `[0.1e10000000000000000000]`, `[1e9999999999999999999]`, nil},
	{"power with zeros in front", Spec{}, `[1e5]`, `[1e0000000000000000000000005]`, nil},
	{"vast power of zero", Spec{}, `[0]`, `[0e99999999999999999999]`, nil},

	{"number and text", Spec{}, `{"a":1}`, `{"a":"1"}`, []string{"/a"}},
	{"null and missing", Spec{}, `{"a":null}`, `{}`, []string{"/a"}},
	{"null and false", Spec{}, `{"a":null}`, `{"a":false}`, []string{"/a"}},
	{"true and its text", Spec{}, `{"a":true}`, `{"a":"true"}`, []string{"/a"}},
	{"empty object and array", Spec{}, `{"a":{}}`, `{"a":[]}`, []string{"/a"}},
	{"values trade places", Spec{}, `{"a":1,"b":2}`, `{"a":2,"b":1}`, []string{"/a", "/b"}},
	{"name and value trade places", Spec{}, `{"a":"b"}`, `{"b":"a"}`, []string{"/b", "/a"}},
	{"levels", Spec{}, `{"a":{"b":{}}}`, `{"a":{},"b":{}}`, []string{"/b", "/a/b"}},
	{"scalar bodies", Spec{}, `1`, `2`, []string{""}},
	{"body becomes an array", Spec{}, `{"a":1}`, `[1]`, []string{""}},

	{"order of after, then what is gone", Spec{}, `{"z":1,"y":1,"b":1,"a":1}`, `{"new":1,"a":2,"b":2}`,
		[]string{"/new", "/a", "/b", "/z", "/y"}},
	{"gone comes last whatever its depth", Spec{}, `{"a":{"x":1,"y":1},"b":1}`, `{"a":{"y":1},"b":2}`, []string{"/b", "/a/x"}},
	{"new object is one change", Spec{}, `{}`, `{"a":{"b":1,"c":2}}`, []string{"/a"}},
	{"pointer escapes", Spec{}, `{"a/b":1,"m~n":1,"":1,"é":1}`, `{"a/b":2,"m~n":2,"":2,"\u00e9":2}`,
		[]string{"/a~1b", "/m~0n", "/", "/é"}},

	{"array order", Spec{}, `[1,2]`, `[2,1]`, []string{"/0", "/1"}},
	{"array grows", Spec{}, `{"a":[1]}`, `{"a":[1,2,3]}`, []string{"/a/1", "/a/2"}},
	{"array shrinks", Spec{}, `{"a":[1,2,3]}`, `{"a":[1]}`, []string{"/a/1", "/a/2"}},
	{"inside an element", Spec{}, `{"l":[{"q":1},{"q":2}]}`, `{"l":[{"q":1},{"q":3}]}`, []string{"/l/1/q"}},
	{"nested arrays", Spec{}, `[[1],[2]]`, `[[1,2]]`, []string{"/0/1", "/1"}},

	{"ignored", ignore("at"), `{"id":1,"at":"x"}`, `{"id":1,"at":{"y":[]}}`, nil},
	{"ignored, missing", ignore("at"), `{"id":1,"at":"x"}`, `{"id":1}`, nil},
	{"ignored is not the only change", ignore("at"), `{"id":1,"at":"x"}`, `{"id":2}`, []string{"/id"}},
	{"ignored below", ignore("meta.etag"), `{"meta":{"etag":1,"v":1}}`, `{"meta":{"v":1,"etag":2}}`, nil},
	{"ignored is only there", ignore("meta.etag"), `{"etag":1}`, `{"etag":2}`, []string{"/etag"}},
	{"what holds the ignored counts", ignore("meta.etag"), `{"meta":{"etag":1}}`, `{}`, []string{"/meta"}},
	{"ignored with an escaped name", ignore("at"), `{"at":1}`, `{"\u0061t":2}`, nil},
	{"ignored name with a dot", ignore(`a\.b`), `{"a.b":1,"a":{"b":1}}`, `{"a.b":2,"a":{"b":2}}`, []string{"/a/b"}},
	{"ignored in elements", ignore("lines.*.at"), `{"lines":[{"at":1,"p":1}]}`, `{"lines":[{"at":2,"p":1}]}`, nil},
	{"ignored in elements, other wildcard", ignore("lines.#.at"), `{"lines":[{"at":1}]}`, `{"lines":[{}]}`, nil},
	{"no wildcard, no elements", ignore("lines.at"), `{"lines":[{"at":1}]}`, `{"lines":[{"at":2}]}`, []string{"/lines/0/at"}},
	{"wildcard for members", ignore("prices.*.at"), `{"prices":{"eu":{"at":1},"us":{"at":1}}}`, `{"prices":{"eu":{"at":2},"us":{}}}`, nil},
	{"all elements ignored", ignore("lines.*"), `{"lines":[1,2]}`, `{"lines":[]}`, nil},
	{"a literal star", ignore(`\*`), `{"*":1,"a":1}`, `{"*":2,"a":2}`, []string{"/a"}},
	{"wildcard and name overlap", ignore("a.*.x", "a.b.y"), `{"a":{"b":{"x":1,"y":1},"c":{"x":1,"y":1}}}`,
		`{"a":{"b":{"x":2,"y":2},"c":{"x":2,"y":2}}}`, []string{"/a/c/y"}},
	{"ignored twice", ignore("a", "a.b"), `{"a":{"b":1}}`, `{"a":5}`, nil},
	{"many ignored names", ignore("a", "b", "c", "d", "e", "f", "g", "h", "i", "j"), `{"a":1,"j":1,"k":1}`, `{"a":2,"j":2,"k":2}`, []string{"/k"}},

	{"selected", only("id", "status"), `{"id":1,"status":"a","x":1}`, `{"id":1,"status":"b","x":2}`, []string{"/status"}},
	{"not selected", only("id"), `{"id":1,"x":1}`, `{"x":{"id":2},"id":1.0}`, nil},
	{"all of the selected", only("a"), `{"a":{"b":1}}`, `{"a":{"b":1,"c":1}}`, []string{"/a/c"}},
	{"selected below", only("a.b"), `{"a":{"b":1,"c":1}}`, `{"a":{"b":2,"c":2}}`, []string{"/a/b"}},
	{"selected appears with what holds it", only("a.b"), `{}`, `{"a":{"b":1,"c":1}}`, []string{"/a/b"}},
	{"selected is gone with what held it", only("a.b"), `{"a":{"b":1}}`, `{"a":7}`, []string{"/a/b"}},
	{"nothing selected either way", only("a.b"), `{"a":{}}`, `{"a":null}`, nil},
	{"nothing selected at all", only("a.b"), `{"c":1}`, `[2]`, nil},
	{"selected null is there", only("a"), `{"a":null}`, `{}`, []string{"/a"}},
	{"selected in elements", only("lines.*.p"), `{"lines":[{"p":1,"x":1},{"p":2}]}`, `{"lines":[{"p":1,"x":2},{"p":3}]}`, []string{"/lines/1/p"}},
	{"selected moves to another element", only("lines.*.p"), `{"lines":[{"p":1},{}]}`, `{"lines":[{},{"p":1}]}`, []string{"/lines/1/p", "/lines/0/p"}},
	{"elements without anything selected", only("lines.*.p"), `{"lines":[{"p":1}]}`, `{"lines":[{"p":1},{"x":1}]}`, nil},
	{"selected and half selected", only("a", "*.b.c"), `{"a":{"z":1},"q":{"z":1}}`, `{"a":{"z":2},"q":{"z":2}}`, []string{"/a/z"}},
	{"selected under object, then array", only("a.*.b"), `{"a":[{"b":1}]}`, `{"a":{"0":{"b":1}}}`, []string{"/a"}},

	{"set", unordered("tags"), `{"tags":["a","b",1]}`, `{"tags":[1.0,"b","\u0061"]}`, nil},
	{"set is a multiset", unordered("tags"), `{"tags":["a","a","b"]}`, `{"tags":["a","b","b"]}`, []string{"/tags"}},
	{"set and its size", unordered("tags"), `{"tags":["a","a"]}`, `{"tags":["a"]}`, []string{"/tags"}},
	{"set is told as a whole", unordered("tags"), `{"tags":["a","b"]}`, `{"tags":["b","c"]}`, []string{"/tags"}},
	{"set of objects", unordered("l"), `{"l":[{"a":1,"b":2},{"a":3}]}`, `{"l":[{"a":3},{"b":2,"a":1}]}`, nil},
	{"order inside elements of a set", unordered("l"), `{"l":[[1,2],[3]]}`, `{"l":[[3],[2,1]]}`, []string{"/l"}},
	{"sets in a set", unordered("l", "l.*"), `{"l":[[1,2],[3]]}`, `{"l":[[3],[2,1]]}`, nil},
	{"sets in elements", unordered("l.*.t"), `{"l":[{"t":[1,2]},{"t":[3,4]}]}`, `{"l":[{"t":[2,1]},{"t":[4,3]}]}`, nil},
	{"elements do not trade members", unordered("l"), `{"l":[{"a":1,"b":2},{"a":3,"b":4}]}`, `{"l":[{"a":1,"b":4},{"a":3,"b":2}]}`, []string{"/l"}},
	{"unordered and no array", unordered("a"), `{"a":{"b":1}}`, `{"a":{"b":2}}`, []string{"/a/b"}},
	{"ignored in a set", Spec{Ignore: []string{"l.*.at"}, Unordered: []string{"l"}},
		`{"l":[{"id":1,"at":1},{"id":2,"at":2}]}`, `{"l":[{"id":2,"at":3},{"id":1,"at":4}]}`, nil},
	{"selected in a set", Spec{Select: []string{"l.*.id"}, Unordered: []string{"l"}},
		`{"l":[{"id":1,"at":1},{"x":1},{"id":2}]}`, `{"l":[{"id":2},{"id":1}]}`, nil},
	{"places inside a set", Spec{Select: []string{"s.*.l.*.p"}, Unordered: []string{"s"}},
		`{"s":[{"l":[{"p":1},{}]}]}`, `{"s":[{"l":[{},{"p":1}]}]}`, []string{"/s"}},
	{"sets and a wildcard further on", unordered("a", "*.b"), `{"a":[1,2],"q":[1,2]}`, `{"a":[2,1],"q":[2,1]}`, []string{"/q/0", "/q/1"}},
	{"numbers of a set do not run together", unordered("s"), `{"s":[10,23]}`, `{"s":[1e12,3]}`, []string{"/s"}},
	{"names in a set do not run together", unordered("s"), `{"s":[{"a1":1}]}`, `{"s":[{"a":11}]}`, []string{"/s"}},
	{"set inside what is selected", Spec{Select: []string{"a"}, Unordered: []string{"a.t"}}, `{"a":{"t":[1,2]}}`, `{"a":{"t":[2,1]}}`, nil},

	{"deep", Spec{}, nested(600, `{"a":1,"b":1.0}`), nested(600, ` { "a" : 1.0 , "\u0062":1}`), nil},
	{"deep, another", Spec{}, nested(600, `1`), nested(600, `2`), []string{strings.Repeat("/0", maxDepth)}},
	{"too deep for member order", Spec{}, nested(600, `{"a":1,"b":1}`), nested(600, `{"b":1,"a":1}`), []string{strings.Repeat("/0", maxDepth)}},
	{"too deep for member order, in objects", Spec{}, nestedObjects(600, `{"a":1,"b":1}`), nestedObjects(600, `{"b":1,"a":1}`),
		[]string{strings.Repeat("/a", maxDepth)}},
	{"too deep for sets", Spec{}, nested(100_000, `1`), nested(100_000, `1.0`), nil},
}

func nested(levels int, inside string) string {
	return strings.Repeat("[", levels) + inside + strings.Repeat("]", levels)
}

func nestedObjects(levels int, inside string) string {
	return strings.Repeat(`{"a":`, levels) + inside + strings.Repeat("}", levels)
}

func TestComparisons(t *testing.T) {
	for _, tc := range comparisons {
		t.Run(tc.name, func(t *testing.T) {
			rules := mustRules(t, tc.spec)
			before, after := []byte(tc.before), []byte(tc.after)
			if diff := cmp.Diff(tc.changed, rules.Changed(before, after)); diff != "" {
				t.Errorf("Changed (-want +got):\n%s", diff)
			}
			back := rules.Changed(after, before)
			want, got := slices.Sorted(slices.Values(tc.changed)), slices.Sorted(slices.Values(back))
			if !slices.Equal(want, got) {
				t.Errorf("Changed the other way: %q, want %q in any order", back, tc.changed)
			}
			equal := tc.changed == nil
			if got := rules.Equal(before, after); got != equal {
				t.Errorf("Equal = %v, want %v", got, equal)
			}
			if got := rules.Fingerprint(before, "k") == rules.Fingerprint(after, "k"); got != equal {
				t.Errorf("same fingerprint = %v, want %v", got, equal)
			}
		})
	}
}

func TestFingerprintKnowsTheKey(t *testing.T) {
	rules, body := new(Rules), []byte(`{"id":1}`)
	seen := map[uint64]string{}
	for _, key := range []string{"", "1", "2", "id", `{"id":1}`} {
		sum := rules.Fingerprint(body, key)
		if other, ok := seen[sum]; ok {
			t.Errorf("keys %q and %q have one fingerprint", key, other)
		}
		seen[sum] = key
	}
}

// The index finds a row by the hash of its key and believes it by its fingerprint: where the one is wrong the other must
// not be.
func TestKeysWithOneHashHaveTwoFingerprints(t *testing.T) {
	// A collision by construction: to 16 bytes xxh3 adds two halves, one of them mirrored, and their product, which is
	// 0 if either half cancels out its secret.
	const low, high, x = 0x1f67b3b7a4a44072 ^ 0x78e5c0cc4ee679cb, 0x2172ffcc7dd05a82 ^ 0x8e2443f7744608b8, 0x123456789abcdef0
	halves := func(a, b uint64) string {
		return string(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, a), b))
	}
	one, other := halves(low, high^x), halves(low^bits.ReverseBytes64(x), high)
	if HashKey(one) != HashKey(other) {
		t.Fatal("the keys have two hashes")
	}
	body := []byte(`{"id":1}`)
	if new(Rules).Fingerprint(body, one) == new(Rules).Fingerprint(body, other) {
		t.Error("one fingerprint")
	}
}

// Stored fingerprints outlive the program: who changes what is hashed, or how, has to raise Form. These values may only
// change together with it.
func TestFingerprintsStayWhatTheyAre(t *testing.T) {
	got := map[string]string{}
	for name, body := range map[string]string{
		"order":  order,
		"long":   `["` + strings.Repeat("x", 300) + `",12345678901234567890123,1e99999999999999999999,-0.5,{},[],null,true]`,
		"deep":   nested(600, `{"a":1}`),
		"broken": `{"a":`,
	} {
		got[name] = fmt.Sprintf("%016x", new(Rules).Fingerprint([]byte(body), "1000001"))
	}
	sets := mustRules(t, Spec{Select: []string{"lines.*.sku", "tags", "id"}, Unordered: []string{"lines", "tags"}})
	got["selected"] = fmt.Sprintf("%016x", sets.Fingerprint([]byte(order), "1000001"))
	want := map[string]string{
		"broken":   "d9a8c0bbdbb14fdb",
		"deep":     "7f3fe995bcbaee5d",
		"long":     "226434cdedd36236",
		"order":    "ec27dbd65b4501cb",
		"selected": "6f131742f57a8880",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("form %d (-want +got):\n%s", Form, diff)
	}
}

// Records differ in regular ways: counters, swapped values, the same value in another field. None of it may cancel out.
func TestRegularRecordsDoNotCollide(t *testing.T) {
	rules := mustRules(t, Spec{Unordered: []string{"s"}})
	seen := make(map[uint64][6]int)
	const n = 8
	for i := range n * n * n * n * n * n {
		v := [6]int{i % n, i / n % n, i / n / n % n, i / n / n / n % n, i / n / n / n / n % n, i / n / n / n / n / n}
		set := v[4:]
		if set[0] > set[1] {
			continue // the same set as another
		}
		body := fmt.Appendf(nil, `{"a":%d,"b":%d,"c":{"a":%d,"b":"%d"},"s":[%d,%d]}`, v[0], v[1], v[2], v[3], v[4], v[5])
		sum := rules.Fingerprint(body, "k")
		if other, ok := seen[sum]; ok {
			t.Fatalf("%v and %v have one fingerprint", v, other)
		}
		seen[sum] = v
	}
}
