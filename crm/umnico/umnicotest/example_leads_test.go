package umnicotest_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"

	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

// A bot's webhook hears that a manager has moved a lead.
func ExampleUmnico_DeliverTo() {
	fake := umnicotest.New()
	fake.AddWebhook(umnicotest.Webhook{URL: "https://bot.example.com/umnico"})
	fake.SetEventForm(umnicotest.EventForm{ShortCustomer: true})
	lead := fake.AddLead(umnicotest.Lead{Amount: 4350, Customer: umnicotest.Customer{Login: "john_example"}})
	if err := fake.MoveLead(lead.ID, 710231); err != nil {
		log.Fatal(err)
	}

	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Printf("%s\n", body)
	})
	delivered, failed := fake.DeliverTo(context.Background(), handler)
	fmt.Println(delivered, "delivered,", failed, "failed")

	// Output:
	// {"type":"lead.created","accountId":100500,"leadId":70010001,"lead":{"statusId":710201,"amount":4350,"customer":{"login":"john_example"}}}
	// {"type":"lead.changed.status","accountId":100500,"leadId":70010001,"lead":{"statusId":710231,"amount":4350,"customer":{"login":"john_example"}}}
	// 2 delivered, 0 failed
}
