package daemon

import (
	"context"
	"sync"
)

// pool runs turns on at most max goroutines, in the order they come, and whatever else jobs do beside them. Idle it
// holds none. It counts them itself: a WaitGroup must not grow from zero while somebody waits for it, and webhooks go on
// asking for runs while the daemon stops.
type pool struct {
	mu    sync.Mutex
	done  *sync.Cond // nobody works any more; on mu, made when somebody waits
	hands int        // goroutines there are
	max   int
	busy  int // of them with turns
	queue []*turn
	run   func(*turn, *leash)
}

// wait returns when nobody works.
func (p *pool) wait() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == nil {
		p.done = sync.NewCond(&p.mu)
	}
	for p.hands > 0 {
		p.done.Wait()
	}
}

// beside runs f on a goroutine of its own.
func (p *pool) beside(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hands++
	go func() {
		defer p.leave()
		f()
	}()
}

func (p *pool) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hands--; p.hands == 0 && p.done != nil {
		p.done.Broadcast()
	}
}

// leash is what a run is cut short by. Few ever are: so it holds one run after another until it is pulled.
type leash struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// renew makes a new leash under ctx where there is none, or it was pulled.
func (l *leash) renew(ctx context.Context) {
	if l.ctx == nil || l.ctx.Err() != nil {
		l.ctx, l.cancel = context.WithCancelCause(ctx)
	}
}

func (p *pool) add(t *turn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy == p.max {
		p.queue = append(p.queue, t)
		return
	}
	p.busy++
	p.hands++
	go p.work(t)
}

func (p *pool) work(t *turn) {
	defer p.leave()
	var l leash
	defer func() { l.cancel(nil) }()
	for {
		p.run(t, &l)
		p.mu.Lock()
		if len(p.queue) == 0 {
			p.busy--
			p.queue = nil
			p.mu.Unlock()
			return
		}
		t = p.queue[0]
		p.queue[0] = nil
		p.queue = p.queue[1:]
		p.mu.Unlock()
	}
}
