package crmfake

import (
	"maps"
	"slices"

	"github.com/statuslink/statuslink/crm"
)

// Status returns a row with the given ID and name, to be given to [Listing].
func Status(id, name string) crm.Status {
	return crm.Status{Ref: crm.Ref{ID: id}, Name: name}
}

// Listing returns the listing of an account with a single scope. Every row
// gets the given source and the scope's ID in its Ref, whatever stood there;
// if no row has an Order, they are numbered from 1 in the order given. Nothing
// is checked, and the rows are copied.
func Listing(source string, scope crm.Scope, statuses ...crm.Status) crm.Listing {
	listing := crm.Listing{Source: source, Scopes: []crm.Scope{scope}, Statuses: cloneStatuses(statuses)}
	number := !slices.ContainsFunc(statuses, func(s crm.Status) bool { return s.Order != 0 })
	for i := range listing.Statuses {
		row := &listing.Statuses[i]
		row.Ref.Source, row.Ref.Scope = source, scope.ID
		if number {
			row.Order = i + 1
		}
	}
	return listing
}

// Join returns one listing with the scopes and rows of all, in the order given:
// an account with several scopes. Source, Account and Exists are those of the
// first. Join of nothing is the zero Listing. The listings are copied.
func Join(listings ...crm.Listing) crm.Listing {
	var joined crm.Listing
	for i, listing := range listings {
		if i == 0 {
			joined = clone(listing)
			continue
		}
		joined.Scopes = append(joined.Scopes, listing.Scopes...)
		joined.Statuses = append(joined.Statuses, cloneStatuses(listing.Statuses)...)
	}
	return joined
}

// clone returns a copy of listing that shares nothing with it; nil stays nil.
func clone(listing crm.Listing) crm.Listing {
	listing.Account = slices.Clone(listing.Account)
	listing.Scopes = slices.Clone(listing.Scopes)
	listing.Exists = slices.Clone(listing.Exists)
	listing.Statuses = cloneStatuses(listing.Statuses)
	return listing
}

func cloneStatuses(statuses []crm.Status) []crm.Status {
	copied := slices.Clone(statuses)
	for i := range copied {
		copied[i].Raw = maps.Clone(copied[i].Raw)
	}
	return copied
}
