package configs_test

import (
	"strings"
	"testing"

	"github.com/hookbridge/bridge/configs"
)

const digested = `
variable "legacy" {
  default = "https://legacy.example.com"
}
variable "token" {
  default   = "first"
  sensitive = true
}
variable "other" {
  default = "a"
}
locals {
  base    = "${var.legacy}/api"
  regions = { eu = { path = "e" }, us = { path = "u" } }
  spare   = 1
}
destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}
job "orders" {
  for_each = local.regions
  schedule = "@every 30s"
  deliver  = [destination.d]
  source "http" {
    url = "${local.base}/${each.value.path}/orders"
    auth "bearer" {
      token = "${var.token}${env("TOKEN")}"
    }
    decode "json" {
      items = "@this"
    }
  }
  key = "id"
}
job "customers" {
  schedule = "@every 30s"
  deliver  = [destination.d]
  source "http" {
    url = "https://legacy.example.com/customers"
    decode "json" {
      items = "@this"
    }
  }
  key = "id"
}
`

func digests(t *testing.T, src string, o configs.Options, token string) map[string]string {
	t.Helper()
	o.Environ = environ("SECRET="+secret, "TOKEN="+token)
	all := map[string]string{}
	for _, j := range mustLoad(t, src, o).Jobs {
		all[j.Name] = j.Digest
	}
	return all
}

// TestDigestChangesWithWhatReachesTheJob edits the configuration and its surroundings one by one, and expects other
// digests of the jobs that are named, and of them only.
func TestDigestChangesWithWhatReachesTheJob(t *testing.T) {
	before := digests(t, digested, configs.Options{}, "t")
	if again := digests(t, digested, configs.Options{}, "t"); len(before) != 3 || again["orders/eu"] != before["orders/eu"] {
		t.Fatalf("digests %v, then %v", before, again)
	}
	for _, c := range []struct {
		name, old, new, changed string
	}{
		{"an argument", `key = "id"
}
job "cust`, `key = "no"
}
job "cust`, "orders/eu orders/us"},
		{"an argument in a nested block", `/orders"`, `/order"`, "orders/eu orders/us"},
		{"an argument more", "source \"http\" {\n    url = \"https", "ignore = [\"x\"]\n  source \"http\" {\n    url = \"https", "customers"},
		{"the value of one instance", `path = "e"`, `path = "x"`, "orders/eu"},
		{"another instance", `us = { path = "u" }`, `us = { path = "u" }, ap = { path = "a" }`, "orders/ap"},
		{"for_each written anew", `for_each = local.regions`, `for_each = { eu = { path = "e" }, us = { path = "u" } }`, ""},
		{"a variable behind a local value", `https://legacy.example.com"
}`, `https://old.example.com"
}`, "orders/eu orders/us"},
		{"a local value", `/api"`, `/v2"`, "orders/eu orders/us"},
		{"the default of a secret variable", `"first"`, `"second"`, ""},
		{"a variable that is not named", `"a"`, `"b"`, ""},
		{"a local value that is not named", `spare   = 1`, `spare   = 2`, ""},
		{"the destination", `example.com/hooks`, `example.com/other`, ""},
		{"lines above", "destination \"d\"", "# about it\n\n\ndestination \"d\"", ""},
	} {
		src := strings.Replace(digested, c.old, c.new, 1)
		if src == digested {
			t.Fatalf("%s: nothing is edited", c.name)
		}
		expectChanged(t, c.name, before, digests(t, src, configs.Options{}, "t"), c.changed)
	}
	expectChanged(t, "--var of a variable", before, digests(t, digested, configs.Options{Vars: map[string]string{"legacy": "https://x.example.com"}}, "t"), "orders/eu orders/us")
	expectChanged(t, "--var of a secret variable", before, digests(t, digested, configs.Options{Vars: map[string]string{"token": "x"}}, "t"), "")
	expectChanged(t, "a secret in the environment", before, digests(t, digested, configs.Options{}, "other"), "")
}

func expectChanged(t *testing.T, name string, before, after map[string]string, changed string) {
	t.Helper()
	for job, digest := range after {
		if want := strings.Contains(" "+changed+" ", " "+job+" "); (digest != before[job]) != want {
			t.Errorf("%s: the digest of %s has changed: %t, want %t", name, job, !want, want)
		}
	}
}
