package bitrix24

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
)

// webhookHint says what a good address looks like.
const webhookHint = "expected the address of an incoming webhook from Developer resources, " +
	"such as https://example.bitrix24.com/rest/USER/SECRET/"

// webhook is the address of an incoming webhook, taken apart.
type webhook struct {
	base   string // what all addresses begin with, the secret included
	path   string // that of base
	secret string
	host   string // in small letters, with a port if it is not the usual one
}

// parseWebhook takes a pasted address apart. Its errors do not show it.
func parseWebhook(pasted string) (webhook, error) {
	fail := func(what string) (webhook, error) { return webhook{}, errors.New(what + "; " + webhookHint) }
	text := strings.TrimFunc(pasted, invisible)
	if text == "" {
		return fail("the webhook's address is empty")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || strings.ContainsFunc(text, invisible):
		return fail("the webhook's address is none")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return fail("the webhook's address holds a user, a query or a fragment")
	}
	before, after, found := strings.Cut(u.EscapedPath()+"/", "/rest/")
	parts := strings.Split(strings.Trim(after, "/"), "/")
	switch {
	case !found || len(parts) < 2:
		return fail("the webhook's address lacks its user and secret")
	case parts[0] == "api":
		// https://apidocs.bitrix24.com/api-reference/rest-v3/index.html
		return fail(`the webhook's address is of REST 3.0, which has no calls for statuses; take "/api" out`)
	case parts[0] == "" || parts[1] == "" || len(parts) > 3 || strings.Trim(parts[0], "0123456789") != "" || strings.ContainsFunc(parts[1], notInSecret):
		return fail("the webhook's address has another form")
	}
	// A third part is the name of a method, from the example beside the address.
	path := before + "/rest/" + parts[0] + "/" + parts[1]
	return webhook{
		base:   u.Scheme + "://" + u.Host + path,
		path:   path,
		secret: parts[1],
		host:   portalHost(u),
	}, nil
}

// portalHost returns the portal's name for itself.
func portalHost(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if u.Port() == "443" && u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	}
	return host
}

// invisible reports whether r is a blank, a control character or one of those
// without width that come along when a text is copied.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

// notInSecret reports whether r cannot stand in a webhook's secret.
func notInSecret(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
}
