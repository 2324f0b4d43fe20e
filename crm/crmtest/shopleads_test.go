package crmtest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/statuslink/statuslink/crm"
)

// shopLeads are the leads of the invented CRM. It has two lists of stages, "main"
// and "side", both with a stage "101".
type shopLeads struct {
	mu      sync.Mutex
	last    int
	leads   map[string]shopLead
	refuses map[string]bool
	rules   map[crm.Ref]crm.Ref
	newest  bool // the list begins with the newest lead
	mute    bool // the answer to many moves does not show the leads
}

// shopLead is a lead as the CRM shows it.
type shopLead struct {
	ID    string `json:"id"`
	Stage string `json:"stage"`
	List  string `json:"list"`
}

// shopMove is a wish to move a lead.
type shopMove struct {
	shopLead

	Across bool `json:"across"`
}

// leadAnswer is the answer about a lead, and leadPage that to a list.
type leadAnswer struct {
	Lead  *shopLead `json:"lead,omitempty"`
	Error string    `json:"error,omitempty"`
	OK    bool      `json:"ok,omitempty"`
}

type moveAnswers struct {
	Moves *[]leadAnswer `json:"moves"`
}

type leadPage struct {
	Pages int         `json:"pages"`
	Leads *[]shopLead `json:"leads"`
}

// ref returns the status in which the lead stands.
func (l shopLead) ref() crm.Ref { return crm.Ref{Source: "acme", Scope: l.List, ID: l.Stage} }

func (s *shopLeads) serve(w http.ResponseWriter, r *http.Request, path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, single := strings.CutPrefix(path, "/leads/")
	var answer any
	switch {
	case single && r.Method == http.MethodGet:
		lead, ok := s.leads[id]
		if !ok {
			http.Error(w, "no", http.StatusNotFound)
			return
		}
		answer = leadAnswer{Lead: &lead}
	case single:
		var move shopMove
		_ = json.NewDecoder(r.Body).Decode(&move)
		move.ID = id
		moved := s.move(move)
		if status, bad := map[string]int{"not_found": 404, "rejected": 422}[moved.Error]; bad {
			http.Error(w, moved.Error, status)
			return
		}
		answer = moved
	case path == "/moves":
		var moves []shopMove
		_ = json.NewDecoder(r.Body).Decode(&moves)
		answers := []leadAnswer{}
		for _, move := range moves {
			moved := s.move(move)
			if moved.Lead != nil && s.mute {
				moved.Lead, moved.OK = nil, true
			}
			answers = append(answers, moved)
		}
		answer = moveAnswers{Moves: &answers}
	case path == "/leads":
		answer = s.page(r)
	default:
		http.NotFound(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// move moves a lead, as the API does.
func (s *shopLeads) move(move shopMove) leadAnswer {
	lead, ok := s.leads[move.ID]
	switch {
	case !ok:
		return leadAnswer{Error: "not_found"}
	case s.refuses[move.ID], lead.List != move.List && !move.Across:
		return leadAnswer{Error: "rejected"}
	case move.Stage != "999":
		lead = move.shopLead
	}
	if to, rule := s.rules[lead.ref()]; rule {
		lead.Stage, lead.List = to.ID, to.Scope
	}
	s.leads[move.ID] = lead
	return leadAnswer{Lead: &lead}
}

// page returns a page of the list.
func (s *shopLeads) page(r *http.Request) leadPage {
	const size = 25
	wanted := r.URL.Query()["stage"]
	all := []shopLead{}
	for i := range s.last {
		if s.newest {
			i = s.last - 1 - i
		}
		lead := s.leads[strconv.Itoa(1+i)]
		if len(wanted) == 0 || slices.Contains(wanted, lead.List+"/"+lead.Stage) {
			all = append(all, lead)
		}
	}
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	rows := all[min(len(all), (page-1)*size):min(len(all), page*size)]
	return leadPage{Pages: max(1, (len(all)+size-1)/size), Leads: &rows}
}

// acmeLeadHarness returns the harness of a client that differs from the sound one
// as said.
func acmeLeadHarness(t *testing.T, differ func(a *acme, conn Conn)) LeadHarness {
	t.Helper()
	shop, client := newShop(t, differ)
	s := &shop.leads
	s.leads, s.refuses, s.rules = map[string]shopLead{}, map[string]bool{}, map[crm.Ref]crm.Ref{}
	s.newest = true
	missing := 1_000_000
	return LeadHarness{
		CRM: shop, Client: client, Secrets: []string{shop.key, shop.token},
		Revoke:       func() { shop.token = "another" },
		ErrorInside:  `{"error":"no","pages":1,"leads":[]}`,
		WrongAnswers: []string{`{"lead":{"id":"1"}}`, `{"lead":{"stage":"101"}}`, `{"leads":{}}`, `{"moves":[]}`},
		Statuses: []crm.Ref{
			{Source: "acme", Scope: "main", ID: "101"}, {Source: "acme", Scope: "main", ID: "102"}, {Source: "acme", Scope: "main", ID: "103"},
		},
		Other:   crm.Ref{Source: "acme", Scope: "side", ID: "101"},
		Ignored: crm.Ref{Source: "acme", Scope: "main", ID: "999"},
		AddLead: func(status crm.Ref) crm.LeadRef {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.last++
			id := strconv.Itoa(s.last)
			s.leads[id] = shopLead{ID: id, Stage: status.ID, List: status.Scope}
			return crm.LeadRef{Source: "acme", ID: id}
		},
		Lead: func(lead crm.LeadRef) (crm.Ref, bool) {
			s.mu.Lock()
			defer s.mu.Unlock()
			got, ok := s.leads[lead.ID]
			if !ok {
				return crm.Ref{}, false
			}
			return got.ref(), true
		},
		Missing: func() crm.LeadRef {
			missing++
			return crm.LeadRef{Source: "acme", ID: strconv.Itoa(missing)}
		},
		MovePerson: func(lead crm.LeadRef, to crm.Ref) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.leads[lead.ID] = shopLead{ID: lead.ID, Stage: to.ID, List: to.Scope}
		},
		Automate: func(from, to crm.Ref) { s.rules[from] = to },
		Refuse:   func(lead crm.LeadRef) { s.refuses[lead.ID] = true },
	}
}
