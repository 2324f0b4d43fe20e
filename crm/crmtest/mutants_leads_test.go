package crmtest

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"sync"

	"github.com/statuslink/statuslink/crm"
)

// always is a client to which every account is its own.
func always(a *acme, _ Conn) { a.leads.own = func(string) bool { return true } }

// readingOne is a client that makes of a lead what finish makes of it.
func readingOne(finish func(a *acme, lead crm.Lead, err error) (crm.Lead, error)) func(*acme, Conn) {
	return func(a *acme, _ Conn) {
		a.leads.read = func(ctx context.Context, ref crm.LeadRef) (crm.Lead, error) {
			lead, err := a.readOne(ctx, ref)
			return finish(a, lead, err)
		}
	}
}

// movingOne is a client that makes of a move what finish makes of it.
func movingOne(finish func(a *acme, move crm.Move, lead crm.Lead, err error) (crm.Lead, error)) func(*acme, Conn) {
	return func(a *acme, _ Conn) {
		a.leads.move = func(ctx context.Context, move crm.Move) (crm.Lead, error) {
			lead, err := a.moveOne(ctx, move)
			return finish(a, move, lead, err)
		}
	}
}

func readingMutants() []mutant {
	return []mutant{
		{"knows no leads", func(a *acme, _ Conn) { a.wrapped = struct{ crm.Client }{a} }, "KnowsLeads", "implements no interface"},
		{"remembers a lead", func(a *acme, _ Conn) {
			known := make(map[crm.LeadRef]crm.Lead)
			a.leads.read = func(ctx context.Context, ref crm.LeadRef) (crm.Lead, error) {
				if lead, ok := known[ref]; ok {
					return lead, nil
				}
				lead, err := a.readOne(ctx, ref)
				known[ref] = lead
				return lead, err
			}
		}, "ReadsALeadAsItStands", "it stands in acme/main/102"},
		{"forgets the scope", readingOne(func(_ *acme, lead crm.Lead, err error) (crm.Lead, error) {
			lead.Status.Scope = ""
			return lead, err
		}), "ReadsALeadAsItStands", "in acme/101; it stands in acme/main/101"},
		{"has another scope for all", readingOne(func(_ *acme, lead crm.Lead, err error) (crm.Lead, error) {
			lead.Status.Scope = "main"
			return lead, err
		}), "ReadsALeadAsItStands", "it stands in acme/side/101"},
		{"does not say which lead it is", readingOne(func(_ *acme, lead crm.Lead, err error) (crm.Lead, error) {
			lead.Ref.Source = ""
			return lead, err
		}), "ReadsALeadAsItStands", "ReadLead returned the lead"},
		{"takes a missing lead for an empty one", readingOne(func(_ *acme, lead crm.Lead, err error) (crm.Lead, error) {
			if errors.Is(err, crm.ErrNotFound) {
				return lead, nil
			}
			return lead, err
		}), "MissingLeadIsNotFound", "returned no error"},
		{"says rejected of a missing lead", kinding(http.StatusNotFound, crm.ErrRejected), "MissingLeadIsNotFound", "wrong kind"},
		{"reads leads of all accounts", always, "AsksForNoLeadOfAnotherAccount", "was sent to the CRM"},
		{"says nothing of another account", readingOne(func(_ *acme, lead crm.Lead, err error) (crm.Lead, error) {
			if errors.Is(err, crm.ErrRejected) {
				return lead, nil
			}
			return lead, err
		}), "AsksForNoLeadOfAnotherAccount", "returned no error"},
		{"serves one reader at a time", func(a *acme, _ Conn) {
			var mu sync.Mutex
			a.leads.read = func(ctx context.Context, ref crm.LeadRef) (crm.Lead, error) {
				if !mu.TryLock() {
					return crm.Lead{}, a.fail(&crm.Error{Kind: crm.ErrRateLimited})
				}
				defer mu.Unlock()
				return a.readOne(ctx, ref)
			}
		}, "ReadsLeadsForManyCallersAtOnce", "failed beside other callers"},
		{"answers with the lead of another caller", func(a *acme, _ Conn) {
			var mu sync.Mutex
			var last crm.LeadRef
			a.leads.read = func(ctx context.Context, ref crm.LeadRef) (crm.Lead, error) {
				lead, err := a.readOne(ctx, ref)
				mu.Lock()
				defer mu.Unlock()
				if lead.Ref != last && last.ID != "" {
					lead.Ref, last = last, lead.Ref
				} else {
					last = lead.Ref
				}
				return lead, err
			}
		}, "ReadsLeadsForManyCallersAtOnce", "beside other callers ReadLead returned the lead"},
	}
}

