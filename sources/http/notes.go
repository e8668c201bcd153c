package http

import "sync"

// notes are the lines that workers have for the trace. Only the goroutine of the fetch tells them: whoever called Fetch gets
// lines and records one after the other, never two at once. Nil where there is no trace.
type notes struct {
	trace func(line string)
	more  chan struct{} // there may be lines that were not told

	mu    sync.Mutex
	lines []string
}

func (n *notes) add(line string) {
	n.mu.Lock()
	n.lines = append(n.lines, line)
	n.mu.Unlock()
	select {
	case n.more <- struct{}{}:
	default:
	}
}

// until tells what there is, as it comes, until done is closed.
func (n *notes) until(done <-chan struct{}) {
	if n == nil {
		<-done
		return
	}
	for {
		select {
		case <-n.more:
			n.tell()
		case <-done:
			n.tell()
			return
		}
	}
}

func (n *notes) tell() {
	if n == nil {
		return
	}
	n.mu.Lock()
	lines := n.lines
	n.lines = nil
	n.mu.Unlock()
	for _, line := range lines {
		n.trace(line)
	}
}
