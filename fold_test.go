package statuslink

import (
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

func TestFold(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		a, b string
		same bool
	}{
		{"equal", "Paid", "Paid", true},
		{"case", "PAID", "paid", true},
		{"Cyrillic case", "НОВАЯ Заявка", "новая заявка", true},
		{"й composed and decomposed", "\u0439", "\u0438\u0306", true},
		{"Й decomposed and й composed", "\u0418\u0306", "\u0439", true},
		{"й and и", "\u0439", "\u0438", false},
		{"ё and Ё", "ёлка", "Ёлка", true},
		{"Ё composed and decomposed", "\u0401", "\u0415\u0308", true},
		{"Ё and Е", "Ёлка", "Елка", false},
		{"ß and SS", "Straße", "STRASSE", true},
		{"ẞ and ss", "STRAẞE", "strasse", true},
		{"İ and i with a dot above", "İstanbul", "i\u0307stanbul", true},
		{"İ and i", "İstanbul", "istanbul", false},
		{"ı and i", "ılık", "ilik", false},
		{"final sigma", "ΟΔΟΣ", "οδος", true},
		{"K and the Kelvin sign", "K", "\u212a", true},
		{"ﬁ and fi", "ﬁn", "FIN", true},
		{"blanks at the ends", "  paid\t", "paid", true},
		{"a run of blanks", "in  \t work", "in work", true},
		{"a blank and none", "in work", "inwork", false},
		{"non-breaking space", "in\u00a0work", "in work", true},
		{"narrow non-breaking space", "in\u202fwork", "in work", true},
		{"ideographic space", "in\u3000work", "in work", true},
		{"zero width space", "in\u200bwork", "in work", true},
		{"zero width space beside a blank", "in \u200b work", "in work", true},
		{"zero width space at the ends", "\u200bpaid\ufeff", "paid", true},
		{"soft hyphen", "in\u00adwork", "in work", true},
		{"soft hyphen at the end", "paid\u00ad", "paid", true},
		{"direction marks", "\u202bשלום\u202c", "שלום", true},
		{"variation selector", "❤\ufe0f", "❤", true},
		{"variation selector before a blank", "❤\ufe0f love", "❤ love", true},
		{"joined emoji and its parts", "👨\u200d👩", "👨 👩", true},
		{"emoji", "👍", "👎", false},
		{"skin tones", "👍", "👍🏽", false},
		{"Hangul filler", "paid\u3164", "paid", true},
		{"punctuation", "paid!", "paid", false},
		{"digits", "No answer 1", "No answer 2", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fold := newFolder()
			if a, b := fold(tt.a), fold(tt.b); (a == b) != tt.same {
				t.Errorf("%+q folds to %+q and %+q to %+q; the same: want %v", tt.a, a, tt.b, b, tt.same)
			}
		})
	}
}

// oddNames draws names out of what folding treats in its own way.
func oddNames() *rapid.Generator[string] {
	return rapid.StringOf(rapid.OneOf(
		// x/text exchanges the two cases of Cherokee instead of folding them.
		rapid.Rune().Filter(func(r rune) bool { return !unicode.Is(unicode.Cherokee, r) }),
		rapid.SampledFrom([]rune("aAßẞıİiΣσςЁёЕе \u0306\u0308\u0301\u0345\u00a0\u00ad\u200b\u200d\u202b\ufe0f\u034f\u3164\ufeffᾳᾼΐ한\u1112\u1161\u11ab")),
	))
}

func TestFoldLaws(t *testing.T) {
	t.Parallel()
	fold := newFolder()
	rapid.Check(t, func(t *rapid.T) {
		name := oddNames().Draw(t, "name")
		folded := fold(name)
		if again := fold(folded); again != folded {
			t.Fatalf("folding twice gives %+q, once %+q", again, folded)
		}
		if !utf8.ValidString(folded) || !norm.NFC.IsNormalString(folded) {
			t.Fatalf("%+q is not valid UTF-8 in composed form", folded)
		}
		if nfd := fold(norm.NFD.String(name)); nfd != folded {
			t.Fatalf("decomposed it folds to %+q, composed to %+q", nfd, folded)
		}
		if blank(name) != (folded == "") {
			t.Fatalf("%+q is blank: %v, but folds to %+q", name, blank(name), folded)
		}
	})
}

func TestBlank(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"": true, " ": true, "\t\r\n": true, "\u00a0": true, "\u00ad": true, "\u200b\u200d\ufeff": true, "\ufe0f": true,
		"\u2060": true, "\u3164": true, "\u0085": true, "\U000e0020": true,
		"a": false, " a ": false, ".": false, "\u0306": false, "❤\ufe0f": false, "0": false, "\ufffd": false,
	} {
		if got := blank(name); got != want {
			t.Errorf("blank(%+q) = %v, want %v", name, got, want)
		}
	}
}
