// Package customcrm shows how to connect a CRM of your own: a client for an
// invented one, "Acme", that reads its list of stages page by page.
package customcrm

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// What Acme's words mean. Its error codes count where an error has HTTP 200; a
// stage that is not final has an empty text, so its lead is open.
var (
	kinds    = map[crmhttp.Text]error{"bad_key": crm.ErrUnauthorized, "no_access": crm.ErrForbidden, "too_many": crm.ErrRateLimited}
	outcomes = map[string]crm.Outcome{"won": crm.Won, "lost": crm.Lost, "": crm.Open}
)

// Client reads the stages of one Acme account.
type Client struct{ http *crmhttp.Client }

// Options change how a Client works; the zero value is ready to use.
type Options struct {
	Source string          // the name of the connected account; empty means "acme"
	HTTP   crmhttp.Options // time-outs, logs and so on; New sets Authorization and Classify
}

// New returns a client for the Acme account that the key opens.
func New(baseURL, apiKey string, opts Options) (*Client, error) {
	if opts.Source == "" {
		opts.Source = "acme"
	}
	if apiKey == "" {
		return nil, fmt.Errorf("%s: the API key is empty", opts.Source)
	}
	opts.HTTP.Authorization = crmhttp.Secret("Bearer " + apiKey) // stays out of errors and logs
	opts.HTTP.Classify = classify
	client, err := crmhttp.New(opts.Source, baseURL, &opts.HTTP)
	if err != nil {
		return nil, err
	}
	return &Client{http: client}, nil
}

// Source returns the name of the connected account.
func (c *Client) Source() string { return c.http.Source() }

// ListStatuses reads all pages and returns the whole list, or an error.
func (c *Client) ListStatuses(ctx context.Context) (crm.Listing, error) {
	list := crm.Listing{Source: c.Source(), Scopes: make([]crm.Scope, 1)} // a single list: no scope ID
	for page := 1; ; page++ {
		var a struct { // Int tells a missing number from 0; a row stays a map, to lose no field
			Page, Pages, Total crmhttp.Int
			Stages             []map[string]json.RawMessage
		}
		if err := c.http.GetJSON(ctx, "list statuses", "/api/stages", url.Values{"page": {strconv.Itoa(page)}}, &a); err != nil {
			return crm.Listing{}, err
		}
		if !a.Pages.Known || !a.Total.Known || a.Stages == nil || a.Page.Value != page {
			return crm.Listing{}, c.fail(crm.ErrBadResponse, "no page %d of stages", page)
		}
		for _, row := range a.Stages {
			status, err := c.status(row)
			if err != nil {
				return crm.Listing{}, c.fail(crm.ErrBadResponse, "a stage on page %d: %v", page, err)
			}
			list.Statuses = append(list.Statuses, status)
		}
		if page == 1 {
			list.Scopes[0].Announced = a.Total.Value
		}
		got, want, last := len(list.Statuses), list.Scopes[0].Announced, page >= a.Pages.Value
		switch {
		case a.Total.Value != want:
			return crm.Listing{}, c.fail(crm.ErrIncomplete, "the list changed while it was read")
		case got > want: // Validate would take a total of 0 for "not said"
			return crm.Listing{}, c.fail(crm.ErrBadResponse, "more than %d stages", want)
		case last && got < want, !last && len(a.Stages) == 0:
			return crm.Listing{}, c.fail(crm.ErrIncomplete, "%d of %d stages", got, want)
		case last:
			if err := list.Validate(); err != nil { // such as a stage that came twice
				return crm.Listing{}, err
			}
			return list, nil
		}
	}
}

// status turns a row into a Status. What does not fit, or is new, goes to Raw.
func (c *Client) status(row map[string]json.RawMessage) (crm.Status, error) {
	var id crmhttp.ID // if it is missing, there is nothing to unmarshal: an error
	if err := json.Unmarshal(row["id"], &id); err != nil {
		return crm.Status{}, fmt.Errorf("ID: %w", err)
	}
	s := crm.Status{Ref: crm.Ref{Source: c.Source(), ID: string(id)}, Raw: map[string]string{}}
	for name, value := range row {
		text := string(value) // as written, unless it is a text
		isText := value[0] == '"' && json.Unmarshal(value, &text) == nil
		done := name == "id" || string(value) == "null"
		switch {
		case name == "title" && isText:
			s.Name = crm.CleanName(text)
			done = s.Name == text // if not, Raw has the whole title
		case name == "position":
			var n crmhttp.Int
			done = json.Unmarshal(value, &n) == nil && n.Known || done
			s.Order = n.Value
		case name == "colour" && isText:
			s.Color = crm.CleanColor(text)
			done = s.Color != "" || text == ""
		case name == "final" && isText:
			s.Outcome, done = outcomes[text]
		}
		if !done {
			s.Raw[name] = text
		}
	}
	if len(s.Raw) == 0 {
		s.Raw = nil
	}
	return s, nil
}

// classify finds the failure in an answer: by the HTTP status as usual, and by
// Acme's "error", which may come with HTTP 200 too.
func classify(r crmhttp.Response) *crm.Error {
	e := crmhttp.Classify(r)
	var a struct{ Error *json.RawMessage } // nil too if the body is no JSON
	if _ = json.Unmarshal(r.Body, &a); a.Error == nil {
		return e
	}
	var detail struct{ Code, Message crmhttp.Text } // stays empty if the error has another form
	_ = json.Unmarshal(*a.Error, &detail)
	if e == nil {
		e = &crm.Error{Kind: cmp.Or(kinds[detail.Code], crm.ErrRejected), Message: string(*a.Error)}
	}
	e.Code, e.Message = string(detail.Code), cmp.Or(string(detail.Message), e.Message)
	return e
}

// fail returns an error of this client, with its source and operation.
func (c *Client) fail(kind error, format string, args ...any) error {
	return c.http.Error("list statuses", &crm.Error{Kind: kind, Message: fmt.Sprintf(format, args...)})
}
