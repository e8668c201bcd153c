package configs_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/signature"
	"github.com/hookbridge/bridge/sources"
	"github.com/hookbridge/bridge/watchdog"
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

// rules are those of the rooms that do what a configuration says.
var rules = configs.Rules{
	Hours: func(text string) error {
		_, err := watchdog.ParseHours(text, time.UTC)
		return err
	},
	Verify: func(v configs.Verify) error {
		d, known := signature.Find(v.Dialect)
		if v.HMAC != nil {
			h, err := v.HMAC, error(nil)
			known = true
			if d, err = signature.NewHMAC(signature.HMAC{
				Algorithm: signature.Algorithm(h.Algorithm), Key: signature.Encoding(h.Key), KeyPrefix: h.KeyPrefix, Sign: h.Sign,
				Header: h.Header, Prefix: h.Prefix, Separator: h.Separator, Encoding: signature.Encoding(h.Encoding),
				Time: signature.Timestamp{Header: h.Time.Header, Part: h.Time.Part, Path: h.Time.Path,
					Format: signature.TimeFormat(h.Time.Format), Tolerance: h.Time.Tolerance},
				ID: signature.Identity(h.ID),
			}); err != nil {
				return err
			}
		}
		if !known {
			return fmt.Errorf("no dialect %q", v.Dialect)
		}
		_, err := d.Keys(v.Secrets)
		return err
	},
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
	if o.Rules.Hours == nil {
		o.Rules.Hours = rules.Hours
	}
	if o.Rules.Verify == nil {
		o.Rules.Verify = rules.Verify
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
	if len(c.Jobs) != 3 || len(c.Destinations) != 1 || len(c.Receivers) != 1 {
		t.Errorf("%d jobs, %d destinations, %d receivers", len(c.Jobs), len(c.Destinations), len(c.Receivers))
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
