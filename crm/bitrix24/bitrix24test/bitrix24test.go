// Package bitrix24test is a fake Bitrix24 portal to test bots and clients
// against: it keeps directories of statuses and pipelines, answers single calls
// and batches, fails on demand and counts what it was asked. It behaves as
// Bitrix24 is known to, down to how PHP reads parameters and writes JSON, and
// where nothing is known it says so in a comment.
//
// [NewServer] starts one on a loopback port in one line. [New] gives the
// [http.Handler] alone, and its Transport plays it without a network, for
// tests with a fake clock.
//
//	server := bitrix24test.NewServer()
//	defer server.Close()
//	client, err := bitrix24.New(server.Webhook(), nil)
//
// [Portal.Install] installs an application, which calls with tokens; the token
// server stands at [Portal.TokenURL]. For it there are app.info, event.bind,
// unbind, get and test, event.offline.get, clear and error, and, for webhooks
// too, events and feature.get. What happens to items is told to outgoing webhooks
// and to the application's handlers: the events wait until [Portal.Deliver] sends
// them, or [Portal.DeliverTo] without a network.
//
// It serves version 2 of the REST API: batch with references to earlier results, profile, scope,
// server.time, method.get, crm.settings.mode.get, crm.category.list, get, add,
// update and delete, crm.status.list, get, fields, add, update, delete, entity.types and
// entity.items, crm.item.list, get, add, update and delete, crm.lead.list, get
// and update, crm.deal.list, get and update, and crm.stagehistory.list. What
// people do in the web interface is done by methods of [Portal], which change
// statuses, pipelines and items. A new portal has the statuses of
// [DefaultStatuses], the pipelines of [DefaultPipelines], and no items. All names
// and numbers are invented.
package bitrix24test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/statuslink/statuslink/crm/crmfault"
)

const (
	// DefaultUserID is the user whose webhook a portal accepts.
	DefaultUserID = 17
	// DefaultSecret is the secret of a new portal's webhook.
	DefaultSecret = "bitrix24test-made-up-secret"
	// DefaultHost is the portal's name where there is no network.
	DefaultHost = "b24.example.com"
)

// Portal is a fake Bitrix24 portal with one incoming webhook: an [http.Handler]
// with state. It is made by [New] or [NewServer]; its zero value is not usable.
// All methods are safe for concurrent use, also while requests run. Each command
// is answered from one state, while others may come between the commands of a
// batch.
//
// The embedded handler makes requests fail, holds them and counts them;
// [Portal.FailCommand] and [Portal.Calls] do so with the calls inside a batch, and
// [Portal.FailItem] with those that name one item. [Portal.SetLatency],
// [Portal.SetRateLimit] and [Portal.SetOperatingLimit] make the portal as slow
// and as strict as a real one; a new portal takes no time and has no limits.
type Portal struct {
	*crmfault.Handler

	methods map[string]method

	mu            sync.Mutex
	secret        string
	statuses      []Status
	pipelines     []Pipeline
	processes     []smartProcess
	items         map[int][]*Item       // by type, each by ID
	lastItem      map[int]int           // by type
	history       map[int][]*historyRow // by type
	lastHistory   int
	rules         map[stageOf]string
	forbidden     map[stageOf]APIError
	failingItems  map[[2]int]APIError
	wrongStage    WrongStage
	lastRow       int
	lastPipeline  int
	lastType      int
	simple        bool
	leadsHidden   bool
	statusPages   int
	categoryPages int
	failures      map[string][]failure
	calls         map[string]int
	bucket        bucket
	operating     operating
	requestTime   time.Duration
	commandTime   time.Duration
	atOnce        int
	mostAtOnce    int
	app           application
}

