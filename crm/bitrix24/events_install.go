package bitrix24

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// appInstall is the event that tells an application of its installation.
const appInstall = "ONAPPINSTALL"

// Install is what ONAPPINSTALL says: a portal installed the application
// (https://apidocs.bitrix24.com/api-reference/common/events/on-app-install.html).
// Encoded as JSON it holds its secrets, so that it can be kept. Printed or logged by
// itself it shows what it says the portal to be, and no secret.
//
// Anybody can send it, with whatever is in it. So nothing of it is to be kept, and
// no request is to be sent to its ClientEndpoint or ServerEndpoint, before the token
// was checked by a call at an address that is not out of the event: exchanging the
// RefreshToken at the vendor's authorization server
// (https://oauth.bitrix.info/oauth/token/) gives, for a genuine one, a new token with
// the portal's member ID. If that is the MemberID here, the application's token is
// that portal's, and the new token, with its endpoints, is the one to keep
// (https://apidocs.bitrix24.com/api-reference/events/safe-event-handlers.html).
type Install struct {
	// Token is complete, with MemberID as [EventOptions].Portal gets it; Expires,
	// Scope, Status and UserID may be missing.
	Token Token `json:"token"`
	// ApplicationToken comes with every event from then on, as the proof of its
	// sender: see [EventOptions]. Never empty.
	ApplicationToken string `json:"application_token"`
}

// String names the portal.
func (i Install) String() string { return "bitrix24.Install(" + i.Token.host() + ")" }

// Format prints what String returns, whatever the verb.
func (i Install) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, i.String()) }

// LogValue is what String returns.
func (i Install) LogValue() slog.Value { return slog.StringValue(i.String()) }

// ParseInstall decodes the body of an ONAPPINSTALL, such as the Raw of its
// [crm.Event]. It fails if body is another event, or lacks a part of the token
// that is needed to sign in, or the application's token. It checks no sender: see
// [Install]. Its errors show nothing of body.
func ParseInstall(body crm.Body) (Install, error) {
	form, err := decodeEvent(body)
	if err == nil && form.name != appInstall {
		err = errors.New("another event")
	}
	var install Install
	if err == nil {
		install, err = form.installation()
	}
	if err != nil {
		return Install{}, fmt.Errorf("bitrix24: %s: %w", appInstall, err)
	}
	return install, nil
}

func (f *eventForm) installation() (Install, error) {
	text := func(value []byte) string { return string(unescaped(value)) }
	// By the documentation blanks part the scopes in events; commas were seen.
	scopes := strings.FieldsFunc(text(f.scope), func(r rune) bool { return r == ',' || r == ' ' })
	install := Install{
		Token: Token{
			AccessToken:    text(f.accessToken),
			RefreshToken:   text(f.refreshToken),
			Expires:        eventTime(f.expires),
			MemberID:       text(f.memberID),
			ClientEndpoint: text(f.clientEndpoint),
			ServerEndpoint: text(f.serverEndpoint),
			Scope:          strings.Join(scopes, ","),
			Status:         text(f.status),
			UserID:         text(f.userID),
		},
		ApplicationToken: text(f.applicationToken),
	}
	if at := eventTime(f.at); install.Token.Expires.IsZero() && !at.IsZero() {
		if seconds, ok := eventNumber(f.expiresIn); ok && seconds <= 86400 {
			install.Token.Expires = at.Add(time.Duration(seconds) * time.Second)
		}
	}
	if err := install.Token.check(); err != nil {
		return Install{}, err
	}
	if !isMember(install.Token.MemberID) {
		return Install{}, errors.New("the token's member_id is none")
	}
	if install.ApplicationToken == "" {
		return Install{}, errors.New("no application_token")
	}
	return install, nil
}
