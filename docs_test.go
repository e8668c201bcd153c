package bridge_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/sources"
	"golang.org/x/crypto/ssh"
)

// pages are all Markdown files of the project.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git"):
			return fs.SkipDir
		case filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		found[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 5 {
		t.Fatalf("found only %d pages: %v", len(found), found)
	}
	return found
}

var (
	fence   = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// TestDocumentedConfigurationLoads loads every hcl block of the documentation, so that no page teaches what the program
// refuses. Blocks that belong into a job, or into a file with more in it, get the rest around them.
func TestDocumentedConfigurationLoads(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	blocks := 0
	for path, text := range pages(t) {
		for _, match := range fence.FindAllStringSubmatchIndex(text, -1) {
			if text[match[2]:match[3]] != "hcl" {
				continue
			}
			blocks++
			line := 1 + strings.Count(text[:match[4]], "\n")
			t.Run(fmt.Sprintf("%s:%d", path, line), func(t *testing.T) {
				dir := t.TempDir()
				writeNamed(t, dir)
				file := filepath.Join(dir, "bridge.hcl")
				if err := os.WriteFile(file, []byte(complete(text[match[4]:match[5]])), 0o600); err != nil {
					t.Fatal(err)
				}
				_, err := configs.Load(file, configs.Options{
					Environ: func(name string) (string, bool) { return secret, !strings.HasPrefix(name, "HOOKBRIDGE_VAR_") },
					Sources: sources.New(sources.Runtime{}),
				})
				if err == nil {
					return
				}
				var out strings.Builder
				if problems := new(configs.Error); errors.As(err, &problems) {
					problems.Render(&out, 100, false)
				}
				t.Errorf("%v\n%s", err, &out)
			})
		}
	}
	if blocks < 5 {
		t.Errorf("found %d hcl blocks, want the README's and the language's", blocks)
	}
}

// writeNamed puts the files there that documented blocks name.
func writeNamed(t *testing.T, dir string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	certificate, err := x509.CreateCertificate(rand.Reader, authority, authority, public, private)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	chain := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	for name, text := range map[string]string{
		"ca.pem":      chain,
		"me.pem":      chain,
		"me.key":      string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"id_ed25519":  string(pem.EncodeToMemory(block)),
		"known_hosts": "files.example.com " + string(ssh.MarshalAuthorizedKey(key)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// complete puts around a documented block what a whole file needs.
func complete(block string) string {
	if strings.HasPrefix(block, "source ") {
		block = "job \"example\" {\nschedule = \"@every 30s\"\ndeliver = [destination.warehouse]\nkey = \"id\"\n" + block + "}\n"
	}
	if !regexp.MustCompile(`(?m)^job `).MatchString(block) {
		name := "example"
		if match := regexp.MustCompile(`(?m)^  to +=? "job\.([a-z]+)"`).FindStringSubmatch(block); match != nil {
			name = match[1]
		}
		block += "job \"" + name + "\" {\nschedule = \"@every 30s\"\ndeliver = [destination.warehouse]\nkey = \"id\"\n" +
			"source \"http\" {\nurl = \"https://legacy.example.com\"\n}\n}\n"
	}
	if strings.Contains(block, "destination.warehouse") && !strings.Contains(block, `destination "warehouse"`) {
		block += "destination \"warehouse\" {\nurl = \"https://warehouse.example.com\"\nsecrets = [env(\"SECRET\")]\n}\n"
	}
	return block
}

// TestDocumentedLinksLead follows every link between pages, to files and to headings.
func TestDocumentedLinksLead(t *testing.T) {
	all := pages(t)
	links := 0
	for path, text := range all {
		for _, match := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			target := match[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			links++
			name, anchor, _ := strings.Cut(target, "#")
			to := path
			if name != "" {
				to = filepath.Join(filepath.Dir(path), name)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: link to %s: %v", path, target, err)
				continue
			}
			if anchor != "" && !anchors(all[to])[anchor] {
				t.Errorf("%s: link to %s: no such heading", path, target)
			}
		}
	}
	if links < 10 {
		t.Errorf("found %d links, want the README's and more", links)
	}
}

// anchors are the headings of a page as links name them: lower case, spaces as hyphens, punctuation left out.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, match := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
				return r
			case r >= 'A' && r <= 'Z':
				return r - 'A' + 'a'
			}
			return -1
		}, match[1])
		found[name] = true
	}
	return found
}
