package redis

import (
	"context"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"shaketable/pipeline"
)

// Store is Redis as the pipeline sees it. It is safe for concurrent use.
type Store struct {
	client goredis.UniversalClient
	cfg    Config
	keys   keys
	lua    scripts
}

// One store serves both paths; each is checked here, beside the type.
var (
	_ pipeline.Store     = (*Store)(nil)
	_ pipeline.Ledger    = (*Store)(nil)
	_ pipeline.Seat      = (*Store)(nil)
	_ pipeline.Release   = (*Store)(nil)
	_ pipeline.Outbox    = (*Store)(nil)
	_ pipeline.Snapshots = (*Store)(nil)
	_ pipeline.Registry  = (*Store)(nil)

	_ pipeline.SlicePlaces = (*Store)(nil)
)

// Open connects lazily: it fails only on a bad configuration or unreadable secrets. Check asks the servers.
func Open(cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("redis: configuration: %w", err)
	}
	options, err := cfg.options()
	if err != nil {
		return nil, err
	}
	return New(goredis.NewUniversalClient(options), cfg), nil
}

// New wraps a client that the caller has made, and owns it from then on. cfg must be valid; its addresses are not used.
func New(client goredis.UniversalClient, cfg Config) *Store {
	return &Store{client: client, cfg: cfg, keys: keys{prefix: cfg.Prefix}, lua: newScripts()}
}

// LogTo hands go-redis's own complaints (a dial that failed, a node that went away) to the program's log. go-redis keeps its
// logger in a global, so this is for main alone, before the first Open.
func LogTo(log func(ctx context.Context, message string)) { goredis.SetLogger(logger(log)) }

type logger func(ctx context.Context, message string)

// Printf implements go-redis's logger.
func (l logger) Printf(ctx context.Context, format string, args ...any) {
	l(ctx, fmt.Sprintf(format, args...))
}

// Close closes the connections.
func (s *Store) Close() error { return s.client.Close() }
