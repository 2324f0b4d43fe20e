package statuslink

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/statuslink/statuslink/crm"
)

const (
	// listAge is how often the list of a source is read at most to find a name.
	listAge = time.Minute
	// listTime is how long that may take, while a lead waits for its name.
	listTime = 20 * time.Second
)

// statusNames is what a source listed when an unlinked status was seen.
type statusNames struct {
	mu       sync.Mutex
	reading  bool
	read     time.Time // when the last reading ended
	statuses map[crm.Ref]crm.Status
}

// report tells the developer of a lead on an unlinked status.
func (r *run) report(ctx context.Context, lead crm.Lead) error {
	l := r.leads
	snapshot, err := l.catalog.Snapshot(ctx)
	if err != nil {
		return err
	}
	said, listed, err := l.listed(ctx, lead.Status)
	if err != nil {
		return err
	}
	if l.opts.Unlinked == nil {
		l.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "a lead stands on a status that is not linked",
			slog.String("status", lead.Status.String()), slog.String("name", said.Name))
		return nil
	}
	return l.opts.Unlinked(ctx, UnlinkedLead{Lead: lead, Listed: listed, Status: said, Ignored: snapshot.IsIgnored(lead.Status)})
}

// listed returns what the CRM's list says of a status. It reads the list if the last
// time is listAge ago, unless that is under way: only one lead waits for it.
func (l *Leads) listed(ctx context.Context, ref crm.Ref) (crm.Status, bool, error) {
	known := l.names[ref.Source]
	client, err := l.client(ref.Source)
	if known == nil || err != nil { // the CRM names a status of another source
		return crm.Status{Ref: ref}, false, nil
	}
	if known.begin() {
		l.list(ctx, client, known)
		if ctx.Err() != nil {
			return crm.Status{}, false, ctx.Err()
		}
	}
	known.mu.Lock()
	defer known.mu.Unlock()
	if status, listed := known.statuses[ref]; listed {
		return status, true, nil
	}
	return crm.Status{Ref: ref}, false, nil
}

// list reads the list of a client.
func (l *Leads) list(ctx context.Context, client crm.Client, known *statusNames) {
	var statuses map[crm.Ref]crm.Status
	defer func() { known.end(statuses) }() // also if the client panics
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	listing, err := client.ListStatuses(ctx)
	if err != nil {
		l.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "source not read", slog.String("source", client.Source()), slog.Any("kind", kindOf(err)))
		return
	}
	statuses = make(map[crm.Ref]crm.Status, len(listing.Statuses))
	for _, status := range listing.Statuses {
		statuses[status.Ref] = status
	}
}

// begin reports whether the caller is to read the list, and to call end.
func (n *statusNames) begin() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.reading || !n.read.IsZero() && time.Since(n.read) < listAge {
		return false
	}
	n.reading = true
	return true
}

// end takes what was read; nil for nothing.
func (n *statusNames) end(statuses map[crm.Ref]crm.Status) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.reading, n.read = false, time.Now()
	if statuses != nil {
		n.statuses = statuses
	}
}
