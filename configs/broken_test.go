package configs_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/sources"
)

var update = flag.Bool("update", false, "write the goldens anew")

// TestBrokenFilesAreExplained holds the whole of what a person is shown for the mistakes people make.
func TestBrokenFilesAreExplained(t *testing.T) {
	t.Chdir("../testdata/config/broken")
	files, err := filepath.Glob("*.hcl")
	if err != nil || len(files) != 12 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			_, err := configs.Load(file, configs.Options{Environ: environ("SECRET=" + secret), Sources: sources.New(sources.Runtime{})})
			if err == nil {
				t.Fatal("it loads")
			}
			got := err.Error() + "\n\n" + rendered(err)
			if strings.Contains(got, "dG9vIHNob3J0") {
				t.Error("a secret is shown")
			}
			golden := strings.TrimSuffix(file, ".hcl") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAMissingFileSaysHowToBegin(t *testing.T) {
	_, err := configs.Load(filepath.Join(t.TempDir(), "bridge.hcl"), configs.Options{})
	var e *configs.Error
	if !errors.As(err, &e) || !strings.HasSuffix(err.Error(), "hookbridge init") {
		t.Errorf("err = %v", err)
	}
}
