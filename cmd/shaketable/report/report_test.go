package report

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"shaketable/perturb"
)

// page is a report that was read again.
type page struct{ *html.Node }

func render(t *testing.T, in Input) page {
	t.Helper()
	text, err := HTML(in)
	if err != nil {
		t.Fatal(err)
	}
	checkText(t, text)
	root, err := html.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return page{root}
}

// checkText is what holds for every report: nothing from outside, no script, no words of engineers, no figure that is none.
func checkText(t *testing.T, text []byte) {
	t.Helper()
	if len(text) > MaxBytes {
		t.Errorf("the report has %d bytes", len(text))
	}
	for _, pattern := range []string{`(?i)https?:`, `<script`, `<link [^>]*href="[^d#]`, `src="[^d]`, `url\(`, `@import`, `\bticks?\b`, `e-SR`, `\bfence\b`, `NaN`, `Inf\b`, `ZgotmplZ`, `%!`, `xmlns`} {
		if found := regexp.MustCompile(pattern).FindIndex(text); found != nil {
			t.Errorf("the report has %q: …%s…", pattern, text[max(0, found[0]-80):min(len(text), found[1]+80)])
		}
	}
}

// all finds elements by name.
func (p page) all(name string) (list []page) {
	for n := range p.Descendants() {
		if n.Type == html.ElementNode && n.Data == name {
			list = append(list, page{n})
		}
	}
	return list
}

