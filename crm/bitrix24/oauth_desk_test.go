package bitrix24_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

const tokenPath = "/oauth/token/"

// sent is a request, or what an application was asked to do.
type sent struct {
	what string // "profile", "token", "save", "load"
	url  *url.URL
	typ  string
	body string
}

// signedIn is an application in a portal, with what happened there.
type signedIn struct {
	portal *bitrix24test.Portal
	client *bitrix24.Client
	token  bitrix24.Token // the first

	mu     sync.Mutex
	sent   []sent
	saved  []bitrix24.Token
	save   func(context.Context, bitrix24.Token) error // before it is saved; may be nil
	answer func(what string, r *http.Request) *http.Response
}

// RoundTrip keeps the request, and answers it unless answer does.
func (s *signedIn) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	what := strings.TrimPrefix(r.URL.Path, "/rest/")
	if r.URL.Path == tokenPath {
		what = "token"
	}
	s.note(sent{what, r.URL, r.Header.Get("Content-Type"), string(body)})
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	if answer != nil {
		if response := answer(what, r); response != nil {
			response.Request = r
			return response, nil
		}
	}
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	return s.portal.Transport().RoundTrip(again)
}

func (s *signedIn) note(one sent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, one)
}

// happened returns what was sent and done since the last time.
func (s *signedIn) happened() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, one := range s.sent {
		all = append(all, one.what)
	}
	s.sent = nil
	return strings.Join(all, " ")
}

func (s *signedIn) requests() []sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

func (s *signedIn) kept() []bitrix24.Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.saved)
}

func (s *signedIn) answers(answer func(what string, r *http.Request) *http.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// app returns the application that Save is told about.
func (s *signedIn) app() bitrix24.App {
	return bitrix24.App{
		ClientID: bitrix24test.DefaultClientID, ClientSecret: bitrix24test.DefaultClientSecret,
		Save: func(ctx context.Context, token bitrix24.Token) error {
			s.note(sent{what: "save"})
			if s.save != nil {
				if err := s.save(ctx, token); err != nil {
					return err
				}
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.saved = append(s.saved, token)
			return nil
		},
	}
}

// install returns an application that was just installed; change may be nil.
func install(t *testing.T, change func(*bitrix24.App, *bitrix24.Token, *bitrix24.Options)) *signedIn {
	t.Helper()
	s := &signedIn{portal: bitrix24test.New()}
	s.connect(t, tokenOf(s.portal.Install(bitrix24test.App{})), change)
	return s
}

func (s *signedIn) connect(t *testing.T, token bitrix24.Token, change func(*bitrix24.App, *bitrix24.Token, *bitrix24.Options)) {
	t.Helper()
	s.token = token
	app, opts := s.app(), bitrix24.Options{HTTPClient: &http.Client{Transport: s}, Limiter: bitrix24.NewNoLimiter()}
	if change != nil {
		change(&app, &s.token, &opts)
	}
	client, err := bitrix24.NewForApp(app, s.token, &opts)
	if err != nil {
		t.Fatal(err)
	}
	s.client = client
}

func tokenOf(tokens bitrix24test.Tokens) bitrix24.Token {
	return bitrix24.Token{
		AccessToken: tokens.AccessToken, RefreshToken: tokens.RefreshToken, Expires: tokens.Expires,
		MemberID: tokens.MemberID, ClientEndpoint: tokens.ClientEndpoint, ServerEndpoint: tokens.ServerEndpoint,
		Scope: tokens.Scope,
	}
}

// profile asks who the application is.
func (s *signedIn) profile(ctx context.Context) error {
	_, err := s.client.Call(ctx, bitrix24.Call{Method: "profile", Idempotent: true})
	return err
}

func (s *signedIn) good(t *testing.T) {
	t.Helper()
	if err := s.profile(t.Context()); err != nil {
		t.Errorf("call: %v", err)
	}
}

// kindAndText looks at an error, and that it holds no token and no secret.
func kindAndText(t *testing.T, err, kind error, texts ...string) *crm.Error {
	t.Helper()
	var e *crm.Error
	if !errors.As(err, &e) || !errors.Is(err, kind) || e.Kind != kind { //nolint:errorlint // the field itself
		t.Fatalf("error = %v, want one of the kind %v", err, kind)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error = %v, want it to say %q", err, text)
		}
	}
	noSecret(t, fmt.Sprintf("%v %+v %#v %#v", err, err, err, e.Err))
	return e
}

// wantError is kindAndText for tests that need no more of the error.
func wantError(t *testing.T, err, kind error, texts ...string) {
	t.Helper()
	_ = kindAndText(t, err, kind, texts...)
}

func noSecret(t *testing.T, text string) {
	t.Helper()
	for _, hidden := range []string{"AT-", "RT-", "code-example", bitrix24test.DefaultClientSecret, bitrix24test.DefaultSecret} {
		if strings.Contains(text, hidden) {
			t.Errorf("a secret (%s…) is seen in %s", hidden, text)
		}
	}
}

func said(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), ProtoMajor: 1, ProtoMinor: 1,
	}
}
