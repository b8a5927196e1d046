package pipeline

import "context"

// Worker runs the record path on the partitions that a source hands out.
type Worker struct {
	line   *Line
	source Source
}

// NewWorker joins a wired line with a source. A prober without a Health of its own gets the line's.
func NewWorker(l *Line, s Source) *Worker {
	if l.Prober.Health == nil {
		l.Prober.Health = l.Health
	}
	return &Worker{line: l, source: s}
}

// Run works until ctx is done; then running probes get Flow.Drain to end, what is contiguous is applied, and it returns.
func (w *Worker) Run(ctx context.Context) error { return w.source.Run(ctx, w.line.serve) }