func (p page) attribute(name string) string {
	for _, a := range p.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func (p page) text() string {
	var b strings.Builder
	for n := range p.Descendants() {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// section finds one by its id.
func (p page) section(id string) (page, bool) {
	for _, s := range p.all("section") {
		if s.attribute("id") == id {
			return s, true
		}
	}
	return page{}, false
}

func (p page) sections() (ids []string) {
	for _, s := range p.all("section") {
		ids = append(ids, s.attribute("id"))
	}
	return ids
}

// TestStructure: what the report of everything consists of.
func TestStructure(t *testing.T) {
	p := render(t, golden(t))
	want := []string{"detectors", "where", "strength", "tolerance", "attacks", "moved", "watch", "more", "all", "read", "provenance"}
	if got := p.sections(); !slices.Equal(got, want) {
		t.Errorf("sections %v, want %v", got, want)
	}
	opening, _ := p.section("detectors")
	if n := len(opening.all("svg")); n != 1 {
		t.Errorf("%d figures in the opening, want the plane", n)
	}
	for _, s := range []string{"meso4-df 1", "On 104 pictures, over 6 kinds of ordinary handling, 87 of 100 verdicts hold (79 to 92), but only 39 of 100 probabilities stay within .05 (30 to 48)",
		"it is weakest under blur, where 63 of 100 verdicts hold (53 to 72) and 5 of 100 probabilities stay (2 to 11)."} {
		if !strings.Contains(opening.text(), s) {
			t.Errorf("the opening does not say %q:\n%s", s, opening.text())
		}
	}
	for id, figures := range map[string]int{"strength": 12, "tolerance": 4, "attacks": 4} {
		s, _ := p.section(id)
		if n := len(s.all("svg")); n != figures {
			t.Errorf("%s has %d figures, want %d", id, n, figures)
		}
	}
	for _, svg := range p.all("svg") {
		if svg.attribute("class") == "plot" && (svg.attribute("aria-label") == "" || len(svg.all("path")) < 5 || !strings.Contains(raw(t, svg), "var(--s")) {
			t.Errorf("a figure without a description, a line, or a colour of the style sheet: %.300s", raw(t, svg))
		}
	}
	links := p.all("a")
	for _, a := range links {
		if id := strings.TrimPrefix(a.attribute("href"), "#"); !slices.Contains(p.sections(), id) {
			t.Errorf("a link to %q, which is not there", a.attribute("href"))
		}
	}
	more, _ := p.section("more")
	if n := len(more.all("details")); n != 9 {
		t.Errorf("%d more questions, want 9: %s", n, more.text())
	}
	for _, d := range more.all("details") {
		if !strings.Contains(d.text(), "How.") || !strings.Contains(d.text(), "(19") && !strings.Contains(d.text(), "(20") {
			t.Errorf("a figure without its formula or source: %s", d.text())
		}
	}
}

func raw(t *testing.T, p page) string {
	t.Helper()
	var b bytes.Buffer
	if err := html.Render(&b, p.Node); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestFiguresAreThoseOfTheTable holds every figure of the table of all figures against the golden one.
func TestFiguresAreThoseOfTheTable(t *testing.T) {
	in := golden(t)
	s, _ := render(t, in).section("all")
	shown := map[string][]string{}
	for _, d := range s.all("details") {
		for _, row := range d.all("tbody")[0].all("tr") {
			cells := row.all("td")
			key := strings.Join([]string{d.all("summary")[0].text(), cells[0].text(), cells[1].text()}, "|")
			for _, c := range cells[3:] {
				shown[key] = append(shown[key], c.attribute("data-v"))
			}
			if cells[2].text() != "104" {
				t.Errorf("%s: n %s", key, cells[2].text())
			}
		}
	}
	checked := 0
	for _, row := range rows(t, acceptance(t)+"/golden/ra_rr.csv") {
		if row["perturbation"] == "none" {
			continue
		}
		got := shown[row["model"]+" 1|"+row["perturbation"]+"|"+row["parameter"]]
		if len(got) != 4 {
			t.Errorf("%s %s %s is not shown", row["model"], row["perturbation"], row["parameter"])
			continue
		}
		for i, column := range []string{"ra_self", "rr_0.05", "ra_label", "mean_abs_delta_p"} {
			var want, is float64
			fmt.Sscan(row[column], &want)
			fmt.Sscan(got[i], &is)
			if math.Abs(want-is) > 2e-6 {
				t.Errorf("%s %s %s: %s is %s, golden %s", row["model"], row["perturbation"], row["parameter"], column, got[i], row[column])
			}
			checked++
		}
	}
	if checked < 600 {
		t.Errorf("%d figures were checked", checked)
	}
}

// TestLeavesOut: what the data does not allow is not there, or said to be missing.
func TestLeavesOut(t *testing.T) {
	jpeg := []perturb.Variant{{Family: "jpeg", Severity: 2, Parameter: "75"}}
	attacks := []perturb.Variant{{Family: "fgsm_self", Severity: 1, Parameter: "2/255"}}
	still := func(medium int, v *perturb.Variant) float64 { return .2 }
	flipped := func(medium int, v *perturb.Variant) float64 {
		if v == nil {
			return .9
		}
		return .1
	}
	unusable := func(int, *perturb.Variant) float64 { return math.NaN() }
	media := func(n int) (list []Medium) {
		for i := range n {
			list = append(list, Medium{Name: fmt.Sprintf("%d.png", i)})
		}
		return list
	}
	for name, c := range map[string]struct {
		media     []Medium
		variants  []perturb.Variant
		detectors []func(int, *perturb.Variant) float64
		want      []string // sections
		says      []string
	}{
		"one picture, one variant, one detector": {media(1), jpeg, []func(int, *perturb.Variant) float64{still},
			[]string{"detectors", "where", "tolerance", "moved", "watch", "more", "all", "read", "provenance"},
			[]string{"How robust is a 1?", "On 1 picture, over recompression (JPEG), all verdicts hold (21 to 100), and all probabilities stay", "because the pictures have no labels: accuracy, calibration"}},
		"everything fails": {media(20), jpeg, []func(int, *perturb.Variant) float64{flipped},
			[]string{"detectors", "where", "tolerance", "moved", "watch", "more", "all", "read", "provenance"},
			[]string{"no verdicts hold (0 to 16), and no probabilities stay", "nothing here would be noticed within a million probes"}},
		"attacks alone": {media(20), attacks, []func(int, *perturb.Variant) float64{flipped},
			[]string{"detectors", "attacks", "all", "read", "provenance"},
			[]string{"On 20 pictures, the strongest attack, FGSM, against the verdict (2/255), turns all verdicts (84 to 100)."}},
		"two detectors, attacks alone": {media(3), attacks, []func(int, *perturb.Variant) float64{flipped, still},
			[]string{"detectors", "attacks", "more", "all", "read", "provenance"}, []string{"contradict"}},
		"one detector could use nothing": {media(5), jpeg, []func(int, *perturb.Variant) float64{still, unusable},
			[]string{"detectors", "where", "tolerance", "moved", "watch", "more", "all", "read", "provenance"}, []string{"No picture could be used by b: nothing is said of it.", "How robust is a 1?"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := Input{Media: c.media, Level: 7e5, Folder: "media"}
			for i, p := range c.detectors {
				in.Detectors = append(in.Detectors, detector(t, in.Media, string(rune('a'+i)), c.variants, p))
			}
			p := render(t, in)
			if got := p.sections(); !slices.Equal(got, c.want) {
				t.Errorf("sections %v, want %v", got, c.want)
			}
			for _, s := range c.says {
				if !strings.Contains(p.text(), s) {
					t.Errorf("it does not say %q:\n%s", s, p.text())
				}
			}
			if _, err := Plots(in); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := HTML(Input{Media: media(1), Detectors: []Detector{detector(t, media(1), "a", jpeg, unusable)}}); err == nil {
		t.Error("a report of nothing")
	}
}

// TestNamesAreText: names come from files and file systems.
func TestNamesAreText(t *testing.T) {
	evil := `<script>alert(1)</script>"'&`
	in := Input{Media: []Medium{{Name: evil}, {Name: "b"}}, Level: 7e5, Folder: evil, Tool: evil, Against: evil, Checks: []Check{{Text: evil, Failed: true}}}
	variants := []perturb.Variant{{Family: "jpeg", Severity: 1, Parameter: "90"}, {Family: "jpeg", Severity: 2, Parameter: "75"}, {Family: evil, Severity: 1, Parameter: evil}, {Family: evil, Severity: 2, Parameter: "x"}}
	in.Detectors = append(in.Detectors, detector(t, in.Media, evil, variants, func(m int, v *perturb.Variant) float64 {
		if v == nil || m == 0 {
			return .3
		}
		return .8
	}))
	if p := render(t, in); len(p.all("script")) > 0 || !strings.Contains(p.text(), "alert(1)") {
		t.Error("a name became a script, or is not shown")
	}
	files, err := Plots(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.ContainsAny(f.Name, `<>"'&/ `) {
			t.Errorf("a file is called %q", f.Name)
		}
	}
}

// TestSize: thumbnails keep to their room, and a report that would be too large is refused with what to do.
func TestSize(t *testing.T) {
	in := golden(t)
	in.Thumbnail = func(medium int) ([]byte, error) { return bytes.Repeat([]byte{byte(medium)}, 60<<10), nil }
	p := render(t, in)
	different := map[string]bool{}
	for _, img := range p.all("img") {
		different[img.attribute("src")] = true
	}
	if len(different) != 6 {
		t.Errorf("%d thumbnails of 60 kB, want 6", len(different))
	}
	if s, _ := p.section("moved"); !strings.Contains(s.text(), "thumbnails were left out") {
		t.Error("nothing is said of those that were left out")
	}
	for range 7 {
		in.Detectors = append(in.Detectors, in.Detectors[:4]...)
	}
	if _, err := HTML(in); err == nil || !strings.Contains(err.Error(), "--only") {
		t.Errorf("32 detectors: %v", err)
	}
}

// TestPlots writes every figure, with fixed colours and its own title.
func TestPlots(t *testing.T) {
	files, err := Plots(golden(t))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
		switch {
		case strings.HasSuffix(f.Name, ".svg"):
			if !bytes.Contains(f.Data, []byte("</svg>")) || bytes.Contains(f.Data, []byte("var(--")) || !bytes.Contains(f.Data, []byte("meso")) {
				t.Errorf("%s: no SVG that stands alone", f.Name)
			}
		case !bytes.HasPrefix(f.Data, []byte("\x89PNG")):
			t.Errorf("%s is no PNG", f.Name)
		}
	}
	for _, want := range []string{"plane.svg", "plane.png", "jpeg-ra.svg", "jpeg-rr.png", "fgsm_label-success.svg", "tolerance-meso4-df.svg", "heat-rr-meso4-df.png"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %v", want, names)
		}
	}
}
