package bitrix24test

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// message is an event before it is written for a handler.
type message struct {
	name    string
	data    [][2]string
	by      int    // the user who made the change; without one no tokens are sent
	object  bool   // it is about an item: the handler's number is sent
	refresh string // the refresh token that is sent along
}

// write returns an event as a handler gets it. The sequence of the keys is that
// of the documentation's examples. Whoever made the change, the access token is
// the application's newest.
func (a *application) write(h *handler, m message) string {
	now := time.Now()
	pairs := [][2]string{{"event", m.name}}
	short := h.webhook && a.events.short
	if m.object && !short {
		pairs = append(pairs, [2]string{"event_handler_id", strconv.Itoa(h.id)})
	}
	pairs = append(pairs, m.data...)
	pairs = append(pairs, [2]string{"ts", strconv.FormatInt(now.Unix(), 10)})
	add := func(key, value string) { pairs = append(pairs, [2]string{"auth[" + key + "]", value}) }

	known := a.current()
	if h.webhook || m.name == eventUninstall {
		add("domain", a.host)
		if !short {
			add("client_endpoint", known.ClientEndpoint)
			add("server_endpoint", known.ServerEndpoint)
		}
		add("member_id", known.MemberID)
		if h.webhook {
			add("application_token", h.token)
		} else {
			add("application_token", known.ApplicationToken)
		}
		return encodeForm(pairs)
	}
	user := m.by
	if user != 0 && h.user != 0 {
		user = h.user
	}
	if user != 0 {
		token, expires := a.liveAccess(now)
		add("access_token", token)
		add("expires", strconv.FormatInt(expires.Unix(), 10))
		add("expires_in", strconv.FormatInt(expires.Unix()-now.Unix(), 10))
	}
	add("scope", known.Scope)
	add("domain", a.host)
	add("server_endpoint", known.ServerEndpoint)
	add("status", statusLocal)
	add("client_endpoint", known.ClientEndpoint)
	add("member_id", known.MemberID)
	if user != 0 {
		add("user_id", strconv.Itoa(user))
	}
	if m.refresh != "" {
		add("refresh_token", m.refresh)
	}
	add("application_token", known.ApplicationToken)
	return encodeForm(pairs)
}

// liveAccess returns the newest access token, or a new one, without a refresh
// token, if that has expired.
func (a *application) liveAccess(now time.Time) (token string, expires time.Time) {
	if expires = a.access[a.newest]; now.Before(expires) {
		return a.newest, expires
	}
	return a.grantAccess(now)
}

// liveRefresh returns the newest refresh token, or that of a new pair if it is
// dead.
func (a *application) liveRefresh(now time.Time) string {
	if now.Before(a.refresh[a.newestRefresh]) {
		return a.newestRefresh
	}
	return a.issue().RefreshToken
}

// encodeForm writes a form as PHP's http_build_query does.
func encodeForm(pairs [][2]string) string {
	var b strings.Builder
	for i, pair := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(pair[0]))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(pair[1]))
	}
	return b.String()
}

// flatten returns what PHP's http_build_query makes of an array: null is left
// out, and so is an empty array.
func flatten(name string, value any) [][2]string {
	switch v := value.(type) {
	case nil:
		return nil
	case bool:
		if !v {
			return [][2]string{{name, "0"}}
		}
	case *phpMap:
		var pairs [][2]string
		for _, key := range v.keys {
			pairs = append(pairs, flatten(name+"["+key+"]", v.get(key))...)
		}
		return pairs
	}
	return [][2]string{{name, text(value)}}
}
