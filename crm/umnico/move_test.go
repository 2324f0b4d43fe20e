package umnico_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

// Each way in which Umnico may want the call, answer it, and treat a wrong status.
func TestMoveLead(t *testing.T) {
	t.Parallel()
	post := func(_ crm.LeadRef, to crm.Ref) umnico.MoveRequest {
		return umnico.MoveRequest{Method: http.MethodPost, Path: "/v1.3/leads/70010001/status", Body: map[string]any{"status": number(to.ID)}}
	}
	inPath := func(lead crm.LeadRef, to crm.Ref) umnico.MoveRequest {
		return umnico.MoveRequest{Method: http.MethodPatch, Path: "/v1.3/leads/" + lead.ID + "/statuses/" + to.ID}
	}
	whole := func(_ crm.LeadRef, to crm.Ref) umnico.MoveRequest {
		return umnico.MoveRequest{Body: map[string]any{"statusId": number(to.ID), "userId": 4101}}
	}
	postCall := umnicotest.StatusCall{Method: http.MethodPost, Path: "/v1.3/leads/{id}/status", Field: "status"}
	tests := []struct {
		name string
		call umnicotest.StatusCall
		move func(crm.LeadRef, crm.Ref) umnico.MoveRequest
		set  func(fake *umnicotest.Umnico)
		to   int
		want int // the status afterwards
		kind error
		says string
	}{
		{name: "as assumed", to: 710231, want: 710231},
		{name: "answered by {}", call: umnicotest.StatusCall{Answer: umnicotest.AnswerEmptyObject}, to: 710231, want: 710231},
		{name: "answered by nothing", call: umnicotest.StatusCall{Answer: umnicotest.AnswerNothing}, to: 710231, want: 710231},
		{name: "POST to another path", call: postCall, move: post, to: 710231, want: 710231},
		{
			name: "status in the path", move: inPath, to: 710231, want: 710231,
			call: umnicotest.StatusCall{Method: http.MethodPatch, Path: "/v1.3/leads/{id}/statuses/{status}"},
		},
		{name: "whole body", call: umnicotest.StatusCall{Required: []string{"userId"}}, move: whole, to: 710231, want: 710231},
		{
			name: "a part of a lead is not enough", call: umnicotest.StatusCall{Required: []string{"userId"}},
			to: 710231, want: 710205, kind: crm.ErrRejected,
		},
		{name: "the call is another one", call: postCall, to: 710231, want: 710205, kind: crm.ErrRejected, says: "see Options.Move"},
		{name: "wrong status, refused", to: 799999, want: 710205, kind: crm.ErrRejected},
		{
			name: "wrong status, kept", call: umnicotest.StatusCall{Wrong: umnicotest.KeepStatus},
			to: 799999, want: 710205, kind: crm.ErrNotApplied, says: `left the lead in "710205"; it has no such status as "799999"`,
		},
		{
			name: "wrong status, stored", call: umnicotest.StatusCall{Wrong: umnicotest.StoreWrongStatus},
			to: 799999, want: 799999,
		},
		{name: "a rule moves it on", set: func(f *umnicotest.Umnico) { f.Automate(710231, 710240) }, to: 710231, want: 710240},
		{
			name: "a rule moves it back", set: func(f *umnicotest.Umnico) { f.Automate(710231, 710205) },
			to: 710231, want: 710205, kind: crm.ErrNotApplied,
		},
		{name: "forbidden", set: func(f *umnicotest.Umnico) { f.RefuseLead(70010001, 403) }, to: 710231, want: 710205, kind: crm.ErrForbidden},
		{name: "refused", set: func(f *umnicotest.Umnico) { f.RefuseLead(70010001, 422) }, to: 710231, want: 710205, kind: crm.ErrRejected},
		{name: "IDs as texts", set: func(f *umnicotest.Umnico) { f.SetTextIDs(true) }, to: 710231, want: 710231},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake := account()
			fake.SetStatusCall(test.call)
			fake.AddLead(umnicotest.Lead{ID: 70010001, StatusID: 710205})
			if test.set != nil {
				test.set(fake)
			}
			opts := on(fake)
			opts.Move = test.move
			client := mustNew(t, opts)
			got, err := client.MoveLead(t.Context(), crm.Move{Lead: lead(70010001), To: status(test.to)})
			want := at(70010001, test.want)
			if test.kind != nil {
				failedWith(t, err, test.kind, "move lead", test.says)
				want = crm.Lead{}
			} else if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("lead (-want +got):\n%s", diff)
			}
			if l, _ := fake.Lead(70010001); l.StatusID != test.want {
				t.Errorf("the lead stands in %d, want %d", l.StatusID, test.want)
			}
		})
	}
}

