package perturb

import "shaketable/perturb/corrupt"

// hostFamilies are the families of package corrupt, but for jpeg: there it is another way to make a family of the graph.
func hostFamilies() (all []Family) {
	for _, f := range corrupt.Families() {
		if f.Name == "jpeg" {
			continue
		}
		out := Family{Name: f.Name, Severities: f.Severities, Formula: f.Formula, Bounds: f.Bounds, Source: f.Source,
			Random: f.Random, Host: true, check: f.Check}
		for _, p := range f.Parameters {
			out.Parameters = append(out.Parameters, Parameter{Name: p.Name, Unit: p.Unit, Min: p.Min, Max: p.Max, Whole: p.Integer})
		}
		all = append(all, out)
	}
	return all
}
