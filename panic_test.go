package statuslink_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfake"
	"github.com/statuslink/statuslink/memstore"
)

// brokenClient is a stranger's client with a bug.
type brokenClient struct{ fail func() }

func (brokenClient) Source() string { return "broken" }

func (c brokenClient) ListStatuses(context.Context) (crm.Listing, error) {
	c.fail()
	return crm.Listing{}, nil
}

func brokenSyncer(t *testing.T, fail func()) *statuslink.Syncer {
	t.Helper()
	catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
	if err != nil {
		t.Fatal(err)
	}
	good := crmfake.New("good", crmfake.Listing("good", crm.Scope{}, crmfake.Status("1", "A")))
	syncer, err := statuslink.NewSyncer(catalog, nil, good, brokenClient{fail})
	if err != nil {
		t.Fatal(err)
	}
	return syncer
}

// A client that panics can be survived by the caller: the panic comes up where
// Plan was called, and says whose client it was.
func TestPanicOfAClientReachesTheCaller(t *testing.T) {
	t.Parallel()
	syncer := brokenSyncer(t, func() { panic("bug") })
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, `"broken" panicked: bug`) || !strings.Contains(text, "ListStatuses") {
			t.Errorf("recovered %s", text)
		}
	}()
	_, err := syncer.Plan(t.Context())
	t.Errorf("Plan returned %v", err)
}

func TestClientThatEndsItsGoroutineIsAFailedSource(t *testing.T) {
	t.Parallel()
	plan, err := brokenSyncer(t, runtime.Goexit).Plan(t.Context())
	if err != nil || plan.Err() == nil || len(plan.Operations()) != 2 {
		t.Errorf("error %v, plan\n%v", err, plan)
	}
}
