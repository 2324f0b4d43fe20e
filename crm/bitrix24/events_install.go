package bitrix24

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
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
// no request is to be sent to its ClientEndpoint, before [App.Confirm] has had it
// checked by Bitrix24.
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

// opConfirm is the checking of an installation.
const opConfirm = "confirm installation"

// Confirm asks Bitrix24's authorization server whether an [Install] is genuine, by
// exchanging its RefreshToken, and returns the token to keep: the one in the Install
// is worth nothing any more. If it is genuine, ApplicationToken is the portal's, to be
// kept as well. opts may be nil; only what concerns connections, and Hosts, is used
// of it.
//
// The error is of kind [crm.ErrUnauthorized] if the server does not know the token,
// and of kind [crm.ErrBadResponse] if it is one of another portal
// (https://apidocs.bitrix24.com/api-reference/events/safe-event-handlers.html).
func (app App) Confirm(ctx context.Context, install Install, opts *Options) (Token, error) {
	o, err := opts.complete()
	if err != nil {
		return Token{}, err
	}
	server, err := app.server(install.Token.ServerEndpoint, o)
	if err != nil {
		return Token{}, err
	}
	token, err := app.grant(ctx, server, opConfirm, url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {install.Token.RefreshToken},
	}, nil)
	if err != nil {
		return Token{}, err
	}
	if token.MemberID != install.Token.MemberID {
		return Token{}, server.Error(opConfirm, &crm.Error{Kind: crm.ErrBadResponse, Message: "the token is one of another portal; the installation is not genuine"})
	}
	return token, nil
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
