package umnicotest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	pathManagers     = "/v1.3/managers"
	pathIntegrations = "/v1.3/integrations"
	pathCustomers    = "/v1.3/customers"
	pathMessaging    = "/v1.3/messaging"

	// bodyMost is the most that is read of a request's body. Umnico's own limit is
	// not known.
	bodyMost = 1 << 20
)

// serve answers one request.
func (u *Umnico) serve(w http.ResponseWriter, r *http.Request) {
	latency, limited, wait := u.enter()
	defer u.leave()
	var body []byte
	var err error
	if r.Body != nil { // Transport passes requests on as they are
		body, err = io.ReadAll(io.LimitReader(r.Body, bodyMost))
	}
	pause(r.Context(), latency)
	var status int
	var answer []byte
	switch {
	case limited:
		status = http.StatusTooManyRequests
		if wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
		}
	case err != nil:
		status, answer = failure(http.StatusBadRequest, "the body is cut off")
	default:
		status, answer = u.answer(r, body)
	}
	if answer != nil {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

// answer returns what Umnico says.
func (u *Umnico) answer(r *http.Request, body []byte) (status int, answer []byte) {
	// A slash at the end makes no difference where clients have tried.
	path := strings.TrimSuffix(r.URL.Path, "/")
	header := r.Header.Get("Authorization")
	u.mu.Lock()
	defer u.mu.Unlock()
	switch r.Method + " " + path {
	case "POST " + PathLogin:
		return u.users.login(body)
	case "POST " + PathTokens:
		return u.users.renew(header)
	}
	if !u.authorized(header) && !u.users.authorized(header) {
		return unauthorized()
	}
	if lead, inPath, found := u.statusCall.match(r.Method, path); found {
		return u.changeLead(lead, inPath, body)
	}
	switch r.Method + " " + path {
	case "GET " + PathStatuses:
		return http.StatusOK, encode(u.wire(u.statuses))
	case "GET " + PathAccount:
		return u.account()
	case "GET " + pathManagers:
		return u.listManagers()
	case "GET " + pathIntegrations:
		return u.listIntegrations()
	case "GET " + PathWebhooks:
		return u.listWebhooks()
	case "POST " + PathWebhooks:
		return u.createWebhook(body)
	}
	i := strings.LastIndex(path, "/")
	if i < 0 {
		return notFound()
	}
	switch folder, last := path[:i], path[i+1:]; r.Method + " " + folder {
	case "GET " + PathLeads:
		switch last {
		case SectionInbox, SectionActive, SectionCompleted, SectionAll:
			return u.listLeads(last, r.URL.Query())
		}
		if lead := u.leadByID[parseID(last)]; lead != nil {
			return http.StatusOK, encode(u.wireLead(lead))
		}
	case "GET " + pathCustomers:
		return u.customer(parseID(last))
	case "PUT " + PathWebhooks:
		return u.updateWebhook(parseID(last), body)
	case "DELETE " + PathWebhooks:
		return u.deleteWebhook(parseID(last))
	default:
		lead := u.leadByID[parseID(strings.TrimPrefix(folder, pathMessaging+"/"))]
		if r.Method == http.MethodGet && last == "sources" && lead != nil {
			return http.StatusOK, encode([]wireSource{lead.source(u.number)})
		}
	}
	return notFound()
}

// failure is an error. Only the key "error" is known, from the answer to a webhook
// that exists already; all other texts are assumed, and so are the statuses 403,
// 404 and, but for a wrong userId, 422.
func failure(httpStatus int, text string) (status int, body []byte) {
	return httpStatus, encode(map[string]string{"error": text})
}

func unauthorized() (status int, body []byte) {
	return failure(http.StatusUnauthorized, "Unauthorized")
}

func notFound() (status int, body []byte) { return failure(http.StatusNotFound, "Not found") }

// refused is what a request gets that is not understood.
func refused(text string) (status int, body []byte) {
	return failure(http.StatusUnprocessableEntity, text)
}

// wire returns the rows as they are written. It runs under mu.
func (u *Umnico) wire(rows []Status) any {
	type row struct {
		ID    any    `json:"id"`
		Type  string `json:"type"`
		Name  string `json:"name"`
		Order int    `json:"order"`
		Color string `json:"color"`
	}
	list := make([]row, 0, len(rows)) // an empty list is [], not null
	for _, s := range rows {
		list = append(list, row{ID: u.number(s.ID), Type: s.Type, Name: s.Name, Order: s.Order, Color: s.Color})
	}
	return list
}

func encode(value any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // only texts and numbers: cannot fail
	return b.Bytes()
}
