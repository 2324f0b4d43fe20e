package bitrix24test

import (
	"encoding/json"
	"strconv"
	"strings"
)

// text returns a parameter as PHP makes a text of it; "" for an array.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case bool:
		if v {
			return "1"
		}
	case int:
		return strconv.Itoa(v)
	case json.Number:
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			return strconv.FormatFloat(f, 'f', -1, 64)
		}
		return v.String()
	}
	return ""
}

// number returns a parameter as PHP makes a whole number of it: what follows the
// digits does not count, and a text without any is 0.
func number(value any) int {
	s := strings.TrimLeft(text(value), " \t\n\r\v\f")
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || (end == 0 && (s[0] == '-' || s[0] == '+'))) {
		end++
	}
	n, _ := strconv.Atoi(s[:end]) // beyond the range: the greatest, as in PHP
	return n
}

// truth is PHP's test of a parameter: the text "false" is true.
func truth(value any) bool {
	switch v := value.(type) {
	case bool:
		return v
	case string:
		return v != "" && v != "0"
	case json.Number:
		f, err := v.Float64()
		return err != nil || f != 0
	case *phpMap:
		return len(v.keys) > 0
	}
	return false
}
