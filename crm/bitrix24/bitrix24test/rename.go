package bitrix24test

import (
	"net/http"
	"strings"
)

// RenamePortal gives the portal another host, and a port if it is not the usual
// one. From now on the token server and events name it; requests to the old one
// are answered with a redirect (302) to the same path at the new one, and are
// not run: who sends a POST has to send it again. The portal may get an old name
// back.
//
// https://apidocs.bitrix24.com/settings/how-to-call-rest-api/change-domen.html
func (p *Portal) RenamePortal(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.app.former[p.app.host] = true
	p.app.host = plainHost(host)
	delete(p.app.former, p.app.host)
}

// Host returns the portal's present host, with its port if it is not the usual
// one.
func (p *Portal) Host() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.app.host
}

// route answers one request under the name that it is for.
func (p *Portal) route(w http.ResponseWriter, r *http.Request) {
	if !p.elsewhere(w, r) {
		p.serve(w, r)
	}
}

// elsewhere answers a request that is not for the portal under its present name,
// and reports whether it did. Any host that is no former one of the portal, and
// not the token server's, is taken for the present name. That the token server
// has no methods is a simplification.
func (p *Portal) elsewhere(w http.ResponseWriter, r *http.Request) bool {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	host = plainHost(host)
	p.mu.Lock()
	isToken := p.isTokenRequest(host, r.URL.Path)
	moved, scheme, present := p.app.former[host], p.app.scheme, p.app.host
	p.mu.Unlock()
	switch {
	case isToken:
		status, body := p.tokenAnswer(r)
		respond(w, r, status, body)
	case moved:
		http.Redirect(w, r, scheme+"://"+present+r.URL.RequestURI(), http.StatusFound)
	case isAuthServer(host):
		http.NotFound(w, r)
	default:
		return false
	}
	return true
}

// plainHost returns a host in small letters, without the usual port.
func plainHost(host string) string {
	return strings.TrimSuffix(strings.ToLower(host), ":443")
}