// Three requests for a move, one where there is nothing to do.
func TestWhatAMoveSends(t *testing.T) {
	t.Parallel()
	at := "710205"
	var sent []string
	client := scripted(t, func(r *http.Request) (int, string) {
		sent = append(sent, strings.TrimSpace(strings.Join([]string{r.Method, r.URL.Path, r.Header.Get("Content-Type"), body(r)}, " ")))
		if r.Method == http.MethodPut {
			at = "710231"
			return 200, "<html>not believed</html>"
		}
		return 200, `{"id":"70010001","statusId":` + at + `}`
	})
	for range 2 {
		if _, err := client.MoveLead(t.Context(), crm.Move{Lead: lead(70010001), To: status(710231), Across: true}); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"GET /v1.3/leads/70010001",
		`PUT /v1.3/leads/70010001 application/json {"statusId":710231}`,
		"GET /v1.3/leads/70010001",
		"GET /v1.3/leads/70010001",
	}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// A status whose ID is no number goes as the text that it is.
func TestMoveToAStatusWithATextForAnID(t *testing.T) {
	t.Parallel()
	to := crm.Ref{Source: "umnico", ID: "новый"}
	moved := false
	client := scripted(t, func(r *http.Request) (int, string) {
		if r.Method == http.MethodPut {
			moved = body(r) == `{"statusId":"новый"}`
		}
		if moved {
			return 200, `{"id":70010001,"statusId":"новый"}`
		}
		return 200, golden(t, "lead.json")
	})
	if got, err := client.MoveLead(t.Context(), crm.Move{Lead: lead(70010001), To: to}); err != nil || got.Status != to {
		t.Errorf("lead %v, error = %v", got, err)
	}
}

// body returns what a request carries.
func body(r *http.Request) string {
	if r.Body == nil {
		return ""
	}
	data, _ := io.ReadAll(r.Body)
	return string(data)
}

// What Umnico says to the write is not believed, but told where the lead did not move.
func TestAnswerOfTheWriteIsTold(t *testing.T) {
	t.Parallel()
	client := scripted(t, func(r *http.Request) (int, string) {
		if r.Method == http.MethodPut {
			return 200, `{"error":"Сначала назначьте ответственного"}`
		}
		return 200, golden(t, "lead.json")
	})
	_, err := client.MoveLead(t.Context(), crm.Move{Lead: lead(70010001), To: status(710231)})
	failedWith(t, err, crm.ErrNotApplied, "move lead", "Сначала назначьте ответственного")
}

// Faults in each of the three requests.
func TestFaultsWithinAMove(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		good  int // requests before the fault
		n     int // that fail
		fault crmfault.Fault
		kind  error
		want  int // the status afterwards
	}{
		{"the first reading, once", 0, 1, crmfault.Answer(503, ""), nil, 710231},
		{"the first reading", 0, -1, crmfault.Answer(503, ""), crm.ErrUnavailable, 710205},
		{"the write, once", 1, 1, crmfault.Answer(503, ""), nil, 710231},
		{"the write, once, no answer", 1, 1, crmfault.Drop(), nil, 710231},
		{"the write, once, half an answer", 1, 1, crmfault.CutConnection(), nil, 710231},
		{"the write, once, 429", 1, 1, umnicotest.RateLimited(time.Second), nil, 710231},
		{"the write, 429", 1, -1, umnicotest.RateLimited(time.Hour), crm.ErrRateLimited, 710205},
		{"the write, 401", 1, -1, crmfault.Answer(401, ""), crm.ErrUnauthorized, 710205},
		{"the write, 404", 1, 1, crmfault.Answer(404, ""), crm.ErrRejected, 710205},
		{"the write, 405", 1, 1, crmfault.Answer(405, ""), crm.ErrRejected, 710205},
		{"reading back, once", 2, 1, crmfault.Answer(503, ""), nil, 710231},
		{"reading back", 2, -1, crmfault.Answer(503, ""), crm.ErrUnavailable, 710231},
		{"reading back, HTML", 2, 1, crmfault.HTML(), crm.ErrBadResponse, 710231},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := account()
				fake.AddLead(umnicotest.Lead{ID: 70010001, StatusID: 710205})
				fake.Fail(test.good, crmfault.Fault{})
				fake.Fail(test.n, test.fault)
				move := crm.Move{Lead: lead(70010001), To: status(710231)}
				_, err := mustNew(t, on(fake)).MoveLead(t.Context(), move)
				if crm.Kind(err) != test.kind { //nolint:errorlint // the kind itself
					t.Errorf("error = %v, want kind %v", err, test.kind)
				}
				if l, _ := fake.Lead(70010001); l.StatusID != test.want {
					t.Errorf("the lead stands in %d, want %d", l.StatusID, test.want)
				}
			})
		})
	}
}

func TestMoveThatTheListRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := account()
		fake.AddLead(umnicotest.Lead{ID: 70010001, StatusID: 710205})
		client := mustNew(t, on(fake))
		lists := 0
		move := func(what string, to, read int, kind error) {
			t.Helper()
			_, err := client.MoveLead(t.Context(), crm.Move{Lead: lead(70010001), To: status(to)})
			if crm.Kind(err) != kind { //nolint:errorlint // the kind itself
				t.Errorf("%s: error = %v, want kind %v", what, err, kind)
			}
			if got := fake.Requests(umnicotest.PathStatuses) - lists; got != read {
				t.Errorf("%s: the list was read %d times, want %d", what, got, read)
			}
			lists = fake.Requests(umnicotest.PathStatuses)
		}
		list := func() {
			t.Helper()
			if _, err := client.ListStatuses(t.Context()); err != nil {
				t.Fatal(err)
			}
			lists = fake.Requests(umnicotest.PathStatuses)
		}
		move("no list was read", 799999, 0, crm.ErrRejected)
		list()
		before := fake.Requests("/v1.3/leads/70010001")
		move("a young list lacks it", 799999, 0, crm.ErrNotFound)
		if got := fake.Requests("/v1.3/leads/70010001"); got != before {
			t.Errorf("%d requests for a move that the list refuses", got-before)
		}
		move("the list has it", 710231, 0, nil)
		time.Sleep(11 * time.Second)
		move("an old list lacks it", 799999, 1, crm.ErrNotFound)
		time.Sleep(11 * time.Second)
		added := fake.Add("Новый статус")
		move("it was added meanwhile", added.ID, 1, nil)
		time.Sleep(11 * time.Second)
		fake.Fail(1, crmfault.Answer(403, ""))
		move("the list cannot be read", 799999, 1, crm.ErrRejected)
		move("and is not read again at once", 799999, 0, crm.ErrRejected)
		time.Sleep(11 * time.Second)
		move("but later", 799999, 1, crm.ErrNotFound)
		fake.SetStatuses()
		list()
		move("an empty list", 710205, 0, crm.ErrNotFound)
	})
}

// A person who moves the lead while the client does is a rule, as far as one can see.
func TestMoveBesideAPerson(t *testing.T) {
	t.Parallel()
	fake := account()
	fake.AddLead(umnicotest.Lead{ID: 70010001, StatusID: 710205})
	opts := on(fake)
	opts.HTTPClient = &http.Client{Transport: behind{fake.Transport(), func(r *http.Request) {
		if r.Method == http.MethodPut {
			_ = fake.MoveLead(70010001, 710240)
		}
	}}}
	got, err := mustNew(t, opts).MoveLead(t.Context(), crm.Move{Lead: lead(70010001), To: status(710231)})
	if err != nil || got != at(70010001, 710240) {
		t.Errorf("lead %v, error = %v", got, err)
	}
}

// behind does something behind each request.
type behind struct {
	next http.RoundTripper
	do   func(r *http.Request)
}

func (b behind) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(r)
	b.do(r)
	return answer, err
}
