package bitrix24

import (
	"encoding/json"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestParamsAreWrittenForPHP(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		params Params
		want   string // unescaped
	}{
		{nil, ""},
		{Params{}, ""},
		{Params{"id": 4521}, "id=4521"},
		{Params{"b": 2, "a": 1, "c": int64(9007199254740993)}, "a=1&b=2&c=9007199254740993"},
		{Params{"f": 0.5, "g": 1e21, "n": json.Number("12.50"), "m": -3}, "f=0.5&g=1000000000000000000000&m=-3&n=12.50"},
		{Params{"yes": true, "no": false, "nil": nil}, "no=0&yes=1"},
		{Params{"empty": Params{}, "list": []any{}, "map": map[string]any{}, "texts": []string{}, "text": ""}, "text="},
		{Params{"fields": Params{"stageId": "C5:NEW", "title": "Новый & # 100% + 1"}}, "fields[stageId]=C5:NEW&fields[title]=Новый & # 100% + 1"},
		{Params{"filter": map[string]any{">id": 50, "@stageId": []string{"NEW", "1"}}, "select": []any{"id", 7, nil, true}, "ids": []int{3, 1}}, "filter[>id]=50&filter[@stageId][0]=NEW&filter[@stageId][1]=1&ids[0]=3&ids[1]=1&select[0]=id&select[1]=7&select[3]=1"},
		{Params{"a": Params{"b": Params{"c": []any{Params{"d": "e"}}}}}, "a[b][c][0][d]=e"},
		{Params{"a&auth": "x=y&z", "#": "\n"}, "#=\n&a&auth=x=y&z"},
	} {
		got, err := test.params.query()
		if err != nil {
			t.Errorf("%v: %v", test.params, err)
			continue
		}
		unescaped, err := url.QueryUnescape(got)
		if err != nil || unescaped != test.want {
			t.Errorf("%v: %q, want %q (%v)", test.params, unescaped, test.want, err)
		}
		for i, c := range got {
			if c <= ' ' || c >= 0x7f || strings.ContainsRune("#\"\\[]<>'", c) {
				t.Errorf("%v: %q is not escaped at %d", test.params, got, i)
			}
		}
		if want := strings.Count(got, "="); strings.Count(got, "&") != max(0, want-1) {
			t.Errorf("%v: a sign within a text is not escaped: %q", test.params, got)
		}
	}
}

func TestParamsThatACommandCannotHold(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{
		"a struct": struct{ A int }{1}, "a time": time.Now(), "bytes": []byte("a"), "a pointer": new(int), "a channel": make(chan int),
		"not a number": math.NaN(), "infinite": math.Inf(-1), "a float32": float32(1), "unsigned": uint(1), "numbers": []float64{1},
	} {
		for _, params := range []Params{{"x": value}, {"x": []any{1, value}}, {"x": Params{"y": value}}} {
			if query, err := params.query(); err == nil {
				t.Errorf("%s: %q", name, query)
			} else if !strings.Contains(err.Error(), `"x`) {
				t.Errorf("%s: the error does not name the parameter: %v", name, err)
			}
		}
	}
	if query, err := (Params{"": 1}).query(); err == nil {
		t.Errorf("a parameter without a name: %q", query)
	}
}

func TestReferencesAreFound(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"result", "error", "total", "next", "time"} {
		text := "$" + name + "["
		for _, params := range []Params{
			{"id": text + "a]"},
			{"id": "цена 5" + text + "x"},
			{"fields": Params{"TITLE": []any{"a", "Смотри " + text}}},
			{text + "a]": 1},
			{"$" + name: Params{"a": 1}},
			{"filter": Params{"x" + text + "0][ID]": "b"}},
			{"n": json.Number(text)},
			{"ids": []string{"1", text + "a][0]"}},
		} {
			query, err := params.query()
			if err != nil || !refers(query) {
				t.Errorf("%v is let through as %q (%v)", params, query, err)
			}
		}
	}
	for _, text := range []string{
		"", "$", "$result", "$result(", "result[a]", "$ result[a]", "$100 [скидка]", "%24result[a]", "$results[a]", "$$next", "$result [a]", "[$result]",
	} {
		query, err := (Params{"fields": Params{"TITLE": text, "next": "[a]"}}).query()
		if err != nil || refers(query) {
			t.Errorf("%q is refused (%v)", text, err)
		}
	}
}
