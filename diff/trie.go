package diff

import (
	"errors"
	"fmt"
	"slices"
)

// node says what the rules make of one place in a body.
type node struct {
	keep      bool // what stands here counts, be it empty
	drop      bool // nothing here or below counts
	unordered bool // an array here is a multiset
	named     []edge
	index     map[string]*node // instead of a walk over named, where there are many
	rest      *node            // every element, and every member that is not named
}

type edge struct {
	name string
	to   *node
}

var (
	plain   = endless(node{keep: true}) // everything below counts as it is
	dropped = endless(node{drop: true})
)

func endless(n node) *node {
	n.rest = &n
	return &n
}

// child is the place of a member.
func (n *node) child(name []byte) *node {
	if n.index != nil {
		if to, ok := n.index[string(name)]; ok {
			return to
		}
		return n.rest
	}
	for i := range n.named {
		if n.named[i].name == string(name) {
			return n.named[i].to
		}
	}
	return n.rest
}

type effect int

const (
	ignores effect = iota
	selects
	unorders
)

type rule struct {
	steps  []step
	effect effect
}

// A few dozen paths make a few dozen nodes. Only many long paths with wildcards in different places multiply.
const (
	maxNodes = 10_000
	fewNames = 8
)

// compiler turns paths into nodes such that one walk down, without trying alternatives, obeys all paths that match: a
// node stands for the set of rules that agree with the way to it.
type compiler struct {
	rules []rule
	nodes map[string]*node
}

func compile(rules []rule, keep bool) (*node, error) {
	c := compiler{rules: rules, nodes: make(map[string]*node)}
	all := make([]int, len(rules))
	for i := range all {
		all[i] = i
	}
	return c.node(all, 0, keep)
}

// node makes the place at depth that the given rules still agree with; keep is inherited from above.
func (c *compiler) node(active []int, depth int, keep bool) (*node, error) {
	n := &node{keep: keep}
	var further []int
	for _, i := range active {
		switch r := c.rules[i]; {
		case len(r.steps) > depth:
			further = append(further, i)
		case r.effect == ignores:
			return dropped, nil
		case r.effect == selects:
			n.keep = true
		case r.effect == unorders:
			n.unordered = true
		}
	}
	reachable := n.keep || slices.ContainsFunc(further, func(i int) bool { return c.rules[i].effect == selects })
	switch {
	case !reachable:
		return dropped, nil
	case len(further) == 0 && !n.unordered:
		return plain, nil
	}
	id := fmt.Sprint(depth, n.keep, n.unordered, further)
	if known, ok := c.nodes[id]; ok {
		return known, nil
	}
	if len(c.nodes) == maxNodes {
		return nil, errors.New("the paths of ignore, select and unordered overlap in too many ways: use fewer wildcards")
	}
	c.nodes[id] = n

	var names []string
	var wild []int
	for _, i := range further {
		if s := c.rules[i].steps[depth]; !s.named {
			wild = append(wild, i)
		} else if !slices.Contains(names, s.name) {
			names = append(names, s.name)
		}
	}
	var err error
	if n.rest, err = c.node(wild, depth+1, n.keep); err != nil {
		return nil, err
	}
	for _, name := range names {
		var matching []int
		for _, i := range further {
			if s := c.rules[i].steps[depth]; !s.named || s.name == name {
				matching = append(matching, i)
			}
		}
		to, err := c.node(matching, depth+1, n.keep)
		if err != nil {
			return nil, err
		}
		n.named = append(n.named, edge{name, to})
	}
	if len(names) > fewNames {
		n.index = make(map[string]*node, len(names))
		for _, e := range n.named {
			n.index[e.name] = e.to
		}
	}
	return n, nil
}
