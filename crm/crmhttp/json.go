package crmhttp

import (
	"bytes"
	"encoding/json"
	"iter"
)

// JSON returns the answer's body if it is exactly one JSON value, not null, for
// a client that takes it apart with [Members] and [Elements]: a large answer is
// read in less than half the time that [Client.Decode] takes. Its errors are
// those of Decode.
func (c *Client) JSON(op string, response Response) ([]byte, error) {
	body, err := c.body(op, response)
	if err != nil {
		return nil, err
	}
	if !json.Valid(body) {
		var into any
		return nil, c.broken(op, response, json.Unmarshal(body, &into), len(body))
	}
	return bytes.TrimSpace(body), nil
}

// Members yields the members of a JSON object in their sequence: the name,
// decoded, and the value as it is written, without blanks around it. data has to be valid, as
// what [Client.JSON] returns and every value in it is; of what is no object there
// are no members. Where a name stands twice, both are yielded. Both share memory
// with data.
func Members(data []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for i := enter(data, '{'); i < len(data) && data[i] == '"'; i = comma(data, i) {
			end := valueEnd(data, i)
			name, ok := nameOf(data[i:end])
			i = blanks(data, end) + 1 // the colon
			i = blanks(data, i)
			end = valueEnd(data, i)
			if !ok || i >= end || !yield(name, data[i:end]) {
				return
			}
			i = end
		}
	}
}

// Elements yields the elements of a JSON array, as [Members] yields the values
// of an object.
func Elements(data []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := enter(data, '['); i < len(data) && data[i] != ']'; i = comma(data, i) {
			end := valueEnd(data, i)
			if i >= end || !yield(data[i:end]) {
				return
			}
			i = end
		}
	}
}

// nameOf decodes a name; mostly there is nothing to decode.
func nameOf(quoted []byte) ([]byte, bool) {
	if len(quoted) < 2 {
		return nil, false
	}
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], true
	}
	name, err := unquote(quoted)
	return []byte(name), err == nil
}

// enter returns where the first part of an object or array begins; the end of
// data if it is none.
func enter(data []byte, open byte) int {
	i := blanks(data, 0)
	if i >= len(data) || data[i] != open {
		return len(data)
	}
	return blanks(data, i+1)
}

// comma returns where the next part begins; the end of data if there is none.
func comma(data []byte, i int) int {
	i = blanks(data, i)
	if i >= len(data) || data[i] != ',' {
		return len(data)
	}
	return blanks(data, i+1)
}

// blanks returns the first place from i on that is no blank.
func blanks(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}

// valueEnd returns where the value that begins at i ends.
func valueEnd(data []byte, i int) int {
	if i >= len(data) {
		return len(data)
	}
	switch data[i] {
	case '"':
		return textEnd(data, i)
	case '{', '[':
		for depth := 0; i < len(data); i++ {
			switch data[i] {
			case '"':
				i = textEnd(data, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
		return len(data)
	}
	for ; i < len(data); i++ {
		switch data[i] {
		case ',', ']', '}', ' ', '\n', '\t', '\r':
			return i
		}
	}
	return len(data)
}

// textEnd returns where the text that begins at i ends.
func textEnd(data []byte, i int) int {
	for i++; i < len(data); i++ {
		n := bytes.IndexByte(data[i:], '"')
		if n < 0 {
			return len(data)
		}
		i += n
		slashes := 0
		for data[i-1-slashes] == '\\' { // the opening quote stops it
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
	}
	return len(data)
}