// blind is a client that does not look where a lead stood.
func blind(a *acme, _ Conn) {
	a.leads.move = func(ctx context.Context, move crm.Move) (crm.Lead, error) {
		return a.one(ctx, "move lead", move.Lead.ID, a.wish(move))
	}
}

func movingMutants() []mutant {
	strict := movingOne(func(a *acme, move crm.Move, lead crm.Lead, err error) (crm.Lead, error) {
		if err == nil && lead.Status != move.To {
			return lead, a.failed("move lead", &crm.Error{Kind: crm.ErrNotApplied})
		}
		return lead, err
	})
	wishful := movingOne(func(_ *acme, move crm.Move, lead crm.Lead, err error) (crm.Lead, error) {
		if err == nil {
			lead.Status = move.To
		}
		return lead, err
	})
	swallow := func(kind error) func(*acme, Conn) {
		return movingOne(func(_ *acme, _ crm.Move, lead crm.Lead, err error) (crm.Lead, error) {
			if errors.Is(err, kind) {
				return lead, nil
			}
			return lead, err
		})
	}
	return []mutant{
		{"says yes and does nothing", func(a *acme, _ Conn) {
			a.leads.move = func(_ context.Context, move crm.Move) (crm.Lead, error) {
				return crm.Lead{Ref: move.Lead, Status: move.To}, nil
			}
		}, "MovesTheLead", "the CRM has the lead"},
		{"returns the lead as it was", func(a *acme, _ Conn) {
			a.leads.move = func(ctx context.Context, move crm.Move) (crm.Lead, error) {
				before, err := a.readOne(ctx, move.Lead)
				if err == nil {
					_, err = a.moveOne(ctx, move)
				}
				return before, err
			}
		}, "MovesTheLead", "MoveLead returned the lead"},
		{"moves a neighbour too", func(a *acme, _ Conn) {
			a.leads.move = func(ctx context.Context, move crm.Move) (crm.Lead, error) {
				other := move
				other.Lead.ID = "2"
				_, _ = a.moveOne(ctx, other)
				return a.moveOne(ctx, move)
			}
		}, "MovesTheLead", "a move of another lead"},
		{"takes no change for not applied", movingOne(func(a *acme, move crm.Move, lead crm.Lead, err error) (crm.Lead, error) {
			if err == nil && move.To.ID == "101" {
				return lead, a.failed("move lead", &crm.Error{Kind: crm.ErrNotApplied})
			}
			return lead, err
		}), "MoveToTheSameStatusIsHarmless", "in which the lead stands: MoveLead failed"},
		{"moves a lead once", func(a *acme, _ Conn) {
			moved := make(map[crm.Move]bool)
			a.leads.move = func(ctx context.Context, move crm.Move) (crm.Lead, error) {
				if moved[move] {
					return crm.Lead{}, a.failed("move lead", &crm.Error{Kind: crm.ErrRejected})
				}
				moved[move] = true
				return a.moveOne(ctx, move)
			}
		}, "MoveToTheSameStatusIsHarmless", "a move that is repeated: MoveLead failed"},
		{"goes by way of another status", func(a *acme, _ Conn) {
			a.leads.move = func(ctx context.Context, move crm.Move) (crm.Lead, error) {
				way := move
				way.To.ID = "102"
				if _, err := a.moveOne(ctx, way); err != nil {
					return crm.Lead{}, err
				}
				return a.moveOne(ctx, move)
			}
		}, "MovesAlongNoOtherStatus", "into acme/main/102 on the way"},
		{"takes a missing lead for moved", swallow(crm.ErrNotFound), "MoveOfAMissingLeadFails", "returned no error"},
		{"says unavailable of a missing lead", kinding(http.StatusNotFound, crm.ErrUnavailable), "MoveOfAMissingLeadFails", "wrong kind"},
		{"takes no for yes", swallow(crm.ErrRejected), "MoveThatIsRefusedFails", "returned no error"},
		{"says unavailable of a refused move", kinding(http.StatusUnprocessableEntity, crm.ErrUnavailable), "MoveThatIsRefusedFails", "wrong kind"},
		{"does not look what became of a move", blind, "MoveThatIsIgnoredIsNotApplied", "returned no error"},
		{"says rejected of what was ignored", movingOne(func(a *acme, _ crm.Move, lead crm.Lead, err error) (crm.Lead, error) {
			if errors.Is(err, crm.ErrNotApplied) {
				return lead, a.failed("move lead", &crm.Error{Kind: crm.ErrRejected})
			}
			return lead, err
		}), "MoveThatIsIgnoredIsNotApplied", "wrong kind"},
		{"takes a rule for a failure", strict, "MoveThatARuleTookFurtherIsASuccess", "it is a success"},
		{"says what it wished for", wishful, "MoveThatARuleTookFurtherIsASuccess", "it stands in acme/main/103"},
		{
			"moves across without being asked", func(a *acme, _ Conn) { a.leads.across = func(crm.Move) bool { return true } },
			"MovesToNoOtherScopeUnasked", "a move to another scope without Across",
		},
		{"remembers the scope of a lead", func(a *acme, _ Conn) {
			home := make(map[crm.LeadRef]string)
			a.leads.across = func(move crm.Move) bool { return move.Across || home[move.Lead] == move.To.Scope }
			a.leads.move = func(ctx context.Context, move crm.Move) (crm.Lead, error) {
				before, err := a.readOne(ctx, move.Lead)
				if err != nil {
					return crm.Lead{}, err
				}
				if home[move.Lead] == "" {
					home[move.Lead] = before.Status.Scope
				}
				return a.moveOne(ctx, move)
			}
		}, "MovesToNoOtherScopeUnasked", "a move back from another scope"},
		{
			"never moves across", func(a *acme, _ Conn) { a.leads.across = func(crm.Move) bool { return false } },
			"MovesAcrossScopesIfAsked", "with Across: MoveLead failed",
		},
		{"moves leads of all accounts", always, "MovesNothingOfAnotherAccount", "was sent to the CRM"},
		{"serves one mover at a time", func(a *acme, _ Conn) {
			var mu sync.Mutex
			a.leads.move = func(ctx context.Context, move crm.Move) (crm.Lead, error) {
				if !mu.TryLock() {
					return crm.Lead{}, a.failed("move lead", &crm.Error{Kind: crm.ErrRateLimited})
				}
				defer mu.Unlock()
				return a.moveOne(ctx, move)
			}
		}, "MovesLeadsForManyCallersAtOnce", "beside other callers: MoveLead failed"},
	}
}

