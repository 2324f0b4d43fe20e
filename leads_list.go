package statuslink

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/statuslink/statuslink/crm"
)

const opListLeads = "list leads"

// In yields the leads in the status with the Key or ID, a Key first: those that
// stand on any of its links, missing ones too, in every CRM and pipeline. Leads that
// are in it as the [LeadsOptions.Fallback] only are not among them, and a status without
// links yields nothing. What leads may be missed while they move, the client's comment on
// ListLeads says.
//
// There is one list for each source and kind of leads; they are read one after the
// other, in the order of the status's links. An error is an [*Error], and means that
// leads are missing; the next list follows nevertheless, unless ctx has ended. It is
// [ErrNotFound] if there is no such status, or no client of a link's source, and
// [errors.ErrUnsupported] if a client cannot list leads.
func (l *Leads) In(ctx context.Context, keyOrID string) iter.Seq2[LeadStatus, error] {
	return func(yield func(LeadStatus, error) bool) {
		snapshot, err := l.catalog.Snapshot(ctx)
		var status Status
		if err == nil {
			status, err = snapshot.get(keyOrID)
		}
		if err != nil {
			yield(LeadStatus{}, about(opListLeads, crm.Lead{}, "", err))
			return
		}
		for _, list := range l.lists(&status) {
			for lead, err := range list.leads(ctx) {
				if err != nil {
					if !yield(LeadStatus{}, about(opListLeads, crm.Lead{}, status.label(), err)) || ctx.Err() != nil {
						return
					}
					continue
				}
				at, linked := snapshot.byRef[lead.Status]
				if !linked || snapshot.state.Statuses[at.status].ID != status.ID {
					continue // which the client should not have listed
				}
				if !yield(snapshot.leadStatus(lead, at), nil) {
					return
				}
			}
		}
	}
}

// leadList is one list of leads.
type leadList struct {
	source string
	query  crm.LeadQuery
	lister crm.LeadLister // nil if err is not
	err    error
}

// lists returns the lists that hold the leads in a status.
func (l *Leads) lists(status *Status) []leadList {
	var lists []leadList
	for _, link := range status.Links {
		list := leadList{source: link.Ref.Source}
		client, err := l.client(list.source)
		if kinder, ok := client.(crm.LeadKinder); ok {
			kind, stands := kinder.KindOf(link.Ref.Scope)
			if !stands {
				continue
			}
			list.query.Kind = kind
		}
		i := slices.IndexFunc(lists, func(other leadList) bool {
			return other.source == list.source && other.query.Kind == list.query.Kind
		})
		if i < 0 {
			i = len(lists)
			var can bool
			if list.lister, can = client.(crm.LeadLister); err == nil && !can {
				err = &Error{Kind: errors.ErrUnsupported, Message: fmt.Sprintf("the client of %q cannot list leads", list.source)}
			}
			list.err = err
			lists = append(lists, list)
		}
		lists[i].query.Statuses = append(lists[i].query.Statuses, link.Ref)
	}
	return lists
}

// leads yields the leads of the list.
func (l leadList) leads(ctx context.Context) iter.Seq2[crm.Lead, error] {
	if l.err != nil {
		return func(yield func(crm.Lead, error) bool) { yield(crm.Lead{}, l.err) }
	}
	return l.lister.ListLeads(ctx, l.query)
}
