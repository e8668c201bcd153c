package configs

import (
	"github.com/hashicorp/hcl/v2"
)

// unused warns of what nothing leads to.
func (l *loading) unused() {
	if l.diags.HasErrors() {
		return // what is broken may be what would have used it
	}
	for _, d := range l.config.Destinations {
		if !l.used[d.Name] {
			rng := l.names.destinations[d.Name]
			l.add(hcl.Diagnostics{problem(hcl.DiagWarning, &rng, "Unused destination", "No job delivers to %q, and it gets no alerts.", d.Name)})
		}
	}
	for _, r := range l.config.Receivers {
		if !l.heard[r.Name] && len(r.Deliver) == 0 {
			rng := l.names.receivers[r.Name]
			l.add(hcl.Diagnostics{problem(hcl.DiagWarning, &rng, "Unused receiver", "No job listens to %q, and it relays to nobody, so what it takes has no effect.", r.Name)})
		}
	}
	if len(l.names.jobs) == 0 {
		l.add(hcl.Diagnostics{problem(hcl.DiagWarning, nil, "No jobs", "%s has no job, so there is nothing to poll.", l.config.Path)})
	}
}
