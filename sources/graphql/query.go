package graphql

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/json"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/zclconf/go-cty/cty"
)

// query is what is asked. The zero value is one that could not be read.
type query struct {
	text      string
	operation *ast.OperationDefinition
	fragments ast.FragmentDefinitionList
}

// readQuery reads the attribute query: one operation, which only reads.
func readQuery(r *attr.Reader) *query {
	q := &query{text: r.Required("query")}
	if q.text == "" {
		return q
	}
	wrong := func(format string, args ...any) { r.Errorf(r.Range("query"), "Invalid query", format, args...) }
	document, err := parser.ParseQuery(&ast.Source{Input: q.text})
	if fault := new(gqlerror.Error); errors.As(err, &fault) {
		line := 0
		if len(fault.Locations) > 0 {
			line = fault.Locations[0].Line
		}
		wrong("The query is not GraphQL: line %d of it: %s.", line, fault.Message)
		return q
	}
	switch {
	case err != nil:
		wrong("The query is not GraphQL: %v.", err)
	case len(document.Operations) != 1:
		wrong("The query holds %d operations; one is asked at each poll.", len(document.Operations))
	case document.Operations[0].Operation != ast.Query:
		wrong("A %s is no query: a poll only reads.", document.Operations[0].Operation)
	default:
		q.operation, q.fragments = document.Operations[0], document.Fragments
	}
	return q
}

// format reads where the records are in an answer, and holds that to what the query asks for.
func (q *query) format(r *attr.Reader) format {
	f := format{query: q}
	text := r.Required("items")
	items, err := decode.ParsePath(text)
	switch {
	case text == "":
	case err != nil:
		r.Errorf(r.Range("items"), "Invalid path", "%v.", err)
	case len(items) < 2 || items[0] != "data":
		r.Errorf(r.Range("items"), "Invalid path", `The records are in the data of an answer: write a path such as "data.orders.edges".`)
	}
	f.Format = json.Format{Items: items}
	if text := r.String("node", ""); text != "" {
		if f.node, err = decode.ParsePath(text); err != nil || f.node == nil {
			r.Errorf(r.Range("node"), "Invalid path", `node names the member of an edge that is the record, such as "node".`)
		}
	}
	if r.Failed() {
		return f
	}
	if wrong := q.misses(items[1:]); wrong != "" {
		r.Errorf(r.Range("items"), "Not asked for", "%s", wrong)
	} else if wrong := q.misses(slices.Concat(items[1:], f.node)); wrong != "" {
		r.Errorf(r.Range("node"), "Not asked for", "%s", wrong)
	}
	return f
}

// misses is, in a sentence, where a path leads to what the query does not ask for; empty: nowhere. What is below a field
// without a selection is not known: some servers have scalars that are objects.
func (q *query) misses(path decode.Path) string {
	if q.operation == nil {
		return ""
	}
	set := q.operation.SelectionSet
	for _, step := range path {
		if len(set) == 0 {
			break
		}
		fields := map[string]ast.SelectionSet{}
		q.collect(fields, set, map[string]bool{})
		next, ok := fields[step]
		if !ok {
			names := slices.Sorted(maps.Keys(fields))
			if near := attr.Suggest(step, names); near != "" {
				return fmt.Sprintf("The query does not ask for %q. Did you mean %q?", step, near)
			}
			return fmt.Sprintf("The query does not ask for %q. There it asks for %s.", step, strings.Join(names, ", "))
		}
		set = next
	}
	return ""
}

// collect gathers what a selection asks for under the names it has in the answer, through fragments, of which each counts
// once.
func (q *query) collect(fields map[string]ast.SelectionSet, set ast.SelectionSet, seen map[string]bool) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			fields[s.Alias] = append(slices.Clip(fields[s.Alias]), s.SelectionSet...)
		case *ast.InlineFragment:
			q.collect(fields, s.SelectionSet, seen)
		case *ast.FragmentSpread:
			if fragment := q.fragments.ForName(s.Name); fragment != nil && !seen[s.Name] {
				seen[s.Name] = true
				q.collect(fields, fragment.SelectionSet, seen)
			}
		}
	}
}

// check holds the variables to those that the query declares.
func (q *query) check(variables map[string]cty.Value) error {
	if q.operation == nil {
		return nil
	}
	var declared []string
	for _, v := range q.operation.VariableDefinitions {
		declared = append(declared, v.Variable)
		if value, ok := variables[v.Variable]; v.Type.NonNull && (ok && value.IsNull() || !ok && v.DefaultValue == nil) {
			return fmt.Errorf("the query needs $%s, which is %s and cannot be null", v.Variable, v.Type)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if slices.Contains(declared, name) {
			continue
		}
		if near := attr.Suggest(name, declared); near != "" {
			return fmt.Errorf("the query declares no $%s; did you mean $%s?", name, near)
		}
		return fmt.Errorf("the query declares no $%s; write it behind its name: query Name($%s: String) { … }", name, name)
	}
	return nil
}
