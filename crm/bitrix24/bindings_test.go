package bitrix24_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

const handlerURL = "https://bot.example.com/b24/события?a=1&b=#2"

func TestEventNames(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string][]string{
		"lead":        {"ONCRMLEADADD", "ONCRMLEADUPDATE", "ONCRMLEADDELETE"},
		"deal":        {"ONCRMDEALADD", "ONCRMDEALUPDATE", "ONCRMDEALDELETE", "ONCRMDEALMOVETOCATEGORY"},
		"quote":       {"ONCRMQUOTEADD", "ONCRMQUOTEUPDATE", "ONCRMQUOTEDELETE"},
		"invoice":     {"ONCRMDYNAMICITEMADD_31", "ONCRMDYNAMICITEMUPDATE_31", "ONCRMDYNAMICITEMDELETE_31"},
		"dynamic:177": {"ONCRMDYNAMICITEMADD_177", "ONCRMDYNAMICITEMUPDATE_177", "ONCRMDYNAMICITEMDELETE_177"},
		"":            {"ONCRMLEADADD", "ONCRMLEADUPDATE", "ONCRMLEADDELETE"},
		"Lead":        nil, "dynamic:": nil, "dynamic:0177": nil, "dynamic:x": nil, "contact": nil,
	} {
		if diff := cmp.Diff(want, bitrix24.EventNames(kind)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", kind, diff)
		}
	}
}

func TestGoldenBoundEvents(t *testing.T) {
	t.Parallel()
	const handler = "https://bot.example.com/b24/events"
	for body, want := range map[string][]bitrix24.Binding{
		golden(t, "event_get.json"): {
			{Event: "ONCRMLEADUPDATE", Handler: handler}, {Event: "ONCRMDEALMOVETOCATEGORY", Handler: handler, User: "17"},
		},
		`{"result":[]}`:   {},
		`{"result":null}`: {},
		`{"result":[{"event":"oncrmleadadd","handler":"","auth_type":0,"offline":"1"},{}]}`:   {{Event: "ONCRMLEADADD", Offline: true}, {}},
		`{"result":[{"event":"ONX","handler":null,"auth_type":17,"offline":1,"options":{}}]}`: {{Event: "ONX", User: "17", Offline: true}},
	} {
		got, err := answering(t, 200, body).BoundEvents(t.Context())
		if err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
	// What the portal said is not shown: the handler's address may hold a secret.
	for _, body := range []string{`{"result":true}`, `{"result":{"a":1}}`, `{"result":["ONCRMLEADADD"]}`, `{"result":"AT-example-0009"}`, `{"result":[1]}`, `[]`} {
		got, err := answering(t, 200, body).BoundEvents(t.Context())
		if e := kindAndText(t, err, crm.ErrBadResponse); e.Op != "list bound events" || got != nil {
			t.Errorf("%s: %v, %v", body, got, err)
		}
	}
}

// bound returns what the portal sends to the handler.
func bound(t *testing.T, s *signedIn, handler string) []string {
	t.Helper()
	bindings, err := s.client.BoundEvents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	for _, b := range bindings {
		if b.Handler == handler && !b.Offline {
			events = append(events, b.Event)
		}
	}
	return events
}

func TestEventsAreBoundAndUnbound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := install(t, nil)
		ctx := t.Context()
		do := func(went string, err error) {
			t.Helper()
			if got := s.happened(); got != went || err != nil {
				t.Errorf("it went %q, want %q: %v", got, went, err)
			}
		}
		bind := func(events ...string) error { return s.client.BindEvents(ctx, handlerURL, events...) }
		do("event.get batch", bind("ONCRMLEADUPDATE"))
		do("event.get", bind("ONCRMLEADUPDATE"))
		do("event.get", bind("OnCrmLeadUpdate"))
		do("event.get batch", bind(slices.Concat(bitrix24.EventNames("lead"), bitrix24.EventNames("deal"))...))
		want := []string{"ONCRMLEADUPDATE", "ONCRMLEADADD", "ONCRMLEADDELETE", "ONCRMDEALADD", "ONCRMDEALUPDATE", "ONCRMDEALDELETE", "ONCRMDEALMOVETOCATEGORY"}
		if diff := cmp.Diff(want, bound(t, s, handlerURL)); diff != "" {
			t.Errorf("bound (-want +got):\n%s", diff)
		}
		_ = s.happened()
		do("event.get batch", s.client.BindEvents(ctx, "https://other.example.com/", "ONCRMLEADUPDATE"))

		// They come.
		lead := s.portal.AddLead("NEW")
		if err := s.portal.MoveItem(1, lead.ID, 0, "IN_PROCESS"); err != nil {
			t.Fatal(err)
		}
		var came []string
		for _, event := range s.portal.Events() {
			if event.URL == handlerURL {
				came = append(came, event.Event)
			}
		}
		if diff := cmp.Diff([]string{"ONCRMLEADADD", "ONCRMLEADUPDATE"}, came); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}

		unbind := func(n int, events ...string) error {
			removed, err := s.client.UnbindEvents(ctx, handlerURL, events...)
			if removed != n {
				t.Errorf("%d removed, want %d", removed, n)
			}
			return err
		}
		do("batch", unbind(2, "ONCRMLEADADD", "oncrmdealdelete", "ONCRMQUOTEADD"))
		do("batch", unbind(0, "ONCRMLEADADD"))
		do("", unbind(0))
		if got := bound(t, s, handlerURL); slices.Contains(got, "ONCRMLEADADD") || len(got) != 5 {
			t.Errorf("bound %v", got)
		}
		if got := bound(t, s, "https://other.example.com/"); len(got) != 1 {
			t.Errorf("bound to the other handler: %v", got)
		}
	})
}

func TestEventsThatCannotBeBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := install(t, nil)
		ctx := t.Context()
		err := s.client.BindEvents(ctx, handlerURL, "ONCRMLEADUPDATE", "ONNOTHING", "ONCRMDEALUPDATE")
		if e := kindAndText(t, err, crm.ErrRejected, "Event not found"); e.Code != "ERROR_EVENT_NOT_FOUND" || e.Op != "event.bind" {
			t.Errorf("error = %v", err)
		}
		if diff := cmp.Diff([]string{"ONCRMLEADUPDATE", "ONCRMDEALUPDATE"}, bound(t, s, handlerURL)); diff != "" {
			t.Errorf("bound (-want +got):\n%s", diff)
		}
		// All that fails is told.
		err = s.client.BindEvents(ctx, handlerURL, "ONNOTHING", "ONNAUGHT")
		if joined, ok := err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 2 {
			t.Errorf("error = %v", err)
		}
		many := make([]string, 51)
		for i := range many {
			many[i] = fmt.Sprintf("ONX%d", i)
		}
		wantError(t, s.client.BindEvents(ctx, handlerURL, many...), crm.ErrRejected, "51 calls")
		_, err = s.client.UnbindEvents(ctx, handlerURL, many...)
		wantError(t, err, crm.ErrRejected, "51 calls")
		s.portal.FailCommand(1, "event.get", bitrix24test.AccessDenied())
		wantError(t, s.client.BindEvents(ctx, handlerURL, "ONCRMLEADUPDATE"), crm.ErrForbidden, "list bound events")
		// Neither does one succeed that cannot be looked after.
		s.answers(func(what string, _ *http.Request) *http.Response {
			if what == "batch" {
				s.portal.FailCommand(1, "event.get", bitrix24test.AccessDenied())
			}
			return nil
		})
		wantError(t, s.client.BindEvents(ctx, handlerURL, "ONNOTHING"), crm.ErrForbidden, "list bound events")
		s.answers(nil)
		s.portal.FailCommand(1, "event.unbind", bitrix24test.AccessDenied())
		n, err := s.client.UnbindEvents(ctx, handlerURL, "ONCRMLEADUPDATE", "ONCRMDEALUPDATE")
		if wantError(t, err, crm.ErrForbidden, "event.unbind"); n != 1 {
			t.Errorf("%d removed, want the other one", n)
		}
		if joined, ok := err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 1 {
			t.Errorf("one failed, and the error is %v", err)
		}
	})
}

// An event that somebody else binds meanwhile is bound; what is bound as an
// offline one, or to another address, is not.
func TestEventsBoundMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := install(t, nil)
		other := &signedIn{portal: s.portal}
		other.connect(t, s.token, nil)
		s.answers(func(what string, _ *http.Request) *http.Response {
			if what == "batch" {
				s.answers(nil)
				if err := other.client.BindEvents(context.Background(), handlerURL, "ONCRMLEADADD"); err != nil {
					t.Error(err)
				}
			}
			return nil
		})
		if err := s.client.BindEvents(t.Context(), handlerURL, "ONCRMLEADADD", "ONCRMLEADDELETE"); err != nil {
			t.Errorf("error = %v", err)
		}
		if got := s.happened(); got != "event.get batch event.get" {
			t.Errorf("it went %q", got)
		}
		if got := bound(t, s, handlerURL); len(got) != 2 {
			t.Errorf("bound %v", got)
		}
	})
	// What was bound meanwhile is not among what failed.
	synctest.Test(t, func(t *testing.T) {
		s := install(t, nil)
		other := &signedIn{portal: s.portal}
		other.connect(t, s.token, nil)
		s.answers(func(what string, _ *http.Request) *http.Response {
			if what == "batch" {
				s.answers(nil)
				if err := other.client.BindEvents(context.Background(), handlerURL, "ONCRMLEADADD"); err != nil {
					t.Error(err)
				}
			}
			return nil
		})
		err := s.client.BindEvents(t.Context(), handlerURL, "ONCRMLEADADD", "ONNOTHING", "ONCRMLEADDELETE")
		wantError(t, err, crm.ErrRejected, "Event not found")
		if joined, ok := err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 1 {
			t.Errorf("one event is not bound, and the error is %v", err)
		}
	})
	// event.get shows offline events with whatever address.
	client := answering(t, 200, `{"result":[{"event":"ONCRMLEADADD","handler":"https://bot.example.com/","offline":1}]}`)
	if err := client.BindEvents(t.Context(), "https://bot.example.com/", "ONCRMLEADADD"); err == nil {
		t.Error("an offline event is taken for one that is sent")
	}
}

