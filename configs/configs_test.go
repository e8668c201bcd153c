package configs_test

import (
	"os"
	"strings"
	"testing"

	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/sources"
)

func environ(vars ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, v := range vars {
			if n, value, _ := strings.Cut(v, "="); n == name {
				return value, true
			}
		}
		return "", false
	}
}

const secret = "whsec_aG9va2JyaWRnZSBkZW1vIHNlY3JldCwgbm90IGtlcHQ="

// load writes a configuration to a file of its own and loads it.
func load(t testing.TB, src string, o configs.Options) (*configs.Config, error) {
	t.Helper()
	path := t.TempDir() + "/bridge.hcl"
	if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	if o.Environ == nil {
		o.Environ = environ("SECRET=" + secret)
	}
	if o.Sources == nil {
		o.Sources = sources.New(sources.Runtime{})
	}
	return configs.Load(path, o)
}

func mustLoad(t testing.TB, src string, o configs.Options) *configs.Config {
	t.Helper()
	c, err := load(t, src, o)
	if err != nil {
		t.Fatal(rendered(err))
	}
	return c
}

// rendered is an error as a person sees it.
func rendered(err error) string {
	e, ok := err.(*configs.Error)
	if !ok {
		return err.Error()
	}
	var b strings.Builder
	e.Render(&b, 78, false)
	return b.String()
}

func TestTheConfigurationInTheRepositoryLoadsAsItStands(t *testing.T) {
	c, err := configs.Load("../bridge.hcl", configs.Options{Environ: environ(), Sources: sources.New(sources.Runtime{})})
	if err != nil {
		t.Fatal(rendered(err))
	}
	if lines := c.Warnings.Lines(); len(lines) > 0 {
		t.Errorf("warnings: %q", lines)
	}
	if len(c.Jobs) != 2 || len(c.Destinations) != 1 {
		t.Errorf("%d jobs, %d destinations", len(c.Jobs), len(c.Destinations))
	}
}

func TestStarterLoads(t *testing.T) {
	c := mustLoad(t, configs.Starter, configs.Options{Environ: environ("HOOKBRIDGE_SECRET=" + secret)})
	if lines := c.Warnings.Lines(); len(lines) > 0 {
		t.Errorf("warnings: %q", lines)
	}
	formatted, err := configs.Format("bridge.hcl", []byte(configs.Starter))
	if err != nil || string(formatted) != configs.Starter {
		t.Errorf("the starter is not laid out as fmt does it: %v", err)
	}
}
