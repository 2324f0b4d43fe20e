package bitrix24test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// DefaultClientID is the id of an application that has no other.
	DefaultClientID = "local.6890aa11bb22c3.00112233"
	// DefaultClientSecret is the secret of an application that has no other.
	DefaultClientSecret = "bitrix24test-made-up-client-secret"
	// DefaultApplicationToken is what the events of an application carry that has
	// no other.
	DefaultApplicationToken = "apptoken-example-app-1"
	// DefaultMemberID is the portal's number that stays when its host changes.
	DefaultMemberID = "0123456789abcdef0123456789abcdef"

	// AuthServer is the host of the token server.
	AuthServer = "oauth.bitrix.info"
	// AuthServerRU is that for portals of Russia and some other countries.
	AuthServerRU = "oauth.bitrix24.tech"
)

const (
	accessLife  = time.Hour
	refreshLife = 180 * 24 * time.Hour
	codeLife    = 30 * time.Second
)

// App is an application, as its card in Bitrix24 has it.
type App struct {
	// ClientID and ClientSecret are its credentials; empty ones mean
	// [DefaultClientID] and [DefaultClientSecret].
	ClientID, ClientSecret string
	// ApplicationToken is what its events carry; empty means
	// [DefaultApplicationToken].
	ApplicationToken string
	// Scope is what it may be used for, with commas between; empty means "crm".
	// Without "crm" the methods of the CRM answer [InsufficientScopeApp].
	Scope string
	// Handler is the address that ONAPPINSTALL and ONAPPUNINSTALL go to. They are
	// not sent where it is empty.
	Handler string
}

// Tokens is what an application learns about a portal when it is installed.
type Tokens struct {
	// AccessToken is the parameter "auth" of calls until Expires, for an hour.
	AccessToken string
	Expires     time.Time
	// RefreshToken gets a new pair from the token server, for 180 days.
	RefreshToken     string
	ApplicationToken string
	MemberID         string
	// ClientEndpoint is what the addresses of calls begin with, and
	// ServerEndpoint names the token server; both end with "/rest/".
	ClientEndpoint, ServerEndpoint string
	// Scope is as in [App].
	Scope string
	// UserID is who installed the application, and as whom it acts.
	UserID int
}

// application is the portal's application with its tokens, and the names that
// the portal and the token server have. It is guarded by the portal's mu.
type application struct {
	App
	installed bool
	member    string

	scheme   string
	host     string
	former   map[string]bool // hosts that the portal had
	authHost string
	loopback string // the address of a Server, which is the token server too

	pairs         int    // tokens given so far
	newest        string // the access token given last
	newestRefresh string
	access        map[string]time.Time // when they expire
	refresh       map[string]time.Time
	codes         map[string]time.Time
	reusable      bool
	refreshes     int

	events events
}

func newApplication() application {
	a := application{member: DefaultMemberID, scheme: "https", host: DefaultHost, authHost: AuthServer, former: map[string]bool{}}
	a.forget()
	return a
}

// forget drops all tokens and codes.
func (a *application) forget() {
	a.newest, a.newestRefresh = "", ""
	a.access, a.refresh, a.codes = map[string]time.Time{}, map[string]time.Time{}, map[string]time.Time{}
}

// Install installs the application, and returns its first tokens. It takes the
// place of the one before, if any, whose tokens and handlers are gone.
// ONAPPINSTALL with the same tokens is queued; see [Portal.Deliver].
func (p *Portal) Install(app App) Tokens {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := &p.app
	a.App = App{
		ClientID:         cmp.Or(app.ClientID, DefaultClientID),
		ClientSecret:     cmp.Or(app.ClientSecret, DefaultClientSecret),
		ApplicationToken: cmp.Or(app.ApplicationToken, DefaultApplicationToken),
		Scope:            cmp.Or(app.Scope, "crm"),
		Handler:          app.Handler,
	}
	a.installed = true
	a.forget()
	a.unbindAll()
	tokens := a.issue()
	p.installEvent(tokens)
	return tokens
}

