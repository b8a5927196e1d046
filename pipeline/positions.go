package pipeline

import (
	"sort"
	"sync"
)

// Position is how far a stream of one partition has been applied, and where its log ends.
type Position struct {
	Stream    Stream
	Partition int
	Applied   int64 // first offset that is not applied yet
	End       int64 // log end at the last fetch
}

// Lag is the number of records that are in Kafka but not in the store.
func (p Position) Lag() int64 { return max(p.End-p.Applied, 0) }

// Positions holds the positions of the partitions that this process owns. The zero value is empty.
type Positions struct {
	mu  sync.Mutex
	all map[Stream]map[int]Position
}

// Set replaces the position of a partition.
func (p *Positions) Set(pos Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = map[Stream]map[int]Position{}
	}
	if p.all[pos.Stream] == nil {
		p.all[pos.Stream] = map[int]Position{}
	}
	p.all[pos.Stream][pos.Partition] = pos
}

// Drop forgets a partition that is no longer owned.
func (p *Positions) Drop(partition int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, byPartition := range p.all {
		delete(byPartition, partition)
	}
}

// List returns all positions, by stream and partition.
func (p *Positions) List() []Position {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []Position
	for _, byPartition := range p.all {
		for _, pos := range byPartition {
			list = append(list, pos)
		}
	}
	sort.Slice(list, func(i, j int) bool {
		if list[i].Stream != list[j].Stream {
			return list[i].Stream < list[j].Stream
		}
		return list[i].Partition < list[j].Partition
	})
	return list
}
