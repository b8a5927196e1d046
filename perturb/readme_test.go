package perturb_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"shaketable/perturb"
)

var update = flag.Bool("update", false, "write the table of families anew")

// TestReadme holds the table of families against the code, and that every suite is described.
func TestReadme(t *testing.T) {
	const begin, end = "-update` -->\n", "<!-- /families -->"
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(data), begin)
	table, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("README.md has lost the marks around the table of families")
	}
	if want := familyTable(); table != want {
		if !*update {
			t.Fatal("the table of families in README.md is not that of the code: go test ./perturb -run TestReadme -update")
		}
		if err := os.WriteFile("README.md", []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range perturb.Suites() {
		s := suite(t, name)
		if !strings.Contains(head, fmt.Sprintf("| `%s` | %d |", name, len(s.Variants))) {
			t.Errorf("README.md does not say that %s has %d variants", name, len(s.Variants))
		}
	}
}

func familyTable() string {
	var b strings.Builder
	b.WriteString("| family | parameters | severities | formula | source |\n|---|---|---|---|---|\n")
	for _, f := range perturb.Families() {
		name := "`" + f.Name + "`"
		for _, mark := range []struct {
			on   bool
			word string
		}{{f.Random, "random"}, {f.Host, "host"}} {
			if mark.on {
				name += " *" + mark.word + "*"
			}
		}
		var parameters, severities []string
		for _, p := range f.Parameters {
			text := fmt.Sprintf("`%s` %g to %g", p.Name, p.Min, p.Max)
			if p.Unit != "" {
				text += " " + p.Unit
			}
			if p.Optional {
				text += ", optional"
			}
			parameters = append(parameters, text)
		}
		for _, values := range f.Severities {
			var words []string
			for _, v := range values {
				words = append(words, fmt.Sprint(v))
			}
			severities = append(severities, strings.Join(words, ", "))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s. Bounds: %s | %s |\n", name, strings.Join(parameters, "; "), strings.Join(severities, " / "),
			cell(f.Formula), cell(f.Bounds), cell(f.Source))
	}
	return b.String()
}

// cell keeps a bar from ending a cell.
func cell(text string) string {
	return strings.TrimSuffix(strings.ReplaceAll(text, "|", `\|`), ".")
}
