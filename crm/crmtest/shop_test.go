package crmtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/statuslink/statuslink/crm"
)

// shop is the fake of the invented CRM.
type shop struct {
	key, token string
	rows       []stage
	size       int
	leads      shopLeads
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	authorization := r.Header.Get("Authorization")
	if authorization == "" {
		body, _ := io.ReadAll(r.Body)
		_, token, _ := strings.Cut(string(body), "=")
		authorization = "Bearer " + token
	}
	path, found := strings.CutPrefix(r.URL.Path, "/k-"+s.key)
	switch {
	case !found:
		http.NotFound(w, r)
		return
	case authorization != "Bearer "+s.token:
		http.Error(w, "no", http.StatusUnauthorized)
		return
	case path != "/stages":
		s.leads.serve(w, r, path)
		return
	}
	total, pages, rows := len(s.rows), 1, s.rows
	if s.size > 0 {
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		pages = max(1, (total+s.size-1)/s.size)
		rows = rows[min(total, (page-1)*s.size):min(total, page*s.size)]
	}
	if rows == nil {
		rows = []stage{}
	}
	_ = json.NewEncoder(w).Encode(stages{Total: &total, Pages: pages, Rows: &rows})
}

// newShop returns a fake and what makes clients for it that differ from the sound
// one as said.
func newShop(t *testing.T, differ func(a *acme, conn Conn)) (*shop, func(conn Conn) (crm.Client, error)) {
	t.Helper()
	closed := make(chan struct{})
	t.Cleanup(func() { close(closed) })
	s := &shop{key: "0f1e2d3c4b5a6978", token: "Zm9v/c2Vj+cmV0LXRva2Vu=="}
	key, token := s.key, s.token
	return s, func(conn Conn) (crm.Client, error) {
		a := newAcme(conn, key, token)
		a.closed = closed
		differ(a, conn)
		if strings.HasPrefix(conn.BaseURL, "http:") && !strings.HasPrefix(conn.BaseURL, "http://127.0.0.1") && !a.open {
			err := errors.New("acme: the address has to be https")
			if a.telling {
				err = fmt.Errorf("%w: %s/k-%s", err, conn.BaseURL, key)
			}
			return nil, err
		}
		if a.wrapped != nil {
			return a.wrapped, nil
		}
		return a, nil
	}
}

// acmeHarness returns the harness of a client that differs from the sound one as
// said.
func acmeHarness(t *testing.T, differ func(a *acme, conn Conn)) Harness {
	t.Helper()
	s, client := newShop(t, differ)
	return Harness{
		CRM: s,
		Show: func(n int) crm.Listing {
			s.rows = nil
			listing := crm.Listing{
				Source: "acme", Account: []string{"acme-1"}, Exists: []string{""},
				Scopes: []crm.Scope{{Name: "Stages", Announced: n}},
			}
			for i := range n {
				row := stage{ID: strconv.Itoa(100 + i), Title: fmt.Sprintf(" Stage %d", i), Sort: 10 * i, Group: "g"}
				s.rows = append(s.rows, row)
				listing.Statuses = append(listing.Statuses, crm.Status{
					Ref: crm.Ref{Source: "acme", ID: row.ID}, Name: strings.TrimSpace(row.Title), Order: row.Sort,
					Raw: map[string]string{"group": "g"},
				})
			}
			return listing
		},
		Client:       client,
		Secrets:      []string{s.key, s.token},
		Revoke:       func() { s.token = "another" },
		Page:         func(size int) { s.size = size },
		Duplicate:    func() { s.rows = append(s.rows, s.rows[0]) },
		ErrorInside:  `{"error":{"text":"no"},"total":0,"rows":[]}`,
		WrongAnswers: []string{`{"rows":[]}`, `{"total":0}`, `{"total":0,"rows":{}}`, `{"total":3,"rows":[]}`},
	}
}

func sound(*acme, Conn) {}
