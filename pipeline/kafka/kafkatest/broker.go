package kafkatest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// Options of a broker. The zero value is a plaintext broker with small limits, fit for a test.
type Options struct {
	// Jars is the folder with the broker's jars; "" looks for it (see Jars).
	Jars string
	// Heap of the JVM; "" is 512m.
	Heap string
	// Properties are added to server.properties and win over what this package sets.
	Properties map[string]string
}

// Broker is a running (or stopped) broker that keeps its address and data from start to start.
type Broker struct {
	dir        string
	jars       string
	heap       string
	address    string
	controller string
	properties map[string]string

	mu     sync.Mutex
	leash  *os.File // closing it kills the JVM; so does the death of this process
	cmd    *exec.Cmd
	exited chan struct{}
}

// Start formats storage under dir, starts a broker there and waits until it answers. The data stays in dir when the broker
// is stopped.
func Start(ctx context.Context, dir string, opts Options) (*Broker, error) {
	jars := opts.Jars
	if jars == "" {
		var err error
		if jars, err = Jars(); err != nil {
			return nil, err
		}
	}
	var last error
	// The ports are free when they are chosen, but may be taken before the JVM has them.
	for range 3 {
		ports, err := freePorts(2)
		if err != nil {
			return nil, fmt.Errorf("kafkatest: %w", err)
		}
		b := &Broker{dir: dir, jars: jars, heap: opts.Heap, properties: opts.Properties,
			address: ports[0], controller: ports[1]}
		if b.heap == "" {
			b.heap = "512m"
		}
		if last = b.format(ctx); last != nil {
			return nil, last
		}
		if last = b.Restart(ctx); last == nil || ctx.Err() != nil {
			return b, last
		}
		if err := os.RemoveAll(b.data()); err != nil {
			return nil, fmt.Errorf("kafkatest: %w", err)
		}
	}
	return nil, last
}

// Address is host:port for clients.
func (b *Broker) Address() string { return b.address }

// LogFile is where the broker's log goes.
func (b *Broker) LogFile() string { return filepath.Join(b.dir, "broker.log") }

func (b *Broker) data() string       { return filepath.Join(b.dir, "data") }
func (b *Broker) properFile() string { return filepath.Join(b.dir, "server.properties") }

// format writes server.properties and lets Kafka's own tool make the storage.
func (b *Broker) format(ctx context.Context) error {
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return fmt.Errorf("kafkatest: %w", err)
	}
	if err := os.WriteFile(b.properFile(), b.serverProperties(), 0o644); err != nil {
		return fmt.Errorf("kafkatest: %w", err)
	}
	id := make([]byte, 16)
	rand.Read(id)
	id[0] &= 0x7f // the text of an id must not begin with a dash
	out, err := exec.CommandContext(ctx, "java", b.java("256m", "kafka.tools.StorageTool", "format",
		"-t", base64.RawURLEncoding.EncodeToString(id), "-c", b.properFile())...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("kafkatest: format storage: %w: %s", err, tail(out))
	}
	return nil
}

// java returns the arguments of a JVM that starts fast and stays small.
func (b *Broker) java(heap, class string, args ...string) []string {
	return append([]string{"-Xmx" + heap, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto",
		"-Dorg.slf4j.simpleLogger.showDateTime=true", "-cp", filepath.Join(b.jars, "*"), class}, args...)
}

// Restart starts a broker that is stopped, on the same address and data, and waits until it answers.
func (b *Broker) Restart(ctx context.Context) error {
	if err := b.launch(); err != nil {
		return err
	}
	for {
		if err := b.ready(ctx); err == nil {
			return nil
		}
		select {
		case <-b.exited:
			log, _ := os.ReadFile(b.LogFile())
			return fmt.Errorf("kafkatest: the broker ended while it started; the end of %s: %s", b.LogFile(), tail(log))
		case <-ctx.Done():
			b.Kill()
			return fmt.Errorf("kafkatest: the broker does not answer: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// The shell keeps the JVM on a leash: when its input ends, because we close it or die, it kills the JVM. SIGTERM is passed
// on.
const leashed = `exec 3<&0
"$@" 3<&- </dev/null & jvm=$!
(cat <&3 >/dev/null; kill -KILL $jvm 2>/dev/null) & leash=$!
exec 3<&-
trap 'kill -TERM $jvm' TERM
wait $jvm; wait $jvm
kill $leash 2>/dev/null`

func (b *Broker) launch() error {
	log, err := os.OpenFile(b.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("kafkatest: %w", err)
	}
	defer log.Close()
	input, leash, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("kafkatest: %w", err)
	}
	defer input.Close()
	cmd := exec.Command("sh", append([]string{"-c", leashed, "sh", "java"}, b.java(b.heap, "kafka.Kafka", b.properFile())...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, log, log
	if err := cmd.Start(); err != nil {
		leash.Close()
		return fmt.Errorf("kafkatest: start the broker: %w", err)
	}
	exited := make(chan struct{})
	go func() {
		cmd.Wait() // how it ended is in its log
		close(exited)
	}()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cmd, b.leash, b.exited = cmd, leash, exited
	return nil
}

// ready fails until the broker answers and has elected itself controller.
func (b *Broker) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := (&kafkago.Dialer{}).DialContext(ctx, "tcp", b.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Second))
	brokers, err := conn.Brokers()
	if err == nil && len(brokers) == 0 {
		err = errors.New("no broker is registered")
	}
	return err
}

// Stop ends the broker in good order; one that takes longer than 15 s is killed.
func (b *Broker) Stop() {
	b.end(func(cmd *exec.Cmd, exited <-chan struct{}) {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(15 * time.Second):
		}
	})
}

// Kill ends the broker as a power cut would.
func (b *Broker) Kill() { b.end(func(*exec.Cmd, <-chan struct{}) {}) }

func (b *Broker) end(ask func(*exec.Cmd, <-chan struct{})) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cmd == nil {
		return
	}
	ask(b.cmd, b.exited)
	b.leash.Close()
	<-b.exited
	b.cmd = nil
}

// CreateTopics makes topics with one replica.
func (b *Broker) CreateTopics(ctx context.Context, partitions int, names ...string) error {
	transport := &kafkago.Transport{}
	defer transport.CloseIdleConnections()
	client := kafkago.Client{Addr: kafkago.TCP(b.address), Transport: transport, Timeout: 10 * time.Second}
	req := &kafkago.CreateTopicsRequest{}
	for _, n := range names {
		req.Topics = append(req.Topics, kafkago.TopicConfig{Topic: n, NumPartitions: partitions, ReplicationFactor: 1})
	}
	answer, err := client.CreateTopics(ctx, req)
	if err != nil {
		return fmt.Errorf("kafkatest: create topics: %w", err)
	}
	for name, err := range answer.Errors {
		if err != nil {
			return fmt.Errorf("kafkatest: create topic %q: %w", name, err)
		}
	}
	return nil
}

func freePorts(n int) ([]string, error) {
	var addresses []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}

func tail(b []byte) string {
	b = bytes.TrimSpace(b)
	return string(b[max(0, len(b)-2000):])
}
