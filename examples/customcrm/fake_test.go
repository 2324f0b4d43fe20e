package customcrm_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
)

// stage is a row as Acme writes it.
type stage struct {
	ID       int    `json:"id"`
	Title    string `json:"title"`
	Position int    `json:"position"`
	Colour   string `json:"colour"`
	Final    string `json:"final"`
}

// fakeAcme plays Acme's API. It need not be able to fail: the suite puts its
// faults in front of it.
type fakeAcme struct {
	mu     sync.Mutex
	key    string // the API key that is accepted; empty accepts none
	size   int    // rows on a page
	stages []stage
}

// newFake returns a fake that accepts the key and answers in pages of 10 rows.
func newFake(key string, stages ...stage) *fakeAcme {
	return &fakeAcme{key: key, size: 10, stages: stages}
}

// change lets f change the fake while no request reads it.
func (a *fakeAcme) change(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// ServeHTTP answers one request.
func (a *fakeAcme) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.key == "" || r.Header.Get("Authorization") != "Bearer "+a.key {
		fail(w, http.StatusUnauthorized, "bad_key", "the key is not known")
		return
	}
	if r.Method != http.MethodGet || r.URL.Path != "/api/stages" {
		fail(w, http.StatusNotFound, "no_such_method", "no such method")
		return
	}
	// An empty list has one page, which is empty.
	pages := max(1, (len(a.stages)+a.size-1)/a.size)
	page, err := strconv.Atoi(r.FormValue("page"))
	if err != nil || page < 1 || page > pages {
		fail(w, http.StatusBadRequest, "bad_page", "no such page")
		return
	}
	from := (page - 1) * a.size
	to := min(from+a.size, len(a.stages))
	answer(w, http.StatusOK, map[string]any{
		"page": page, "pages": pages, "total": len(a.stages),
		"stages": append([]stage{}, a.stages[from:to]...), // never null
	})
}

// fail answers with an error in Acme's form.
func fail(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, map[string]any{"error": map[string]string{"code": code, "message": message}})
}

// answer writes the value as JSON.
func answer(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, "%s", body)
}
