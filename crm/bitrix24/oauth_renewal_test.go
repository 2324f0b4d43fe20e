package bitrix24_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

func TestTokenIsRenewedWhenThePortalRefusesIt(t *testing.T) {
	t.Parallel()
	capitals := bitrix24test.APIError{Status: 401, Code: "EXPIRED_TOKEN"}
	within := bitrix24test.APIError{Status: 200, Code: "invalid_token"}
	for name, refuse := range map[string]func(*bitrix24test.Portal){
		"it expired":          (*bitrix24test.Portal).ExpireTokens,
		"it is not known":     func(p *bitrix24test.Portal) { p.FailCommand(1, "profile", bitrix24test.InvalidToken()) },
		"code in capitals":    func(p *bitrix24test.Portal) { p.FailCommand(1, "profile", capitals) },
		"said with HTTP 200":  func(p *bitrix24test.Portal) { p.FailCommand(1, "profile", within) },
		"it expired by clock": func(*bitrix24test.Portal) { time.Sleep(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := install(t, nil)
				refuse(s.portal)
				s.good(t)
				if got := s.happened(); got != "profile token save profile" {
					t.Errorf("it went %q: the new token has to be saved before it is used", got)
				}
				if got := s.kept(); len(got) != 1 || got[0].AccessToken != "AT-example-0002" || got[0].RefreshToken != "RT-example-0002" ||
					got[0].MemberID != s.token.MemberID || got[0].ClientEndpoint != s.token.ClientEndpoint ||
					got[0].ServerEndpoint != s.token.ServerEndpoint || got[0].Scope != "crm" || got[0].Status != "L" || got[0].UserID != "17" ||
					!got[0].Expires.Equal(time.Now().Add(time.Hour).Truncate(time.Second)) {
					t.Errorf("saved %+v", got)
				}
				s.good(t)
				if requests := s.requests(); len(requests) != 1 || requests[0].body != `{"auth":"AT-example-0002"}` {
					t.Errorf("the next call sent %v", requests)
				}
			})
		})
	}
}

func TestTokenIsNotRenewedOtherwise(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]bitrix24test.APIError{
		"no auth":     bitrix24test.NoAuth(),
		"credentials": bitrix24test.InvalidCredentials(),
		"access":      bitrix24test.AccessDenied(),
		"type":        bitrix24test.WrongAuthType(),
		"scope":       bitrix24test.InsufficientScopeApp(),
		"rate":        bitrix24test.QueryLimit(),
		"overload":    bitrix24test.Overload(),
		"payment":     bitrix24test.PaymentRequired(),
		"uninstalled": bitrix24test.NotInstalled(),
		"no code":     {Status: 401, Code: "", Text: "expired_token"},
		"broken":      bitrix24test.Internal(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := install(t, nil)
				s.portal.FailCommand(-1, "profile", e)
				if err := s.profile(t.Context()); err == nil {
					t.Error("no error")
				}
				if got := s.happened(); strings.Contains(got, "token") || strings.Contains(got, "save") {
					t.Errorf("it went %q", got)
				}
			})
		})
	}
	t.Run("before it is refused", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := install(t, func(_ *bitrix24.App, token *bitrix24.Token, _ *bitrix24.Options) {
				token.Expires = time.Now().Add(-time.Hour)
			})
			for range 3 {
				s.good(t)
			}
			if got := s.happened(); got != "profile profile profile" {
				t.Errorf("it went %q", got)
			}
		})
	})
}

func TestTokenIsRenewedOnceForACall(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(context.Context, *bitrix24.Client) error{
		"profile": func(ctx context.Context, c *bitrix24.Client) error {
			_, err := c.Call(ctx, bitrix24.Call{Method: "profile"})
			return err
		},
		"batch": func(ctx context.Context, c *bitrix24.Client) error {
			_, err := c.Batch(ctx, false, bitrix24.Call{Method: "profile"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := install(t, nil)
				s.portal.FailCommand(-1, name, bitrix24test.ExpiredToken())
				s.answers(func(what string, _ *http.Request) *http.Response {
					if what != "batch" {
						return nil
					}
					return said(401, `{"error":"expired_token"}`)
				})
				e := kindAndText(t, call(t.Context(), s.client), crm.ErrUnauthorized)
				if want := name + " token save " + name; e.Code != "expired_token" {
					t.Errorf("code %q", e.Code)
				} else if got := s.happened(); got != want {
					t.Errorf("it went %q, want %q", got, want)
				}
			})
		})
	}
}

func TestManyCallsShareARenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := install(t, nil)
		s.save = func(context.Context, bitrix24.Token) error {
			time.Sleep(3 * time.Second)
			return nil
		}
		s.portal.SetLatency(100*time.Millisecond, 0)
		for round := 1; round <= 3; round++ {
			s.portal.ExpireTokens()
			var all sync.WaitGroup
			for i := range 50 {
				all.Go(func() {
					// Some come while it is under way, some when it is done.
					time.Sleep(time.Duration(i) * 10 * time.Millisecond)
					s.good(t)
				})
			}
			all.Wait()
			if s.portal.Refreshes() != round || len(s.kept()) != round || s.portal.Requests(tokenPath) != round {
				t.Errorf("round %d: %d refreshes, %d saved, %d requests", round, s.portal.Refreshes(), len(s.kept()), s.portal.Requests(tokenPath))
			}
		}
	})
}

// All who wait for a renewal that fails get its error, and the next call tries
// again.
func TestManyCallsShareAFailedRenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := install(t, nil)
		s.portal.ExpireTokens()
		s.portal.FailToken(1, bitrix24test.InvalidClient())
		s.portal.SetLatency(time.Second, 0)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if err := s.profile(t.Context()); !errors.Is(err, crm.ErrUnauthorized) {
					t.Errorf("error = %v", err)
				}
			})
		}
		synctest.Wait()
		release := s.portal.Hold() // the token server answers when all wait for it
		time.Sleep(10 * time.Second)
		release()
		all.Wait()
		if got := s.portal.Requests(tokenPath); got != 1 {
			t.Errorf("%d requests for a token", got)
		}
		s.good(t)
	})
}

func TestTokenThatCannotBeSaved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := install(t, nil)
		var offered []bitrix24.Token
		s.save = func(_ context.Context, token bitrix24.Token) error {
			if offered = append(offered, token); len(offered) < 3 {
				return fmt.Errorf("диск полон: %s, %s", token.AccessToken, url.QueryEscape(token.RefreshToken))
			}
			return nil
		}
		s.portal.ExpireTokens()
		for range 2 {
			wantError(t, s.profile(t.Context()), crm.ErrUnavailable, "renew token", "could not be saved", "диск полон")
		}
		if got := s.happened(); got != "profile token save profile save" {
			t.Errorf("it went %q: only Save is to be tried again", got)
		}
		s.good(t)
		if got := s.happened(); got != "profile save profile" || s.portal.Refreshes() != 1 {
			t.Errorf("it went %q with %d refreshes", got, s.portal.Refreshes())
		}
		if len(offered) != 3 || offered[0] != offered[1] || offered[1] != offered[2] || offered[0].RefreshToken != "RT-example-0002" {
			t.Errorf("%d tokens offered, which have to be the same", len(offered))
		}
	})
}

func TestCallerWhoLeavesDoesNotEndTheRenewal(t *testing.T) {
	t.Parallel()
	type key struct{}
	for name, where := range map[string]string{"at the token server": "token", "while it is saved": "save"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := install(t, nil)
				wait := func() { time.Sleep(10 * time.Second) }
				s.save = func(ctx context.Context, _ bitrix24.Token) error {
					if where == "save" {
						wait()
					}
					if ctx.Value(key{}) != "of the caller" {
						t.Error("Save has not the caller's values")
					}
					return ctx.Err()
				}
				s.answers(func(what string, _ *http.Request) *http.Response {
					if what == "token" && where == "token" {
						wait()
					}
					return nil
				})
				s.portal.ExpireTokens()
				start := time.Now()
				ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "of the caller"), time.Second)
				defer cancel()
				e := kindAndText(t, s.profile(ctx), crm.ErrUnavailable)
				if !errors.Is(e, context.DeadlineExceeded) || time.Since(start) != time.Second || e.Op != "profile" {
					t.Errorf("after %v: %v", time.Since(start), e)
				}
				// One who comes later waits for the same renewal.
				s.good(t)
				if took := time.Since(start); took != 10*time.Second {
					t.Errorf("it took %v", took)
				}
				if s.portal.Refreshes() != 1 || len(s.kept()) != 1 {
					t.Errorf("%d refreshes, %d saved", s.portal.Refreshes(), len(s.kept()))
				}
			})
		})
	}
}