// New returns a portal with the webhook of [DefaultUserID] and [DefaultSecret],
// [DefaultStatuses] and [DefaultPipelines].
func New() *Portal {
	p := &Portal{
		methods:      allMethods(),
		secret:       DefaultSecret,
		pipelines:    DefaultPipelines(),
		processes:    []smartProcess{{177, "Доставка"}},
		lastType:     177,
		items:        map[int][]*Item{},
		lastItem:     map[int]int{},
		history:      map[int][]*historyRow{},
		rules:        map[stageOf]string{},
		forbidden:    map[stageOf]APIError{},
		failingItems: map[[2]int]APIError{},
		failures:     map[string][]failure{},
		calls:        map[string]int{},
		operating:    operating{inCalls: true, inCommands: true, methods: map[string]*baskets{}},
		app:          newApplication(),
	}
	for _, pipeline := range p.pipelines {
		p.lastPipeline = max(p.lastPipeline, pipeline.ID)
	}
	p.Handler = crmfault.New(http.HandlerFunc(p.route))
	p.SetStatuses(DefaultStatuses()...)
	return p
}

// Server is a [Portal] that listens on a loopback port.
type Server struct {
	*Portal
	// URL is the portal's address, without a slash at its end.
	URL string

	server *httptest.Server
}

// NewServer starts a portal as [New] makes it. It panics if no port can be had.
// The caller closes it.
func NewServer() *Server {
	p := New()
	return newServer(p, httptest.NewServer(p))
}

// newServer gives the portal, and its token server, the address of the server.
func newServer(p *Portal, server *httptest.Server) *Server {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.app.scheme, p.app.host, _ = strings.Cut(server.URL, "://")
	p.app.authHost, p.app.loopback = p.app.host, server.URL
	return &Server{Portal: p, URL: server.URL, server: server}
}

// Close lets held requests go on, waits until all have ended and stops the
// server. Closing twice is allowed.
func (s *Server) Close() {
	s.ReleaseAll()
	s.server.Close()
}

// HTTPClient returns an HTTP client whose connections end with [Server.Close].
func (s *Server) HTTPClient() *http.Client { return s.server.Client() }

// OtherHost returns another name, with a port, under which the same server is
// reached, to give to [Portal.RenamePortal].
func (s *Server) OtherHost() string {
	_, port, _ := net.SplitHostPort(s.server.Listener.Addr().String())
	return net.JoinHostPort("localhost", port)
}

// Webhook returns the address to give to a client, with a slash at its end. That
// of a [Portal] alone is for a client that uses its Transport. The host is that
// of [Portal.Host].
func (p *Portal) Webhook() string {
	p.mu.Lock()
	base := p.app.scheme + "://" + p.app.host
	p.mu.Unlock()
	return base + p.WebhookPath()
}

// WebhookPath returns the path that all calls begin with, such as
// "/rest/17/SECRET/". A method's name is put behind it, also to ask how many
// requests came for it: p.Requests(p.WebhookPath() + "batch").
func (p *Portal) WebhookPath() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return "/rest/" + strconv.Itoa(DefaultUserID) + "/" + p.secret + "/"
}

// SetSecret replaces the webhook's secret: the old one gets 401 from now on.
func (p *Portal) SetSecret(secret string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secret = secret
}

// SetSimpleMode makes the portal work without leads, or with them again.
func (p *Portal) SetSimpleMode(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.simple = on
}

// SetLeadsListed makes a portal in simple mode list the directory of the leads'
// statuses, as at the start, or not. Which of the two Bitrix24 does is not
// documented. A portal with leads always lists it.
func (p *Portal) SetLeadsListed(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leadsHidden = !on
}

// SetPageSize makes crm.status.list answer in pages of n rows with "next", as
// the documentation has it in words, with 50. With 0, as at the start, it
// ignores "start" and gives all rows at once, as the server's known source
// does. Which of the two holds today is not known; "total" is there in both.
func (p *Portal) SetPageSize(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.statusPages = n
}

// SetCategoryPageSize does with crm.category.list what [Portal.SetPageSize] does
// with crm.status.list. No page of this method was ever seen: it has no
// documented "start", and only a tutorial speaks of pages.
func (p *Portal) SetCategoryPageSize(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.categoryPages = n
}

// Calls returns how often the method was called, alone and in batches, failed
// calls included. Requests with a bad secret, those that the rate limit refused,
// and commands that a batch did not come to are not counted.
func (p *Portal) Calls(method string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[strings.ToLower(method)]
}

// withoutLeads reports whether the leads' directory is not listed. It runs under
// mu.
func (p *Portal) withoutLeads() bool { return p.simple && p.leadsHidden }
