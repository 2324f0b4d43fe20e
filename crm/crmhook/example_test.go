package crmhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhook"
)

// A CRM that sends JSON with a key in a header.
func ExampleNew() {
	receiver, err := crmhook.New(crmhook.Options{
		Source:    "acme",
		MediaType: "application/json",
		Receive: func(_ context.Context, r *http.Request, body []byte) (crm.Event, error) {
			if r.Header.Get("X-Key") != "made-up-key" { // compare a real one in constant time
				return crm.Event{}, crmhook.ErrSender
			}
			var message struct{ Lead, Status string }
			if err := json.Unmarshal(body, &message); err != nil {
				return crm.Event{}, crmhook.ErrMalformed
			}
			return crm.Event{
				Source: "acme", Kind: crm.EventLeadMoved, Type: "moved",
				Lead:   crm.LeadRef{Source: "acme", ID: message.Lead},
				Status: crm.Ref{Source: "acme", ID: message.Status},
			}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	send := func(key string) int {
		r := httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader(`{"lead":"7","status":"paid"}`)) //nolint:noctx // an example
		r.Header.Set("X-Key", key)
		w := httptest.NewRecorder()
		receiver.ServeHTTP(w, r)
		return w.Code
	}
	fmt.Println(send("made-up-key"), "while nobody drains")

	ctx, stop := context.WithCancel(context.Background())
	go func() {
		for send("made-up-key") != http.StatusOK { // until Run drains
		}
	}()
	err = receiver.Run(ctx, func(_ context.Context, event crm.Event) {
		fmt.Println(event.Lead, "is in", event.Status)
		stop() // a real bot goes on
	})
	fmt.Println(err)
	fmt.Println(send("a guess"))
	// Output:
	// 503 while nobody drains
	// acme/7 is in acme/paid
	// context canceled
	// 403
}
