package bitrix24

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Params are the parameters of a call. Values are texts, truth values, whole
// numbers and those with a fraction, [json.Number], Params, map[string]any, []any,
// []string and []int, nested as deep as the method wants.
type Params map[string]any

// query returns the parameters as PHP reads them in the query of a command:
// "fields[stageId]=NEW". A truth value is 1 or 0, and nil and what is empty are
// left out, which is the most that a query can say.
func (p Params) query() (string, error) {
	var b strings.Builder
	err := appendQuery(&b, "", p)
	return b.String(), err
}

func appendQuery(b *strings.Builder, name string, value any) error {
	switch v := value.(type) {
	case nil:
		return nil
	case Params:
		return appendMap(b, name, v)
	case map[string]any:
		return appendMap(b, name, v)
	case []any:
		return appendList(b, name, v)
	case []string:
		return appendList(b, name, v)
	case []int:
		return appendList(b, name, v)
	}
	text, ok := scalar(value)
	if !ok || name == "" {
		return fmt.Errorf("the parameter %q is a %T, which a command cannot hold", name, value)
	}
	if b.Len() > 0 {
		b.WriteByte('&')
	}
	b.WriteString(url.QueryEscape(name))
	b.WriteByte('=')
	b.WriteString(url.QueryEscape(text))
	return nil
}

func appendMap(b *strings.Builder, name string, m map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if err := appendQuery(b, member(name, key), m[key]); err != nil {
			return err
		}
	}
	return nil
}

func appendList[T any](b *strings.Builder, name string, list []T) error {
	for i, value := range list {
		if err := appendQuery(b, member(name, strconv.Itoa(i)), value); err != nil {
			return err
		}
	}
	return nil
}

// member returns the name of what stands under key.
func member(name, key string) string {
	if name == "" {
		return key
	}
	return name + "[" + key + "]"
}

// scalar returns a value that is a single text.
func scalar(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), !math.IsNaN(v) && !math.IsInf(v, 0)
	case bool:
		if v {
			return "1", true
		}
		return "0", true
	}
	return "", false
}

// references are how a command begins what the portal replaces by the result of an
// earlier one, also within the text of a person.
var references = []string{"$result[", "$error[", "$total[", "$next[", "$time["}

// refers reports whether the portal would replace something in the text of a
// command. It looks at names too.
func refers(query string) bool {
	if !strings.Contains(query, "%24") { // an escaped "$"
		return false
	}
	text, err := url.QueryUnescape(query)
	return err != nil || slices.ContainsFunc(references, func(r string) bool { return strings.Contains(text, r) })
}
