package statuslink

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// newFolder returns the function that turns a name into the form by which
// partners are found: composed (NFC), case folded, each run of blanks and
// invisible characters as one blank, none at the ends. "Ё" and "Е" stay apart.
// IDs are never folded. The function is not safe for concurrent use.
func newFolder() func(name string) string {
	folder := cases.Fold()
	return func(name string) string {
		name = norm.NFC.String(folder.String(norm.NFC.String(name)))
		return strings.Join(strings.FieldsFunc(name, hidden), " ")
	}
}

// blank reports whether name shows nothing.
func blank(name string) bool {
	for _, r := range name {
		if !hidden(r) {
			return false
		}
	}
	return true
}

// hidden reports whether r is a blank or shows nothing by itself.
func hidden(r rune) bool {
	if r <= unicode.MaxLatin1 {
		return r <= ' ' || 0x7f <= r && r <= 0xa0 || r == 0xad
	}
	return unicode.IsSpace(r) || unicode.In(r, unicode.Cf, unicode.Variation_Selector,
		unicode.Other_Default_Ignorable_Code_Point)
}
