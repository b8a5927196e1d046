package pipeline

import "shaketable/perturb"

// Subject is a detector that is being probed: its configuration, generation, model, attacker and meter.
type Subject struct {
	Detector   Detector
	Generation Generation
	Suite      perturb.Suite
	Model      Model
	// Attacker runs the attacks that the generation lists behind the variants of the suite; nil if it lists none.
	Attacker Attacker
	Meter    *Meter
}

// Roster finds the subject that a detection speaks of.
type Roster struct {
	byName map[string][]*Subject
}

// NewRoster keeps the subjects in the order given; the configuration has made sure that (name, version) is unique.
func NewRoster(subjects []*Subject) *Roster {
	r := &Roster{byName: map[string][]*Subject{}}
	for _, s := range subjects {
		r.byName[s.Detector.Name] = append(r.byName[s.Detector.Name], s)
	}
	return r
}

// Find returns the subject of a detector's name and version; nil if there is none. A detection that names no version
// means the last one that the configuration lists.
func (r *Roster) Find(name, version string) *Subject {
	versions := r.byName[name]
	if version == "" && len(versions) > 0 {
		return versions[len(versions)-1]
	}
	for _, s := range versions {
		if s.Detector.Version == version {
			return s
		}
	}
	return nil
}
