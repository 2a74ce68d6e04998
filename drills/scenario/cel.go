package scenario

import (
	"fmt"
	"reflect"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

const chosenType = "chosen"

// plainTypes are the type names that a vocabulary may use beside its own types.
var plainTypes = map[string]*cel.Type{
	"bool": cel.BoolType, "int": cel.IntType, "double": cel.DoubleType, "string": cel.StringType,
	"duration": cel.DurationType, "timestamp": cel.TimestampType,
}

// celType is the type of a parameter as CEL sees it: whatever is a word in a
// scenario is a string there.
func (k Kind) celType() *cel.Type {
	switch k {
	case Number:
		return cel.IntType
	case Share:
		return cel.DoubleType
	case Duration, Time:
		return cel.DurationType
	case Flag:
		return cel.BoolType
	default:
		return cel.StringType
	}
}

// words is a vocabulary with its decisions, laid out for CEL.
type words struct {
	env       *cel.Env
	types     map[string]Type
	functions map[string]bool    // late bound
	params    map[string][]Param // by overload
	names     []string           // everything CEL may say, for the nearest
}

// newWords declares the vocabulary's names, and chosen with a field for each
// decision. An error is a mistake in the vocabulary, not in a scenario.
func newWords(v Vocabulary, decisions []string) (*words, error) {
	if err := v.sound(); err != nil {
		return nil, err
	}
	w := &words{types: map[string]Type{}, functions: map[string]bool{}, params: map[string][]Param{}}
	chosen := Type{Name: chosenType}
	for _, d := range decisions {
		chosen.Fields = append(chosen.Fields, Name{Name: d, Type: "string"})
	}
	all := append([]Type{chosen}, v.Types...)
	for _, t := range all {
		w.types[t.Name] = t
	}
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	opts := []cel.EnvOption{cel.CustomTypeAdapter(adapter{registry}), cel.CustomTypeProvider(provider{registry, w}), cel.EnableMacroCallTracking()}
	names := append([]Name{{Name: "chosen", Type: chosenType}, {Name: "now", Type: "timestamp"}, {Name: "elapsed", Type: "duration"}}, v.Names...)
	for _, n := range names {
		t, err := w.celType(n.Type)
		if err != nil {
			return nil, fmt.Errorf("name %q: %w", n.Name, err)
		}
		opts = append(opts, cel.Variable(n.Name, t))
		w.names = append(w.names, n.Name)
	}
	overloads := map[string][]cel.FunctionOpt{}
	var order []string
	add := func(name string, o cel.FunctionOpt) {
		if overloads[name] == nil {
			order = append(order, name)
		}
		overloads[name] = append(overloads[name], o)
	}
	for _, f := range v.Functions {
		id, args, result, err := w.signature("", f)
		if err != nil {
			return nil, fmt.Errorf("function %q: %w", f.Name, err)
		}
		add(f.Name, cel.Overload(id, args, result, cel.LateFunctionBinding()))
		w.functions[f.Name] = true
		w.names = append(w.names, f.Name)
	}
	for _, t := range all {
		for _, n := range t.Fields {
			if _, err := w.celType(n.Type); err != nil {
				return nil, fmt.Errorf("field %q of %q: %w", n.Name, t.Name, err)
			}
			w.names = append(w.names, n.Name)
		}
		for _, f := range t.Methods {
			id, args, result, err := w.signature(t.Name, f)
			if err != nil {
				return nil, fmt.Errorf("method %q of %q: %w", f.Name, t.Name, err)
			}
			add(f.Name, cel.MemberOverload(id, args, result, cel.FunctionBinding(method(f.Name))))
			w.names = append(w.names, f.Name)
		}
	}
	for _, name := range order {
		opts = append(opts, cel.Function(name, overloads[name]...))
	}
	w.env, err = cel.NewEnv(opts...)
	if err != nil {
		return nil, err
	}
	return w, nil
}

// signature is the overload of a function, or of a method of the type on.
func (w *words) signature(on string, f Function) (id string, args []*cel.Type, result *cel.Type, err error) {
	id = f.Name
	if on != "" {
		id = on + "_" + f.Name
		args = append(args, cel.ObjectType(on))
	}
	for _, p := range f.Params {
		args = append(args, p.Kind.celType())
		id += "_" + p.Kind.celType().String()
	}
	w.params[id] = f.Params
	result, err = w.celType(f.Result)
	return id, args, result, err
}

func (w *words) celType(name string) (*cel.Type, error) {
	if t, ok := plainTypes[name]; ok {
		return t, nil
	}
	if _, ok := w.types[name]; ok {
		return cel.ObjectType(name), nil
	}
	return nil, fmt.Errorf("there is no type %q", name)
}

// method calls a method of an Object.
func method(name string) func(...ref.Val) ref.Val {
	return func(args ...ref.Val) ref.Val {
		o, ok := args[0].Value().(Object)
		if !ok {
			return types.NewErr("%s: not on a value of type %s", name, args[0].Type().TypeName())
		}
		return result(o.Call(name, natives(args[1:])))
	}
}

func natives(args []ref.Val) []any {
	out := make([]any, len(args))
	for i, a := range args {
		out[i] = a.Value()
	}
	return out
}

func result(v any, err error) ref.Val {
	if err != nil {
		return types.WrapErr(err)
	}
	return toVal(types.DefaultTypeAdapter, v)
}

// object makes an Object a CEL value.
type object struct{ Object }

func (o object) ConvertToNative(t reflect.Type) (any, error) {
	if reflect.TypeOf(o.Object).AssignableTo(t) {
		return o.Object, nil
	}
	return nil, fmt.Errorf("a value of %s is not a %v", o.TypeName(), t)
}

func (o object) ConvertToType(t ref.Type) ref.Val {
	if t.TypeName() == o.TypeName() {
		return o
	}
	return types.NewErr("a value of %s is not a %s", o.TypeName(), t.TypeName())
}

func (o object) Equal(other ref.Val) ref.Val {
	return types.NewErr("two values of %s cannot be compared: compare their counts", o.TypeName())
}

func (o object) Type() ref.Type { return cel.ObjectType(o.TypeName()) }
func (o object) Value() any     { return o.Object }

func toVal(rest types.Adapter, v any) ref.Val {
	switch v := v.(type) {
	case ref.Val:
		return v
	case Object:
		return object{v}
	case time.Time:
		return types.Timestamp{Time: v}
	default:
		return rest.NativeToValue(v)
	}
}

// adapter makes what a World gives a CEL value.
type adapter struct{ rest types.Adapter }

func (a adapter) NativeToValue(v any) ref.Val { return toVal(a.rest, v) }

// provider tells CEL the fields of the vocabulary's types.
type provider struct {
	types.Provider
	words *words
}

func (p provider) FindStructType(name string) (*types.Type, bool) {
	if _, ok := p.words.types[name]; ok {
		return types.NewTypeTypeWithParam(cel.ObjectType(name)), true
	}
	return p.Provider.FindStructType(name)
}

func (p provider) FindStructFieldNames(name string) ([]string, bool) {
	t, ok := p.words.types[name]
	if !ok {
		return p.Provider.FindStructFieldNames(name)
	}
	out := make([]string, len(t.Fields))
	for i, f := range t.Fields {
		out[i] = f.Name
	}
	return out, true
}

func (p provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	t, ok := p.words.types[name]
	if !ok {
		return p.Provider.FindStructFieldType(name, field)
	}
	for _, f := range t.Fields {
		if f.Name != field {
			continue
		}
		ft, err := p.words.celType(f.Type)
		if err != nil {
			return nil, false
		}
		return &types.FieldType{
			Type:  ft,
			IsSet: func(any) bool { return true },
			GetFrom: func(v any) (any, error) {
				o, ok := v.(Object)
				if !ok {
					return nil, fmt.Errorf("%T is not a value of %s", v, name)
				}
				return o.Get(field)
			},
		}, true
	}
	return nil, false
}

func (p provider) NewValue(name string, fields map[string]ref.Val) ref.Val {
	if _, ok := p.words.types[name]; ok {
		return types.NewErr("a value of %s cannot be made in a scenario", name)
	}
	return p.Provider.NewValue(name, fields)
}
