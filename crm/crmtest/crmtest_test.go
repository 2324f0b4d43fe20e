package crmtest

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/statuslink/statuslink/crm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSoundClientPasses(t *testing.T) {
	t.Parallel()
	Run(t, func(t *testing.T) Harness { return acmeHarness(t, sound) })
}

// TestOtherSoundClientsPass: the suite leaves to a client what the contract
// leaves to it.
func TestOtherSoundClientsPass(t *testing.T) {
	t.Parallel()
	for name, differ := range map[string]func(a *acme, conn Conn){
		"merges double rows": func(a *acme, _ Conn) {
			a.decode = func(body []byte, into *stages) error {
				err := decode(body, into)
				if err != nil || *into.Total == 0 {
					return err
				}
				rows := *into.Rows
				if n := len(rows); n > 1 && rows[0].ID == rows[n-1].ID {
					*into.Rows, *into.Total = rows[1:], n-1
				}
				return nil
			}
		},
		"takes an empty list for an error": reading(func(a *acme, l crm.Listing, err error) (crm.Listing, error) {
			if err == nil && len(l.Statuses) == 0 {
				return crm.Listing{}, a.fail(&crm.Error{Kind: crm.ErrIncomplete})
			}
			return l, err
		}),
		"wraps its errors": reading(func(_ *acme, l crm.Listing, err error) (crm.Listing, error) {
			if err != nil {
				err = fmt.Errorf("read: %w", err)
			}
			return l, err
		}),
		"has its token in the body": func(a *acme, _ Conn) { a.request = a.tokenInBody },
		"ignores Attempts":          func(a *acme, _ Conn) { a.attempts = 3 },
		"waits a little longer than asked": func(a *acme, _ Conn) {
			wait := a.wait
			a.wait = func(e *crm.Error) time.Duration { return wait(e) + time.Second }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			Run(t, func(t *testing.T) Harness { return acmeHarness(t, differ) })
		})
	}
}

func TestChecksThatAreLeftOut(t *testing.T) {
	t.Parallel()
	for name, without := range map[string]func(h *Harness){
		"ReadsEveryPage":         func(h *Harness) { h.Page = nil },
		"OneBadPageFailsTheCall": func(h *Harness) { h.Page = nil },
		"ShowsNoRowTwice":        func(h *Harness) { h.Duplicate = nil },
	} {
		r := recorded(t, name, func(t *testing.T) Harness {
			h := acmeHarness(t, sound)
			without(&h)
			return h
		})
		if r.skipped == "" || len(r.failures) > 0 {
			t.Errorf("%s was not left out: %v", name, r.failures)
		}
	}
}

// TestAccountMayBeLeftOut: an Account that Show leaves empty is not compared.
func TestAccountMayBeLeftOut(t *testing.T) {
	t.Parallel()
	r := recorded(t, "ReturnsTheCompleteList", func(t *testing.T) Harness {
		h := acmeHarness(t, sound)
		show := h.Show
		h.Show = func(n int) crm.Listing {
			listing := show(n)
			listing.Account = nil
			return listing
		}
		return h
	})
	if len(r.failures) > 0 {
		t.Errorf("an empty Account was compared: %v", r.failures)
	}
}

func TestUnsoundHarness(t *testing.T) {
	t.Parallel()
	for says, spoil := range map[string]func(h *Harness){
		"lacks CRM":               func(h *Harness) { h.CRM = nil },
		"lacks CRM, Show":         func(h *Harness) { h.Show = nil },
		"Client or Revoke":        func(h *Harness) { h.Client = nil },
		"or Revoke":               func(h *Harness) { h.Revoke = nil },
		"names no secret":         func(h *Harness) { h.Secrets = nil },
		"shorter than 8 bytes":    func(h *Harness) { h.Secrets = []string{"a"} },
		"no client could be made": func(h *Harness) { h.Client = func(Conn) (crm.Client, error) { return nil, errors.New("no") } },
		"neither a client":        func(h *Harness) { h.Client = func(Conn) (crm.Client, error) { return nil, nil } },
		"Show(1) returned 0 statuses": func(h *Harness) {
			h.Show = func(int) crm.Listing { return crm.Listing{Source: "acme"} }
		},
		"does not pass Validate": func(h *Harness) { h.Show = func(int) crm.Listing { return crm.Listing{} } },
	} {
		r := recorded(t, "ReturnsTheCompleteList", func(t *testing.T) Harness {
			h := acmeHarness(t, sound)
			spoil(&h)
			return h
		})
		if all := strings.Join(r.failures, "\n"); !strings.Contains(all, says) {
			t.Errorf("the failures of a harness are %q, want them to say %q", all, says)
		}
	}
}

func TestLeaks(t *testing.T) {
	t.Parallel()
	const secret = "Zm9v/c2Vj+\"cmV0"
	for text, want := range map[string]bool{
		"":                                 false,
		"Zm9v/c2Vj Vj+\"cmV0":              false,
		"a Zm9v/c2Vj+ b":                   true,
		"A ZM9V/C2VJ+ B":                   true,
		url.QueryEscape(secret):            true,
		url.PathEscape(secret):             true,
		strconv.Quote(secret):              true,
		hex.EncodeToString([]byte(secret)): true,
		fmt.Sprintf("%d", []byte(secret)):  true,
		base64.StdEncoding.EncodeToString([]byte(secret)):               true,
		base64.URLEncoding.EncodeToString([]byte("u:" + secret)):        true,
		base64.StdEncoding.EncodeToString([]byte("me:" + secret + "!")): true,
	} {
		if got := leaks(text, []string{"another secret", secret}); got != want {
			t.Errorf("leaks(%q) = %v, want %v", text, got, want)
		}
	}
}

func TestRunCallsTheFactoryOncePerSubtest(t *testing.T) {
	t.Parallel()
	var want, got []string
	for _, c := range checks {
		want = append(want, t.Name()+"/"+c.name)
	}
	Run(t, func(t *testing.T) Harness {
		got = append(got, t.Name())
		return acmeHarness(t, sound)
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the subtests for which the factory was called (-want +got):\n%s", diff)
	}
}

// TestEveryCheckCatchesSomething keeps a check that sees nothing from being
// added.
func TestEveryCheckCatchesSomething(t *testing.T) {
	t.Parallel()
	var names []string
	for _, c := range checks {
		names = append(names, c.name)
	}
	everyCheckCatches(t, names, allMutants())
}

// everyCheckCatches checks that each check, of its own name, is the one that has
// to see some mutant.
func everyCheckCatches(t *testing.T, names []string, mutants []mutant) {
	t.Helper()
	caught := make(map[string]bool)
	for _, m := range mutants {
		caught[m.check] = true
	}
	known := make(map[string]bool)
	for _, name := range names {
		if known[name] {
			t.Errorf("two checks are called %s", name)
		}
		known[name] = true
		if !caught[name] {
			t.Errorf("no broken client is caught by %s", name)
		}
	}
}

func TestMutants(t *testing.T) {
	t.Parallel()
	catches(t, allMutants())
}

// allMutants are the broken clients of all topics.
func allMutants() []mutant {
	return slices.Concat(
		listingMutants(), pageMutants(), callerMutants(), statusMutants(), answerMutants(),
		failureMutants(), contextMutants(), leftoverMutants(), retryMutants(), travelMutants(), secretMutants(),
	)
}
