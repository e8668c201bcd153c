package configs

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
)

// changeValue converts what is needed of a change.
func changeValue(n *attr.Need, c bridge.Change, origin bridge.Origin) (cty.Value, error) {
	v := make(map[string]cty.Value, len(parts))
	if n.Of("op") != nil {
		v["op"] = cty.StringVal(string(c.Op))
	}
	if n.Of("key") != nil {
		v["key"] = attr.Text(c.Key)
	}
	if n.Of("origin") != nil {
		v["origin"] = cty.StringVal(string(origin))
	}
	if n.Of("changed") != nil {
		v["changed"] = stringList(c.Changed)
	}
	var err error
	if m := n.Of("before"); m != nil {
		if v["before"], err = m.JSON(c.Before); err != nil {
			return cty.NilVal, fmt.Errorf("change.before: %w", err)
		}
	}
	if m := n.Of("after"); m != nil {
		if v["after"], err = m.JSON(c.After); err != nil {
			return cty.NilVal, fmt.Errorf("change.after: %w", err)
		}
	}
	return cty.ObjectVal(v), nil
}

func stringList(all []string) cty.Value {
	if len(all) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	values := make([]cty.Value, len(all))
	for i, s := range all {
		values[i] = attr.Text(s)
	}
	return cty.ListVal(values)
}
