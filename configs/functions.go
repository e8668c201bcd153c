package configs

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/ext/customdecode"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/hookbridge/bridge/configs/attr"
)

// pure are the functions that need nothing but their arguments, under the names Terraform gave them.
var pure = discreet(map[string]function.Function{
	"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "log": stdlib.LogFunc,
	"max": stdlib.MaxFunc, "min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc, "pow": stdlib.PowFunc, "signum": stdlib.SignumFunc,

	"chomp": stdlib.ChompFunc, "format": stdlib.FormatFunc, "formatlist": stdlib.FormatListFunc, "indent": stdlib.IndentFunc,
	"join": stdlib.JoinFunc, "lower": stdlib.LowerFunc, "regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc,
	"regexreplace": stdlib.RegexReplaceFunc, "replace": stdlib.ReplaceFunc, "split": stdlib.SplitFunc, "strlen": stdlib.StrlenFunc,
	"strrev": stdlib.ReverseFunc, "substr": stdlib.SubstrFunc, "title": stdlib.TitleFunc, "trim": stdlib.TrimFunc,
	"trimprefix": stdlib.TrimPrefixFunc, "trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc, "upper": stdlib.UpperFunc,

	"chunklist": stdlib.ChunklistFunc, "coalesce": stdlib.CoalesceFunc, "coalescelist": stdlib.CoalesceListFunc,
	"compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc,
	"element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc, "keys": stdlib.KeysFunc, "length": length,
	"lookup": stdlib.LookupFunc, "merge": stdlib.MergeFunc, "range": stdlib.RangeFunc, "reverse": stdlib.ReverseListFunc,
	"setintersection": stdlib.SetIntersectionFunc, "setproduct": stdlib.SetProductFunc, "setsubtract": stdlib.SetSubtractFunc,
	"setunion": stdlib.SetUnionFunc, "slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,

	"csvdecode": stdlib.CSVDecodeFunc, "jsondecode": stdlib.JSONDecodeFunc, "jsonencode": stdlib.JSONEncodeFunc,
	"formatdate": stdlib.FormatDateFunc, "timeadd": stdlib.TimeAddFunc,

	"tobool":   stdlib.MakeToFunc(cty.Bool),
	"tolist":   uniform(stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType))),
	"tomap":    stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
	"tonumber": stdlib.MakeToFunc(cty.Number),
	"toset":    uniform(stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType))),
	"tostring": stdlib.MakeToFunc(cty.String),

	"base64encode": text(func(s string) (string, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil }),
	"base64decode": text(func(s string) (string, error) {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil || !utf8.Valid(b) {
			return "", errors.New("the text is not base64 of UTF-8")
		}
		return string(b), nil
	}),
	"startswith":  affix(strings.HasPrefix),
	"endswith":    affix(strings.HasSuffix),
	"strcontains": affix(strings.Contains),
	"urlencode":   text(func(s string) (string, error) { return url.QueryEscape(s), nil }),
	"xmlescape": text(func(s string) (string, error) {
		var b strings.Builder
		err := xml.EscapeText(&b, []byte(s)) // what no XML can carry becomes U+FFFD
		return b.String(), err
	}),
	"sha256": text(func(s string) (string, error) {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:]), nil
	}),

	"try": tryfunc.TryFunc,
	"can": tryfunc.CanFunc,
})

func text(f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "str", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := f(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.StringVal(s), nil
		},
	})
}

// affix looks for one string in another. Nothing is in null, which is what a header is that a webhook does not have.
func affix(f func(s, part string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "str", Type: cty.String, AllowNull: true}, {Name: "part", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(!args[0].IsNull() && f(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

// length counts the elements of a collection, or the characters of a string, which stdlib's does not.
var length = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true}},
	Type: func(args []cty.Value) (cty.Type, error) {
		t := args[0].Type()
		if t == cty.String || t == cty.DynamicPseudoType || t.IsTupleType() || t.IsObjectType() || t.IsCollectionType() {
			return cty.Number, nil
		}
		return cty.NilType, function.NewArgErrorf(0, "a string, a list, a set, a map or an object is required")
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v := args[0]
		switch t := v.Type(); {
		case t == cty.DynamicPseudoType:
			return cty.UnknownVal(cty.Number), nil
		case t == cty.String:
			return stdlib.Strlen(v)
		case t.IsObjectType():
			return cty.NumberIntVal(int64(len(t.AttributeTypes()))), nil
		}
		return v.Length(), nil
	},
})

// uniform makes a list of the tuple f is given, where all its elements are of one primitive type. What is written [ … ] is
// a tuple, and to find the type its elements have in common go-cty tries every one of them with every other.
func uniform(f function.Function) function.Function {
	return function.New(&function.Spec{
		Params: f.Params(),
		Type:   function.StaticReturnType(cty.DynamicPseudoType), // of what Impl returns
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, marks := args[0].Unmark()
			if v.IsKnown() && !v.IsNull() && v.Type().IsTupleType() && alike(v.Type().TupleElementTypes()) {
				return f.Call([]cty.Value{cty.ListVal(v.AsValueSlice()).WithMarks(marks)})
			}
			return f.Call(args)
		},
	})
}

func alike(types []cty.Type) bool {
	for _, t := range types {
		if !t.IsPrimitiveType() || t != types[0] {
			return false
		}
	}
	return len(types) > 0
}

// discreet wraps functions so that their errors never quote a secret they were given.
func discreet(functions map[string]function.Function) map[string]function.Function {
	wrapped := make(map[string]function.Function, len(functions))
	for name, f := range functions {
		wrapped[name] = quiet(f)
	}
	return wrapped
}

func quiet(f function.Function) function.Function {
	params, variadic := f.Params(), f.VarParam()
	for _, p := range params {
		if p.Type.Equals(customdecode.ExpressionClosureType) {
			return f // try and can swallow errors; they are given expressions, not values
		}
	}
	if variadic != nil && variadic.Type.Equals(customdecode.ExpressionClosureType) {
		return f
	}
	open := func(p function.Parameter) function.Parameter {
		p.AllowMarked, p.AllowUnknown, p.AllowDynamicType = true, true, true
		return p
	}
	spec := &function.Spec{
		// The type is that of what Impl returns: asking f for it first would have some functions do their work twice.
		Type: function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := f.Call(args)
			return v, hush(args, err)
		},
	}
	for _, p := range params {
		spec.Params = append(spec.Params, open(p))
	}
	if variadic != nil {
		p := open(*variadic)
		spec.VarParam = &p
	}
	return function.New(spec)
}

func hush(args []cty.Value, err error) error {
	if err == nil {
		return nil
	}
	for i, a := range args {
		if attr.IsSecret(a) {
			return function.NewArgErrorf(i, "the function cannot use this value, which is secret and not shown")
		}
	}
	return err
}
