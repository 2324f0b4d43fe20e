package statuslink_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"
)

// watchedWrites lets one change of a CRM happen at a time, so that no state of a lead
// goes unnoticed, and counts the changes of the call that makes them.
type watchedWrites struct {
	world  *leadWorld
	source string
	next   http.RoundTripper
}

// writesOf is the key of a call's *leadWrites.
type writesOf struct{}

// leadWrites counts requests that write: those that were made, and those that went well.
type leadWrites struct{ asked, done atomic.Int64 }

func (w watchedWrites) RoundTrip(r *http.Request) (response *http.Response, err error) {
	body := ""
	if r.Body != nil {
		whole, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil {
			return nil, err
		}
		body = string(whole)
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(strings.NewReader(body))
	}
	if r.Method != http.MethodPut && !strings.Contains(r.URL.Path+body, "crm.item.update") {
		return w.read(r, body)
	}
	writes, _ := r.Context().Value(writesOf{}).(*leadWrites)
	if writes != nil {
		writes.asked.Add(1)
	}
	w.world.writing[w.source].do(func() {
		response, err = w.next.RoundTrip(r) //nolint:bodyclose // the client's to close
		w.world.look()
	})
	if writes != nil && err == nil && response.StatusCode == http.StatusOK {
		writes.done.Add(1)
	}
	return response, err
}

// read reads, and sometimes gives an older answer about a deal, as a CRM does that
// keeps copies of its data: one whose MovedAt is a second that was over. None is given
// to those who set a status, nor to a bot that remembers no MovedAt.
func (w watchedWrites) read(r *http.Request, body string) (*http.Response, error) {
	setting := r.Context().Value(writesOf{}) != nil
	if setting || !w.world.copies || !strings.HasSuffix(r.URL.Path, "crm.item.get") {
		return w.next.RoundTrip(r)
	}
	asked := time.Now()
	response, err := w.next.RoundTrip(r)
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err // none of a lead that is gone either
	}
	now, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(now))
	if err != nil {
		return nil, err
	}
	var said struct {
		Result struct{ Item struct{ MovedTime time.Time } }
	}
	if _ = json.Unmarshal(now, &said); said.Result.Item.MovedTime.IsZero() {
		return response, nil // a fault, which says nothing of the lead
	}
	settled := asked.Sub(said.Result.Item.MovedTime) > 2*time.Second
	w.world.mu.Lock()
	answer, old := w.world.answers[body]
	old = old && !w.world.calm && w.world.random.IntN(6) == 0
	if !old && settled {
		w.world.answers[body] = now
	}
	w.world.mu.Unlock()
	if !old {
		return response, nil
	}
	w.world.count("older answer")
	recorder := httptest.NewRecorder()
	recorder.Header().Set("Content-Type", "application/json")
	_, _ = recorder.Write(answer)
	return recorder.Result(), nil
}