func TestTokenThatAnotherProcessRenewed(t *testing.T) {
	t.Parallel()
	var nothing bitrix24.Token
	// renewed has the first token renewed elsewhere.
	renewed := func(t *testing.T, s *signedIn) bitrix24.Token {
		t.Helper()
		other := &signedIn{portal: s.portal}
		other.connect(t, s.token, nil)
		s.portal.ExpireTokens()
		other.good(t)
		return other.kept()[0]
	}
	tests := map[string]struct {
		loads func(t *testing.T, s *signedIn) []any // tokens or errors, one for each time
		went  string
		kind  error
		says  string
	}{
		"it is used": {func(t *testing.T, s *signedIn) []any {
			return []any{renewed(t, s)}
		}, "profile load profile", nil, ""},
		"nobody did": {func(_ *testing.T, s *signedIn) []any {
			s.portal.ExpireTokens()
			return []any{s.token}
		}, "profile load token save profile", nil, ""},
		"nothing is kept": {func(_ *testing.T, s *signedIn) []any {
			s.portal.ExpireTokens()
			return []any{nothing}
		}, "profile load token save profile", nil, ""},
		"while this one tried": {func(t *testing.T, s *signedIn) []any {
			return []any{s.token, renewed(t, s)}
		}, "profile load token load profile", nil, ""},
		"and it has expired since": {func(t *testing.T, s *signedIn) []any {
			token := renewed(t, s)
			s.portal.ExpireTokens()
			return []any{token, token}
		}, "profile load profile load token save profile", nil, ""},
		"the sign-in is over": {func(_ *testing.T, s *signedIn) []any {
			s.portal.ExpireTokens()
			s.portal.RevokeTokens()
			return []any{s.token, s.token}
		}, "profile load token load", crm.ErrUnauthorized, "authorize the application again"},
		"it cannot be loaded": {func(_ *testing.T, s *signedIn) []any {
			s.portal.ExpireTokens()
			return []any{fmt.Errorf("база не отвечает: %s %s", s.token.AccessToken, s.token.RefreshToken)}
		}, "profile load", crm.ErrUnavailable, "could not be loaded: база не отвечает"},
		"it is one of another portal": {func(t *testing.T, s *signedIn) []any {
			token := renewed(t, s)
			token.MemberID = "ffffffffffffffffffffffffffffffff"
			return []any{token}
		}, "profile load", crm.ErrBadResponse, "another portal"},
		"it leads elsewhere in the clear": {func(t *testing.T, s *signedIn) []any {
			token := renewed(t, s)
			token.ClientEndpoint = "http://evil.example/rest/"
			return []any{token}
		}, "profile load", crm.ErrBadResponse, "https"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &signedIn{portal: bitrix24test.New()}
				var loads []any
				s.connect(t, tokenOf(s.portal.Install(bitrix24test.App{})), func(app *bitrix24.App, _ *bitrix24.Token, _ *bitrix24.Options) {
					app.Load = func(_ context.Context, member string) (bitrix24.Token, error) {
						s.note(sent{what: "load"})
						if member != bitrix24test.DefaultMemberID {
							t.Errorf("the token of %q is asked for", member)
						}
						if len(loads) == 0 {
							t.Error("it is asked for once more")
							return bitrix24.Token{}, nil
						}
						next := loads[0]
						loads = loads[1:]
						if err, failed := next.(error); failed {
							return bitrix24.Token{}, err
						}
						return next.(bitrix24.Token), nil
					}
				})
				loads = test.loads(t, s)
				err := s.profile(t.Context())
				if test.kind == nil && err != nil {
					t.Errorf("error = %v", err)
				} else if test.kind != nil {
					wantError(t, err, test.kind, test.says)
				}
				if got := s.happened(); got != test.went {
					t.Errorf("it went %q, want %q", got, test.went)
				}
			})
		})
	}
}

