package otlp

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"shaketable/pipeline"
)

// Sink sends transitions as log events.
//
// In: a transition. Out: nil if and only if the receiver has acknowledged the record that carries it. The SDK alone can't
// tell: a Logger returns nothing, and the error of an export ends in the global handler. So the alerts have a
// LoggerProvider of their own whose exporter hands the result back to the call that emitted the record.
type Sink struct {
	logger log.Logger
	// turn admits one export at a time, as the contract of exporters asks, without making anybody wait past its deadline.
	turn chan struct{}
}

var _ pipeline.Sink = (*Sink)(nil)

func newSink(provider *sdklog.LoggerProvider, version string) *Sink {
	return &Sink{logger: provider.Logger("shaketable", log.WithInstrumentationVersion(version)), turn: make(chan struct{}, 1)}
}

// Name implements [pipeline.Sink].
func (*Sink) Name() string { return "otlp" }

// Send implements [pipeline.Sink].
func (s *Sink) Send(ctx context.Context, t pipeline.Transition) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return fmt.Errorf("otlp: transition %s waits for another one: %w", t.ID, ctx.Err())
	}
	result := &receipt{err: errNotExported}
	s.logger.Emit(context.WithValue(ctx, receiptKey{}, result), eventOf(t))
	if result.err != nil {
		return fmt.Errorf("otlp: transition %s is not acknowledged: %w", t.ID, result.err)
	}
	return nil
}

// errNotExported is the result of a record that never reached the exporter, because the provider was shut down.
var errNotExported = errors.New("telemetry has been shut down")

// receipt carries the result of an export back to Send.
type receipt struct{ err error }

type receiptKey struct{}

// ackExporter fills in the receipt in the context of an export. It relies on a processor that exports in the call that
// emits, as [sdklog.SimpleProcessor] does.
type ackExporter struct{ sdklog.Exporter }

// Export implements [sdklog.Exporter].
func (e ackExporter) Export(ctx context.Context, records []sdklog.Record) error {
	err := e.Exporter.Export(ctx, records)
	if onlyWarned(err) {
		err = nil
	}
	if r, ok := ctx.Value(receiptKey{}).(*receipt); ok {
		r.err = err
		return nil // Send returns it: the global handler need not report it again
	}
	return err
}

// onlyWarned says that the receiver took every record and had something to say all the same. The exporters return that as
// an error whose type is internal to them, so it can be told by its text alone; taken for a failure, it would make the
// outbox send the same alert for ever.
func onlyWarned(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "OTLP partial success: ") && strings.HasSuffix(err.Error(), "(0 logs rejected)")
}
