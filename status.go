package statuslink

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/statuslink/statuslink/crm"
)

// maxOrder leaves room for arithmetic with Orders.
const maxOrder = math.MaxInt / 2

// Status is one status of the bot: a stage of processing that a client is in.
// It is a plain value; what a [Snapshot] returns shares its slices with the
// Snapshot and must not be modified, [Status.Clone] gives a copy.
type Status struct {
	// ID is the status's own identity: "st_" and 20 base-32 characters, unless
	// Options.NewID makes others. It never changes and is never used again.
	ID string `json:"id"`
	// Key is the name that code uses: optional, unique, a lower-case letter and
	// up to 63 lower-case letters, digits and hyphens. No synchronisation
	// touches it, so switch s.Key survives every rename.
	Key string `json:"key,omitempty"`
	// Name is what people see: never blank, valid UTF-8 without control
	// characters, trimmed, at most 255 runes. Names need not be unique.
	Name string `json:"name"`
	// Color is "#RRGGBB" in capitals, or empty for none.
	Color string `json:"color,omitempty"`
	// Outcome says whether a lead in this status is finished.
	Outcome crm.Outcome `json:"outcome,omitempty"`
	// Aliases are further names by which a first link may find the status.
	Aliases []string `json:"aliases,omitempty"`
	// Order is the bot's own sort key. Statuses are sorted by Order, then ID.
	// No CRM's number is ever copied here. It is at most math.MaxInt/2, and at
	// least the negative of that.
	Order int `json:"order"`
	// Links are the statuses in CRMs that this one stands for. The first that
	// is not missing is the leader: its CRM's values reach the fields above.
	// The first one of a scope is the target when a lead of that scope is
	// moved; all of them are recognised on reading.
	Links []Link `json:"links,omitempty"`
	// Created and Updated are UTC, in whole microseconds. Updated moves with
	// every change but a renumbering of Order that keeps the sequence.
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// Link ties a [Status] to a status in a CRM. A Ref is linked at most once.
type Link struct {
	Ref crm.Ref `json:"ref"`
	// Base is what the CRM said when a plan for this link was last applied.
	Base Base `json:"base,omitzero"`
	// LinkedAt is when the link was made.
	LinkedAt time.Time `json:"linkedAt"`
	// MissingSince is when the CRM was first seen without it; zero while the
	// CRM lists it. A missing link is never removed by a synchronisation.
	MissingSince time.Time `json:"missingSince,omitzero"`
}

// Missing reports whether the CRM was last seen without this status.
func (l Link) Missing() bool { return !l.MissingSince.IsZero() }

// Base is what a CRM said of a linked status when a plan was last applied: the
// common ancestor of a three-way merge. Each field is absent until the CRM has
// said it. The zero value holds nothing.
type Base struct {
	Name    string      `json:"name,omitempty"`
	Color   string      `json:"color,omitempty"`
	Outcome crm.Outcome `json:"outcome,omitempty"`
	// Order is the CRM's sort key, and counts only if Ordered is set, which
	// only the link that leads its status has.
	Order   int  `json:"order,omitempty"`
	Ordered bool `json:"ordered,omitempty"`
}

// Leader returns the first link that is not missing, and false if there is
// none.
func (s Status) Leader() (Link, bool) {
	if i := s.leader(); i >= 0 {
		return s.Links[i], true
	}
	return Link{}, false
}

func (s *Status) leader() int {
	return slices.IndexFunc(s.Links, func(l Link) bool { return !l.Missing() })
}

// Target returns the link that a lead of the scope is moved to: the first one
// of that scope, missing or not; false if there is none.
func (s Status) Target(source, scope string) (Link, bool) {
	for _, l := range s.Links {
		if l.Ref.Source == source && l.Ref.Scope == scope {
			return l, true
		}
	}
	return Link{}, false
}

// Linked reports whether ref is among the status's links.
func (s Status) Linked(ref crm.Ref) bool { return s.link(ref) >= 0 }

func (s *Status) link(ref crm.Ref) int {
	return slices.IndexFunc(s.Links, func(l Link) bool { return l.Ref == ref })
}

// Clone returns a copy that shares nothing with s.
func (s Status) Clone() Status {
	s.Aliases = slices.Clone(s.Aliases)
	s.Links = slices.Clone(s.Links)
	return s
}

// normal returns a copy as a Snapshot keeps it: its own slices, nil rather
// than empty, and times in UTC and whole microseconds.
func (s *Status) normal() Status {
	c := s.Clone()
	if len(c.Aliases) == 0 {
		c.Aliases = nil
	}
	if len(c.Links) == 0 {
		c.Links = nil
	}
	c.Created, c.Updated = instant(c.Created), instant(c.Updated)
	for i := range c.Links {
		l := &c.Links[i]
		l.LinkedAt, l.MissingSince = instant(l.LinkedAt), instant(l.MissingSince)
	}
	return c
}

// equalStatus reports whether a Snapshot would keep a and b as the same; no field
// is left out.
func equalStatus(a, b *Status) bool { return reflect.DeepEqual(a.normal(), b.normal()) }

// instant returns t as it is stored: UTC, whole microseconds.
func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// validate returns an [*Error] that names the first bad field, or nil. Whether
// ID, Key and Refs are taken is the Snapshot's to judge.
func (s *Status) validate() error {
	bad := func(field, message string) error {
		return &Error{Kind: ErrInvalid, Status: s.label(), Field: field, Message: message}
	}
	switch {
	case s.ID == "" || s.ID != crm.CleanName(s.ID):
		return bad("id", "an ID is a text that is not empty, without control characters")
	case s.Key != "" && !validKey(s.Key):
		return bad("key", "a key is a lower-case letter and up to 63 lower-case letters, digits and hyphens")
	case s.Order > maxOrder || s.Order < -maxOrder:
		return bad("order", "the number is too large")
	case !s.Outcome.Valid():
		return bad("outcome", "unknown outcome")
	case s.Color != "" && s.Color != crm.CleanColor(s.Color):
		return bad("color", `a colour is "#RRGGBB" in capitals, or empty`)
	}
	if message := nameFault(s.Name); message != "" {
		return bad("name", message)
	}
	for _, alias := range s.Aliases {
		if message := nameFault(alias); message != "" {
			return bad("aliases", message)
		}
	}
	for _, link := range s.Links {
		ref, base := link.Ref, link.Base
		switch {
		case ref.Source == "" || ref.ID == "":
			return bad("links", "a link needs a source and an ID")
		case !storable(ref.Source, ref.Scope, ref.ID, base.Name, base.Color):
			return bad("links", "a link's texts are valid UTF-8 without zero bytes")
		case !base.Outcome.Valid():
			return bad("links", "unknown outcome in Base")
		}
	}
	return nil
}

// storable reports whether the texts are valid UTF-8 without zero bytes: what
// every store gives back as it was, one in a database too.
func storable(texts ...string) bool {
	return !slices.ContainsFunc(texts, func(text string) bool {
		return !utf8.ValidString(text) || strings.Contains(text, "\x00")
	})
}

// label names the status in an error.
func (s *Status) label() string {
	if s.Name != "" {
		return s.Name
	}
	if s.Key != "" {
		return s.Key
	}
	return s.ID
}

// nameFault says what is wrong with a name, or "".
func nameFault(name string) string {
	switch {
	case blank(name):
		return "a name is not blank"
	case name != crm.CleanName(name):
		return "a name is valid UTF-8 without control characters, trimmed, at most 255 runes"
	}
	return ""
}

// validKey reports whether key matches ^[a-z][a-z0-9-]{0,63}$.
func validKey(key string) bool {
	if key == "" || len(key) > 64 || key[0] < 'a' || key[0] > 'z' {
		return false
	}
	for _, c := range []byte(key) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
