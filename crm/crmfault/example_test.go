package crmfault_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"time"

	"github.com/statuslink/statuslink/crm/crmfault"
)

// Acme is a fake of a CRM that fails on demand.
type Acme struct {
	*crmfault.Handler
}

// NewAcme returns a fake that works.
func NewAcme() *Acme {
	a := &Acme{}
	a.Handler = crmfault.New(http.HandlerFunc(a.serve))
	return a
}

func (a *Acme) serve(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `["new","paid"]`)
}

func Example() {
	fake := NewAcme()
	client := &http.Client{Transport: fake.Transport()}
	get := func() {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://acme.example/stages", nil)
		if err != nil {
			log.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		fmt.Printf("%d %s %v\n", response.StatusCode, body, err)
	}

	get()
	fake.Fail(1, crmfault.RetryAfter(http.StatusTooManyRequests, 2*time.Second))
	fake.Fail(1, crmfault.Cut())
	fake.Fail(1, crmfault.Drop())
	get()
	get()
	get()
	get()
	fmt.Println(fake.Requests("/stages"), "requests")

	// Output:
	// 200 ["new","paid"] <nil>
	// 429  <nil>
	// 200 ["new", <nil>
	// Get "https://acme.example/stages": unexpected EOF
	// 200 ["new","paid"] <nil>
	// 5 requests
}
