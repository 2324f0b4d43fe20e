package crmtest

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/url"
	"slices"
	"strconv"

	"github.com/statuslink/statuslink/crm"
)

// acmeLeads is what the client does with leads. Its steps are fields, so that a
// broken client differs in one of them.
type acmeLeads struct {
	read   func(ctx context.Context, ref crm.LeadRef) (crm.Lead, error)
	move   func(ctx context.Context, move crm.Move) (crm.Lead, error)
	many   func(ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult]
	list   func(ctx context.Context, query crm.LeadQuery) iter.Seq2[crm.Lead, error]
	page   func(ctx context.Context, query crm.LeadQuery, page int) (leadPage, error)
	own    func(source string) bool
	across func(move crm.Move) bool
	run    acmeRuns
}

func newAcmeLeads(a *acme) acmeLeads {
	return acmeLeads{
		read: a.readOne, move: a.moveOne, many: a.moveMany, list: a.listAll, page: a.listPage,
		own:    func(source string) bool { return source == a.Source() },
		across: func(move crm.Move) bool { return move.Across },
		run:    newAcmeRuns(a),
	}
}

func (a *acme) ReadLead(ctx context.Context, ref crm.LeadRef) (crm.Lead, error) {
	return a.leads.read(ctx, ref)
}

func (a *acme) MoveLead(ctx context.Context, move crm.Move) (crm.Lead, error) {
	return a.leads.move(ctx, move)
}

func (a *acme) MoveLeads(ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
	return a.leads.many(ctx, moves, progress)
}

func (a *acme) ListLeads(ctx context.Context, query crm.LeadQuery) iter.Seq2[crm.Lead, error] {
	return a.leads.list(ctx, query)
}

// lead returns the lead in an answer.
func (a *acme) lead(shown *shopLead) (crm.Lead, error) {
	if shown == nil {
		shown = &shopLead{}
	}
	if !a.sane(shown.ID != "" && shown.Stage != "") {
		return crm.Lead{}, errors.New("no lead")
	}
	return crm.Lead{Ref: crm.LeadRef{Source: a.Source(), ID: shown.ID}, Status: crm.Ref{Source: a.Source(), Scope: shown.List, ID: shown.Stage}}, nil
}

// one asks about one lead.
func (a *acme) one(ctx context.Context, op, id string, post []byte) (crm.Lead, error) {
	var lead crm.Lead
	err := a.exchange(ctx, question{op: op, path: "/leads/" + url.PathEscape(id), post: post}, func(body []byte) error {
		var answer leadAnswer
		err := a.parse(body, &answer)
		if err == nil {
			lead, err = a.lead(answer.Lead)
		}
		return err
	})
	if err != nil {
		return crm.Lead{}, err
	}
	return lead, nil
}

func (a *acme) readOne(ctx context.Context, ref crm.LeadRef) (crm.Lead, error) {
	if !a.leads.own(ref.Source) {
		return crm.Lead{}, a.failed("read lead", &crm.Error{Kind: crm.ErrRejected})
	}
	return a.one(ctx, "read lead", ref.ID, nil)
}

func (a *acme) moveOne(ctx context.Context, move crm.Move) (crm.Lead, error) {
	const op = "move lead"
	if !a.leads.own(move.Lead.Source) || !a.leads.own(move.To.Source) {
		return crm.Lead{}, a.failed(op, &crm.Error{Kind: crm.ErrRejected})
	}
	before, err := a.one(ctx, op, move.Lead.ID, nil)
	if err != nil {
		return crm.Lead{}, err
	}
	lead, err := a.one(ctx, op, move.Lead.ID, a.wish(move))
	if err == nil && lead.Status != move.To && lead.Status == before.Status {
		return lead, a.failed(op, &crm.Error{Kind: crm.ErrNotApplied})
	}
	return lead, err
}

// shopMove returns the move as the CRM has it.
func (a *acme) shopMove(move crm.Move) shopMove {
	return shopMove{shopLead{ID: move.Lead.ID, Stage: move.To.ID, List: move.To.Scope}, a.leads.across(move)}
}

func (a *acme) wish(move crm.Move) []byte {
	body, _ := json.Marshal(a.shopMove(move))
	return body
}

func (a *acme) listPage(ctx context.Context, query crm.LeadQuery, page int) (leadPage, error) {
	values := url.Values{"page": {strconv.Itoa(page)}}
	for _, status := range query.Statuses {
		if a.leads.own(status.Source) {
			values.Add("stage", status.Scope+"/"+status.ID)
		}
	}
	var answer leadPage
	err := a.exchange(ctx, question{op: "list leads", path: "/leads?" + values.Encode()}, func(body []byte) error {
		answer = leadPage{}
		if err := a.parse(body, &answer); err != nil {
			return err
		}
		if answer.Leads == nil {
			answer.Leads = &[]shopLead{}
			answer.Pages *= 2
		}
		if !a.sane(answer.Pages > 0 && len(*answer.Leads) <= 25 && !a.errored(body)) {
			return errors.New("no list")
		}
		for _, row := range *answer.Leads {
			if _, err := a.lead(&row); err != nil {
				return err
			}
		}
		return nil
	})
	return answer, err
}

// errored reports whether an answer tells of an error, or lacks its list.
func (a *acme) errored(body []byte) bool {
	var answer struct {
		Error any `json:"error"`
		Leads any `json:"leads"`
	}
	return a.parse(body, &answer) != nil || answer.Error != nil || answer.Leads == nil
}

func (a *acme) listAll(ctx context.Context, query crm.LeadQuery) iter.Seq2[crm.Lead, error] {
	return func(yield func(crm.Lead, error) bool) {
		foreign := func(status crm.Ref) bool { return !a.leads.own(status.Source) }
		if len(query.Statuses) > 0 && !slices.ContainsFunc(query.Statuses, func(s crm.Ref) bool { return !foreign(s) }) {
			return
		}
		seen := make(map[string]bool)
		for page, pages := 1, 1; page <= pages; page++ {
			answer, err := a.leads.page(ctx, query, page)
			if err != nil {
				yield(crm.Lead{}, err)
				return
			}
			pages = answer.Pages
			for _, row := range *answer.Leads {
				lead, _ := a.lead(&row)
				if seen[row.ID] {
					continue
				}
				seen[row.ID] = true
				if !yield(lead, nil) {
					return
				}
			}
		}
	}
}
