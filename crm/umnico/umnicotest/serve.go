package umnicotest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// serve answers one request.
func (u *Umnico) serve(w http.ResponseWriter, r *http.Request) {
	status, body := u.answer(r)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// answer returns what Umnico says. The bodies of 401 and 404 are assumed; only
// the key "error" is known from another answer.
func (u *Umnico) answer(r *http.Request) (status int, body []byte) {
	// A slash at the end makes no difference where clients have tried.
	path := strings.TrimSuffix(r.URL.Path, "/")
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case !u.authorized(r):
		return http.StatusUnauthorized, encode(map[string]string{"error": "Unauthorized"})
	case r.Method == http.MethodGet && path == PathStatuses:
		return http.StatusOK, encode(u.wire(u.statuses))
	case r.Method == http.MethodGet && path == PathAccount:
		return http.StatusOK, encode(map[string]any{
			"account": map[string]any{"id": DefaultAccountID, "status": "active"},
		})
	}
	return http.StatusNotFound, encode(map[string]string{"error": "Not found"})
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
	written := make([]row, 0, len(rows)) // an empty list is [], not null
	for _, s := range rows {
		r := row{ID: s.ID, Type: s.Type, Name: s.Name, Order: s.Order, Color: s.Color}
		if u.textIDs {
			r.ID = strconv.Itoa(s.ID)
		}
		written = append(written, r)
	}
	return written
}

func encode(value any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // only texts and numbers: cannot fail
	return b.Bytes()
}
