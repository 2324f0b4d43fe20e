package crmtest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/statuslink/statuslink/crm"
)

// reading is a client that makes of what it read what finish makes of it.
func reading(finish func(a *acme, listing crm.Listing, err error) (crm.Listing, error)) func(*acme, Conn) {
	return func(a *acme, _ Conn) {
		a.list = func(ctx context.Context) (crm.Listing, error) {
			listing, err := a.readAll(ctx)
			return finish(a, listing, err)
		}
	}
}

// mangling is a client that returns another listing than it read.
func mangling(mangle func(l *crm.Listing)) func(*acme, Conn) {
	return reading(func(_ *acme, listing crm.Listing, err error) (crm.Listing, error) {
		if err == nil {
			mangle(&listing)
		}
		return listing, err
	})
}

// failing is a client that returns other errors.
func failing(mangle func(e *crm.Error) error) func(*acme, Conn) {
	return reading(func(_ *acme, listing crm.Listing, err error) (crm.Listing, error) {
		var e *crm.Error
		if errors.As(err, &e) {
			return listing, mangle(e)
		}
		return listing, err
	})
}

// swallowing is a client that takes errors of a kind for an empty list.
func swallowing(kind error) func(*acme, Conn) {
	return reading(func(a *acme, listing crm.Listing, err error) (crm.Listing, error) {
		if errors.Is(err, kind) {
			return crm.Listing{Source: a.Source(), Scopes: []crm.Scope{{}}}, nil
		}
		return listing, err
	})
}

func listingMutants() []mutant {
	const incomplete = "did not return the complete list"
	return []mutant{
		{"shows a hundred rows", mangling(func(l *crm.Listing) {
			l.Statuses = l.Statuses[:min(len(l.Statuses), 100)]
		}), "ReturnsTheCompleteList", "a list of many statuses: ListStatuses " + incomplete},
		{"remembers the first list", func(a *acme, _ Conn) {
			var first crm.Listing
			a.list = func(ctx context.Context) (crm.Listing, error) {
				if first.Source != "" {
					return first, nil
				}
				var err error
				first, err = a.readAll(ctx)
				return first, err
			}
		}, "ReturnsTheCompleteList", incomplete},
		{"loses names", mangling(func(l *crm.Listing) {
			for i := range l.Statuses {
				l.Statuses[i].Name = ""
			}
		}), "ReturnsTheCompleteList", incomplete},
		{"names another account", mangling(func(l *crm.Listing) { l.Account = []string{"acme-2"} }), "ReturnsTheCompleteList", incomplete},
		{"knows of no scopes that exist", mangling(func(l *crm.Listing) { l.Exists = nil }), "ReturnsTheCompleteList", incomplete},
		{"names no scope", mangling(func(l *crm.Listing) { l.Scopes = nil }), "ReturnsTheCompleteList", "does not pass Validate"},
		{"has no source", func(a *acme, _ Conn) { a.source = func() string { return "" } }, "KeepsItsSource", "Source is empty"},
		{"changes its source", func(a *acme, _ Conn) {
			n := 0
			a.source = func() string { n++; return strings.Repeat("a", n) }
		}, "KeepsItsSource", "it never changes"},
		{
			"gives rows another source", mangling(func(l *crm.Listing) { l.Statuses[0].Ref.Source = "other" }),
			"KeepsItsSource", "does not carry the client's Source",
		},
		{"panics at an empty list", mangling(func(l *crm.Listing) { _ = l.Statuses[0] }), "EmptyListIsEmptyOrAnError", "panicked"},
		{"adds a row to an empty list", mangling(func(l *crm.Listing) {
			l.Statuses = append(l.Statuses, crm.Status{Ref: crm.Ref{Source: "acme", ID: "default"}})
		}), "EmptyListIsEmptyOrAnError", "neither an error nor a listing without statuses"},
		{
			"shows an empty list without a scope", mangling(func(l *crm.Listing) { l.Source = "" }),
			"EmptyListIsEmptyOrAnError", "does not pass Validate",
		},
		{"doubles a row", func(a *acme, _ Conn) {
			a.list = func(ctx context.Context) (crm.Listing, error) {
				answer, err := a.read(ctx, 1)
				if err != nil {
					return crm.Listing{}, err
				}
				l := crm.Listing{Source: "acme", Scopes: []crm.Scope{{Name: "Stages"}}}
				for _, row := range *answer.Rows {
					l.Statuses = append(l.Statuses, crm.Status{Ref: crm.Ref{Source: "acme", ID: row.ID}})
				}
				return l, nil
			}
		}, "ShowsNoRowTwice", "is in the Listing once"},
		{"says rejected of a double row", failing(func(e *crm.Error) error {
			e.Kind = crm.ErrRejected
			return e
		}), "ShowsNoRowTwice", "wrong kind"},
		{"drops all double rows", func(a *acme, _ Conn) {
			a.decode = func(body []byte, into *stages) error {
				err := decode(body, into)
				rows := *into.Rows
				if n := len(rows); n > 1 && rows[0].ID == rows[n-1].ID {
					*into.Rows, *into.Total = rows[1:n-1], n-2
				}
				return err
			}
		}, "ShowsNoRowTwice", "is in the Listing once"},
	}
}

