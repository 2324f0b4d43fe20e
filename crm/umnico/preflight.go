package umnico

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// fresh is how old a listing may be that alone proves that a status does not exist,
// and how soon after a listing that failed none is read again.
const fresh = 10 * time.Second

// listed is what the client knows of the account's statuses from the last listing
// that it read. Its zero value is ready to use, and knows nothing.
type listed struct {
	last   atomic.Pointer[listing]
	failed atomic.Pointer[time.Time] // when the last one could not be read
}

// listing is one listing.
type listing struct {
	at  time.Time
	ids map[string]bool
}

// note keeps a listing.
func (l *listed) note(read *crm.Listing) {
	k := &listing{at: time.Now(), ids: make(map[string]bool, len(read.Statuses))}
	for i := range read.Statuses {
		k.ids[read.Statuses[i].Ref.ID] = true
	}
	l.last.Store(k)
}

// lacks reports whether there is a listing that does not have the status.
func (l *listed) lacks(status crm.Ref) (at time.Time, lacks bool) {
	k := l.last.Load()
	if k == nil {
		return time.Time{}, false
	}
	return k.at, !k.ids[status.ID]
}

// refuses returns an error if the status surely does not exist. A listing that
// lacks it is read again first, because somebody may have made the status
// meanwhile; where that fails, Umnico itself has to decide, and so it has for the
// moves that come right behind.
func (l *listed) refuses(ctx context.Context, c *Client, op string, status crm.Ref) error {
	at, lacks := l.lacks(status)
	if lacks && time.Since(at) > fresh {
		if failed := l.failed.Load(); failed != nil && time.Since(*failed) <= fresh {
			return nil
		}
		if _, err := c.ListStatuses(ctx); err != nil {
			now := time.Now()
			l.failed.Store(&now)
			return nil //nolint:nilerr // the move is verified in any case
		}
		_, lacks = l.lacks(status)
	}
	if !lacks {
		return nil
	}
	return c.failure(op, &crm.Error{Kind: crm.ErrNotFound, Message: fmt.Sprintf(
		"the account has no status %q; nothing was written", status.ID)})
}
