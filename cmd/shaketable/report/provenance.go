package report

import (
	"fmt"
	"strings"

	"shaketable/pipeline"
)

func trimPercent(text string) string { return strings.TrimSuffix(text, " %") }

// provenance is all that is needed to do the same again.
func (s *sheet) provenance() (rows [][2]string) {
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, [2]string{name, value})
		}
	}
	add("evaluated", day(s.At))
	add("with", s.Tool)
	add("pictures", fmt.Sprintf("%d from %s, %d of them labelled", len(s.Media), s.Folder, s.labelled))
	add("SHA-256 of the pictures", s.subjects[0].Digest)
	add("suite", s.Suite)
	if s.Codec != "" {
		add("JPEG by", map[string]string{"graph": "the suite's own graph", "exact": "a real encoder and decoder"}[s.Codec])
	}
	for i := range s.subjects {
		d := &s.subjects[i]
		g := d.Counts.Generation()
		pictures, floor := "", ""
		if d.Digest != s.subjects[0].Digest {
			pictures = "it could use other pictures, of SHA-256 " + d.Digest
		}
		if d.Floor != "" {
			floor = "by itself the device moves a probability by " + d.Floor
		}
		add(d.title(), strings.Join(nonEmpty("model SHA-256 "+g.Digest, fmt.Sprintf("fake from %g on", d.Threshold), pictures, d.Engine, floor), "; "))
		if d.Before != nil {
			add("held against", fmt.Sprintf("%s: version %s, %s, pictures %s", d.Before.ID, d.Before.Provenance[pipeline.ProvenanceVersion],
				day(d.Before.FrozenAt), d.Before.Provenance["media_sha256"]))
		}
	}
	return rows
}

func nonEmpty(texts ...string) (list []string) {
	for _, t := range texts {
		if t != "" {
			list = append(list, t)
		}
	}
	return list
}