// Neither looking nor binding twice does any harm, so both are repeated.
func TestEventCallsAreRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := install(t, nil)
		broke := map[string]bool{}
		s.answers(func(what string, _ *http.Request) *http.Response {
			if broke[what] = !broke[what]; broke[what] {
				return said(500, `{"error":"INTERNAL_SERVER_ERROR"}`)
			}
			return nil
		})
		if err := s.client.BindEvents(t.Context(), handlerURL, "ONCRMLEADADD"); err != nil {
			t.Errorf("bind: %v", err)
		}
		if got := s.happened(); got != "event.get event.get batch batch" {
			t.Errorf("it went %q", got)
		}
		n, err := s.client.UnbindEvents(t.Context(), handlerURL, "ONCRMLEADADD")
		if got := s.happened(); n != 1 || err != nil || got != "batch batch" {
			t.Errorf("it went %q: %d removed, %v", got, n, err)
		}
	})
}

// The caller's list of events stays as it is, and addresses differ by their case.
func TestEventsOfSimilarHandlers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := install(t, nil)
		bind := func(handler string, events ...string) {
			t.Helper()
			if err := s.client.BindEvents(t.Context(), handler, events...); err != nil {
				t.Error(err)
			}
		}
		events := []string{"ONCRMLEADADD", "ONCRMLEADUPDATE", "ONCRMLEADDELETE"}
		bind("https://bot.example.com/a", events[0])
		bind("https://bot.example.com/a", events...)
		if diff := cmp.Diff([]string{"ONCRMLEADADD", "ONCRMLEADUPDATE", "ONCRMLEADDELETE"}, events); diff != "" {
			t.Errorf("the caller's events (-want +got):\n%s", diff)
		}
		bind("https://bot.example.com/A", events...)
		for _, handler := range []string{"https://bot.example.com/a", "https://bot.example.com/A"} {
			if got := bound(t, s, handler); len(got) != 3 {
				t.Errorf("bound to %s: %v", handler, got)
			}
		}
	})
}

// A repeated event twice in one call is bound once, and is no error.
func TestEventNamedTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := install(t, nil)
		if err := s.client.BindEvents(t.Context(), handlerURL, "ONCRMLEADADD", "ONCRMLEADADD"); err != nil {
			t.Errorf("error = %v", err)
		}
		if got := bound(t, s, handlerURL); len(got) != 1 {
			t.Errorf("bound %v", got)
		}
	})
}

func TestEventsNeedAnApplication(t *testing.T) {
	t.Parallel()
	_, client := portalClient(t, bitrix24.Options{})
	_, err := client.BoundEvents(t.Context())
	wantError(t, err, crm.ErrForbidden, "application")
	wantError(t, client.BindEvents(t.Context(), handlerURL, "ONCRMLEADADD"), crm.ErrForbidden, "application")
	_, err = client.UnbindEvents(t.Context(), handlerURL, "ONCRMLEADADD")
	wantError(t, err, crm.ErrForbidden, "application")
}

func TestUnbindAnswersOfOtherForms(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"true", "[1]", `"1"`, "1"} {
		client := answering(t, 200, `{"result":{"result":{"c0":`+value+`,"c1":{"count":"2"}}}}`)
		n, err := client.UnbindEvents(t.Context(), handlerURL, "ONA", "ONB")
		if wantError(t, err, crm.ErrBadResponse, "event.unbind"); n != 2 {
			t.Errorf("%s: %d removed", value, n)
		}
	}
	n, err := answering(t, 200, `{"result":{"result":{"c0":null,"c1":{}}}}`).UnbindEvents(t.Context(), handlerURL, "ONA", "ONB")
	if n != 0 || err != nil {
		t.Errorf("%d removed, %v", n, err)
	}
}
