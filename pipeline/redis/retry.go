package redis

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// retryable are the error codes by which a server says "not now" or "not here", having written nothing. OOM and MISCONF
// need a person, but the work in hand need not be given up for it.
var retryable = [...]string{"NOSCRIPT", "READONLY", "LOADING", "TRYAGAIN", "MOVED", "ASK", "CLUSTERDOWN", "MASTERDOWN",
	"NOREPLICAS", "BUSY", "OOM", "MISCONF", "UNBLOCKED"}

// Retryable says whether the same call with the same arguments may succeed later: the connection was lost or the server
// was not ready. It is false for a done context, for wrong credentials and for data of the wrong type.
func Retryable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, goredis.ErrPoolTimeout) {
		return true
	}
	var network net.Error
	if errors.As(err, &network) { // before the deadline: a dial or read that timed out wraps it
		return network != context.DeadlineExceeded //nolint:errorlint // the bare deadline is ours; one that is wrapped is the network's
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var reply goredis.Error
	if !errors.As(err, &reply) {
		return strings.Contains(err.Error(), "all sentinels specified in configuration are unreachable")
	}
	code, _, _ := strings.Cut(reply.Error(), " ")
	for _, c := range retryable {
		if code == c {
			return true
		}
	}
	// "max number of clients reached" has no code of its own
	return strings.Contains(reply.Error(), "max number of clients")
}
