// Package kafkatest runs a real Apache Kafka broker (KRaft, one node, one JVM) on free ports of 127.0.0.1, for tests and the
// acceptance program. The jars come from deploy/install/kafka.sh.
package kafkatest
