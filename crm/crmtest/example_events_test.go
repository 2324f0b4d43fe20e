package crmtest_test

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmtest"
)

// A receiver of a CRM's messages, and its test. In your package the function is
// called TestBell.
func ExampleRunEvents() {
	_ = testBell
}

func testBell(t *testing.T) {
	crmtest.RunEvents(t, func(t *testing.T) crmtest.EventHarness {
		const token, queue = "Vq4Tz81bNx6KwP3s", 4
		message := func(token string, lead crm.LeadRef) *http.Request {
			body := fmt.Sprintf(`{"token":%q,"lead":%q,"at":%d}`, token, lead.ID, time.Now().Unix())
			return httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/bell", strings.NewReader(body))
		}
		return crmtest.EventHarness{
			Source: func() crm.EventSource {
				return &bell{token: sha256.Sum256([]byte(token)), queue: make(chan crm.Event, queue)}
			},
			Queue:   queue,
			Leads:   []crm.LeadRef{{Source: "bell", ID: "1"}, {Source: "bell", ID: "2"}, {Source: "bell", ID: "3"}},
			Change:  func(lead crm.LeadRef) *http.Request { return message(token, lead) },
			Foreign: func() *http.Request { return message("a wrong one", crm.LeadRef{ID: "1"}) },
			Secrets: []string{token},
		}
	})
}

// bell is the receiver. It hands over one event after another.
type bell struct {
	token [sha256.Size]byte
	queue chan crm.Event

	mu   sync.Mutex
	open bool
}

func (b *bell) Source() string { return "bell" }

func (b *bell) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var message struct {
		Token string `json:"token"`
		Lead  string `json:"lead"`
		At    int64  `json:"at"`
	}
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil || json.Unmarshal(body, &message) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	token := sha256.Sum256([]byte(message.Token))
	if subtle.ConstantTimeCompare(token[:], b.token[:]) != 1 {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	select {
	case b.queue <- crm.Event{
		Source: b.Source(), Kind: crm.EventLeadChanged, Type: "lead",
		Lead: crm.LeadRef{Source: b.Source(), ID: message.Lead}, At: time.Unix(message.At, 0), Raw: body,
	}:
	default:
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (b *bell) Run(ctx context.Context, handle func(ctx context.Context, event crm.Event)) error {
	b.drains(true)
	defer b.drains(false)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case event := <-b.queue:
			handle(ctx, event)
		}
	}
}

// drains says whether messages are taken from now on.
func (b *bell) drains(open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = open
}
