//go:build unix

package exec_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDecodeNotesMistakes(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "text"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const json = "\ndecode \"json\" {}"
	for _, test := range []struct {
		block, want string
		warning     bool
	}{
		{`decode "json" {}`, `command is a list: the program, then each argument by itself`, false},
		{`command = []` + json, `command is a list: the program, then each argument by itself`, false},
		{`command = [""]` + json, `command is a list`, false},
		{`command = "seq 3"` + json, `"command" is a list, written [ … ], not a string.`, false},
		{`command = ["seq 3"]` + json, `There is no shell that would split it`, false},
		{`command = ["/bin/sh -c x"]` + json, `There is no shell that would split it`, false},
		{`command = ["no-such-program-here"]` + json, `leads to no program "no-such-program-here". Write its whole path.`, false},
		{`command = ["seq", "a\u0000b"]` + json, `An argument cannot hold a NUL byte.`, false},
		{`command = ["seq", "3"]`, `Add a decode block, such as decode "ndjson" {}.`, false},
		{"command = [\"seq\", \"3\"]\nenv = { \"A=B\" = 1 }" + json, `A variable has a name without =`, false},
		{"command = [\"seq\", \"3\"]\nenviron = {}" + json, `An argument named "environ" is not expected here.`, false},
		{"command = [\"seq\", \"3\"]\nmembers = \"[\"" + json, `this one is malformed`, false},
		{`command = ["./text"]` + json, `./text is not a program that can be run; until it is, every run fails.`, true},
		{`command = ["/nowhere/dump-orders"]` + json, `/nowhere/dump-orders is not a program that can be run`, true},
		{"command = [\"seq\", \"3\"]\ndir = \"nowhere\"" + json, `nowhere is not a folder yet`, true},
	} {
		s, diags := decodeBlock(t, dir, test.block)
		var b strings.Builder
		for _, d := range diags {
			b.WriteString(d.Detail + "\n")
		}
		if (s != nil) != test.warning || diags.HasErrors() == test.warning || !strings.Contains(b.String(), test.want) {
			t.Errorf("%s: got %v %q, want %s", test.block, s, b.String(), test.want)
		}
	}
}

func TestIdentityHasNoSecret(t *testing.T) {
	seen := map[string]string{}
	for _, block := range []string{
		"command = [\"seq\", \"3\"]\ndecode \"json\" {}", "command = [\"seq\", \"4\"]\ndecode \"json\" {}", "command = [\"seq\", \"3\", \"\"]\ndecode \"json\" {}",
		"command = [\"/bin/sh\", \"3\"]\ndecode \"json\" {}", "command = [\"seq\", \"3\"]\ndecode \"json\" { items = \"data\" }", "command = [\"seq\", \"3\"]\nmembers = \"a\"\ndecode \"json\" {}",
		"command = [\"seq\", secret]\ndecode \"json\" {}", "command = [\"/bin/${secret}\", \"\"]\ndecode \"json\" {}", "command = [\"seq\", \"3\"]\nmembers = secret\ndecode \"json\" {}",
	} {
		s := source(t, t.TempDir(), block)
		identity := s.Identity()
		if other, ok := seen[identity]; ok {
			t.Errorf("%s and %s have the same identity: %s", block, other, identity)
		}
		seen[identity] = block
		for _, shown := range []string{identity, fmt.Sprint(s), fmt.Sprintf("%#v", s)} {
			if shown != identity || strings.Contains(shown, "horse") {
				t.Errorf("%s prints as %s", block, shown)
			}
		}
	}
	if a, b := source(t, "/", "command = [\"seq\", \"3\"]\ndecode \"json\" {}").Identity(), source(t, "/", "command = [\"seq\", \"3\"]\nenv = { A = 1 }\ndecode \"json\" {}").Identity(); a != b {
		t.Errorf("the environment is part of the identity: %s, %s", a, b)
	}
}
