package bitrix24test

import (
	"regexp"
	"strconv"
)

// reference is what a command may say of an earlier one: "$result[key][field]".
var reference = regexp.MustCompile(`\$(result|error|total|next|time)((?:\[[^\[\]]*\])+)`)

// referenceKey is one of the keys in a reference.
var referenceKey = regexp.MustCompile(`\[([^\[\]]*)\]`)

// resolve replaces the references in a command's parameters by what the answer of
// the batch holds so far, wherever they stand in a text. A value that is nothing
// but a reference becomes what that names, perhaps a whole array; elsewhere an
// array is not put in. What cannot be resolved stays as it is.
func resolve(value any, answer map[string]*phpMap) any {
	switch v := value.(type) {
	case *phpMap:
		resolved := new(phpMap)
		for _, key := range v.keys {
			resolved.set(key, resolve(v.get(key), answer))
		}
		return resolved
	case string:
		if whole := reference.FindString(v); whole == v && whole != "" {
			if found, ok := lookUp(v, answer); ok {
				return found
			}
			return v
		}
		return reference.ReplaceAllStringFunc(v, func(name string) string {
			found, ok := lookUp(name, answer)
			if !ok || isArray(found) {
				return name
			}
			return text(found)
		})
	}
	return value
}

// lookUp finds what a reference names.
func lookUp(name string, answer map[string]*phpMap) (any, bool) {
	parts := reference.FindStringSubmatch(name)
	var value any = answer[parts[1]]
	for _, key := range referenceKey.FindAllStringSubmatch(parts[2], -1) {
		switch v := value.(type) {
		case *phpMap:
			if !v.has(key[1]) {
				return nil, false
			}
			value = v.get(key[1])
		case []any:
			i, err := strconv.Atoi(key[1])
			if err != nil || i < 0 || i >= len(v) {
				return nil, false
			}
			value = v[i]
		default:
			return nil, false
		}
	}
	return value, true
}

func isArray(value any) bool {
	switch value.(type) {
	case *phpMap, []any:
		return true
	}
	return false
}
