package config

import (
	"errors"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// override sets what variables of the environment name: SHAKETABLE_SAMPLE_RATE is sample.rate. The value is YAML, so a
// list is "[a:9092, b:9092]". Lists of sections (detectors, exclude) and maps can only be set in the file.
func override(c *Config, lookup func(string) (string, bool)) Faults {
	var faults Faults
	for _, l := range leaves(reflect.ValueOf(c).Elem(), "") {
		name := "SHAKETABLE_" + strings.ToUpper(strings.ReplaceAll(l.path, ".", "_"))
		text, ok := lookup(name)
		if !ok {
			continue
		}
		err := yaml.Unmarshal([]byte(text), l.value.Addr().Interface())
		if typed := (*yaml.TypeError)(nil); errors.As(err, &typed) {
			err = errors.New(plainType(textFault("", typed.Errors[0]).Text))
		}
		if err != nil {
			faults = append(faults, Fault{Path: l.path, Text: "environment variable " + name + ": " + err.Error()})
		}
	}
	return faults
}

type leaf struct {
	path  string
	value reflect.Value
}

// leaves lists the settings that hold one value or a list of plain values.
func leaves(v reflect.Value, path string) []leaf {
	var out []leaf
	for f, value := range v.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		at := join(path, name)
		switch k := f.Type.Kind(); {
		case !f.IsExported() || name == "" || name == "-" || k == reflect.Map || k == reflect.Pointer:
		case k == reflect.Struct:
			out = append(out, leaves(value, at)...)
		case k == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
		default:
			out = append(out, leaf{at, value})
		}
	}
	return out
}
