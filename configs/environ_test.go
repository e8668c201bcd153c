package configs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/sources"
)

// TestFileStaysInside reads files in and around the folder of a configuration and that of the credentials.
func TestFileStaysInside(t *testing.T) {
	top := t.TempDir()
	dir, credentials := filepath.Join(top, "etc"), filepath.Join(top, "credentials")
	for path, content := range map[string]string{
		"etc/token": "of the folder", "etc/sub/token": "of a folder in it", "etc/both": "the nearer one", "etc/binary": "\xff\xfe",
		"etc/large": strings.Repeat("a", 1<<20+1), "etc/..data/token": "of a mounted secret",
		"credentials/both": "the farther one", "credentials/mine": "of the credentials", "outside": "nobody's business",
		"etcetera/token": "of a folder with a name that begins alike",
	} {
		path = filepath.Join(top, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"etc/inward": "sub/token", "etc/mounted": "..data/token", "etc/outward": "../outside", "etc/absolute": filepath.Join(top, "outside"),
		"etc/up": "..", "etc/circle": "circle", "etc/twice": "outward", "credentials/outward": "../outside", "etc/dangling": "nothing",
	} {
		if err := os.Symlink(target, filepath.Join(top, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want, err string }{
		{path: "token", want: "of the folder"},
		{path: "./sub/../token", want: "of the folder"},
		{path: "sub/token", want: "of a folder in it"},
		{path: filepath.Join(dir, "token"), want: "of the folder"},
		{path: "inward", want: "of a folder in it"},
		{path: "mounted", want: "of a mounted secret"},
		{path: "both", want: "the nearer one"},
		{path: "mine", want: "of the credentials"},
		{path: filepath.Join(credentials, "both"), want: "the farther one"},
		{path: "../outside", err: "leads out of the configuration's folder"},
		{path: "sub/../../outside", err: "leads out of the configuration's folder"},
		{path: "../credentials/mine", err: "leads out of the configuration's folder"},
		{path: "../etcetera/token", err: "leads out of the configuration's folder"},
		{path: filepath.Join(top, "etcetera/token"), err: "leads out of the configuration's folder"},
		{path: filepath.Join(top, "outside"), err: "leads out of the configuration's folder"},
		{path: "/etc/passwd", err: "leads out of the configuration's folder"},
		{path: "", err: "leads out of the configuration's folder"},
		{path: "outward", err: "follows a symbolic link out of its folder"},
		{path: "twice", err: "follows a symbolic link out of its folder"},
		{path: "absolute", err: "follows a symbolic link out of its folder"},
		{path: "up/outside", err: "follows a symbolic link out of its folder"},
		{path: filepath.Join(credentials, "outward"), err: "follows a symbolic link out of its folder"},
		{path: "circle", err: "cannot be read"},
		{path: "pipe", err: "is not a regular file"},
		{path: "sub", err: "is not a regular file"},
		{path: "large", err: "is larger than 1 MiB"},
		{path: "binary", err: "is not text in UTF-8"},
		{path: "dangling", err: fmt.Sprintf(`There is no file "dangling" in %s, nor in %s`, dir, credentials)},
		{path: "none", err: fmt.Sprintf(`There is no file "none" in %s, nor in %s`, dir, credentials)},
	} {
		file := filepath.Join(dir, "bridge.hcl")
		src := strings.Replace(job(""), "url     =", fmt.Sprintf("headers = { X = file(%q) }\n  url =", c.path), 1)
		if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		o := configs.Options{Environ: environ("SECRET="+secret, "CREDENTIALS_DIRECTORY="+credentials), Sources: sources.New(sources.Runtime{})}
		got, err := configs.Load(file, o)
		switch {
		case c.err != "" && err == nil:
			t.Errorf("file(%q) gives %q", c.path, got.Destinations[0].Headers["X"].Reveal())
		case c.err != "" && !strings.Contains(err.Error(), c.err):
			t.Errorf("file(%q): %v, want %s", c.path, err, c.err)
		case c.err != "" && strings.Contains(rendered(err), "nobody's"):
			t.Errorf("file(%q) shows what it must not read: %s", c.path, rendered(err))
		case c.err == "" && err != nil:
			t.Errorf("file(%q): %v", c.path, err)
		case c.err == "" && got.Destinations[0].Headers["X"].Reveal() != c.want:
			t.Errorf("file(%q) = %q, want %q", c.path, got.Destinations[0].Headers["X"].Reveal(), c.want)
		}
	}
}

func TestCredentialsAreReadOnlyWhereTheDirectoryIsNamed(t *testing.T) {
	src := strings.Replace(job(""), "url     =", "headers = { X = file(\"mine\") }\n  url =", 1)
	credentials := t.TempDir()
	if err := os.WriteFile(filepath.Join(credentials, "mine"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(credentials))
	for _, named := range []string{"OTHER=" + credentials, "CREDENTIALS_DIRECTORY=", "CREDENTIALS_DIRECTORY=" + filepath.Base(credentials),
		"CREDENTIALS_DIRECTORY=" + filepath.Join(credentials, "gone")} {
		if _, err := load(t, src, configs.Options{Environ: environ("SECRET="+secret, named)}); err == nil || !strings.Contains(err.Error(), `There is no file "mine" in `) {
			t.Errorf("%s: %v", named, err)
		}
	}
	mustLoad(t, src, configs.Options{Environ: environ("SECRET="+secret, "CREDENTIALS_DIRECTORY="+credentials)})
}

func TestVariablesTakeTheTypeOfTheirDefault(t *testing.T) {
	const src = `
variable "v" { %s }
destination "d" {
  url     = "https://example.com/${try(join("-", var.v), tostring(var.v))}"
  secrets = [env("SECRET")]
  concurrency = try(length(keys(var.v)), 7)
}
`
	for _, c := range []struct {
		declared string
		vars     map[string]string
		environ  string
		want     string
	}{
		{``, map[string]string{"v": "text"}, "", "text"},
		{``, nil, "HOOKBRIDGE_VAR_v=text", "text"},
		{``, map[string]string{"v": "ahead"}, "HOOKBRIDGE_VAR_v=behind", "ahead"},
		{``, map[string]string{"v": "[1]"}, "", "[1]"},
		{`default = "d"`, nil, "", "d"},
		{`default = "d"`, map[string]string{"v": ""}, "", ""},
		{`default = "d"`, map[string]string{"v": "007"}, "", "007"},
		{`default = null`, map[string]string{"v": "text"}, "", "text"},
		{`default = 1`, map[string]string{"v": "007"}, "", "7"},
		{`default = 1`, map[string]string{"v": "9007199254740993"}, "", "9007199254740993"},
		{`default = true`, map[string]string{"v": "false"}, "", "false"},
		{`default = ["a"]`, map[string]string{"v": `["x", "y"]`}, "", "x-y"},
		{`default = ["a"]`, nil, `HOOKBRIDGE_VAR_v=["x", "y"]`, "x-y"},
		{`default = 1`, map[string]string{"v": "many"}, "", "error: --var v: a number is required, like the default"},
		{`default = true`, nil, "HOOKBRIDGE_VAR_v=many", "error: HOOKBRIDGE_VAR_v: true or false is required, like the default"},
		{`default = ["a"]`, map[string]string{"v": "x"}, "", "error: --var v: the default is "},
		{`default = ["a"]`, map[string]string{"v": `[`}, "", "error: --var v: the default is "},
		{`default = ["a"]`, map[string]string{"v": `[env("SECRET")]`}, "", "error: --var v: the default is "},
		{``, nil, "", `error: The variable "v" has no default, so it must be given: --var v=…, or HOOKBRIDGE_VAR_v in the environment`},
		{`default = "d"`, map[string]string{"V": "x"}, "", "error: Did you mean --var v=…?"},
		{`default = "d"`, map[string]string{"other": "x"}, "", `error: Declare it: variable "other" {}`},
		{`default = local.x`, nil, "", `error: There is no "local" here`},
	} {
		config, err := load(t, fmt.Sprintf(src, c.declared), configs.Options{Vars: c.vars, Environ: environ("SECRET="+secret, c.environ)})
		want, fails := strings.CutPrefix(c.want, "error: ")
		switch {
		case fails && (err == nil || !strings.Contains(strings.Join(strings.Fields(rendered(err)), " "), want)):
			t.Errorf("%s, %v, %s: err = %v, want %s", c.declared, c.vars, c.environ, err, want)
		case !fails && err != nil:
			t.Errorf("%s, %v, %s: %v", c.declared, c.vars, c.environ, err)
		case !fails && config.Destinations[0].URL != "https://example.com/"+want:
			t.Errorf("%s, %v, %s: %s, want %s", c.declared, c.vars, c.environ, config.Destinations[0].URL, want)
		}
	}
}
