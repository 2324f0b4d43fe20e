package bitrix24

import (
	"fmt"
	"testing"
)

func TestEventValues(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"":                     "",
		"C5:NEW":               "C5:NEW",
		"a+b++":                "a b  ",
		"%D0%A1%d0%b4":         "Сд",
		"Сделка":               "Сделка",
		"%2":                   "%2",
		"%":                    "%",
		"%%41":                 "%A",
		"%4":                   "%4",
		"%4g%g4%4/%4:%@1%`1%G": "%4g%g4%4/%4:%@1%`1%G",
		"a%20":                 "a ",
		"%2541":                "%41",
		"%5Bx%5d":              "[x]",
	} {
		if got := string(unescaped([]byte(value))); got != want {
			t.Errorf("%q is %q, want %q", value, got, want)
		}
	}
	for b := range 256 {
		for _, format := range []string{"%%%02x", "%%%02X"} {
			if got := unescaped(fmt.Appendf(nil, format, b)); len(got) != 1 || got[0] != byte(b) {
				t.Errorf(format+" is %q", b, got)
			}
		}
	}
}
