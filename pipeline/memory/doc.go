// Package memory keeps in one process what package redis keeps for many, for a replay of history that must leave no trace:
// the record path fills a [Store], and the clock path then reads it through a [View], minute by minute of event time.
//
//	pass 1: Kafka ─► record path without models ─► Scout ─► Plan: who wins each claim, which slices have a place
//	pass 2: Kafka ─► record path ─► Store ─► View ─► clock path
//
// Partitions are read side by side and as fast as they can be, so what comes first is chance. Live, that decides which of two
// copies of a picture is counted, and which sources get a slice of their own. Here the first pass finds all that ask, and
// event time decides; so two replays of the same history count the same.
package memory
