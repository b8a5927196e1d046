package kafkatest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// serverProperties configures one node that is broker and controller, with the internal topics small enough to start fast.
func (b *Broker) serverProperties() []byte {
	properties := map[string]string{
		"process.roles":                            "broker,controller",
		"node.id":                                  "1",
		"controller.quorum.voters":                 "1@" + b.controller,
		"listeners":                                "CLIENTS://" + b.address + ",CONTROLLER://" + b.controller,
		"advertised.listeners":                     "CLIENTS://" + b.address,
		"inter.broker.listener.name":               "CLIENTS",
		"controller.listener.names":                "CONTROLLER",
		"listener.security.protocol.map":           "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs":                                 b.data(),
		"offsets.topic.replication.factor":         "1",
		"offsets.topic.num.partitions":             "1",
		"transaction.state.log.replication.factor": "1",
		"transaction.state.log.min.isr":            "1",
		"transaction.state.log.num.partitions":     "1",
		"group.initial.rebalance.delay.ms":         "0",
		"group.min.session.timeout.ms":             "1000",
		// After a kill the controller keeps the broker out until the old session has run out: 9 s by default.
		"broker.session.timeout.ms":    "1500",
		"broker.heartbeat.interval.ms": "300",
		// A topic that a test forgot to create must fail, not appear.
		"auto.create.topics.enable": "false",
		"log.cleaner.enable":        "false",
	}
	maps.Copy(properties, b.properties)
	var out bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		fmt.Fprintf(&out, "%s=%s\n", key, properties[key])
	}
	return out.Bytes()
}
