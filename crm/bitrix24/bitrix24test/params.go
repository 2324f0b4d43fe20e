package bitrix24test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"unicode/utf8"
)

// parameters returns what a request asks: the query's parameters, and over them
// the body's. A body counts as JSON only if its media type says so; any other is
// a form. Where a body cannot be read there are no parameters in it, and no
// error.
func parameters(r *http.Request) *phpMap {
	params := parseQuery(r.URL.RawQuery)
	if r.Method != http.MethodPost || r.Body == nil {
		return params
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return params
	}
	mediaType, options, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch mediaType {
	case "application/json":
		if m, ok := decode(body).(*phpMap); ok {
			params.merge(m)
		}
	case "multipart/form-data":
		params.merge(parseMultipart(body, options["boundary"]))
	default:
		params.merge(parseQuery(string(body)))
	}
	return params
}

// parseQuery reads a query or a form as PHP does.
func parseQuery(query string) *phpMap {
	params := new(phpMap)
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		register(params, unescape(name), unescape(value))
	}
	return params
}

// parseMultipart reads a form in parts, without its files.
func parseMultipart(body []byte, boundary string) *phpMap {
	params := new(phpMap)
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := reader.NextRawPart()
		if err != nil {
			return params
		}
		value, err := io.ReadAll(part)
		if err == nil && part.FileName() == "" {
			register(params, part.FormName(), string(value))
		}
	}
}

// unescape decodes a part of a query. Unlike Go's, PHP's way knows no errors: a
// bare "%" stays.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '+' {
			c = ' '
		} else if c == '%' && i+2 < len(s) {
			high, low := hexDigit(s[i+1]), hexDigit(s[i+2])
			if high >= 0 && low >= 0 {
				c = byte(high<<4 | low)
				i += 2
			}
		}
		b = append(b, c)
	}
	return string(b)
}

// hexDigit returns the value of a hexadecimal digit, or -1.
func hexDigit(c byte) int {
	if c >= 'A' && c <= 'F' {
		c += 'a' - 'A'
	}
	return strings.IndexByte("0123456789abcdef", c)
}

// maxNesting is PHP's max_input_nesting_level. A parameter that goes deeper is
// dropped with all that has the same first key.
const maxNesting = 64

// register puts a parameter in: "a[b][]" is a path of keys. Blanks and dots in
// the first of them become "_", and so does a bracket that is never closed.
func register(into *phpMap, name, value string) {
	name, _, _ = strings.Cut(strings.TrimLeft(name, " "), "\x00")
	base, path, isArray := strings.Cut(name, "[")
	if base == "" {
		return
	}
	base = plain.Replace(base)
	m, key, unnamed := into, base, false
	for depth := 1; isArray; depth++ {
		if depth > maxNesting {
			into.remove(base)
			return
		}
		end := strings.IndexByte(path, ']')
		if end < 0 {
			if depth == 1 {
				key += "_" + plain.Replace(path)
			}
			break
		}
		if unnamed {
			child := new(phpMap)
			m.add(child)
			m = child
		} else {
			m = m.child(key)
		}
		key = path[:end]
		unnamed = key == "" || (len(key) == 1 && strings.ContainsRune(" \t\n\r\v\f", rune(key[0])))
		path, isArray = strings.CutPrefix(path[end+1:], "[") // anything else is ignored
	}
	if unnamed {
		m.add(value)
	} else {
		m.set(key, value)
	}
}

// plain makes a name that a variable of PHP may have.
var plain = strings.NewReplacer(" ", "_", ".", "_", "[", "_")

// maxDepth is how deep JSON may be nested before PHP gives up.
const maxDepth = 512

// decode reads JSON with objects and arrays as PHP's arrays, and numbers as they
// are written. It returns nil for what is not sound.
func decode(data []byte) any {
	if !utf8.Valid(data) || !json.Valid(data) {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	value, err := decodeValue(decoder, 0)
	if err != nil {
		return nil
	}
	return value
}

func decodeValue(decoder *json.Decoder, depth int) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	delim, isDelim := token.(json.Delim)
	if !isDelim {
		return token, nil
	}
	if depth++; depth > maxDepth {
		return nil, errors.New("nested too deep")
	}
	m := new(phpMap)
	for decoder.More() {
		var key any
		if delim == '{' {
			if key, err = decoder.Token(); err != nil {
				return nil, err
			}
		}
		value, err := decodeValue(decoder, depth)
		if err != nil {
			return nil, err
		}
		if name, named := key.(string); named {
			m.set(name, value)
		} else {
			m.add(value)
		}
	}
	_, err = decoder.Token() // the closing bracket
	return m, err
}