// A Load that never agrees with the portal ends.
func TestTokensThatAreAlwaysOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		s := install(t, func(app *bitrix24.App, token *bitrix24.Token, _ *bitrix24.Options) {
			first := *token
			app.Load = func(context.Context, string) (bitrix24.Token, error) {
				n++
				first.AccessToken = fmt.Sprintf("AT-other-%d", n)
				return first, nil
			}
		})
		s.portal.ExpireTokens()
		wantError(t, s.profile(t.Context()), crm.ErrUnauthorized)
		if got := s.happened(); got != "profile profile profile" {
			t.Errorf("it went %q", got)
		}
	})
}

func TestRenewalIsRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := install(t, nil)
		s.portal.ExpireTokens()
		s.portal.FailToken(2, bitrix24test.Internal())
		s.good(t)
		if got := s.happened(); got != "profile token token token save profile" {
			t.Errorf("it went %q", got)
		}
		// A code is good for one try.
		s.portal.FailToken(1, bitrix24test.Internal())
		_, err := s.app().Exchange(t.Context(), "oauth.bitrix.info", s.portal.AuthorizationCode(), &bitrix24.Options{HTTPClient: &http.Client{Transport: s}})
		wantError(t, err, crm.ErrUnavailable, "authorize")
		if got := s.happened(); got != "token" {
			t.Errorf("it went %q", got)
		}
	})
}

// A renewed token tells the portal's present host.
func TestRenewalTellsTheNewHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var renamed []string
		s := install(t, func(_ *bitrix24.App, _ *bitrix24.Token, opts *bitrix24.Options) {
			opts.Renamed = func(host string) { renamed = append(renamed, host) }
		})
		s.portal.ExpireTokens()
		s.portal.SetLatency(100*time.Millisecond, 0) // all calls are under way before one is refused
		s.answers(func(what string, _ *http.Request) *http.Response {
			if what == "token" {
				s.portal.RenamePortal("new.example.org") // the old name would not lead there
			}
			return nil
		})
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { s.good(t) })
		}
		all.Wait()
		if diff := cmp.Diff([]string{"new.example.org"}, renamed); diff != "" {
			t.Errorf("renamed (-want +got):\n%s", diff)
		}
		if got := s.kept(); len(got) != 1 || got[0].ClientEndpoint != "https://new.example.org/rest/" {
			t.Errorf("saved %v", got)
		}
		_ = s.happened()
		listing, err := s.client.ListStatuses(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if requests := s.requests(); requests[0].url.Host != "new.example.org" {
			t.Errorf("sent to %q", requests[0].url.Host)
		}
		if diff := cmp.Diff([]string{"b24.example.com", bitrix24test.DefaultMemberID, "new.example.org"}, listing.Account); diff != "" {
			t.Errorf("account (-want +got):\n%s", diff)
		}
	})
}

// A token renewed while the portal is found to be renamed: both are remembered,
// and told once.
func TestRenewalAndRenameTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var renamed []string
		s := install(t, func(_ *bitrix24.App, _ *bitrix24.Token, opts *bitrix24.Options) {
			opts.Renamed = func(host string) { renamed = append(renamed, host) }
		})
		s.save = func(context.Context, bitrix24.Token) error {
			time.Sleep(time.Second)
			return nil
		}
		s.portal.ExpireTokens()
		var all sync.WaitGroup
		all.Go(func() { s.good(t) })
		synctest.Wait() // the renewal is under way
		s.portal.RenamePortal("portal.bitrix24.ru")
		for range 10 {
			all.Go(func() { s.good(t) })
		}
		all.Wait()
		s.good(t)
		if diff := cmp.Diff([]string{"portal.bitrix24.ru"}, slices.Compact(renamed)); diff != "" {
			t.Errorf("renamed (-want +got):\n%s", diff)
		}
		if s.portal.Refreshes() != 1 {
			t.Errorf("%d refreshes", s.portal.Refreshes())
		}
	})
}
