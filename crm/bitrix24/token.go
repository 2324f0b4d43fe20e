package bitrix24

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/statuslink/statuslink/crm/crmhttp"
)

// Token is what an application signs in to one portal with
// (https://apidocs.bitrix24.com/settings/oauth/index.html). Encoded as JSON it
// holds its secrets, so that it can be kept; keep it as carefully as a password.
// Printed or logged by itself it shows the portal only. What holds a Token does so
// too if its field is exported and it is not written as JSON.
type Token struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	// Expires is when AccessToken ends, an hour after it was given; zero if it is
	// not known. The client does not look at it: Bitrix24 asks applications to
	// renew a token when it was refused, and not before.
	Expires time.Time `json:"expires,omitzero"`
	// MemberID is the portal's own name, which stays when its host changes.
	MemberID string `json:"member_id"`
	// ClientEndpoint is the address of the portal's calls:
	// "https://example.bitrix24.com/rest/".
	ClientEndpoint string `json:"client_endpoint"`
	// ServerEndpoint tells the authorization server, which is another one for some
	// countries: "https://oauth.bitrix.info/rest/".
	ServerEndpoint string `json:"server_endpoint"`
	// Scope is what the application may do, separated by commas.
	Scope string `json:"scope,omitempty"`
	// Status is the application's: L local, F free, D demo, T trial, P paid.
	Status string `json:"status,omitempty"`
	// UserID is the user as whom the application acts; empty if not known.
	UserID string `json:"user_id,omitempty"`
}

// String names the portal.
func (t Token) String() string { return "bitrix24.Token(" + t.host() + ")" }

// Format prints what String returns, whatever the verb but %p, for which package fmt
// asks nobody.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// LogValue is what String returns.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// host returns the portal's host; empty if it is not known.
func (t Token) host() string {
	u, err := url.Parse(t.ClientEndpoint)
	if err != nil {
		return ""
	}
	return portalHost(u)
}

// UnmarshalJSON decodes a token as it was kept, and as Bitrix24 writes it: with
// times as numbers, and numbers as texts.
func (t *Token) UnmarshalJSON(data []byte) error {
	var wire struct {
		AccessToken    crmhttp.Text    `json:"access_token"`
		RefreshToken   crmhttp.Text    `json:"refresh_token"`
		Expires        json.RawMessage `json:"expires"`
		MemberID       crmhttp.Text    `json:"member_id"`
		ClientEndpoint crmhttp.Text    `json:"client_endpoint"`
		ServerEndpoint crmhttp.Text    `json:"server_endpoint"`
		Scope          crmhttp.Text    `json:"scope"`
		Status         crmhttp.Text    `json:"status"`
		UserID         crmhttp.Text    `json:"user_id"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return errors.New("no token: not the JSON of one") // the error could show a part of it
	}
	*t = Token{
		AccessToken: string(wire.AccessToken), RefreshToken: string(wire.RefreshToken),
		MemberID:       string(wire.MemberID),
		ClientEndpoint: string(wire.ClientEndpoint), ServerEndpoint: string(wire.ServerEndpoint),
		Scope: string(wire.Scope), Status: string(wire.Status), UserID: string(wire.UserID),
	}
	var at time.Time
	if json.Unmarshal(wire.Expires, &at) == nil {
		t.Expires = at
	} else {
		t.Expires = moment(wire.Expires)
	}
	return nil
}

// check returns what makes the token one that nobody can sign in with.
func (t Token) check() error {
	switch {
	case t.AccessToken == "" || t.RefreshToken == "":
		return errors.New("the token lacks access_token or refresh_token; authorize the application again")
	case t.MemberID == "":
		return errors.New("the token lacks member_id, which names its portal")
	case t.ServerEndpoint == "":
		return errors.New("the token lacks server_endpoint, which names its authorization server")
	}
	_, err := endpoint(t.ClientEndpoint)
	return err
}

// endpoint checks the address of a portal's calls, and returns it taken apart.
func endpoint(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "rest" {
		return nil, errors.New("the token's client_endpoint is no address such as https://example.bitrix24.com/rest/")
	}
	return u, nil
}
