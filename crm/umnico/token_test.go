package umnico_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

// giver returns tokens one after the other, the last one for ever.
type giver struct {
	tokens []string
	asked  int
}

func (g *giver) ask(context.Context) (string, error) {
	g.asked++
	return g.tokens[min(g.asked, len(g.tokens))-1], nil
}

func withTokens(t *testing.T, fake *umnicotest.Umnico, ask func(context.Context) (string, error)) *umnico.Client {
	t.Helper()
	client, err := umnico.NewWithTokens(ask, on(fake))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestTokenFunction(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name            string
		tokens          []string // that the function returns
		fits            string   // the token that Umnico takes
		asked, requests int
		kind            error
	}{
		{"the first one fits", []string{token}, token, 1, 1, nil},
		{"as it was pasted", []string{" Bearer " + token + "\r\n"}, token, 1, 1, nil},
		// A token of this moment that is refused is no stale one.
		{"the first one does not fit", []string{"first.to.ken", token}, token, 1, 1, crm.ErrUnauthorized},
		{"none", []string{""}, token, 1, 0, crm.ErrUnauthorized},
		{"one that cannot be one", []string{"two words here"}, token, 1, 0, crm.ErrUnauthorized},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake := umnicotest.New()
			fake.SetToken(test.fits)
			tokens := &giver{tokens: test.tokens}
			client := withTokens(t, fake, tokens.ask)
			_, err := client.Check(t.Context())
			if crm.Kind(err) != test.kind { //nolint:errorlint // the kind itself
				t.Errorf("error = %v, want kind %v", err, test.kind)
			}
			if requests := fake.Requests(umnicotest.PathAccount); tokens.asked != test.asked || requests != test.requests {
				t.Errorf("the function was asked %d times, and Umnico %d; want %d and %d", tokens.asked, requests, test.asked, test.requests)
			}
		})
	}
}

func TestTokenIsAskedForAgainWhenItIsRefused(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	tokens := &giver{tokens: []string{"first.to.ken", "second.to.ken", "second.to.ken", "third.to.ken", "fourth.to.ken"}}
	client := withTokens(t, fake, tokens.ask)
	check := func(fits string, asked, requests int, kind error) {
		t.Helper()
		fake.SetToken(fits)
		before := fake.Requests(umnicotest.PathAccount)
		_, err := client.Check(t.Context())
		if crm.Kind(err) != kind { //nolint:errorlint // the kind itself
			t.Errorf("with %s: error = %v, want kind %v", fits, err, kind)
		}
		if got := fake.Requests(umnicotest.PathAccount) - before; got != requests || tokens.asked != asked {
			t.Errorf("with %s: %d requests, and the function was asked %d times so far; want %d and %d", fits, got, tokens.asked, requests, asked)
		}
	}
	check("first.to.ken", 1, 1, nil)
	check("first.to.ken", 1, 1, nil)                  // it is kept
	check("second.to.ken", 2, 2, nil)                 // the call is repeated
	check("fourth.to.ken", 3, 1, crm.ErrUnauthorized) // the same one again
	check("fourth.to.ken", 4, 2, crm.ErrUnauthorized) // another one that is wrong as well
	check("fourth.to.ken", 5, 2, nil)                 // and in the end
	check("fourth.to.ken", 5, 1, nil)                 //
	check("fifth.to.ken", 6, 1, crm.ErrUnauthorized)  // there is no other one
	check("fourth.to.ken", 6, 1, nil)                 // the old one is still kept
}

func TestTokenFunctionThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failure := error(nil)
		client := withTokens(t, account(), func(context.Context) (string, error) { return token, failure })
		failure = errors.New("the vault is down")
		_, err := client.Check(t.Context())
		failedWith(t, err, crm.ErrUnavailable, "ask for the token", "the vault is down")
		failure = nil
		if _, err := client.Check(t.Context()); err != nil {
			t.Errorf("a call after the function recovered failed: %v", err)
		}
		failure = errors.New("down")
		if _, err := client.Check(t.Context()); err != nil {
			t.Errorf("the function was asked for no reason: %v", err)
		}

		client = withTokens(t, account(), func(ctx context.Context) (string, error) { <-ctx.Done(); return "", errors.New("no") })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = client.Check(ctx)
		if failedWith(t, err, crm.ErrUnavailable, "ask for the token", "deadline"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v, want it to wrap the end of the context", err)
		}
	})
}

func TestTokenFunctionThatShowsTheTokenInItsError(t *testing.T) {
	t.Parallel()
	fake := account()
	var failure error
	client := withTokens(t, fake, func(context.Context) (string, error) { return token, failure })
	if _, err := client.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	failure = fmt.Errorf("cannot replace %s", token)
	fake.SetToken("another")
	_, err := client.Check(t.Context())
	failedWith(t, err, crm.ErrUnavailable, "ask for the token", "cannot replace [redacted]")
}

func TestTokenFunctionThatPanicsHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	panics := true
	client := withTokens(t, account(), func(context.Context) (string, error) {
		if panics {
			panic("no")
		}
		return token, nil
	})
	func() {
		defer func() { _ = recover() }()
		_, _ = client.Check(t.Context())
	}()
	panics = false
	if _, err := client.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// Many calls at once with a token that has run out ask for another one once, and
// those that wait share what comes of it.
func TestManyCallsAskForOneToken(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprint(fails), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := account()
				var asked atomic.Int32
				client := withTokens(t, fake, func(context.Context) (string, error) {
					if asked.Add(1) == 1 {
						return token, nil
					}
					time.Sleep(time.Second)
					if fails {
						return "", errors.New("down")
					}
					return "second.to.ken", nil
				})
				if _, err := client.Check(t.Context()); err != nil {
					t.Fatal(err)
				}
				fake.SetToken("second.to.ken")
				var wg sync.WaitGroup
				for range 8 {
					wg.Go(func() {
						if _, err := client.Check(t.Context()); (err != nil) != fails {
							t.Errorf("error = %v", err)
						}
					})
				}
				wg.Wait()
				if got := asked.Load(); got != 2 {
					t.Errorf("the function was asked %d times, want 2", got)
				}
			})
		})
	}
}

// Whoever waits for another caller does not end with that one's context, and ends
// with his own.
func TestWaitingCallersEndWithTheirOwnContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := withTokens(t, account(), func(ctx context.Context) (string, error) {
			select {
			case <-time.After(10 * time.Second):
				return token, nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		})
		call := func(wait, limit, took time.Duration, ended error) func() {
			return func() {
				time.Sleep(wait)
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				start := time.Now()
				_, err := client.Check(ctx)
				if !errors.Is(err, ended) || (err == nil) != (ended == nil) {
					t.Errorf("a call limited to %v: error = %v, want %v", limit, err, ended)
				}
				if got := time.Since(start); got != took {
					t.Errorf("a call limited to %v took %v, want %v", limit, got, took)
				}
			}
		}
		var wg sync.WaitGroup
		wg.Go(call(0, 5*time.Second, 5*time.Second, context.DeadlineExceeded))
		wg.Go(call(time.Second, 2*time.Second, 2*time.Second, context.DeadlineExceeded)) // waits for the first
		wg.Go(call(time.Second, time.Minute, 14*time.Second, nil))                       // asks when the first is gone
		wg.Wait()
	})
}

func TestNewWithTokensChecksWhatItGets(t *testing.T) {
	t.Parallel()
	if _, err := umnico.NewWithTokens(nil, nil); err == nil {
		t.Error("no function: accepted")
	}
	if _, err := umnico.NewWithTokens((&giver{tokens: []string{token}}).ask, &umnico.Options{AuthWord: "two words"}); err == nil {
		t.Error("two words: accepted")
	}
	word := ""
	client, err := umnico.NewWithTokens((&giver{tokens: []string{token}}).ask, &umnico.Options{
		AuthWord: "Bearer", HTTPClient: &http.Client{Transport: answers(func(r *http.Request) (int, string) {
			word = r.Header.Get("Authorization")
			return 200, golden(t, "account_me.json")
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Check(t.Context()); err != nil || word != "Bearer "+token {
		t.Errorf("Authorization: %q, error = %v", word, err)
	}
}

// An answer may come when the token that it was asked with is replaced already.
func TestReplacedTokenIsInNoError(t *testing.T) {
	t.Parallel()
	const first, second = "first.to.ken", "second.to.ken"
	fits := first
	var client *umnico.Client
	opts := &umnico.Options{HTTPClient: &http.Client{Transport: answers(func(r *http.Request) (int, string) {
		authorization := r.Header.Get("Authorization")
		switch {
		case r.URL.Path == umnicotest.PathStatuses:
			fits = second
			if _, err := client.Check(r.Context()); err != nil {
				t.Error(err)
			}
			return 200, `{"error":"` + authorization + `, but not ` + second + `"}`
		case authorization != "bearer "+fits:
			return 401, ""
		}
		return 200, golden(t, "account_me.json")
	})}}
	client, err := umnico.NewWithTokens((&giver{tokens: []string{first, second}}).ask, opts)
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.ListStatuses(t.Context())
	failedWith(t, err, crm.ErrBadResponse, "list statuses", "list: bearer [redacted], but not [redacted]", first, second)
}
