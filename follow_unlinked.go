package statuslink

import (
	"context"
	"log/slog"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// listAge is how often the list of a source is read at most to find a name, and how
// long that may take.
const listAge = time.Minute

// statusNames is what a source listed when an unlinked status was seen.
type statusNames struct {
	turn     chan struct{} // full while it is used
	asked    time.Time
	statuses map[crm.Ref]crm.Status
}

func newStatusNames() *statusNames { return &statusNames{turn: make(chan struct{}, 1)} }

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
// time is listAge ago.
func (l *Leads) listed(ctx context.Context, ref crm.Ref) (crm.Status, bool, error) {
	known := l.names[ref.Source]
	client, err := l.client(ref.Source)
	if known == nil || err != nil { // the CRM names a status of another source
		return crm.Status{Ref: ref}, false, nil
	}
	select {
	case known.turn <- struct{}{}:
	case <-ctx.Done():
		return crm.Status{}, false, ctx.Err()
	}
	defer func() { <-known.turn }()
	if known.asked.IsZero() || time.Since(known.asked) >= listAge {
		known.asked = time.Now()
		limited, cancel := context.WithTimeout(ctx, listAge)
		defer cancel()
		listing, err := client.ListStatuses(limited)
		if ctx.Err() != nil {
			return crm.Status{}, false, ctx.Err()
		}
		if err == nil {
			known.statuses = make(map[crm.Ref]crm.Status, len(listing.Statuses))
			for _, status := range listing.Statuses {
				known.statuses[status.Ref] = status
			}
		} else {
			l.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "source not read", slog.String("source", ref.Source), slog.Any("kind", kindOf(err)))
		}
	}
	if status, listed := known.statuses[ref]; listed {
		return status, true, nil
	}
	return crm.Status{Ref: ref}, false, nil
}