// listingLeads is a client that lists leads another way.
func listingLeads(list func(a *acme, ctx context.Context, query crm.LeadQuery, yield func(crm.Lead, error) bool)) func(*acme, Conn) {
	return func(a *acme, _ Conn) {
		a.leads.list = func(ctx context.Context, query crm.LeadQuery) iter.Seq2[crm.Lead, error] {
			return func(yield func(crm.Lead, error) bool) { list(a, ctx, query, yield) }
		}
	}
}

// pagingLeads is a client that reads pages another way.
func pagingLeads(page func(a *acme, ctx context.Context, query crm.LeadQuery, n int) (leadPage, error)) func(*acme, Conn) {
	return func(a *acme, _ Conn) {
		a.leads.page = func(ctx context.Context, query crm.LeadQuery, n int) (leadPage, error) { return page(a, ctx, query, n) }
	}
}

func leadListMutants() []mutant {
	return []mutant{
		{"reads the first page only", pagingLeads(func(a *acme, ctx context.Context, query crm.LeadQuery, n int) (leadPage, error) {
			page, err := a.listPage(ctx, query, n)
			page.Pages = 1
			return page, err
		}), "ListLeadsYieldsEachLeadOnce", "a CRM with 49 leads: ListLeads ended without an error and without 24 of 49 leads"},
		{"says not found of an empty list", pagingLeads(func(a *acme, ctx context.Context, query crm.LeadQuery, n int) (leadPage, error) {
			page, err := a.listPage(ctx, query, n)
			if err == nil && len(*page.Leads) == 0 {
				err = a.failed("list leads", &crm.Error{Kind: crm.ErrNotFound})
			}
			return page, err
		}), "ListLeadsYieldsEachLeadOnce", "a CRM with 0 leads: ListLeads failed"},
		{"yields the first lead of a page twice", listingLeads(func(a *acme, ctx context.Context, query crm.LeadQuery, yield func(crm.Lead, error) bool) {
			n := 0
			for lead, err := range a.listAll(ctx, query) {
				if n++; n%25 == 1 && !yield(lead, err) || !yield(lead, err) || err != nil {
					return
				}
			}
		}), "ListLeadsYieldsEachLeadOnce", "twice"},
		{"lists all whatever is asked for", listingLeads(func(a *acme, ctx context.Context, _ crm.LeadQuery, yield func(crm.Lead, error) bool) {
			a.listAll(ctx, crm.LeadQuery{})(yield)
		}), "ListLeadsKeepsToTheStatusesAskedFor", "which was not asked for"},
		{"lists the first status asked for", listingLeads(func(a *acme, ctx context.Context, query crm.LeadQuery, yield func(crm.Lead, error) bool) {
			query.Statuses = query.Statuses[:min(1, len(query.Statuses))]
			a.listAll(ctx, query)(yield)
		}), "ListLeadsKeepsToTheStatusesAskedFor", "a list of two statuses"},
		{"reads a status after another", listingLeads(func(a *acme, ctx context.Context, query crm.LeadQuery, yield func(crm.Lead, error) bool) {
			if len(query.Statuses) == 0 {
				a.listAll(ctx, query)(yield)
			}
			for _, status := range query.Statuses {
				for lead, err := range a.listAll(ctx, crm.LeadQuery{Statuses: []crm.Ref{status}}) {
					if !yield(lead, err) || err != nil {
						return
					}
				}
			}
		}), "ListLeadsKeepsToTheStatusesAskedFor", "a list of a status that is named twice: ListLeads yielded the lead"},
		{"drops what it does not know, and lists all", always, "ListLeadsKeepsToTheStatusesAskedFor", "a list of a status of another account alone"},
		{"lists one scope at a time", listingLeads(func(a *acme, ctx context.Context, query crm.LeadQuery, yield func(crm.Lead, error) bool) {
			for _, status := range query.Statuses {
				if status.Scope != query.Statuses[0].Scope {
					yield(crm.Lead{}, a.failed("list leads", &crm.Error{Kind: crm.ErrRejected}))
					return
				}
			}
			a.listAll(ctx, query)(yield)
		}), "ListLeadsKeepsToTheStatusesAskedFor", "a list of statuses of two scopes: ListLeads failed"},
		{"fails at a lead that comes again", listingLeads(func(a *acme, ctx context.Context, query crm.LeadQuery, yield func(crm.Lead, error) bool) {
			seen := make(map[string]bool)
			for page, pages := 1, 1; page <= pages; page++ {
				answer, err := a.listPage(ctx, query, page)
				for _, row := range *answer.Leads {
					if seen[row.ID] {
						err = a.failed("list leads", &crm.Error{Kind: crm.ErrIncomplete})
					}
					seen[row.ID] = true
				}
				if pages = answer.Pages; err != nil {
					yield(crm.Lead{}, err)
					return
				}
			}
		}), "ListLeadsYieldsNoLeadTwiceWhileLeadsCome", "ListLeads failed while leads came"},
		{"believes that pages stay", listingLeads(func(a *acme, ctx context.Context, query crm.LeadQuery, yield func(crm.Lead, error) bool) {
			for page, pages := 1, 1; page <= pages; page++ {
				answer, err := a.listPage(ctx, query, page)
				if err != nil {
					yield(crm.Lead{}, err)
					return
				}
				pages = answer.Pages
				for _, row := range *answer.Leads {
					lead, _ := a.lead(&row)
					if !yield(lead, nil) {
						return
					}
				}
			}
		}), "ListLeadsYieldsNoLeadTwiceWhileLeadsCome", "twice"},
		{"ends where a page cannot be read", listingLeads(func(a *acme, ctx context.Context, query crm.LeadQuery, yield func(crm.Lead, error) bool) {
			for lead, err := range a.listAll(ctx, query) {
				if err != nil || !yield(lead, nil) {
					return
				}
			}
		}), "ListLeadsYieldsItsErrorLast", "a 500 instead of answer 2 of 5: ListLeads ended without an error after 25 of 120 leads"},
		{"goes on behind an error", listingLeads(func(a *acme, ctx context.Context, query crm.LeadQuery, yield func(crm.Lead, error) bool) {
			for lead, err := range a.listAll(ctx, query) {
				if !yield(lead, err) || err != nil && !yield(crm.Lead{}, err) {
					return
				}
			}
		}), "ListLeadsYieldsItsErrorLast", "behind an error, which comes last"},
		{"reads all before it yields", listingLeads(func(a *acme, ctx context.Context, query crm.LeadQuery, yield func(crm.Lead, error) bool) {
			var leads []crm.Lead
			for lead, err := range a.listAll(ctx, query) {
				if err != nil {
					yield(lead, err)
					return
				}
				leads = append(leads, lead)
			}
			for _, lead := range leads {
				if !yield(lead, nil) {
					return
				}
			}
		}), "ListLeadsAsksNoMoreWhenTheLoopStops", "sent all 5 requests"},
		{"reads on when the loop has stopped", listingLeads(func(a *acme, ctx context.Context, query crm.LeadQuery, yield func(crm.Lead, error) bool) {
			stopped := false
			for lead, err := range a.listAll(ctx, query) {
				if !stopped {
					stopped = !yield(lead, err)
				}
			}
		}), "ListLeadsAsksNoMoreWhenTheLoopStops", "sent all 5 requests"},
		{"reads on in the background", listingLeads(func(a *acme, ctx context.Context, query crm.LeadQuery, yield func(crm.Lead, error) bool) {
			for lead, err := range a.listAll(ctx, query) {
				if !yield(lead, err) {
					go func() { _, _ = a.listPage(ctx, query, 2) }()
					return
				}
			}
		}), "ListLeadsAsksNoMoreWhenTheLoopStops", "after its loop had stopped"},
		{"leaves a goroutine when the loop stops", listingLeads(func(a *acme, ctx context.Context, query crm.LeadQuery, yield func(crm.Lead, error) bool) {
			for lead, err := range a.listAll(ctx, query) {
				if !yield(lead, err) {
					go func() { <-a.closed }()
					return
				}
			}
		}), "ListLeadsLeavesNothingBehind", "a list whose loop stopped left a goroutine"},
	}
}
