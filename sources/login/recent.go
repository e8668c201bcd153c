package login

import (
	"slices"
	"sync"
)

// recent remembers the last credentials that were given or sent, so that they are hidden also in what is said of an answer
// that comes after they were replaced. The zero value works.
type recent struct {
	mu    sync.Mutex
	texts []string // the latest last
}

// maxRecent bounds how many are remembered: more than a login has at a time.
const maxRecent = 64

func (r *recent) note(text string) {
	if text == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.texts, text); i >= 0 {
		r.texts = slices.Delete(r.texts, i, i+1)
	}
	if len(r.texts) == maxRecent {
		r.texts = slices.Delete(r.texts, 0, 1)
	}
	r.texts = append(r.texts, text)
}

func (r *recent) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.texts)
}
