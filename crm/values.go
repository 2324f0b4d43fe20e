package crm

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxName is the greatest length of a name, in runes.
const MaxName = 255

// Outcome says whether a lead in a status is finished, and how. Its zero value
// means that the CRM does not say.
type Outcome uint8

// The outcomes.
const (
	Unknown Outcome = iota // not said
	Open                   // in progress
	Won                    // finished with success
	Lost                   // finished without success
)

var outcomeNames = [...]string{"", "open", "won", "lost"}

// String returns "unknown", "open", "won" or "lost".
func (o Outcome) String() string {
	switch {
	case o == Unknown:
		return "unknown"
	case int(o) < len(outcomeNames):
		return outcomeNames[o]
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// Valid reports whether o is one of the four outcomes.
func (o Outcome) Valid() bool { return int(o) < len(outcomeNames) }

// Contradicts reports whether o and p are both known and differ.
func (o Outcome) Contradicts(p Outcome) bool { return o != Unknown && p != Unknown && o != p }

// MarshalText encodes [Unknown] as an empty text and the others by name.
func (o Outcome) MarshalText() ([]byte, error) {
	if !o.Valid() {
		return nil, fmt.Errorf("crm: cannot encode %v", o)
	}
	return []byte(outcomeNames[o]), nil
}

// UnmarshalText decodes what MarshalText encodes, and "unknown".
func (o *Outcome) UnmarshalText(text []byte) error {
	for i, name := range outcomeNames {
		if string(text) == name {
			*o = Outcome(i)
			return nil
		}
	}
	if string(text) == "unknown" {
		*o = Unknown
		return nil
	}
	return fmt.Errorf("crm: unknown outcome %q", text)
}

// String returns the Ref for people: "umnico/710201" or
// "bitrix24/DEAL_STAGE_5/C5:NEW". It is not meant to be parsed.
func (r Ref) String() string {
	if r.Scope == "" {
		return r.Source + "/" + r.ID
	}
	return r.Source + "/" + r.Scope + "/" + r.ID
}

// String returns the LeadRef for people. It is not meant to be parsed.
func (r LeadRef) String() string {
	return Ref{Source: r.Source, Scope: r.Kind, ID: r.ID}.String()
}

// CleanName returns name as a [Status] holds it: valid UTF-8 without control
// characters (each becomes a blank), trimmed, cut to [MaxName] runes. It
// allocates only if it has to change name.
func CleanName(name string) string {
	if !utf8.ValidString(name) {
		name = strings.ToValidUTF8(name, "\uFFFD")
	}
	if strings.ContainsFunc(name, unicode.IsControl) {
		name = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, name)
	}
	name = strings.TrimSpace(name)
	if len(name) > MaxName && utf8.RuneCountInString(name) > MaxName {
		runes := 0
		for i := range name {
			if runes == MaxName {
				return strings.TrimSpace(name[:i])
			}
			runes++
		}
	}
	return name
}

// CleanColor returns color as a [Status] holds it: "#RRGGBB" in capitals, or
// "" if color is anything else, which the client then keeps in Raw. It
// allocates only if it has to change color.
func CleanColor(color string) string {
	if len(color) != 7 || color[0] != '#' {
		return ""
	}
	for _, c := range []byte(color[1:]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return ""
		}
	}
	return strings.ToUpper(color)
}

// Body is the body of a message as it came. It may hold names and phone
// numbers of clients, so every verb of package fmt prints its length only.
type Body []byte

// Format prints the length of b, whatever the verb.
func (b Body) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, b.String()) }

// String returns the length of b as text.
func (b Body) String() string { return fmt.Sprintf("[%d bytes]", len(b)) }
