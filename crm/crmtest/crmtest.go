// Package crmtest has the tests that every [crm.Client] over HTTP passes. A
// client of your own is checked with a fake of its CRM, see [Harness]:
//
//	func TestClient(t *testing.T) {
//		crmtest.Run(t, func(t *testing.T) crmtest.Harness { return harness() })
//	}
//
// A client that can do more than read the list is checked by [RunLeads] as well:
// what it implements of [crm.LeadReader], [crm.LeadMover], [crm.BulkMover] and
// [crm.LeadLister]. What receives a CRM's messages, a [crm.EventSource], is
// checked by [RunEvents].
//
// What the suite asks for is what package crm promises of a client and, beyond
// that, what package crmhttp gives to those that are built on it: a few
// repetitions where they may help, limits of time and size, and credentials
// that are seen nowhere and travel nowhere.
//
// What is the CRM's own the suite cannot know, and the client's own tests check
// it: which fields a row has, what each becomes, which kinds the CRM's error
// codes mean.
package crmtest

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// Harness is a client and the fake CRM under it, as the suite wants them. The
// fields are required unless they say otherwise.
type Harness struct {
	// CRM plays the CRM, whatever host it is asked as. The suite puts faults in
	// front of it, so it need not be able to fail by itself.
	CRM http.Handler
	// Show makes the CRM's list hold exactly n statuses and returns the listing
	// that a complete read of it gives, its Statuses in any order. An empty
	// Account is not compared: leave it so where it depends on the address. n is
	// at most 200. Where the client reads several lists, n counts all rows together.
	Show func(n int) crm.Listing
	// Client returns a new client for CRM that is connected as conn says and
	// has credentials that CRM accepts. Its error, too, shows no secret.
	Client func(conn Conn) (crm.Client, error)
	// Secrets are the texts that must not be seen: a token, the secret part of
	// an address. At least one, and each of 8 bytes or more; give random ones,
	// because a piece of ten bytes is a leak as well.
	Secrets []string
	// Revoke makes the CRM refuse the credentials of all clients from now on.
	Revoke func()

	// Page makes the CRM answer in pages of size rows. It is called after Show.
	// Nil means that the CRM has no pages; the checks of paging are left out.
	Page func(size int)
	// Duplicate makes the CRM show one of its rows twice. It is called after
	// Show. Nil means that it cannot; the check of double rows is left out.
	Duplicate func()
	// ErrorInside is an error as this CRM puts it into an answer with the HTTP
	// status 200. Empty means that it never does; the suite tries usual forms
	// in any case.
	ErrorInside string
	// WrongAnswers are sound JSON texts that are no list of this CRM, beside
	// those that the suite tries with every client.
	WrongAnswers []string
}

// Conn is how the suite wants a client to be connected. Where a field is zero,
// the client does what it does by default.
type Conn struct {
	// BaseURL is scheme and host, without a path and a slash at its end. A
	// client whose secret is in the path of its address adds the path. Mostly
	// it is https with a host that does not exist; a few checks give plain http
	// to a loopback address, which a client accepts.
	BaseURL string
	// HTTPClient is to send all requests. Never nil.
	HTTPClient *http.Client
	// Logger is for what the client logs; nil means that it logs nothing.
	Logger *slog.Logger
	// Timeout is the limit of one attempt.
	Timeout time.Duration
	// Attempts is how often a request is sent at most. The suite gives 1 where
	// it waits for real; a client that cannot be told so passes as well.
	Attempts int
	// MaxBody is the greatest size of an answer in bytes.
	MaxBody int64
}

// Run runs each check of the suite as a subtest on a harness of its own.
// newHarness is called once per subtest, with the subtest's t, and what has to
// be closed it closes by t.Cleanup. The subtests run one after another.
//
// Nearly all of them run in a bubble of testing/synctest, newHarness included,
// so that no time passes and no port is opened: CRM and client must not wait for
// anything outside, and must not start goroutines that outlive t. The three
// whose names begin with "Socket" run over a loopback port instead.
//
// The suite calls ListStatuses in up to 8 goroutines at once.
func Run(t *testing.T, newHarness func(t *testing.T) Harness) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			c.on(t, func(t *testing.T) { c.run(newTest(t, newHarness(t), !c.socket)) })
		})
	}
}

// check is one promise of the contract and its test.
type check struct {
	name   string
	run    func(t *test)
	socket bool // needs a network, and so no bubble
}

// on calls run where the check is to run.
func (c check) on(t *testing.T, run func(t *testing.T)) {
	t.Helper()
	if c.socket {
		run(t)
		return
	}
	synctest.Test(t, run)
}

// checks are all checks; each group stands in the file of its topic.
var checks = concat(
	listingChecks, pageChecks, callerChecks, statusChecks, answerChecks, rowChecks, sizeChecks, failureChecks,
	contextChecks, leftoverChecks, retryChecks, travelChecks, secretChecks,
)

func concat(groups ...[]check) []check {
	var all []check
	for _, group := range groups {
		all = append(all, group...)
	}
	return all
}

// tb is what a check needs of a [testing.T]. The suite's own tests pass a
// recorder instead, to see a broken client fail.
type tb interface {
	Helper()
	Context() context.Context
	Skipf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}
