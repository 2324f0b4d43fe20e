package bitrix24_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/bitrix24"
)

// goldenToken is what oauth_refresh.json says.
func goldenToken() bitrix24.Token {
	return bitrix24.Token{
		AccessToken: "AT-example-0002", RefreshToken: "RT-example-0002", Expires: time.Unix(1787216400, 0),
		MemberID:       "0123456789abcdef0123456789abcdef",
		ClientEndpoint: "https://b24.example.com/rest/", ServerEndpoint: "https://oauth.bitrix.info/rest/",
		Scope: "crm,user_brief", Status: "L", UserID: "17",
	}
}

func TestGoldenTokens(t *testing.T) {
	t.Parallel()
	first, russian := goldenToken(), goldenToken()
	first.AccessToken, first.RefreshToken = "AT-example-0001", "RT-example-0001"
	first.Expires, first.Scope, first.UserID = time.Time{}, "crm", ""
	russian.AccessToken, russian.RefreshToken, russian.Scope = "AT-example-0003", "RT-example-0003", "crm"
	russian.ServerEndpoint = "https://oauth.bitrix24.tech/rest/"
	for file, want := range map[string]bitrix24.Token{
		"oauth_token.json": first, "oauth_refresh.json": goldenToken(), "oauth_refresh_ru.json": russian,
	} {
		var got bitrix24.Token
		if err := json.Unmarshal([]byte(golden(t, file)), &got); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		equalTokens(t, file, want, got)
		// As it is kept, and read again.
		kept, err := json.Marshal(got)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		var again bitrix24.Token
		if err := json.Unmarshal(kept, &again); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		equalTokens(t, file+", kept", want, again)
	}
}

// equalTokens compares field by field, as cmp would print tokens by their method.
func equalTokens(t *testing.T, what string, want, got bitrix24.Token) {
	t.Helper()
	if !want.Expires.Equal(got.Expires) {
		t.Errorf("%s: expires %v, want %v", what, got.Expires, want.Expires)
	}
	type plain bitrix24.Token
	a, b := plain(want), plain(got)
	a.Expires, b.Expires = time.Time{}, time.Time{}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestTokenIsDecodedLeniently(t *testing.T) {
	t.Parallel()
	var zero time.Time
	at := time.Unix(1787216400, 0)
	for text, want := range map[string]struct {
		expires time.Time
		user    string
	}{
		`{"expires":1787216400,"user_id":17}`:     {at, "17"},
		`{"expires":"1787216400","user_id":"17"}`: {at, "17"},
		`{"expires":1787216400.5,"user_id":null}`: {at.Add(time.Second / 2), ""},
		`{"expires":"2026-08-20T11:00:00+03:00"}`: {time.Unix(1787212800, 0), ""},
		`{"expires":null}`:                        {zero, ""},
		`{"expires":""}`:                          {zero, ""},
		`{"expires":0}`:                           {zero, ""},
		`{"expires":-5}`:                          {zero, ""},
		`{"expires":"tomorrow"}`:                  {zero, ""},
		`{"expires":{"at":1}}`:                    {zero, ""},
		`{"expires":999999999999}`:                {zero, ""},
		`{"expires":1e300,"user_id":[1]}`:         {zero, ""},
		`{"неизвестное поле":{"a":[1,2]},"expires_in":"3600"}`: {zero, ""},
		`null`: {zero, ""},
	} {
		token := goldenToken() // nothing of it stays
		if err := json.Unmarshal([]byte(text), &token); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		equalTokens(t, text, bitrix24.Token{Expires: want.expires, UserID: want.user}, token)
		if _, err := json.Marshal(token); err != nil {
			t.Errorf("%s: cannot be kept: %v", text, err)
		}
	}
	for _, text := range []string{`[]`, `"AT-example-0001"`, `17`, `true`} {
		var token bitrix24.Token
		err := json.Unmarshal([]byte(text), &token)
		if err == nil || strings.Contains(err.Error(), "AT-") {
			t.Errorf("%s: error = %v", text, err)
		}
	}
}

func TestTokenIsNotShown(t *testing.T) {
	t.Parallel()
	token := goldenToken()
	type holder struct {
		Name  string
		Token bitrix24.Token
		More  []bitrix24.Token
		By    map[string]*bitrix24.Token
	}
	holds := holder{"портал", token, []bitrix24.Token{token}, map[string]*bitrix24.Token{"a": &token}}
	var texts []string
	// %p is not asked for: package fmt does not hand it on, and vet refuses it.
	for _, verb := range []string{"v", "+v", "#v", "s", "q", "x", "X", "d", "t", "T", "20s", "-5.2v"} {
		for _, value := range []any{token, &token, holds, &holds, []any{token, &token}} {
			texts = append(texts, fmt.Sprintf("%"+verb, value))
		}
	}
	for _, shown := range []string{fmt.Sprint(token), token.String(), fmt.Sprintf("%#v", token), fmt.Sprintf("%x", &token)} {
		if shown != "bitrix24.Token(b24.example.com)" {
			t.Errorf("it is shown as %q", shown)
		}
	}
	for _, handler := range []func(*bytes.Buffer) slog.Handler{
		func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		log := slog.New(handler(&b))
		log.Info("token", "token", token, "pointer", &token, slog.Group("g", "token", token))
		log.With("token", token).Info("with")
		if strings.Count(b.String(), "bitrix24.Token(b24.example.com)") != 4 {
			t.Errorf("the log shows %s", &b)
		}
		texts = append(texts, b.String())
	}
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("holder", "holder", holds)
	texts = append(texts, b.String())
	for _, text := range texts {
		noSecret(t, text)
		if strings.Contains(text, fmt.Sprintf("%x", "AT-example")) || strings.Contains(text, fmt.Sprintf("%X", "AT-example")) {
			t.Errorf("a secret is seen in %s", text)
		}
	}
	for _, token := range []bitrix24.Token{{}, {ClientEndpoint: "%zz", AccessToken: "AT-1"}, {ClientEndpoint: "https://AT-1:b@B24.example.com:443/rest/AT-2"}} {
		noSecret(t, fmt.Sprintf("%+v", token))
	}
}
