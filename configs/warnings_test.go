package configs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hookbridge/bridge/configs"
)

func TestWarningsOfADestinationsAddress(t *testing.T) {
	for _, c := range []struct{ url, allow, want string }{
		{"https://example.com", "", ""},
		{"http://example.com", "", "plain http: Events travel to example.com in the clear"},
		{"http://93.184.215.14/hooks", "", "plain http: "},
		{"http://[2606:2800::1]/hooks", "", "plain http: "},
		{"http://example.com", `"0.0.0.0/0"`, "plain http: "},
		{"http://warehouse/hooks", "", ""}, // a name of the network it is in
		{"http://erp.internal/hooks", "", ""},
		{"http://ERP.Internal./hooks", "", ""},
		{"http://localhost:9191/hooks", "", ""},
		{"http://internal.example.com/hooks", "", "plain http: "},
		{"http://127.0.0.1:9191/hooks", `"127.0.0.0/8"`, ""},
		{"http://127.0.0.1:9191/hooks", "", `private network: Deliveries to 127.0.0.1 will be refused: it is a private address, and no network in allow holds it. Add: allow = ["127.0.0.1/32"]`},
		{"https://10.1.2.3/hooks", "", `Add: allow = ["10.1.2.3/32"]`},
		{"https://10.1.2.3/hooks", `"10.0.0.0/24"`, `Add: allow = ["10.1.2.3/32"]`},
		{"https://10.1.2.3/hooks", `"10.0.0.0/24", "10.1.0.0/16"`, ""},
		{"https://10.1.2.3/hooks", `"10.1.2.3"`, ""},
		{"https://169.254.169.254/hooks", "", "private network: "},
		{"https://[fd00::1]/hooks", "", `Add: allow = ["fd00::1/128"]`},
		{"https://[fd00::1]/hooks", `"fd00::/8"`, ""},
		{"https://[::ffff:10.1.2.3]/hooks", "", `Add: allow = ["10.1.2.3/32"]`},
	} {
		src := strings.Replace(job(""), `"https://example.com/hooks"`, fmt.Sprintf("%q\n  allow = [%s]", c.url, c.allow), 1)
		lines := mustLoad(t, src, configs.Options{}).Warnings.Lines()
		got := strings.Join(lines, "\n")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) || len(lines) > 1 {
			t.Errorf("%s, allow %s: warnings %q, want %q", c.url, c.allow, lines, c.want)
		}
	}
}

func TestADestinationThatGetsAlertsIsInUse(t *testing.T) {
	ops := "destination \"ops\" {\n  url = \"https://ops.example.com\"\n  signature = \"none\"\n}\n"
	if lines := mustLoad(t, job("")+ops, configs.Options{}).Warnings.Lines(); len(lines) != 1 || !strings.Contains(lines[0], `unused destination: No job delivers to "ops"`) {
		t.Errorf("warnings %q", lines)
	}
	if lines := mustLoad(t, job("")+ops+"bridge {\n  alerts = [destination.ops]\n}\n", configs.Options{}).Warnings.Lines(); len(lines) > 0 {
		t.Errorf("warnings %q", lines)
	}
}

func TestAConfigurationWithoutJobsWarns(t *testing.T) {
	if lines := mustLoad(t, "", configs.Options{}).Warnings.Lines(); len(lines) != 1 || !strings.HasPrefix(lines[0], "no jobs: ") {
		t.Errorf("warnings %q", lines)
	}
}
