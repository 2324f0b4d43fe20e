package bitrix24_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
)

func ExampleNewEvents() {
	events, err := bitrix24.NewEvents(bitrix24.EventOptions{
		Tokens: []string{"made-up-token"}, // the outgoing webhook's settings show it
	})
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(events) // its address stands in those settings too
	defer server.Close()

	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	started := make(chan bool, 1)
	run.Go(func() {
		err := events.Run(ctx, func(_ context.Context, event crm.Event) {
			if event.Type == "ONAPPTEST" {
				started <- true
				return
			}
			fmt.Println(event.Type, event.Lead, event.Kind == crm.EventLeadChanged)
			cancel() // a real bot goes on
		})
		fmt.Println(err)
	})

	// This is what a portal sends.
	send := func(name, token string) int {
		answer, err := http.PostForm(server.URL, url.Values{ //nolint:noctx // an example
			"event": {name}, "data[FIELDS][ID]": {"4521"}, "auth[application_token]": {token},
		})
		if err != nil {
			log.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	for send("ONAPPTEST", "made-up-token") != http.StatusOK { // 503 until Run drains
	}
	<-started
	fmt.Println(send("ONCRMLEADUPDATE", "a guess"))
	fmt.Println(send("ONCRMLEADUPDATE", "made-up-token"))
	run.Wait()

	// Unordered output:
	// 403
	// 200
	// ONCRMLEADUPDATE bitrix24/lead/4521 true
	// context canceled
}
