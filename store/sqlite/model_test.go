package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/hookbridge/bridge/store/sqlite"
	"github.com/hookbridge/bridge/store/storetest"
)

func TestStoreAgreesWithItsModelThroughCrashes(t *testing.T) {
	storetest.Run(t, func(dir string, fault func(string) error) (storetest.Store, error) {
		return sqlite.Open(context.Background(), filepath.Join(dir, "bridge.db"), sqlite.Options{Fault: fault})
	})
}
