package bitrix24test

import (
	"encoding/json"
	"iter"
	"slices"
	"strconv"
	"unicode/utf8"
)

// encode writes a value as the portal does: on one line, letters outside ASCII
// raw, slashes and the signs of HTML escaped. Values are nil, bool, int, string,
// json.Number, []any and *phpMap.
func encode(value any) []byte { return appendValue(nil, value) }

func appendValue(b []byte, value any) []byte {
	switch v := value.(type) {
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case json.Number:
		return append(b, v...)
	case string:
		return appendText(b, v)
	case []any:
		return appendList(b, slices.Values(v))
	case *phpMap:
		if v.isList() {
			return appendList(b, v.all())
		}
		b = append(b, '{')
		for i, key := range v.keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, key), ':')
			b = appendValue(b, v.values[i])
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

func appendList(b []byte, values iter.Seq[any]) []byte {
	b = append(b, '[')
	first := true
	for value := range values {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendValue(b, value)
	}
	return append(b, ']')
}

// escapes are what PHP writes for single characters.
var escapes = map[rune]string{
	'"': `\u0022`, '&': `\u0026`, '\'': `\u0027`, '<': `\u003C`, '>': `\u003E`, '/': `\/`, '\\': `\\`,
	'\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\u2028': `\u2028`, '\u2029': `\u2029`,
}

// raw holds the characters of ASCII that are written as they are.
var raw = func() (set [utf8.RuneSelf]bool) {
	for c := range set {
		set[c] = c >= ' ' && escapes[rune(c)] == ""
	}
	return set
}()

// appendText writes a text. What the portal makes of a text that is not UTF-8 is
// not known; here it has U+FFFD in it.
func appendText(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for start := 0; start < len(s); {
		end := start
		for end < len(s) && s[end] < utf8.RuneSelf && raw[s[end]] {
			end++
		}
		b = append(b, s[start:end]...)
		if end == len(s) {
			break
		}
		r, size := utf8.DecodeRuneInString(s[end:])
		if escape, found := escapes[r]; found {
			b = append(b, escape...)
		} else if r < ' ' {
			b = append(b, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
		} else {
			b = utf8.AppendRune(b, r)
		}
		start = end + size
	}
	return append(b, '"')
}
