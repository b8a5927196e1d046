package kafka

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	kafkago "github.com/segmentio/kafka-go"
)

// copartRange assigns partition numbers, not partitions: whoever gets number p gets partition p of every topic that it
// reads. In are members and partitions in any order, out are contiguous ranges of numbers, members taken in order of id.
//
// kafka-go's range balancer deals out partitions in the order of the metadata, which differs between topics, so that a
// member gets 0 1 2 of one topic and 2 3 4 of the other.
type copartRange struct{ log *slog.Logger }

var _ kafkago.GroupBalancer = copartRange{}

// ProtocolName is what all members of the group must agree on.
func (copartRange) ProtocolName() string { return "copart-range" }

// UserData is empty: nothing needs to be known about a member but its topics.
func (copartRange) UserData() ([]byte, error) { return nil, nil }

// AssignGroups is called on the member that leads the group. If the topics are not co-partitioned, everybody gets nothing
// until they are: kafka-go calls again when a partition count changes.
func (b copartRange) AssignGroups(members []kafkago.GroupMember, partitions []kafkago.Partition) kafkago.GroupMemberAssignments {
	out := kafkago.GroupMemberAssignments{}
	topics := map[string]bool{}
	for _, m := range members {
		out[m.ID] = map[string][]int{}
		for _, t := range m.Topics {
			topics[t] = true
		}
	}
	count, err := copartitioned(slices.Sorted(maps.Keys(topics)), partitions)
	if err != nil {
		b.log.Error("no partitions are assigned", "error", err)
		return out
	}
	members = slices.SortedFunc(slices.Values(members), func(a, b kafkago.GroupMember) int { return strings.Compare(a.ID, b.ID) })
	for i, m := range members {
		if len(m.Topics) != len(topics) {
			b.log.Warn("a member reads fewer topics than others: is a configuration being rolled out?", "member", m.ID, "topics", m.Topics)
		}
		for p := i * count / len(members); p < (i+1)*count/len(members); p++ {
			for _, t := range m.Topics {
				out[m.ID][t] = append(out[m.ID][t], p)
			}
		}
	}
	return out
}

// copartitioned returns the partition count that all topics share.
func copartitioned(topics []string, partitions []kafkago.Partition) (int, error) {
	ids := map[string]map[int]bool{}
	for _, p := range partitions {
		if ids[p.Topic] == nil {
			ids[p.Topic] = map[int]bool{}
		}
		ids[p.Topic][p.ID] = true
	}
	counts := make([]int, len(topics))
	for i, t := range topics {
		counts[i] = len(ids[t])
		for p := range counts[i] {
			if !ids[t][p] {
				return 0, fmt.Errorf("topic %q has %d partitions, but no partition %d", t, counts[i], p)
			}
		}
	}
	return sameCount(topics, counts)
}

// sameCount returns the partition count that all topics have. The error names every count and what to do.
func sameCount(topics []string, counts []int) (int, error) {
	var absent, have []string
	for i, t := range topics {
		have = append(have, fmt.Sprintf("%q has %d", t, counts[i]))
		if counts[i] == 0 {
			absent = append(absent, fmt.Sprintf("%q", t))
		}
	}
	switch {
	case len(absent) > 0:
		return 0, fmt.Errorf("topic %s does not exist: create it with as many partitions as the other inputs (%s)",
			strings.Join(absent, ", "), strings.Join(have, ", "))
	case len(topics) == 0 || slices.Min(counts) == slices.Max(counts):
		return slices.Max(append(counts, 0)), nil
	}
	return 0, fmt.Errorf("the inputs are not co-partitioned: topic %s partitions; create them anew with equal counts, "+
		"because adding partitions moves keys", strings.Join(have, ", "))
}