func pageMutants() []mutant {
	const incomplete = "did not return the complete list"
	first := func(a *acme, _ Conn) {
		a.list = func(ctx context.Context) (crm.Listing, error) {
			l := crm.Listing{Source: "acme", Account: []string{"acme-1"}, Scopes: []crm.Scope{{Name: "Stages"}}, Exists: []string{""}}
			answer, err := a.read(ctx, 1)
			if err != nil {
				return crm.Listing{}, err
			}
			l.Scopes[0].Announced = len(*answer.Rows)
			for _, row := range *answer.Rows {
				l.Statuses = append(l.Statuses, crm.Status{
					Ref: crm.Ref{Source: "acme", ID: row.ID}, Name: crm.CleanName(row.Title), Order: row.Sort, Raw: map[string]string{"group": "g"},
				})
			}
			return l, nil
		}
	}
	paging := func(pages func(*stages)) func(*acme, Conn) {
		return func(a *acme, _ Conn) {
			a.decode = func(body []byte, into *stages) error {
				err := decode(body, into)
				if err == nil {
					pages(into)
				}
				return err
			}
		}
	}
	return []mutant{
		{"reads the first page only", first, "ReadsEveryPage", incomplete},
		{"reads two pages at most", paging(func(s *stages) { s.Pages = min(s.Pages, 2) }), "ReadsEveryPage", "ListStatuses failed"},
		{"reads full pages only", paging(func(s *stages) { s.Pages = *s.Total / 10 }), "ReadsEveryPage", "31 rows in pages of 10"},
		{"sees no pages", first, "OneBadPageFailsTheCall", incomplete},
		{"keeps what it has when a page fails", func(a *acme, _ Conn) {
			a.list = func(ctx context.Context) (crm.Listing, error) {
				l, err := a.readAll(ctx)
				if errors.Is(err, crm.ErrUnavailable) {
					return crm.Listing{Source: "acme", Scopes: []crm.Scope{{}}}, nil
				}
				return l, err
			}
		}, "OneBadPageFailsTheCall", "a 500 instead of answer 2 of 3: ListStatuses returned no error"},
		{"returns a part beside the error", reading(func(_ *acme, l crm.Listing, err error) (crm.Listing, error) {
			if err != nil {
				l.Source = "acme"
			}
			return l, err
		}), "OneBadPageFailsTheCall", "returned a part of a Listing"},
		{"begins a page again and keeps the list that it has", func(a *acme, _ Conn) {
			a.attempts = 1
		}, "OneBadPageFailsTheCall", "one 503 before answer 1 of 3: ListStatuses failed"},
	}
}

func callerMutants() []mutant {
	shared := func(share func(first, now *crm.Listing)) func(*acme, Conn) {
		var mu sync.Mutex
		var first *crm.Listing
		return mangling(func(l *crm.Listing) {
			mu.Lock()
			defer mu.Unlock()
			if first == nil {
				copied := *l
				first = &copied
			}
			share(first, l)
		})
	}
	const theirs = "belongs to"
	return []mutant{
		{"shares its rows", shared(func(first, l *crm.Listing) { l.Statuses = first.Statuses }), "ListingBelongsToTheCaller", theirs},
		{"shares its scopes", shared(func(first, l *crm.Listing) { l.Scopes = first.Scopes }), "ListingBelongsToTheCaller", theirs},
		{"shares what exists", shared(func(first, l *crm.Listing) { l.Exists = first.Exists }), "ListingBelongsToTheCaller", theirs},
		{"shares the account's names", shared(func(first, l *crm.Listing) { l.Account = first.Account }), "ListingBelongsToTheCaller", theirs},
		{"shares the map of a row", mangling(func(l *crm.Listing) {
			for i := range l.Statuses {
				l.Statuses[i].Raw = sharedRaw
			}
		}), "ListingBelongsToTheCaller", theirs},
		{"has one buffer for all callers", func(a *acme, _ Conn) {
			var mu sync.Mutex
			busy := 0
			a.list = func(ctx context.Context) (crm.Listing, error) {
				mu.Lock()
				busy++
				crowd := busy
				mu.Unlock()
				l, err := a.readAll(ctx)
				mu.Lock()
				busy--
				mu.Unlock()
				if crowd > 1 && err == nil {
					l.Statuses = l.Statuses[1:]
				}
				return l, err
			}
		}, "ServesManyCallersAtOnce", "beside other callers"},
		{"mixes up its source under load", func(a *acme, _ Conn) {
			var n atomic.Int64
			a.source = func() string {
				if n.Add(1) > 100 {
					return "other"
				}
				return "acme"
			}
		}, "ServesManyCallersAtOnce", "beside other callers"},
		{"cannot be asked twice", func(a *acme, _ Conn) {
			asked := false
			a.list = func(ctx context.Context) (crm.Listing, error) {
				if asked {
					return crm.Listing{}, a.fail(&crm.Error{Kind: crm.ErrRateLimited})
				}
				asked = true
				return a.readAll(ctx)
			}
		}, "ListingBelongsToTheCaller", "ListStatuses failed"},
		{"serves one caller at a time", func(a *acme, _ Conn) {
			var mu sync.Mutex
			a.list = func(ctx context.Context) (crm.Listing, error) {
				if !mu.TryLock() {
					return crm.Listing{}, a.fail(&crm.Error{Kind: crm.ErrRateLimited})
				}
				defer mu.Unlock()
				return a.readAll(ctx)
			}
		}, "ServesManyCallersAtOnce", "failed beside other callers"},
	}
}

var sharedRaw = map[string]string{"group": "g"}
