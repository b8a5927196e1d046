package pipeline

import (
	"reflect"
	"strings"
	"testing"
)

func TestExcluded(t *testing.T) {
	yes, no, word := true, false, func(s string) *string { return &s }
	d := &Detection{Source: "upload-api", Detector: "a", Attributes: map[string]string{"consent": "yes", "geo.country": "DE", "empty": ""}}
	for _, c := range []struct {
		name string
		rule ExcludeRule
		want bool
	}{
		{"equals", ExcludeRule{Attribute: "consent", Equals: word("yes")}, true},
		{"equals another", ExcludeRule{Attribute: "consent", Equals: word("no")}, false},
		{"equals, absent", ExcludeRule{Attribute: "x", Equals: word("")}, false},
		{"equals empty", ExcludeRule{Attribute: "empty", Equals: word("")}, true},
		{"not_equals", ExcludeRule{Attribute: "consent", NotEquals: word("yes")}, false},
		{"not_equals another", ExcludeRule{Attribute: "consent", NotEquals: word("no")}, true},
		{"not_equals, absent: no consent is no consent", ExcludeRule{Attribute: "x", NotEquals: word("yes")}, true},
		{"in", ExcludeRule{Attribute: "geo.country", In: []string{"AT", "DE"}}, true},
		{"in others", ExcludeRule{Attribute: "geo.country", In: []string{"AT"}}, false},
		{"not_in", ExcludeRule{Attribute: "geo.country", NotIn: []string{"DE"}}, false},
		{"not_in others", ExcludeRule{Attribute: "geo.country", NotIn: []string{"AT"}}, true},
		{"not_in, absent", ExcludeRule{Attribute: "x", NotIn: []string{"AT"}}, true},
		{"missing", ExcludeRule{Attribute: "x", Missing: &yes}, true},
		{"missing, there", ExcludeRule{Attribute: "empty", Missing: &yes}, false},
		{"present", ExcludeRule{Attribute: "consent", Missing: &no}, true},
		{"present, not there", ExcludeRule{Attribute: "x", Missing: &no}, false},
		{"source", ExcludeRule{Field: "source", Equals: word("upload-api")}, true},
		{"group is not there", ExcludeRule{Field: "group", Missing: &yes}, true},
		{"detector", ExcludeRule{Field: "detector", NotIn: []string{"a"}}, false},
		{"version is not there", ExcludeRule{Field: "version", NotEquals: word("1")}, true},
	} {
		e, err := NewExcluder([]ExcludeRule{c.rule})
		if err != nil || e.Excluded(d) != c.want {
			t.Errorf("%s: got %v, %v", c.name, !c.want, err)
		}
	}
	both, err := NewExcluder([]ExcludeRule{{Attribute: "x", Missing: &no}, {Attribute: "consent", Missing: &no}})
	if err != nil || !both.Excluded(d) {
		t.Error("one of two rules is enough")
	}
	none, err := NewExcluder(nil)
	if err != nil || none.Excluded(d) {
		t.Error("no rule excludes nothing")
	}
}

func TestExcludeRuleFaults(t *testing.T) {
	word := "x"
	for _, c := range []struct {
		rule ExcludeRule
		want string
	}{
		{ExcludeRule{Equals: &word}, "exclude[0].attribute: give either"},
		{ExcludeRule{Attribute: "a", Field: "source", Equals: &word}, "exclude[0].attribute: give either"},
		{ExcludeRule{Field: "score", Equals: &word}, `exclude[0].field: "score" is not one of`},
		{ExcludeRule{Attribute: "a"}, "exclude[0].equals: has 0 conditions"},
		{ExcludeRule{Attribute: "a", Equals: &word, In: []string{"b"}}, "exclude[0].equals: has 2 conditions"},
	} {
		if _, err := NewExcluder([]ExcludeRule{c.rule}); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %s", c.rule, err, c.want)
		}
	}
}

// A line without attribute rules decodes without attributes; everything else of the detection must stay the same.
func TestAttributesAreLeftOutOnlyWhereNobodyLooks(t *testing.T) {
	no := "no"
	for _, c := range []struct {
		rules []ExcludeRule
		want  bool
	}{
		{nil, false},
		{[]ExcludeRule{{Field: "source", Equals: &no}}, false},
		{[]ExcludeRule{{Field: "source", Equals: &no}, {Attribute: "consent", Equals: &no}}, true},
	} {
		e, err := NewExcluder(c.rules)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.NeedsAttributes(); got != c.want {
			t.Errorf("%d rules: NeedsAttributes is %v, want %v", len(c.rules), got, c.want)
		}
	}
	full, err := NewDecoder(DefaultDecodeConfig())
	if err != nil {
		t.Fatal(err)
	}
	r := Record{Key: []byte("a"), Value: []byte(`{"media_id":"a","detector":{"name":"d"},"score":0.5,"attributes":{"consent":"no"}}`)}
	with, err := full.Decode(&r)
	if err != nil {
		t.Fatal(err)
	}
	without, err := full.WithoutAttributes().Decode(&r)
	if err != nil {
		t.Fatal(err)
	}
	if with.Attributes["consent"] != "no" || without.Attributes != nil {
		t.Errorf("attributes %v and %v, want them and none", with.Attributes, without.Attributes)
	}
	with.Attributes = nil
	if !reflect.DeepEqual(with, without) {
		t.Errorf("decoded %+v without attributes, want %+v", without, with)
	}
}