// Uninstall removes the application: its tokens and handlers are gone, and the
// token server says [NotInstalled]. ONAPPUNINSTALL is queued.
func (p *Portal) Uninstall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.app.installed {
		return
	}
	p.uninstallEvent()
	p.app.installed = false
	p.app.forget()
	p.app.unbindAll()
}

// ExpireTokens makes all access tokens expire that were given so far: calls with
// them get [ExpiredToken].
func (p *Portal) ExpireTokens() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for token := range p.app.access {
		p.app.access[token] = time.Time{}
	}
}

// RevokeTokens makes all refresh tokens dead that were given so far: the token
// server says [InvalidGrant] to them. Access tokens go on until they expire.
func (p *Portal) RevokeTokens() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.app.refresh)
}

// AuthorizationCode returns a code as it comes back from a user who signs in: the
// token server gives tokens for it, once, within 30 seconds.
func (p *Portal) AuthorizationCode() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.app.pairs++
	code := p.app.token("code")
	p.app.codes[code] = time.Now().Add(codeLife)
	return code
}

// SetRefreshReusable makes a refresh token work again after it was used, or, as
// at the start, only once. Which of the two Bitrix24 does is not documented.
func (p *Portal) SetRefreshReusable(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.app.reusable = on
}

// SetAuthServer gives the token server another host, such as [AuthServerRU], in
// its answers and in events. The portal's Transport plays it under this one,
// [AuthServer] and AuthServerRU. A [Server] names its own address at the start;
// with another one its clients are led to the true token server.
func (p *Portal) SetAuthServer(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.app.authHost = strings.ToLower(host)
}

// SetMemberID changes the portal's number, as for a second portal of one
// application. Tokens that it gives from now on differ from those of a portal
// with another number.
func (p *Portal) SetMemberID(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.app.member = id
}

// Refreshes returns how often the token server gave a new pair for a refresh
// token. Codes and refused requests are not counted.
func (p *Portal) Refreshes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.app.refreshes
}

// TokenURL returns the address of the token server, for a client that uses the
// portal's Transport, or, of a [Server], one that it answers itself.
func (p *Portal) TokenURL() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return cmp.Or(p.app.loopback, p.app.scheme+"://"+p.app.authHost) + tokenPath
}

// token returns the text of the token given last. Those of portals with
// different numbers differ.
func (a *application) token(kind string) string {
	portal := "example"
	if a.member != DefaultMemberID {
		portal = a.member
	}
	return fmt.Sprintf("%s-%s-%04d", kind, portal, a.pairs)
}

// issue gives a new pair of tokens.
func (a *application) issue() Tokens {
	now := time.Now()
	tokens := a.current()
	tokens.AccessToken, tokens.Expires = a.grantAccess(now)
	tokens.RefreshToken = a.grantRefresh(now)
	return tokens
}

// grantRefresh gives the refresh token beside the access token given last.
func (a *application) grantRefresh(now time.Time) string {
	a.newestRefresh = a.token("RT")
	a.refresh[a.newestRefresh] = now.Add(refreshLife)
	return a.newestRefresh
}

// grantAccess gives a new access token.
func (a *application) grantAccess(now time.Time) (token string, expires time.Time) {
	a.pairs++
	a.newest = a.token("AT")
	expires = now.Add(accessLife)
	a.access[a.newest] = expires
	return a.newest, expires
}

// current returns what stands beside the tokens.
func (a *application) current() Tokens {
	return Tokens{
		ApplicationToken: a.ApplicationToken, MemberID: a.member,
		ClientEndpoint: a.scheme + "://" + a.host + "/rest/", ServerEndpoint: a.scheme + "://" + a.authHost + "/rest/",
		Scope: a.Scope, UserID: DefaultUserID,
	}
}

// scopes returns what the application may be used for.
func (a *application) scopes() []any {
	var scopes []any
	for scope := range strings.FieldsFuncSeq(a.Scope, func(r rune) bool { return r == ',' || r == ' ' }) {
		scopes = append(scopes, scope)
	}
	return scopes
}

// mayUse reports whether the application has the scope.
func (a *application) mayUse(scope string) bool { return slices.Contains(a.scopes(), any(scope)) }
