package inspect

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"shaketable/pipeline"
)

// YAML writes a list of detectors with one entry. Beside everything that is not certain stands why it is what it is.
func YAML(d pipeline.Detector, s Settled) string {
	var b strings.Builder
	line := func(text, topic string) {
		comment := ""
		if l := s.Line(topic); topic != "" && l.Certainty != Found && l.Certainty != "" {
			comment = fmt.Sprintf("   # %s: %s", strings.ToUpper(string(l.Certainty)), oneLine(l.Why))
		}
		b.WriteString(text + comment + "\n")
	}
	in, out := d.Input, d.Output
	b.WriteString("# Written by shaketable inspect. GUESSED and VERIFY mark what the model file cannot tell for certain: compare with the\n" +
		"# scores of your own service, shaketable verify, before you believe any figure.\n")
	line("detectors:", "")
	line("  - name: "+scalar(d.Name), "")
	line("    version: "+scalar(d.Version)+"   # yours to choose: figures of different versions are never mixed", "")
	line("    model:", "")
	line("      path: "+scalar(d.Model.Path), "")
	line("      sha256: "+scalar(d.Model.SHA256), "")
	line("    input:", "")
	line("      name: "+scalar(in.Name), "")
	line(fmt.Sprintf("      width: %d", in.Width), "size")
	line(fmt.Sprintf("      height: %d", in.Height), "size")
	line("      layout: "+in.Layout, "layout")
	line("      color: "+in.Color, "colour order")
	line("      scale: "+in.Scale, "scale")
	line(fmt.Sprintf("      mean: [%g, %g, %g]", in.Mean[0], in.Mean[1], in.Mean[2]), "mean, std")
	line(fmt.Sprintf("      std: [%g, %g, %g]", in.Std[0], in.Std[1], in.Std[2]), "mean, std")
	line(fmt.Sprintf("      resize: {method: %s, fit: %s}", in.Resize.Method, in.Resize.Fit), "resize")
	line("    output:", "")
	line("      name: "+scalar(out.Name), "output")
	line("      kind: "+out.Kind, "kind")
	line(fmt.Sprintf("      index: %d", out.Index), "meaning")
	line("      meaning: "+out.Meaning, "meaning")
	line("    threshold: 0.5   # on the probability of fake: put the one that your service decides with", "")
	return b.String()
}

// scalar writes a text so that YAML reads it as that text.
func scalar(text string) string {
	data, err := yaml.Marshal(text)
	if err != nil || strings.Count(string(data), "\n") != 1 {
		return fmt.Sprintf("%q", text)
	}
	return strings.TrimSpace(string(data))
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
