package crmhttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ID is an identifier that a CRM writes as a JSON number in one place and as a
// text in another. It decodes both to one exact text: 710201 and "710201" give
// "710201", whatever the size of the number. null and a missing field give "".
//
// What could give one identifier two texts is an error: a number that is not
// written as a whole one (1.0, 1e3, -0), and a text that is not valid UTF-8 or
// holds U+FFFD. So is anything else than a number or text. A text is kept byte
// for byte.
type ID string

// UnmarshalJSON decodes a number or a text.
func (id *ID) UnmarshalJSON(data []byte) error {
	if len(data) == 0 {
		return errors.New("an identifier without a value")
	}
	switch c := data[0]; {
	case c == '"':
		text, err := unquote(data)
		if err != nil {
			return err
		}
		// What is not valid was decoded to U+FFFD.
		if strings.ContainsRune(text, utf8.RuneError) {
			return errors.New("an identifier that is not valid UTF-8")
		}
		*id = ID(text)
		return nil
	case c == '-' || ('0' <= c && c <= '9'):
		if bytes.ContainsAny(data, ".eE") || string(data) == "-0" {
			return errors.New("an identifier that is not a whole number")
		}
		*id = ID(data)
		return nil
	case string(data) == "null":
		return nil
	}
	return errors.New("an identifier that is neither a number nor a text")
}

// Text is a text that a CRM may also write as a number or a truth value, which
// it then decodes as it is written. null gives "". Anything else gives "" as
// well and no error: one odd field does not spoil a whole list. Where an empty
// text has a meaning of its own, use something stricter.
type Text string

// UnmarshalJSON decodes a text, a number or a truth value.
func (t *Text) UnmarshalJSON(data []byte) error {
	*t = ""
	if len(data) == 0 {
		return nil
	}
	switch data[0] {
	case '"':
		text, err := unquote(data)
		*t = Text(text)
		return err
	case 'n', '{', '[':
		return nil
	}
	*t = Text(data)
	return nil
}

// Int is a whole number that a CRM may also write as a text or with a fraction
// of zero: 3, "3" and 3.0 are the same. Known tells whether there was one:
// null, a missing field, and anything else (as well as what int cannot hold)
// leave it false and are no error.
type Int struct {
	Value int
	Known bool
}

// UnmarshalJSON decodes a number or a text that holds one.
func (n *Int) UnmarshalJSON(data []byte) error {
	*n = Int{}
	text := string(data)
	if len(data) > 0 && data[0] == '"' {
		unquoted, err := unquote(data)
		if err != nil {
			return err
		}
		text = strings.TrimSpace(unquoted)
	}
	if value, err := strconv.Atoi(text); err == nil {
		*n = Int{Value: value, Known: true}
		return nil
	}
	// Beyond 2^53 a float is no exact number any more.
	if value, err := strconv.ParseFloat(text, 64); err == nil && float64(int(value)) == value && math.Abs(value) <= 1<<53 {
		*n = Int{Value: int(value), Known: true}
	}
	return nil
}

// unquote decodes a JSON text; mostly there is nothing to decode.
func unquote(data []byte) (string, error) {
	if len(data) >= 2 && bytes.IndexByte(data, '\\') < 0 && utf8.Valid(data) {
		return string(data[1 : len(data)-1]), nil
	}
	var text string
	err := json.Unmarshal(data, &text)
	return text, err
}
