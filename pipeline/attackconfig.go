package pipeline

import (
	"fmt"
	"time"

	"shaketable/perturb/attack"
)

// AttackConfig chooses the attacks on live media. See [AttackLane].
type AttackConfig struct {
	// Rate is the share of the probed media that is attacked as well, 0 (none) to 1 (all). Default 0.
	Rate float64 `yaml:"rate"`
	// List names the attacks as `evaluate --attacks` does: "pgd(target=delta, eps=2/255)". Targets are self and delta; label
	// is refused, because labels come after the probe. What is scored is the 8-bit picture, unless forms says otherwise.
	// Default: PGD towards the largest change, within 2/255.
	List []string `yaml:"list"`
	// Queries bounds what one media may cost: passes through the model over all attacks, in the worst case. A list that may
	// need more is refused. Default 200.
	Queries int `yaml:"queries"`
	// Timeout ends all attacks on one media; its probe counts. Default 30s.
	Timeout time.Duration `yaml:"timeout"`
}

// DefaultAttackConfig returns the defaults of [AttackConfig].
func DefaultAttackConfig() AttackConfig {
	return AttackConfig{List: []string{"pgd(target=delta, eps=2/255)"}, Queries: 200, Timeout: 30 * time.Second}
}

// Validate returns one error per fault; each begins with the key that is at fault. What the list says is judged by [AttackConfig.Specs].
func (c AttackConfig) Validate() []error {
	var es []error
	if !(c.Rate >= 0 && c.Rate <= 1) {
		es = append(es, fmt.Errorf("rate: %v must be 0 to 1", c.Rate))
	}
	if c.Rate > 0 && len(c.List) == 0 {
		es = append(es, fmt.Errorf("list: is empty, but attacks.rate is %v; name an attack, such as pgd(target=delta, eps=2/255)", c.Rate))
	}
	if c.Queries < 1 {
		es = append(es, fmt.Errorf("queries: %d must be at least 1", c.Queries))
	}
	_, faults := c.Specs()
	return append(append(es, positive("timeout", c.Timeout)...), faults...)
}

// Specs reads the list. Errors begin with the key that is at fault, one per fault: an attack that cannot be read, one that
// needs a label, one that is there twice, and a list that may cost a media more passes than its budget.
func (c AttackConfig) Specs() ([]attack.Spec, []error) {
	var specs []attack.Spec
	var faults []error
	queries, at := 0, map[string]int{}
	for i, text := range c.List {
		fault := func(err error) { faults = append(faults, fmt.Errorf("list[%d]: %w", i, err)) }
		list, err := attack.List(text)
		for _, err := range apart(err) {
			fault(err)
		}
		for _, spec := range list {
			if len(spec.Forms) == 0 {
				spec.Forms = []string{"uint8"} // what somebody could upload
			}
			for _, row := range attack.Variants([]attack.Spec{spec}) {
				name := row.Family + " " + row.Parameter
				if first, twice := at[name]; twice {
					fault(fmt.Errorf("%s would be the row %s, which list[%d] has already", spec, name, first))
				}
				at[name] = i
			}
			if spec.Target == "label" {
				fault(fmt.Errorf("%s needs the true label, which comes after the probe, if ever: use target=self or target=delta; "+
					"`shaketable evaluate` takes labels", spec))
			}
			queries += spec.Queries()
			specs = append(specs, spec)
		}
	}
	if queries > c.Queries {
		faults = append(faults, fmt.Errorf("queries: %d passes through the model per media are allowed, but the list may need %d: "+
			"raise it or shorten the list", c.Queries, queries))
	}
	return specs, faults
}

// apart returns the errors that were joined into one; none for nil.
func apart(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
